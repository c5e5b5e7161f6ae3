package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/htmlcheck"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// read asks for a page that has to be there.
func read(t *testing.T, h http.Handler, path string) *htmlcheck.Doc {
	t.Helper()
	w := get(h, path)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s = %d, want 200", path, w.Code)
	}
	doc, err := htmlcheck.Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestPagesCanBeReadByEverybody(t *testing.T) {
	h := serve(everything())
	for _, path := range append(pages, "/crates/nobody", "/nowhere") {
		doc, err := htmlcheck.Parse(get(h, path).Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range htmlcheck.Lint(doc) {
			t.Errorf("GET %s: %s", path, problem)
		}
	}
}

func TestEveryAnswerHasThePolicy(t *testing.T) {
	h := serve(everything())
	requests := []struct{ method, path string }{
		{"GET", "/"}, {"HEAD", "/crates/arrayview"}, {"GET", "/crates/ARRAYVIEW"}, {"GET", "/crates/nobody"}, {"GET", "/favicon.ico"},
		{"POST", "/crates"}, {"GET", "/static/none.css"}, {"GET", read(t, h, "/").Attr("link[rel=stylesheet]", "href")}, {"GET", "//evil.example/.."},
	}
	want := "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	for _, r := range requests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(r.method, r.path, nil))
		if got := w.Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s %s = %d with policy %q", r.method, r.path, w.Code, got)
		}
		if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s %s = %d with X-Content-Type-Options %q", r.method, r.path, w.Code, got)
		}
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		path     string
		want     int
		location string
	}{
		{"/", 200, ""},
		{"/crates/arrayview", 200, ""},
		{"/crates/ArrayView", 301, "/crates/arrayview"},
		{"/crates/arrayview/", 301, "/crates/arrayview"},
		{"/crates/?q=x", 301, "/crates?q=x"},
		{"/%2f/evil.example/", 301, "/evil.example"}, // never to another host
		{"/crates/quiet_crate/security", 301, "/crates/quiet-crate/security"},
		{"/crates/pointing-out/0.1.0-alpha.2+build.5/security?x=1", 301, "/crates/Pointing_Out/0.1.0-alpha.2+build.5/security?x=1"},
		{"/crates/Quiet-Crate/versions?page=1", 301, "/crates/quiet-crate/versions?page=1"},
		{"/crates/quiet-crate/versions?page=nonsense", 200, ""},
		{"/crates/quiet-crate/versions?page=2", 404, ""},
		{"/crates/quiet-crate/1.60.0", 200, ""},
		{"/crates/quiet-crate/1.61.0", 404, ""},
		{"/crates/quiet-crate/1.60.0/versions", 404, ""},
		{"/crates/quiet-crate/latest", 404, ""},
		{"/crates/nobody", 404, ""},
		{"/crates/no%20name", 404, ""},
		{"/crates/..%2f..%2fetc", 404, ""},
		{"/crates/" + strings.Repeat("a", 65), 404, ""},
		{"/checks/nothing", 404, ""},
		{"/checks/checker/nothing", 404, ""},
		{"/nowhere", 404, ""},
	}
	h := serve(everything())
	for _, tt := range tests {
		w := get(h, tt.path)
		if w.Code != tt.want || w.Header().Get("Location") != tt.location {
			t.Errorf("GET %s = %d to %q, want %d to %q", tt.path, w.Code, w.Header().Get("Location"), tt.want, tt.location)
		}
	}
}

func TestNotFoundOffersSearch(t *testing.T) {
	w := get(serve(everything()), "/crates/nobody/1.0.0/security")
	doc, err := htmlcheck.Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := doc.Attr("input[name=q]", "value"), "nobody"; got != want {
		t.Errorf("the search holds %q, want %q", got, want)
	}
	if got, want := doc.Text("main .about"), `No release "1.0.0" of a crate named "nobody" has come here yet.`; got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
}

// A reader learns where to ask, and nothing of what went wrong.
func TestBrokenStore(t *testing.T) {
	var log bytes.Buffer
	f := everything()
	f.err = errors.New("connect to secret-host: refused")
	h := New(Config{Catalogue: f, Results: f, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w := get(h, "/crates/arrayview/security")
	doc, err := htmlcheck.Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	id := doc.Text("main code")
	if w.Code != 500 || id == "" || strings.Contains(w.Body.String(), "secret-host") {
		t.Errorf("GET = %d, request %q: %s", w.Code, id, doc.Text("main"))
	}
	if !strings.Contains(log.String(), "request="+id) || !strings.Contains(log.String(), "secret-host") {
		t.Errorf("the log does not say what happened to request %q: %s", id, log.String())
	}
	if w.Header().Get("ETag") != "" {
		t.Error("a failure is not to be kept")
	}
}

func TestBusyStore(t *testing.T) {
	f := everything()
	f.err = fmt.Errorf("read: %w", context.DeadlineExceeded)
	w := get(serve(f), "/")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("GET = %d with Retry-After %q, want 503 and when to come again", w.Code, w.Header().Get("Retry-After"))
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	f := everything()
	h := New(Config{Catalogue: f, Results: f, Now: func() time.Time { panic("clock") }, Logger: slog.New(slog.DiscardHandler)})
	if w := get(h, "/crates/fresh"); w.Code != 500 {
		t.Errorf("GET = %d, want 500", w.Code)
	}
}

func TestUnchangedPageIsNotSentAgain(t *testing.T) {
	f := everything()
	h := serve(f)
	etag := get(h, "/crates/fresh/security").Header().Get("ETag")
	again := func(match string) int {
		r := httptest.NewRequest("GET", "/crates/fresh/security", nil)
		r.Header.Set("If-None-Match", match)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if got := again(`"other", W/` + etag); etag == "" || got != http.StatusNotModified {
		t.Errorf("GET with ETag %s = %d, want 304", etag, got)
	}
	release, err := f.Release(t.Context(), "fresh", "1.0.0-rc.1")
	if err != nil {
		t.Fatal(err)
	}
	f.set(release.ID, isRunning("archive"))
	if got := again(etag); got != http.StatusOK {
		t.Errorf("GET of a changed page = %d, want 200", got)
	}
}

func TestStaticFilesAreKeptForEver(t *testing.T) {
	h := serve(&fake{})
	doc := read(t, h, "/")
	for want, url := range map[string]string{
		"text/css; charset=utf-8":        doc.Attr("link[rel=stylesheet]", "href"),
		"text/javascript; charset=utf-8": doc.Attr("script", "src"),
		"image/svg+xml":                  doc.Attr("link[rel=icon]", "href"),
	} {
		w := get(h, url)
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want {
			t.Errorf("GET %s = %d, %q; want 200, %q", url, w.Code, got, want)
		}
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("GET %s: Cache-Control %q", url, got)
		}
	}
}
