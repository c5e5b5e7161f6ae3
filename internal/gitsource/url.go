package gitsource

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/cratefence/cratefence/internal/check"
)

// candidates returns the URLs under which the repository that a manifest names
// may answer, likeliest first. Manifests hold pages of forges, ssh addresses and
// worse; what is no git repository is refused with the reason.
//
// Plain HTTP becomes HTTPS unless plain allows it for that URL.
func candidates(repository string, plain func(*url.URL) bool) ([]*url.URL, error) {
	u, err := parseURL(repository)
	if err != nil {
		return nil, badURL(repository, err)
	}
	segments, err := splitPath(u.Path)
	if err != nil {
		return nil, badURL(repository, err)
	}
	if u.Scheme == "http" {
		if u.Path = path.Join("/", path.Join(segments...)); !plain(u) {
			u.Scheme = "https"
			u.Host = strings.TrimSuffix(u.Host, ":80")
		}
	}
	u.Host = cmp.Or(sameForge[u.Host], u.Host)
	paths, err := forgePaths(u.Hostname(), segments)

	if err != nil {
		return nil, badURL(repository, err)
	}
	urls := make([]*url.URL, len(paths))
	for i, p := range paths {
		urls[i] = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/" + p}
	}
	return urls, nil
}

func badURL(repository string, why error) error {
	if errors.Is(why, check.ErrRepositoryURL) { // one of the narrower reasons
		return fmt.Errorf("read repository URL %.200q: %w", repository, why)
	}
	return fmt.Errorf("read repository URL %.200q: %w: %w", repository, check.ErrRepositoryURL, why)
}

// shorthands are the prefixes that stand for a forge.
var shorthands = map[string]string{"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org", "codeberg": "codeberg.org"}

// parseURL brings what people write to an http or https URL.
func parseURL(s string) (*url.URL, error) {
	s = strings.Trim(s, " \t\r\n<>\"'")
	s = strings.TrimPrefix(s, "git+")
	if len(s) > 2000 {
		return nil, fmt.Errorf("%d bytes", len(s))
	}
	if strings.Contains(s, "::") && !strings.Contains(s, "[") {
		return nil, errors.New("a remote helper")
	}
	if !strings.Contains(s, "://") {
		s = withScheme(s)
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Host = strings.TrimSuffix(strings.ToLower(u.Scheme), "+git"), strings.ToLower(u.Host)
	if err := spellHost(u); err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "http", "https":
	case "ssh", "git":
		// Where a forge serves these it serves HTTPS too, on its usual port.
		if u.Port() != "" {
			u.Host = u.Hostname()
		}
		dropUser(u)
		u.Scheme = "https"
	default:
		return nil, schemeError(u.Scheme)
	}
	if u.User.Username() == "git" || isAzure(u.Hostname()) { // who logs in, which we do not
		dropUser(u)
	}
	switch {
	case u.User != nil:
		return nil, errors.New("a user in the URL")
	case strings.Trim(u.Hostname(), ".") == "":
		return nil, errors.New("no host")
	}
	u.Host = strings.TrimPrefix(u.Host, "www.")
	return u, nil
}

// spellHost writes a host as it is asked for, in ASCII: in other letters it may
// look like one that is trusted.
func spellHost(u *url.URL) error {
	if !strings.ContainsFunc(u.Host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return nil
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil {
		return err
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	return nil
}

// dropUser drops a user who has no password.
func dropUser(u *url.URL) {
	if _, secret := u.User.Password(); !secret {
		u.User = nil
	}
}

// withScheme reads "git@host:path", "github:owner/name" and "host/path".
func withScheme(s string) string {
	before, after, colon := strings.Cut(s, ":")
	if forge, ok := shorthands[before]; ok && colon {
		return "https://" + forge + "/" + after
	}
	if user, host, at := strings.Cut(before, "@"); colon && at && !strings.Contains(before, "/") && user != "" {
		return "https://" + host + "/" + strings.TrimPrefix(after, "/")
	}
	return "https://" + s
}

func splitPath(p string) ([]string, error) {
	var segments []string
	for s := range strings.SplitSeq(p, "/") {
		switch {
		case s == "":
		case s == "." || s == ".." || strings.ContainsAny(s, "\\\x00\r\n"):
			return nil, fmt.Errorf("path segment %q", s)
		default:
			segments = append(segments, s)
		}
	}
	if len(segments) == 0 {
		return nil, errors.New("no path")
	}
	return segments, nil
}
