// Package egress is the only dialer to the outside. It hands out HTTP clients
// that reach nothing but globally routable addresses over HTTPS, within limits,
// whatever a URL, a DNS answer or a redirect says; exceptions are named one by
// one, per purpose, host and port.
//
// It knows nothing of what is fetched and keeps nothing: no cookies, no cache,
// no Referer.
package egress

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Purpose says what a connection is for. Exceptions are given per purpose, so
// that what is open to a configured registry is not open to the repository URL
// that a crate names.
type Purpose string

// The purposes.
const (
	Upstream Purpose = "upstream" // the configured registry: index, downloads, API
	Git      Purpose = "git"      // repositories that crates name
	Webhook  Purpose = "webhook"  // third-party checkers and notifications
	Service  Purpose = "service"  // a cratefence service, as a person at a command line named it
)

var purposes = []Purpose{Upstream, Git, Webhook, Service}

// MaxRedirects is the most that any client follows.
const MaxRedirects = 5

// Limits bound one exchange.
type Limits struct {
	// Bytes bounds a response's body. Nothing is decompressed on the way, so
	// these are the bytes sent and the bytes read; 0 stands for 1 MiB.
	Bytes int64
	// Timeout bounds an exchange from dialing to the body's last byte; 0 stands
	// for 30 s. What it ends matches context.DeadlineExceeded.
	Timeout time.Duration
	// Redirects is how many are followed, MaxRedirects at most; 0 follows none,
	// and a redirect is then refused.
	Redirects int
}

func (l Limits) orDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 1 << 20
	}
	if l.Timeout <= 0 {
		l.Timeout = 30 * time.Second
	}
	l.Redirects = min(max(l.Redirects, 0), MaxRedirects)
	return l
}

// Config says what is open beyond the public Internet, and by which road.
type Config struct {
	Exceptions []Exception
	// Proxy, if set, carries every connection but those of exceptions, which
	// stand for hosts of one's own and are dialed directly. The proxy itself is
	// dialed as configured. It resolves the names, so the check of the address
	// dialed becomes its duty; scheme, IP literals and names of local use are
	// still refused here. HTTP_PROXY and its kin in the environment are never read.
	Proxy *url.URL
	// UserAgent is sent where a request has none.
	UserAgent string
}

// An Egress gives out clients. It is safe for concurrent use.
type Egress struct {
	rules     []rule
	userAgent string
	// Excepted and public requests never share a transport: a connection that an
	// exception opened cannot serve a request that it does not cover.
	excepted, public *http.Transport
}

// New returns an Egress, or says which exception or proxy cannot be used.
func New(cfg Config) (*Egress, error) {
	e := &Egress{userAgent: cfg.UserAgent}
	for _, x := range cfg.Exceptions {
		r, err := x.rule()
		if err != nil {
			return nil, err
		}
		e.rules = append(e.rules, r)
	}
	e.excepted = newTransport(e.dialExcepted)
	e.public = newTransport(dialPublic(net.DefaultResolver))
	if cfg.Proxy != nil {
		if err := e.useProxy(cfg.Proxy); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *Egress) useProxy(proxy *url.URL) error {
	if s := proxy.Scheme; s != "http" && s != "https" {
		return fmt.Errorf("use proxy %q: want http:// or https://", proxy.Redacted())
	}
	if proxy.Hostname() == "" {
		return fmt.Errorf("use proxy %q: no host", proxy.Redacted())
	}
	e.public = newTransport(dialer(net.DefaultResolver).DialContext)
	e.public.Proxy = http.ProxyURL(proxy)
	return nil
}

// Client returns a client for one purpose. Its errors wrap ErrRefused or
// ErrTooLarge where this package ended the exchange.
func (e *Egress) Client(p Purpose, lim Limits) *http.Client {
	lim = lim.orDefaults()
	return &http.Client{
		Transport:     &guard{egress: e, purpose: p, bytes: lim.Bytes},
		Timeout:       lim.Timeout,
		CheckRedirect: e.checkRedirect(p, lim.Redirects),
	}
}

// Allows reports whether an exception covers u for the purpose: only then do
// plain HTTP, IP literals and private addresses stand.
func (e *Egress) Allows(p Purpose, u *url.URL) bool {
	for _, r := range e.rules {
		if r.covers(p, u) {
			return true
		}
	}
	return false
}

func (e *Egress) checkRedirect(p Purpose, most int) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		if len(via) > most {
			return refuse(req.URL, fmt.Sprintf("redirect %d, where %d are followed", len(via), most))
		}
		// Whoever is outside does not get to steer us inside.
		if e.Allows(p, req.URL) && !e.Allows(p, via[len(via)-1].URL) {
			return refuse(req.URL, "redirected from outside to a host that is open by exception")
		}
		return nil
	}
}

// maxConns is how many connections one host gets, more than all callers together
// have use for: each bounds what it does at once, downloads that slow clients keep
// open among them, and none is to wait behind those of another.
const maxConns = 512

func newTransport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		DisableCompression:     true, // so that the limit on bytes is one on memory too
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    32,
		MaxIdleConns:           64,
		MaxConnsPerHost:        maxConns,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func dialer(resolver *net.Resolver) *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, Resolver: resolver}
}

// dialPublic dials addresses that are globally routable. The check stands where
// the socket is about to connect, after the name was resolved: a name that
// resolves otherwise a moment later gains nothing.
func dialPublic(resolver *net.Resolver) func(context.Context, string, string) (net.Conn, error) {
	d := dialer(resolver)
	d.ControlContext = controlPublic
	return d.DialContext
}

// dialExcepted dials hosts of exceptions, wherever they are. The guard sends it
// no other; asking again keeps that true if the guard is ever wrong.
func (e *Egress) dialExcepted(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", addr, err)
	}
	for _, r := range e.rules {
		if r.host == strings.ToLower(host) && (r.port == "" || r.port == port) {
			return dialer(net.DefaultResolver).DialContext(ctx, network, addr)
		}
	}
	return nil, &Refused{URL: addr, Why: "no exception opens this host"}
}
