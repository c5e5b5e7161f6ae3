package registry

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/mirror"
)

const filePath = "/p/default/index/ti/dy/tidy-int"

// The whole answer to cargo's request, header by header.
func TestIndexHeaders(t *testing.T) {
	w := newWorld()
	w.gate.serve("default/tidy-int", line)
	tag := w.gate.files["default/tidy-int"].ETag
	got := w.get(t, filePath, "", "Accept-Encoding", "deflate, gzip")
	want := http.Header{
		"Cache-Control":          {"private, no-cache"},
		"Content-Encoding":       {"gzip"},
		"Content-Length":         {fmt.Sprint(got.Body.Len())},
		"Content-Type":           {"text/plain; charset=utf-8"},
		"Etag":                   {tag},
		"Last-Modified":          {"Sun, 01 Mar 2026 12:00:00 GMT"},
		"Vary":                   {"Accept-Encoding, Authorization"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if diff := cmp.Diff(want, got.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	unpacked, err := gzip.NewReader(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(unpacked); string(body) != line || err != nil {
		t.Errorf("body %q, %v", body, err)
	}

	plain := w.get(t, filePath, "")
	if h := plain.Header(); plain.Body.String() != line || h.Get("Content-Encoding") != "" || h.Get("ETag") != "W/"+tag || h.Get("Content-Length") != fmt.Sprint(len(line)) {
		t.Errorf("unpacked: %v %q", plain.Header(), plain.Body)
	}

	r := httptest.NewRequest(http.MethodHead, filePath, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	head := httptest.NewRecorder()
	New(w.deps).ServeHTTP(head, r)
	if diff := cmp.Diff(want, head.Header()); diff != "" || head.Body.Len() > 0 {
		t.Errorf("HEAD has a body of %d bytes, headers (-want +got):\n%s", head.Body.Len(), diff)
	}
}

func TestIndexUnmodified(t *testing.T) {
	w := newWorld()
	w.gate.serve("default/tidy-int", line)
	tag := w.gate.files["default/tidy-int"].ETag
	long := strings.Repeat(`"aaaaaaaaaaaaaaaa", `, 60) + tag
	tests := []struct {
		header, value string
		want          int
	}{
		{"If-None-Match", tag, 304},
		{"If-None-Match", "W/" + tag, 304}, // a proxy that repacked it
		{"If-None-Match", `"other"`, 200},
		{"If-None-Match", `"other", ` + tag, 304},
		{"If-None-Match", tag + `,"other"`, 304},
		{"If-None-Match", strings.Trim(tag, `"`), 200},
		{"If-None-Match", strings.ToUpper(tag), 200},
		{"If-None-Match", tag[:len(tag)-1], 200},
		// Who has no copy must not be told that it is as it was.
		{"If-None-Match", "*", 200},
		{"If-None-Match", "", 200},
		{"If-None-Match", tag + ",", 200},
		{"If-None-Match", "," + tag, 200},
		{"If-None-Match", tag + tag, 200},
		{"If-None-Match", `"a"b"` + tag, 200},
		{"If-None-Match", `w/` + tag, 200},
		{"If-None-Match", long, 200},
		// A date has a grain of a second, within which a release may be held.
		{"If-Modified-Since", "Sun, 01 Mar 2026 12:00:00 GMT", 200},
		{"If-Modified-Since", "Sun, 01 Mar 2037 12:00:00 GMT", 200},
	}
	for _, tt := range tests {
		got := w.get(t, filePath, "", "Accept-Encoding", "gzip", tt.header, tt.value)
		if got.Code != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.header, tt.value, got.Code, tt.want)
		}
		if got.Code == 304 && (got.Body.Len() > 0 || got.Header().Get("ETag") != tag || got.Header().Get("Cache-Control") == "") {
			t.Errorf("304 with %v and %d bytes", got.Header(), got.Body.Len())
		}
	}
	r := httptest.NewRequest(http.MethodGet, filePath, nil)
	r.Header["If-None-Match"] = []string{tag, tag}
	answer := httptest.NewRecorder()
	New(w.deps).ServeHTTP(answer, r)
	if answer.Code != 200 {
		t.Errorf("two If-None-Match: %d, want 200", answer.Code)
	}
}

func TestAcceptsGzip(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{"deflate, gzip", true}, {"gzip", true}, {"GZIP", true}, {"x-gzip", true}, {"gzip;q=0.1", true}, {"br, gzip ; q=1", true}, {"*", true},
		{"", false}, {"br", false}, {"gzip;q=0", false}, {"gzip; q=0.000", false}, {"*, gzip;q=0", false}, {"*;q=0", false}, {"gzipped", false},
		{strings.Repeat("br, ", 100) + "gzip", false},
	}
	for _, tt := range tests {
		if got := acceptsGzip([]string{tt.in}); got != tt.want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", tt.in, got, tt.want)
		}
	}
	if acceptsGzip(nil) {
		t.Error("acceptsGzip of no header")
	}
}

// What upstream says is known before the gate is asked, and its trouble never
// hides what is known.
func TestIndexRefreshes(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		arrives bool // with the refresh
		known   bool // before it
		want    int
	}{
		{name: "new upstream", arrives: true, want: 200},
		{name: "known, and upstream away", known: true, err: mirror.ErrTrouble, want: 200},
		{name: "known, and gone upstream", known: true, err: mirror.ErrNotFound, want: 200},
		{name: "unknown upstream", err: mirror.ErrNotFound, want: 404},
		{name: "unknown, and upstream away", err: mirror.ErrTrouble, want: 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			if tt.known {
				w.gate.serve("default/tidy-int", line)
			}
			w.mirror.refresh = func(string) error {
				if tt.arrives {
					w.gate.serve("default/tidy-int", line)
				}
				if tt.err != nil {
					return fmt.Errorf("secret place: %w", tt.err)
				}
				return nil
			}
			got := w.get(t, filePath, "")
			if got.Code != tt.want {
				t.Errorf("answer %d %s, want %d", got.Code, got.Body, tt.want)
			}
			checkRefusal(t, got)
		})
	}
}

func TestConfig(t *testing.T) {
	tests := []struct {
		base, host, path, token string
		want                    index.Config
	}{
		{host: "10.0.0.1:8080", path: "/p/default/index/config.json", want: index.Config{DL: "http://10.0.0.1:8080/p/default/dl/{crate}/{version}/{sha256-checksum}"}},
		{host: "[::1]:8080", path: "/p/default/index/config.json", want: index.Config{DL: "http://[::1]:8080/p/default/dl/{crate}/{version}/{sha256-checksum}"}},
		{base: "https://fence.example/", host: "evil.example", path: "/p/default/index/config.json", want: index.Config{DL: "https://fence.example/p/default/dl/{crate}/{version}/{sha256-checksum}"}},
		{host: "a", path: "/p/strict/index/config.json", token: "ci-secret", want: index.Config{DL: "http://a/p/strict/dl/{crate}/{version}/{sha256-checksum}", AuthRequired: true}},
	}
	for _, tt := range tests {
		w := newWorld()
		w.deps.BaseURL = tt.base
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		r.Host = tt.host
		if tt.token != "" {
			r.Header.Set("Authorization", tt.token)
		}
		answer := httptest.NewRecorder()
		New(w.deps).ServeHTTP(answer, r)
		got, err := index.ParseConfig(answer.Body.Bytes())
		if err != nil {
			t.Fatalf("config.json %q: %v", answer.Body, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("config.json (-want +got):\n%s", diff)
		}
		if _, err := got.DownloadURL("tidy-int", "1.0.0", crate.Checksum{}); err != nil {
			t.Error(err)
		}
	}
	for _, host := range []string{"", "a b", "a/b", "user@a", `a"b`, "a\x00"} {
		w := newWorld()
		r := httptest.NewRequest(http.MethodGet, "/p/default/index/config.json", nil)
		r.Host = host
		answer := httptest.NewRecorder()
		New(w.deps).ServeHTTP(answer, r)
		if answer.Code != 400 {
			t.Errorf("Host %q: %d %s, want 400", host, answer.Code, answer.Body)
		}
	}
}

// Without a token nothing is served where one is required.
func TestAuthRequired(t *testing.T) {
	w := newWorld()
	w.deps.Access.AuthRequired = true
	w.gate.serve("default/tidy-int", line)
	tests := []struct {
		path, token string
		want        int
	}{
		{filePath, "", 401}, {filePath, "laptop", 200}, {filePath, "other-secret", 403}, {filePath, "ci-secret", 403},
		{"/p/default/index/config.json", "", 401},
	}
	for _, tt := range tests {
		if got := w.get(t, tt.path, tt.token); got.Code != tt.want {
			t.Errorf("%s with %q: %d, want %d", tt.path, tt.token, got.Code, tt.want)
		}
	}
}

// A file that was stored in part is never served as a whole.
func TestIndexBroken(t *testing.T) {
	w := newWorld()
	w.gate.serve("default/tidy-int", line)
	file := w.gate.files["default/tidy-int"]
	file.Gzip = file.Gzip[:len(file.Gzip)/2]
	w.gate.files["default/tidy-int"] = file
	server := httptest.NewServer(New(w.deps))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	resp, err := client.Get(server.URL + filePath)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half a file arrived as a whole one")
	}
}

// FuzzRoute holds parseRoute against the paths that are built from what it finds.
func FuzzRoute(f *testing.F) {
	sum := crate.Sum(nil).String()
	f.Add("/p/default/index/ti/dy/tidy-int")
	f.Add("/p/default/index/3/a/abc")
	f.Add("/p/default/dl/Tidy_Int/1.0.0-rc.1+b/" + sum)
	f.Add("/p/a/index/config.json")
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = path
		to, ok := parseRoute(r.URL)
		if !ok {
			return
		}
		again := root + to.policy
		switch to.kind {
		case toConfig:
			again += "/index/config.json"
		case toIndex:
			file, err := index.Path(to.name)
			if err != nil {
				t.Fatal(err)
			}
			again += "/index/" + file
		case toDownload:
			again += "/dl/" + to.name + "/" + to.version + "/" + to.sum.String()
		}
		if again != path {
			t.Errorf("%q is read as %q", path, again)
		}
	})
}

// FuzzHasTag holds that only a list which names the tag matches it.
func FuzzHasTag(f *testing.F) {
	f.Add(`"a", W/"tag"`)
	f.Fuzz(func(t *testing.T, header string) {
		if hasTag([]string{header}, `"tag"`) && !strings.Contains(header, `"tag"`) {
			t.Errorf("%q matches", header)
		}
		acceptsGzip([]string{header})
	})
}
