package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// An outside is a public Internet of one TLS server: every "*.example.com"
// leads to it, as far as the public transport can tell.
func outside(t *testing.T, e *Egress, h http.Handler) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	e.public.TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	checked := e.public.DialContext
	e.public.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasSuffix(addr, ".example.com:443") {
			addr = server.Listener.Addr().String()
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}
		return checked(ctx, network, addr)
	}
}

func inside(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func newEgress(t *testing.T, exceptions ...Exception) *Egress {
	t.Helper()
	e, err := New(Config{Exceptions: exceptions, UserAgent: "egress-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Client(Git, Limits{}).CloseIdleConnections() })
	return e
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

func hostOf(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func TestURLsRefused(t *testing.T) {
	client := newEgress(t).Client(Git, Limits{Timeout: time.Second})
	tests := []struct{ url, why string }{
		{"http://example.com/", "not https"},
		{"ftp://example.com/", "not https"},
		{"https://u:secret@example.com/?token=secret", "a user in the URL"},
		{"https://127.0.0.1/", "an IP literal"},
		{"https://8.8.8.8/", "an IP literal"},
		{"https://[::1]/", "an IP literal"},
		{"https://[fe80::1%25eth0]/", "an IP literal"},
		{"https://2130706433/", "an IP literal"},
		{"https://0x7f.1/", "an IP literal"},
		{"https://127.1./", "an IP literal"},
		{"https://localhost/", "a name of local use"},
		{"https://localhost./", "a name of local use"},
		{"https://metadata.google.internal/", "a name of local use"},
		{"https://intranet/", "a name of local use"},
		{"https://ex%2fample.com/", ""}, // not even a URL
		{"https://exämple.com/", "not a plain host name"},
	}
	for _, test := range tests {
		resp, err := client.Get(test.url)
		if err == nil {
			resp.Body.Close()
			t.Errorf("Get(%q) succeeded", test.url)
			continue
		}
		if refused, ok := errors.AsType[*Refused](err); test.why != "" && (!ok || refused.Why != test.why) {
			t.Errorf("Get(%q): %v, want refused: %s", test.url, err, test.why)
		}
		if refused, ok := errors.AsType[*Refused](err); ok && strings.Contains(refused.Error(), "secret") {
			t.Errorf("the error tells the secret: %v", refused)
		}
	}
}

func TestExceptionOpensOneHostAndPort(t *testing.T) {
	open, shut := inside(t, http.HandlerFunc(hello)), inside(t, http.HandlerFunc(hello))
	e := newEgress(t, Exception{Purpose: Git, Host: hostOf(open)})
	resp, err := e.Client(Git, Limits{}).Get(open.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != "hello" || err != nil {
		t.Errorf("read %q, %v", body, err)
	}
	if _, err := e.Client(Git, Limits{}).Get(shut.URL); !errors.Is(err, ErrRefused) {
		t.Errorf("another port: %v, want refused", err)
	}
	if _, err := e.Client(Upstream, Limits{}).Get(open.URL); !errors.Is(err, ErrRefused) {
		t.Errorf("another purpose: %v, want refused", err)
	}
}

// A connection kept alive for a path that an exception covers must not serve
// one that it does not: the uncovered request is held to the public rules.
func TestExceptionOfPathIsNotReused(t *testing.T) {
	server := inside(t, http.HandlerFunc(hello))
	e := newEgress(t, Exception{Purpose: Git, Host: hostOf(server), PathPattern: "team"})
	client := e.Client(Git, Limits{})
	resp, err := client.Get(server.URL + "/team/repo")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if _, err := client.Get(server.URL + "/other/repo"); !errors.Is(err, ErrRefused) {
		t.Errorf("other path: %v, want refused", err)
	}
}

func TestRedirects(t *testing.T) {
	open, shut := inside(t, http.HandlerFunc(hello)), inside(t, http.HandlerFunc(hello))
	steer := inside(t, http.RedirectHandler(shut.URL, http.StatusFound))
	e := newEgress(t, Exception{Purpose: Git, Host: hostOf(open)}, Exception{Purpose: Git, Host: hostOf(steer)})
	outside(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		if r.Referer() != "" || len(r.Cookies()) != 0 {
			http.Error(w, "leaked", http.StatusTeapot)
			return
		}
		io.WriteString(w, "hello from "+r.Host+" to "+r.UserAgent())
	}))
	to := func(urls ...string) string {
		all := ""
		for i := len(urls) - 1; i >= 0; i-- {
			if all != "" {
				all = urls[i] + "?to=" + url.QueryEscape(all)
			} else {
				all = urls[i]
			}
		}
		return all
	}
	const a, b = "https://a.example.com/", "https://b.example.com/"
	tests := []struct {
		name      string
		url       string
		redirects int
		refused   bool
	}{
		{"none", a, 0, false},
		{"one", to(a, b), 1, false},
		{"one where none is followed", to(a, b), 0, true},
		{"five", to(a, b, a, b, a, b), 5, false},
		{"six", to(a, b, a, b, a, b, a), 100, true},
		{"to plain HTTP", to(a, "http://b.example.com/"), 5, true},
		{"to cloud metadata", to(a, "http://169.254.169.254/latest/meta-data/"), 5, true},
		{"to cloud metadata over HTTPS", to(a, "https://169.254.169.254/"), 5, true},
		{"to a file", to(a, "file:///etc/passwd"), 5, true},
		{"to a host open by exception", to(a, open.URL), 5, true},
		{"from an exception to another port inside", steer.URL, 5, true},
		{"from an exception to itself", open.URL, 5, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp, err := e.Client(Git, Limits{Redirects: test.redirects}).Get(test.url)
			if test.refused {
				if !errors.Is(err, ErrRefused) {
					t.Fatalf("got %v, want refused", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); !strings.HasPrefix(string(body), "hello") || resp.StatusCode != http.StatusOK {
				t.Errorf("got %s %q", resp.Status, body)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	server := inside(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/forever" {
			for { // ends when the client hangs up
				if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
					return
				}
			}
		}
		w.(http.Flusher).Flush() // so that no Content-Length tells
		io.WriteString(w, strings.Repeat("x", 1000))
	}))
	declared := inside(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1001")
		io.WriteString(w, strings.Repeat("x", 1001))
	}))
	e := newEgress(t, Exception{Purpose: Upstream, Host: hostOf(server)}, Exception{Purpose: Upstream, Host: hostOf(declared)})
	read := func(limit int64, url string) (int, error) {
		resp, err := e.Client(Upstream, Limits{Bytes: limit}).Get(url)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return len(body), err
	}
	if n, err := read(1000, server.URL); n != 1000 || err != nil {
		t.Errorf("at the limit: %d, %v", n, err)
	}
	if n, err := read(999, server.URL); n != 999 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the limit: %d, %v", n, err)
	}
	if n, err := read(5000, server.URL+"/forever"); n != 5000 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless: %d, %v", n, err)
	}
	if _, err := read(1000, declared.URL); !errors.Is(err, ErrTooLarge) {
		t.Errorf("declared over the limit: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	server := inside(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done() // headers, then never a body
	}))
	e := newEgress(t, Exception{Purpose: Git, Host: hostOf(server)})
	resp, err := e.Client(Git, Limits{Timeout: 50 * time.Millisecond}).Get(server.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want deadline exceeded", err)
	}
}

// Answers that are read slowly keep nobody else from the same host.
func TestSlowAnswersKeepNobodyWaiting(t *testing.T) {
	const slowOnes = 64
	leave, begun := make(chan struct{}), make(chan struct{}, slowOnes)
	server := inside(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- struct{}{}
			<-leave
		}
	}))
	client := newEgress(t, Exception{Purpose: Upstream, Host: hostOf(server)}).Client(Upstream, Limits{Timeout: 5 * time.Second})
	get := func(path string) {
		resp, err := client.Get(server.URL + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		resp.Body.Close()
	}
	var slow sync.WaitGroup
	for range slowOnes {
		slow.Go(func() { get("/slow") })
	}
	for range slowOnes / 8 { // so many have begun, and the others want to
		<-begun
	}
	get("/quick")
	close(leave)
	slow.Wait()
}

func TestProxy(t *testing.T) {
	var asked []string
	proxy := inside(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		http.Error(w, "no road", http.StatusBadGateway)
	}))
	target := inside(t, http.HandlerFunc(hello))

	t.Run("environment", func(t *testing.T) {
		for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
			t.Setenv(name, proxy.URL)
		}
		asked = nil
		e := newEgress(t)
		outside(t, e, http.HandlerFunc(hello))
		resp, err := e.Client(Git, Limits{}).Get("https://a.example.com/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if asked != nil {
			t.Errorf("the proxy of the environment was asked %q", asked)
		}
	})
	t.Run("configured", func(t *testing.T) {
		u, _ := url.Parse(proxy.URL)
		e, err := New(Config{Proxy: u, Exceptions: []Exception{{Purpose: Git, Host: hostOf(target)}}})
		if err != nil {
			t.Fatal(err)
		}
		asked = nil
		client := e.Client(Git, Limits{})
		client.Get("https://a.example.com/") // answered 502 by the proxy
		client.Get("https://169.254.169.254/")
		client.Get("https://metadata.google.internal/")
		resp, err := client.Get(target.URL) // an exception needs no proxy
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if len(asked) != 1 || asked[0] != "CONNECT a.example.com:443" {
			t.Errorf("the proxy was asked %q", asked)
		}
	})
	t.Run("unusable", func(t *testing.T) {
		for _, s := range []string{"socks5://host:1", "http://", "host:80"} {
			u, _ := url.Parse(s)
			if _, err := New(Config{Proxy: u}); err == nil {
				t.Errorf("New took the proxy %q", s)
			}
		}
	})
}
