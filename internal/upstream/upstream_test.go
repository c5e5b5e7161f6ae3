package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/index"
)

var (
	bytesOf = []byte("the bytes of tidy-int 1.0.0")
	sum     = crate.Sum(bytesOf)
)

func line(version string) string {
	return fmt.Sprintf(`{"name":"tidy-int","vers":%q,"deps":[],"cksum":%q}`, version, sum)
}

// registry answers at paths with what a test puts there.
type registry map[string]http.HandlerFunc

func (r registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	handler, ok := r[req.URL.Path]
	if !ok {
		http.NotFound(w, req)
		return
	}
	handler(w, req)
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
}

func answering(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func endless(w http.ResponseWriter, req *http.Request) {
	block := bytes.Repeat([]byte("a"), 4096)
	for req.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// newClient serves a registry and returns a client of it.
func newClient(t *testing.T, r registry, opts Options) *Client {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	if r["/index/config.json"] == nil {
		r["/index/config.json"] = text(`{"dl":"` + server.URL + `/dl/{crate}/{version}"}`)
	}
	c, err := New("sparse+"+server.URL+"/index/", server.Client(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewRefuses(t *testing.T) {
	for _, in := range []string{
		"", "index.crates.io", "sparse+ftp://a/", "sparse+https://a/index", "https://", "https://a/?q=/", "https://a/#/",
		"sparse+https://user:secret@a/", "ftp://user:secret@a/", "https://user:secret@a\x7f/", "https://user:secret@a/?q=\x7f",
	} {
		if _, err := New(in, http.DefaultClient, Options{}); err == nil {
			t.Errorf("New(%q) succeeded", in)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("New(%q) tells the secret: %v", in, err)
		}
	}
}

func TestLine(t *testing.T) {
	const path = "/index/ti/dy/tidy-int"
	tests := []struct {
		name    string
		answer  http.HandlerFunc
		version string
		want    error // nil: the line of that version
	}{
		{name: "there", answer: text(line("0.1.0") + "\n" + line("0.2.0") + "\n"), version: "0.2.0"},
		{name: "beside a bad line", answer: text("{\n" + line("0.2.0")), version: "0.2.0"},
		{name: "no such version", answer: text(line("0.1.0")), version: "0.2.0", want: ErrNotFound},
		{name: "its line is bad", answer: text(line("0.1.0") + "\n{"), version: "0.2.0", want: index.ErrLine},
		{name: "stated twice", answer: text(line("0.2.0") + "\n" + line("0.2.0")), version: "0.2.0", want: ErrProtocol},
		{name: "another crate's file", answer: text(strings.Replace(line("0.2.0"), "tidy-int", "other", 1)), version: "0.2.0", want: ErrProtocol},
		{name: "no such crate", answer: answering(404), version: "0.2.0", want: ErrNotFound},
		{name: "gone", answer: answering(410), version: "0.2.0", want: ErrNotFound},
		{name: "busy", answer: answering(429), version: "0.2.0", want: ErrUnreachable},
		{name: "broken", answer: answering(502), version: "0.2.0", want: ErrUnreachable},
		{name: "not a registry", answer: answering(204), version: "0.2.0", want: ErrProtocol},
		{name: "endless", answer: endless, version: "0.2.0", want: ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, registry{path: tt.answer}, Options{MaxIndex: 10_000})
			got, err := c.Line(t.Context(), "tidy-int", tt.version)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Line = %v, want %v", err, tt.want)
			}
			if tt.want == nil && (got.Vers != tt.version || got.Cksum != sum) {
				t.Errorf("Line = %+v, want version %s", got, tt.version)
			}
		})
	}
}

func TestNoNameLeavesTheIndex(t *testing.T) {
	c := newClient(t, registry{}, Options{})
	if _, err := c.Versions(t.Context(), "../config.json"); !errors.Is(err, ErrNotFound) || !errors.Is(err, crate.ErrName) {
		t.Errorf("Versions of a name that climbs = %v, want ErrNotFound", err)
	}
	if _, err := c.DownloadRelease(t.Context(), "tidy-int", "../..", sum); !errors.Is(err, ErrNotFound) {
		t.Errorf("DownloadRelease of a version that climbs = %v, want ErrNotFound", err)
	}
}

func TestDownloadRelease(t *testing.T) {
	const path = "/dl/tidy-int/1.0.0"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{name: "the bytes", answer: text(string(bytesOf))},
		{name: "missing in an object store", answer: answering(403), want: ErrNotFound},
		{name: "busy", answer: answering(503), want: ErrUnreachable},
		{name: "other bytes", answer: text("other"), want: ErrChecksum},
		{name: "endless", answer: endless, want: ErrTooLarge},
		{ // cargo, too, takes 200 alone
			name: "part of it", want: ErrProtocol,
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); w.Write(bytesOf) },
		},
		{
			name: "a length that is over the limit", want: ErrTooLarge,
			answer: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000000000") },
		},
		{ // a body shorter than its header says
			name: "cut off", want: ErrUnreachable,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "20")
				w.Write([]byte("ab"))
			},
		},
		{
			name: "encoded unasked", want: ErrProtocol,
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(bytesOf)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, registry{path: tt.answer}, Options{MaxCrate: 10_000})
			got, err := c.DownloadRelease(t.Context(), "tidy-int", "1.0.0", sum)
			if !errors.Is(err, tt.want) {
				t.Fatalf("DownloadRelease = %v, want %v", err, tt.want)
			}
			if tt.want == nil && !bytes.Equal(got, bytesOf) {
				t.Errorf("DownloadRelease = %q, want %q", got, bytesOf)
			}
		})
	}
}

// What arrived in place of a release is evidence, and not lost.
func TestChecksumErrorKeepsTheBytes(t *testing.T) {
	c := newClient(t, registry{"/dl/tidy-int/1.0.0": text("other")}, Options{})
	_, err := c.DownloadRelease(t.Context(), "tidy-int", "1.0.0", sum)
	got, ok := errors.AsType[*ChecksumError](err)
	if !ok {
		t.Fatalf("DownloadRelease = %v, want a ChecksumError", err)
	}
	want := &ChecksumError{Want: sum, Got: crate.Sum([]byte("other")), Data: []byte("other")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestConfigIsBelievedForAWhile(t *testing.T) {
	var asked atomic.Int64
	answer := text(`{"dl":"https://dl.example"}`)
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	c := newClient(t, registry{"/index/config.json": func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		answer(w, req)
	}}, Options{ConfigTTL: time.Hour, Now: func() time.Time { return now }})

	want := func(step, dl string, requests int64) {
		t.Helper()
		config, err := c.Config(t.Context())
		if err != nil || config.DL != dl || asked.Load() != requests {
			t.Errorf("%s: Config = %+v, %v after %d requests, want %q after %d", step, config, err, asked.Load(), dl, requests)
		}
	}
	want("first", "https://dl.example", 1)
	now = now.Add(59 * time.Minute)
	want("young", "https://dl.example", 1)
	now = now.Add(time.Minute)
	answer = answering(503)
	want("old, and none newer to be had", "https://dl.example", 2)
	answer = text(`{"dl":"https://new.example"}`)
	want("old", "https://new.example", 3)
	now = now.Add(time.Hour)
	answer = text(`{"dl":1}`)
	if _, err := c.Config(t.Context()); !errors.Is(err, ErrProtocol) {
		t.Errorf("Config of a broken registry = %v, want ErrProtocol", err)
	}
}

func TestWhoGaveUp(t *testing.T) {
	hang := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
	c := newClient(t, registry{"/index/hang": hang}, Options{})
	from := c.base + "hang"

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Download(ctx, from); !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Download past its deadline = %v, want ErrUnreachable", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Download(cancelled, from); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("Download that was given up = %v, want context.Canceled alone", err)
	}
	if _, err := c.Download(t.Context(), "http://127.0.0.1:1/"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("Download from a closed port = %v, want ErrUnreachable", err)
	}
}

// The real client refuses addresses, and that is not worth another try.
func TestEgressRulesAreFinal(t *testing.T) {
	e, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New("https://127.0.0.1/", e.Client(egress.Upstream, egress.Limits{}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Config(t.Context()); !errors.Is(err, egress.ErrRefused) || errors.Is(err, ErrUnreachable) {
		t.Errorf("Config at a private address = %v, want egress.ErrRefused alone", err)
	}
}

func TestUserAgent(t *testing.T) {
	agents := make(chan string, 1)
	note := func(_ http.ResponseWriter, req *http.Request) { agents <- req.UserAgent() }
	c := newClient(t, registry{"/index/1/a": note}, Options{UserAgent: "cratefence/1.2"})
	if _, err := c.Versions(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := <-agents; got != "cratefence/1.2" {
		t.Errorf("User-Agent = %q, want cratefence/1.2", got)
	}
}

// A download's query may hold a signature, and errors are shown to everybody.
func TestErrorsTellNoQuery(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	base := srv.URL
	c, err := New(base+"/index/", http.DefaultClient, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{base + "/a.crate?signature=hush", "http://127.0.0.1:1/a.crate?signature=hush", "ftp://x/?signature=hush"} {
		if _, err := c.Download(t.Context(), from); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("Download(%q) = %v, want an error without the query", from, err)
		}
	}
}

// What went wrong is shown to whoever may read an announcement: the addresses
// and the resolver of the server's own network are not theirs.
func TestErrorsTellNoAddress(t *testing.T) {
	server := net.TCPAddr{IP: net.IPv4(10, 11, 12, 13), Port: 443}
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &server, Err: syscall.ECONNREFUSED}
	tests := []struct {
		err  error
		want string
	}{
		{refused, "dial: connection refused"},
		{&net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}, "proxyconnect: dial: connection refused"},
		{
			&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "registry.example", Server: "10.11.12.13:53"}},
			`look up "registry.example": no such host`,
		},
		{errors.New("tls: bad certificate"), "tls: bad certificate"},
	}
	for _, tt := range tests {
		err := unanswered(t.Context(), "https://registry.example/x", &url.Error{Op: "Get", Err: tt.err})
		want := `fetch "https://registry.example/x": registry unreachable: ` + tt.want
		if err.Error() != want || !errors.Is(err, tt.err) || !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %q, want %q that wraps both", err, want)
		}
	}
}
