package egress

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A guard checks every request of a client, redirected ones too, before a
// connection is looked for, and bounds what comes back.
type guard struct {
	egress  *Egress
	purpose Purpose
	bytes   int64
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	transport := g.egress.excepted
	if !g.egress.Allows(g.purpose, req.URL) {
		transport = g.egress.public
		if why := notPublic(req.URL); why != "" {
			closeBody(req)
			return nil, refuse(req.URL, why)
		}
	}
	req = req.Clone(req.Context())
	req.Header.Del("Referer") // the client adds one on redirects
	req.Header.Del("Cookie")
	if req.Header.Get("User-Agent") == "" && g.egress.userAgent != "" {
		req.Header.Set("User-Agent", g.egress.userAgent)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > g.bytes {
		resp.Body.Close()
		return nil, tooLarge(req.URL, g.bytes)
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: g.bytes, err: tooLarge(req.URL, g.bytes)}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections work.
func (g *guard) CloseIdleConnections() {
	g.egress.excepted.CloseIdleConnections()
	g.egress.public.CloseIdleConnections()
}

func tooLarge(u *url.URL, limit int64) error {
	return fmt.Errorf("fetch %q: over %d bytes: %w", redacted(u), limit, ErrTooLarge)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// notPublic says what keeps a URL from being one of the public Internet; "" if
// nothing does. Where its name leads is seen only when dialing.
func notPublic(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	switch {
	case u.Scheme != "https":
		return "not https"
	case u.User != nil:
		return "a user in the URL"
	case host == "":
		return "no host"
	case strings.ContainsFunc(host, notHostByte) && !strings.Contains(host, ":"):
		return "not a plain host name"
	case isLiteral(host):
		return "an IP literal"
	case isLocalName(host):
		return "a name of local use"
	}
	return ""
}

func notHostByte(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
}

// isLiteral also holds what some resolvers read as one: 2130706433, 127.1,
// 0x7f.1. No top-level domain is a number.
func isLiteral(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || strings.Contains(host, ":") {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last == "" || (last[0] >= '0' && last[0] <= '9')
}

// isLocalName holds names that never lead to the public Internet (RFC 6761, 6762,
// 8375, ICANN's .internal). The address would be refused when dialed; a proxy
// would not know.
func isLocalName(host string) bool {
	if !strings.Contains(host, ".") {
		return true
	}
	for _, suffix := range []string{".localhost", ".local", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// A boundedBody fails once more than its bytes were read.
type boundedBody struct {
	io.ReadCloser
	left int64 // below 0 once it has failed
	err  error
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than allowed shows whether there is more
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, b.err
	}
	return n, err
}
