package egress

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// An Exception opens one host to one purpose: plain HTTP, an IP literal and a
// private address then stand.
type Exception struct {
	Purpose Purpose
	// Host is "host:port", or "host" for any port; an IPv6 address stands in
	// brackets.
	Host string
	// PathPattern opens only the paths below it: its segments, each a pattern as
	// in path.Match, are compared with the first segments of the URL's path, of
	// which the last may end in ".git". "" opens all. With "team/*" a crate
	// cannot aim at other teams' repositories.
	PathPattern string
}

// ParseException reads "PURPOSE=HOST[:PORT][/PATTERN]", as in
// "git=forge.example:3000/team/*".
func ParseException(s string) (Exception, error) {
	purpose, rest, ok := strings.Cut(s, "=")
	if !ok {
		return Exception{}, fmt.Errorf("parse exception %q: want PURPOSE=HOST[:PORT][/PATTERN]", s)
	}
	host, pattern, _ := strings.Cut(rest, "/")
	x := Exception{Purpose: Purpose(purpose), Host: host, PathPattern: pattern}
	if _, err := x.rule(); err != nil {
		return Exception{}, fmt.Errorf("parse exception %q: %w", s, err)
	}
	return x, nil
}

// String returns what ParseException reads.
func (x Exception) String() string {
	s := string(x.Purpose) + "=" + x.Host
	if x.PathPattern != "" {
		s += "/" + strings.TrimPrefix(x.PathPattern, "/")
	}
	return s
}

// A rule is an exception taken apart, for comparing.
type rule struct {
	purpose    Purpose
	host, port string   // lower-case, no brackets; port "" is any
	pattern    []string // by segment
}

func (x Exception) rule() (rule, error) {
	if !slices.Contains(purposes, x.Purpose) {
		return rule{}, fmt.Errorf("read exception %q: purpose %q is none of %q", x, x.Purpose, purposes)
	}
	host, port, err := splitHost(x.Host)
	if err != nil {
		return rule{}, fmt.Errorf("read exception %q: %w", x, err)
	}
	r := rule{purpose: x.Purpose, host: host, port: port}
	if p := strings.Trim(x.PathPattern, "/"); p != "" {
		r.pattern = strings.Split(p, "/")
	}
	for _, segment := range r.pattern {
		if _, err := path.Match(segment, ""); err != nil || segment == "" || segment == "." || segment == ".." {
			return rule{}, fmt.Errorf("read exception %q: %q is not a path pattern", x, x.PathPattern)
		}
	}
	return r, nil
}

func splitHost(s string) (host, port string, err error) {
	u := url.URL{Host: s}
	host, port = strings.ToLower(u.Hostname()), u.Port()
	if host == "" || strings.ContainsAny(host, "/@*?#% ") || strings.HasSuffix(s, ":") {
		return "", "", fmt.Errorf("%q is not a host", s)
	}
	if strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return "", "", fmt.Errorf("%q is not a host", s)
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", "", fmt.Errorf("%q is not a port", port)
		}
	}
	return host, port, nil
}

func (r rule) covers(p Purpose, u *url.URL) bool {
	return r.purpose == p &&
		(u.Scheme == "http" || u.Scheme == "https") && u.User == nil &&
		r.host == strings.ToLower(u.Hostname()) &&
		(r.port == "" || r.port == portOf(u)) &&
		r.coversPath(u)
}

func (r rule) coversPath(u *url.URL) bool {
	if len(r.pattern) == 0 {
		return true
	}
	// A path that two servers could read as different ones matches nothing.
	if u.RawPath != "" || strings.ContainsAny(u.Path, `%\`) || path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") {
		return false
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(segments) < len(r.pattern) {
		return false
	}
	for i, pattern := range r.pattern {
		if !matches(pattern, segments[i], i == len(r.pattern)-1) {
			return false
		}
	}
	return true
}

func matches(pattern, segment string, last bool) bool {
	if ok, _ := path.Match(pattern, segment); ok {
		return true
	}
	bare, found := strings.CutSuffix(segment, ".git")
	ok, _ := path.Match(pattern, bare)
	return last && found && ok
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case u.Scheme == "http":
		return "80"
	default:
		return "443"
	}
}
