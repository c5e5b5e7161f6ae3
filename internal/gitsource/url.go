package gitsource

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

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
		return nil, fmt.Errorf("read repository URL %q: %w: %w", repository, check.ErrRepositoryURL, err)
	}
	segments, err := splitPath(u.Path)
	if err != nil {
		return nil, fmt.Errorf("read repository URL %q: %w: %w", repository, check.ErrRepositoryURL, err)
	}
	if u.Scheme == "http" {
		if u.Path = path.Join("/", path.Join(segments...)); !plain(u) {
			u.Scheme = "https"
			u.Host = strings.TrimSuffix(u.Host, ":80")
		}
	}
	paths, err := forgePaths(u.Hostname(), segments)
	if err != nil {
		return nil, fmt.Errorf("read repository URL %q: %w: %w", repository, check.ErrRepositoryURL, err)
	}
	urls := make([]*url.URL, len(paths))
	for i, p := range paths {
		urls[i] = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/" + p}
	}
	return urls, nil
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
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch u.Scheme {
	case "http", "https":
	case "ssh", "git", "git+ssh", "git+https":
		// Where a forge serves these it serves HTTPS too, on its usual port.
		if u.Scheme != "git+https" && u.Port() != "" {
			u.Host = u.Hostname()
		}
		u.Scheme = "https"
		if _, secret := u.User.Password(); !secret {
			u.User = nil
		}
	default:
		return nil, fmt.Errorf("scheme %q", u.Scheme)
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

// notRepositories are hosts that crates name as repository and that hold none
// that we can read.
var notRepositories = map[string]string{
	"crates.io":     "a registry page",
	"docs.rs":       "a documentation page",
	"lib.rs":        "a registry page",
	"hg.sr.ht":      "a Mercurial repository",
	"launchpad.net": "a Bazaar host",
}

// forgePaths cuts the path of a page down to that of its repository. Where a
// forge's rules are not known both spellings with and without ".git" are tried.
func forgePaths(host string, segments []string) ([]string, error) {
	if what, ok := notRepositories[host]; ok {
		return nil, fmt.Errorf("%s, not a git repository", what)
	}
	switch {
	case host == "github.com", host == "codeberg.org", host == "bitbucket.org", host == "gitee.com", host == "git.sr.ht":
		if len(segments) < 2 {
			return nil, errors.New("an owner without a repository")
		}
		return []string{segments[0] + "/" + strings.TrimSuffix(segments[1], ".git")}, nil
	case host == "gist.github.com":
		id := segments[min(1, len(segments)-1)]
		return []string{strings.TrimSuffix(id, ".git") + ".git"}, nil
	case host == "gitlab.com", strings.HasPrefix(host, "gitlab."):
		p := strings.TrimSuffix(strings.Join(cutPage(segments), "/"), ".git")
		if !strings.Contains(p, "/") {
			return nil, errors.New("an owner without a repository")
		}
		return []string{p + ".git"}, nil
	case strings.HasSuffix(host, ".googlesource.com"):
		if i := slices.Index(segments, "+"); i > 0 {
			segments = segments[:i]
		}
		return []string{strings.Join(segments, "/")}, nil
	}
	p := strings.Join(cutPage(segments), "/")
	if bare, ok := strings.CutSuffix(p, ".git"); ok {
		return []string{p, bare}, nil
	}
	return []string{p, p + ".git"}, nil
}

// cutPage cuts what a forge's pages add to OWNER/NAME: "/-/…" of GitLab, where
// groups nest, and its older "/tree/…"; "/src/…" of Gitea.
func cutPage(segments []string) []string {
	if i := slices.Index(segments, "-"); i >= 2 {
		return segments[:i]
	}
	if len(segments) > 3 && slices.Contains([]string{"tree", "blob", "src"}, segments[2]) {
		return segments[:2]
	}
	return segments
}
