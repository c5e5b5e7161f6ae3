package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// described is the API's own description, to hold answers to.
var described = sync.OnceValue(func() *huma.OpenAPI {
	routes := (&server{}).routes(http.NewServeMux())
	document(routes)
	return routes.OpenAPI()
})

// call sends a request and holds the answer to what is true of every answer.
func (w *world) call(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	h, data := rec.Header(), rec.Body.Bytes()
	if h.Get("X-Request-Id") == "" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %s: headers %v", r.Method, r.URL, h)
	}
	if strings.Contains(w.log.String(), w.token) || strings.Contains(rec.Body.String(), w.token) {
		t.Errorf("%s %s: the token is in the log or the answer", r.Method, r.URL)
	}
	if len(data) == 0 {
		return rec
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil || !utf8.Valid(data) {
		t.Fatalf("%s %s: answer is not JSON in UTF-8 (%v): %q", r.Method, r.URL, err, data)
	}
	if rec.Code >= 400 {
		var p Problem
		json.Unmarshal(data, &p)
		if p.Status != rec.Code || p.Title == "" || p.Detail == "" || p.Instance != "urn:uuid:"+h.Get("X-Request-Id") {
			t.Errorf("%s %s: problem %s with status %d", r.Method, r.URL, data, rec.Code)
		}
		if h.Get("ETag") != "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: a problem that may be kept: %v", r.Method, r.URL, h)
		}
	}
	for _, e := range nonconforming(r, rec, v) {
		t.Errorf("%s %s: answer is not as described: %v", r.Method, r.URL, e)
	}
	return rec
}

// nonconforming holds an answer to the OpenAPI document.
func nonconforming(r *http.Request, rec *httptest.ResponseRecorder, v any) []error {
	mux := http.NewServeMux()
	for path := range described().Paths {
		mux.Handle(path, http.NotFoundHandler())
	}
	_, path := mux.Handler(&http.Request{Method: "GET", URL: r.URL})
	item := described().Paths[path]
	if item == nil {
		return nil // not an operation
	}
	op := map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post}[r.Method]
	if op == nil {
		return nil // a method that it does not have
	}
	response := op.Responses[fmt.Sprint(rec.Code)]
	if response == nil {
		response = op.Responses["default"]
	}
	content := response.Content[rec.Header().Get("Content-Type")]
	if content == nil {
		return []error{fmt.Errorf("status %d as %s is not described", rec.Code, rec.Header().Get("Content-Type"))}
	}
	var res huma.ValidateResult
	huma.Validate(described().Components.Schemas, content.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, &res)
	return res.Errors
}

func (w *world) get(t testing.TB, target string) *httptest.ResponseRecorder {
	t.Helper()
	return w.call(t, httptest.NewRequest("GET", target, nil))
}

// decode reads an answer as plain values.
func decode(t *testing.T, rec *httptest.ResponseRecorder) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpenAPIDocument(t *testing.T) {
	const golden = "../../docs/openapi.json"
	got := newWorld(t).get(t, "/api/openapi.json").Body.Bytes()
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/openapi.json is not what is served; run go test ./internal/api -update (-want +got):\n%s", diff)
	}
}

// Every operation and parameter says what it is for, and every type too.
func TestOpenAPIIsDocumented(t *testing.T) {
	for path, item := range described().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post} {
			if op == nil {
				continue
			}
			if op.Summary == "" || op.OperationID == "" || len(op.Tags) != 1 {
				t.Errorf("%s: operation %q has no summary, id or tag", path, op.OperationID)
			}
			for _, p := range op.Parameters {
				if p.Description == "" {
					t.Errorf("%s: parameter %q has no description", op.OperationID, p.Name)
				}
			}
		}
	}
	for name, schema := range described().Components.Schemas.Map() {
		if name == "ErrorModel" {
			t.Error("huma's ErrorModel is described, and never sent")
		}
		for field, s := range schema.Properties {
			if s.Type == "array" && s.Nullable {
				t.Errorf("%s.%s: described as perhaps null", name, field)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name, method, target string
		header               http.Header
		want                 int
		wantDetail           string // held by the body
	}{
		{name: "no such path", target: "/api/v1/nothing", want: 404, wantDetail: "/api/openapi.json"},
		{name: "the root", target: "/api/", want: 404},
		{name: "no such crate", target: "/api/v1/crates/serd", want: 404, wantDetail: `There is no crate \"serd\" here.`},
		{name: "no such version", target: "/api/v1/crates/itoa/2.0.0", want: 404},
		{name: "part of a version", target: "/api/v1/crates/itoa/1", want: 404},
		{name: "runs of no such version", target: "/api/v1/crates/itoa/2.0.0/check-runs", want: 404},
		{name: "no such run", target: "/api/v1/check-runs/99", want: 404},
		{name: "run that is no number", target: "/api/v1/check-runs/x", want: 404},
		{name: "run written otherwise", target: "/api/v1/check-runs/+11", want: 404},
		{name: "run beyond 64 bits", target: "/api/v1/check-runs/99999999999999999999", want: 404},
		{name: "no such check", target: "/api/v1/checks/none", want: 404, wantDetail: "/api/v1/checks"},
		{name: "no such announcement", target: "/api/v1/announcements/7", want: 404},
		{name: "slash in a name", target: "/api/v1/crates/a%2Fb", want: 404},
		{name: "dots in a name", target: "/api/v1/crates/%2e%2e", want: 404},
		{name: "dots in a path", target: "/api/v1/checks/../crates", want: 404, wantDetail: "plain form"},
		{name: "doubled slash", target: "/api/v1//crates", want: 404},
		{name: "slash at the end", target: "/api/v1/crates/", want: 404},
		{name: "NUL in a name", target: "/api/v1/crates/a%00b", want: 404},
		{name: "no UTF-8 in a name", target: "/api/v1/crates/a%ffb", want: 404},
		{name: "overlong name", target: "/api/v1/crates/" + strings.Repeat("a", 65), want: 404},
		{name: "overlong path", target: "/api/v1/crates/" + strings.Repeat("a", 5000), want: 414},
		{name: "overlong query", target: "/api/v1/crates?q=" + strings.Repeat("a", 5000), want: 414},
		{name: "long search", target: "/api/v1/crates?q=" + strings.Repeat("a", 201), want: 422, wantDetail: "query.q"},
		{name: "NUL in a search", target: "/api/v1/crates?q=%00", want: 422, wantDetail: "query.q"},
		{name: "no UTF-8 in a cursor", target: "/api/v1/crates?cursor=%ff", want: 422, wantDetail: "query.cursor"},
		{name: "no cursor of ours", target: "/api/v1/crates?cursor=no+cursor", want: 422, wantDetail: "query.cursor"},
		{name: "no limit", target: "/api/v1/crates?limit=0", want: 422, wantDetail: "query.limit"},
		{name: "high limit", target: "/api/v1/crates?limit=101", want: 422, wantDetail: "query.limit"},
		{name: "limit that is no number", target: "/api/v1/crates?limit=ten", want: 422, wantDetail: "query.limit"},
		{ // a misspelt all would silently leave runs out
			name: "unknown parameter", target: "/api/v1/crates/itoa/1.0.0/check-runs?al=true", want: 422, wantDetail: "query.al",
		},
		{name: "method", method: "DELETE", target: "/api/v1/crates/itoa", want: 405, wantDetail: "takes GET, HEAD, not DELETE"},
		{name: "posting to a GET", method: "POST", target: "/api/v1/crates", want: 405},
		{name: "getting the webhook", target: "/api/v1/webhooks/publish", want: 405, wantDetail: "takes POST"},
		{name: "accepting a page", target: "/api/v1/crates", header: http.Header{"Accept": {"text/html"}}, want: 406},
		{name: "accepting no JSON", target: "/api/v1/crates", header: http.Header{"Accept": {"application/json;q=0, */*"}}, want: 406},
		{name: "bad token on a public page", target: "/api/v1/crates", header: http.Header{"Authorization": {"Bearer x"}}, want: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := httptest.NewRequest("GET", tt.target, nil)
			if tt.method != "" {
				r.Method = tt.method
			}
			if tt.header != nil {
				r.Header = tt.header
			}
			rec := w.call(t, r)
			if rec.Code != tt.want || !strings.Contains(rec.Body.String(), tt.wantDetail) {
				t.Errorf("answer %d %s\nwant %d with %s", rec.Code, rec.Body, tt.want, tt.wantDetail)
			}
			if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type: %s", got)
			}
		})
	}
}

func TestAcceptsJSON(t *testing.T) {
	tests := []struct {
		accept []string
		want   bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/*"}, true},
		{[]string{"application/json; charset=utf-8"}, true},
		{[]string{"text/html, application/xml;q=0.9, */*;q=0.8"}, true}, // a browser
		{[]string{"text/html", "application/json;q=0.1"}, true},
		{[]string{"application/json;q"}, true}, // huma's own reader panics here
		{[]string{"application/json;"}, true},
		{[]string{";;;,,,"}, true},
		{[]string{"text/html"}, false},
		{[]string{"application/json;q=0"}, false},
		{[]string{"*/*;q=0"}, false},
		{[]string{"application/json;q=0, */*"}, false}, // the more specific one holds
		{[]string{"*/*, application/json;q=0"}, false},
	}
	for _, tt := range tests {
		if got := acceptsJSON(tt.accept); got != tt.want {
			t.Errorf("acceptsJSON(%q) = %v", tt.accept, got)
		}
		w, r := newWorld(t), httptest.NewRequest("GET", "/api/v1/crates?limit=0", nil)
		r.Header["Accept"] = tt.accept
		if got, want := w.call(t, r).Code, map[bool]int{true: 422, false: 406}[tt.want]; got != want {
			t.Errorf("with Accept %q: %d, want %d", tt.accept, got, want)
		}
	}
}

func TestStoreTrouble(t *testing.T) {
	targets := []string{
		"/api/v1/crates", "/api/v1/crates/itoa", "/api/v1/crates/itoa/1.0.0", "/api/v1/crates/itoa/1.0.0/check-runs?all=true",
		"/api/v1/check-runs/11", "/api/v1/announcements/1",
	}
	for _, target := range targets {
		w := newWorld(t)
		w.err = errors.New("no such table: secrets at /var/lib/db")
		rec := w.get(t, target)
		if rec.Code != 500 || strings.Contains(rec.Body.String(), "table") {
			t.Errorf("%s: %d %s, want a 500 that tells nothing", target, rec.Code, rec.Body)
		}
		if log := w.log.String(); !strings.Contains(log, "no such table") || !strings.Contains(log, rec.Header().Get("X-Request-Id")) {
			t.Errorf("%s: log %s: want the trouble with the request's id", target, log)
		}
	}
	w := newWorld(t)
	w.err = fmt.Errorf("list crates: %w", context.DeadlineExceeded)
	if rec := w.get(t, "/api/v1/crates"); rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("out of time: %d %v", rec.Code, rec.Header())
	}
	w = newWorld(t)
	w.panics = true
	if rec := w.get(t, "/api/v1/crates/itoa"); rec.Code != 500 || strings.Contains(rec.Body.String(), "broke on the store") {
		t.Errorf("after a panic: %d %s", rec.Code, rec.Body)
	}
	if log := w.log.String(); !strings.Contains(log, "the store broke") || !strings.Contains(log, `"status":500`) {
		t.Errorf("log after a panic: %s", log)
	}
}

func TestAccessLog(t *testing.T) {
	w := newWorld(t)
	w.get(t, "/api/v1/crates/itoa")
	w.get(t, "/api/v1/crates?q=hush")
	w.get(t, "/hush")
	var got []string
	for line := range strings.Lines(w.log.String()) {
		var entry struct {
			Method, Route string
			Status, Bytes int
			Duration      int64
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Bytes == 0 || entry.Duration <= 0 {
			t.Errorf("log entry %s", line)
		}
		got = append(got, fmt.Sprint(entry.Route, " ", entry.Status))
	}
	want := []string{"GET /api/v1/crates/{name} 200", "GET /api/v1/crates 200", "none 404"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if strings.Contains(w.log.String(), "hush") {
		t.Errorf("the log holds a query or a path: %s", w.log)
	}
}

func TestETag(t *testing.T) {
	w := newWorld(t)
	const target = "/api/v1/crates/itoa/1.0.0"
	first := w.get(t, target)
	etag := first.Header().Get("ETag")
	if first.Code != 200 || etag == "" || first.Header().Get("Cache-Control") != "public, max-age=0, must-revalidate" {
		t.Fatalf("answer %d with %v", first.Code, first.Header())
	}
	tests := []struct {
		header []string
		want   int
	}{
		{[]string{etag}, 304},
		{[]string{"W/" + etag}, 304}, // as a compressing proxy makes of it
		{[]string{`"x", ` + etag}, 304},
		{[]string{`"x"`, etag}, 304},
		{[]string{"*"}, 304},
		{[]string{`"x"`}, 200},
		{[]string{strings.Trim(etag, `"`)}, 200},
		{[]string{""}, 200},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", target, nil)
		r.Header["If-None-Match"] = tt.header
		rec := w.call(t, r)
		if rec.Code != tt.want || rec.Header().Get("ETag") != etag || (rec.Code == 304 && rec.Body.Len() > 0) {
			t.Errorf("If-None-Match %q: %d, ETag %s, %d bytes", tt.header, rec.Code, rec.Header().Get("ETag"), rec.Body.Len())
		}
	}
	w.releases[2].Yanked = true
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("If-None-Match", etag)
	if rec := w.call(t, r); rec.Code != 200 || rec.Header().Get("ETag") == etag {
		t.Errorf("after a change: %d, ETag %s", rec.Code, rec.Header().Get("ETag"))
	}
}

// Over a real connection, where net/http has its own say on HEAD and lengths.
func TestHEAD(t *testing.T) {
	srv := httptest.NewServer(newWorld(t).handler)
	defer srv.Close()
	got := map[string]*http.Response{}
	for _, method := range []string{"GET", "HEAD"} {
		r, _ := http.NewRequest(method, srv.URL+"/api/v1/crates/itoa", nil)
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || (len(data) > 0) != (method == "GET") {
			t.Errorf("%s: %d with %d bytes, %v", method, resp.StatusCode, len(data), err)
		}
		got[method] = resp
	}
	if rec := newWorld(t).call(t, httptest.NewRequest("HEAD", "/api/v1/crates/itoa", nil)); rec.Body.Len() > 0 {
		t.Errorf("HEAD has written %d bytes for net/http to drop", rec.Body.Len())
	}
	for _, name := range []string{"ETag", "Content-Type", "Content-Length"} {
		if a, b := got["GET"].Header.Get(name), got["HEAD"].Header.Get(name); a != b || a == "" {
			t.Errorf("%s: GET %q, HEAD %q", name, a, b)
		}
	}
}

func TestCORS(t *testing.T) {
	tests := []struct {
		name, method, target, asks string
		want                       int
		wantOrigin, wantMethods    string
	}{
		{name: "reading", method: "GET", target: "/api/v1/crates", want: 200, wantOrigin: "*"},
		{name: "reading what is not", method: "GET", target: "/api/v1/crates/none", want: 404, wantOrigin: "*"},
		{name: "asking to read", method: "OPTIONS", asks: "GET", target: "/api/v1/crates", want: 204, wantOrigin: "*", wantMethods: "GET, HEAD"},
		{ // the answer lets reading pass, and not what was asked for
			name: "asking to submit", method: "OPTIONS", asks: "PUT", target: "/api/v1/crates/a/1.0.0", want: 204, wantOrigin: "*", wantMethods: "GET, HEAD",
		},
		{name: "asking to announce", method: "OPTIONS", asks: "POST", target: "/api/v1/webhooks/publish", want: 204},
		{name: "asking nowhere", method: "OPTIONS", asks: "GET", target: "/api/v1/none", want: 404},
		{name: "submitting", method: "PUT", target: "/api/v1/crates/a/1.0.0", want: 403},
		{name: "announcing", method: "POST", target: "/api/v1/webhooks/publish", want: 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.target, nil)
			r.Header.Set("Origin", "https://elsewhere.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			if tt.asks != "" {
				r.Header.Set("Access-Control-Request-Method", tt.asks)
			}
			rec := newWorld(t).call(t, r)
			h := rec.Header()
			if rec.Code != tt.want || h.Get("Access-Control-Allow-Origin") != tt.wantOrigin || h.Get("Access-Control-Allow-Methods") != tt.wantMethods {
				t.Errorf("answer %d with %v", rec.Code, h)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are let in")
			}
		})
	}
}

func TestAllow(t *testing.T) {
	w := newWorld(t)
	rec := w.call(t, httptest.NewRequest("DELETE", "/api/v1/crates/itoa/1.0.0", nil))
	if got, want := rec.Header().Get("Allow"), "GET, HEAD, PUT, OPTIONS"; got != want {
		t.Errorf("Allow: %s, want %s", got, want)
	}
}

// What the CLI prints holds nothing that only a server knows, and nothing null.
func TestCheckDocument(t *testing.T) {
	doc := NewCheckDocument(crate.Release{Name: "itoa", Version: "1.0.0"})
	doc.Add(&check.Check{Name: "archive", Version: 2}, check.Report{Conclusion: check.Success, Title: "In order"})
	var out bytes.Buffer
	if err := encode(&out, doc); err != nil {
		t.Fatal(err)
	}
	want := `{"release":{"name":"itoa","version":"1.0.0"},"check_runs":[{"check":"archive","check_version":2,"status":"completed","conclusion":"success","title":"In order","findings":[],"metrics":{}}]}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func BenchmarkGetCheckRuns(b *testing.B) {
	w := newWorld(b)
	w.log.Grow(1 << 20)
	for b.Loop() {
		w.log.Reset()
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest("GET", "/api/v1/crates/serde-json/1.0.0/check-runs", nil))
		if rec.Code != 200 {
			b.Fatal(rec.Code)
		}
	}
}
