package gitsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
)

// notRepositories are hosts that crates name as repository and that hold none
// that we can read.
var notRepositories = map[string]error{
	"crates.io":            errors.New("a registry page, not a git repository"),
	"lib.rs":               errors.New("a registry page, not a git repository"),
	"docs.rs":              errors.New("a documentation page, not a git repository"),
	"hg.sr.ht":             check.ErrRepositoryMercurial,
	"hg.mozilla.org":       check.ErrRepositoryMercurial,
	"hg.code.sf.net":       check.ErrRepositoryMercurial,
	"svn.code.sf.net":      check.ErrRepositorySubversion,
	"svn.apache.org":       check.ErrRepositorySubversion,
	"nest.pijul.com":       check.ErrRepositoryPijul,
	"launchpad.net":        fmt.Errorf("%w: a Bazaar host", check.ErrRepositoryVCS), // git has a host of its own there
	"bazaar.launchpad.net": fmt.Errorf("%w: a Bazaar host", check.ErrRepositoryVCS),
	"code.launchpad.net":   fmt.Errorf("%w: a Bazaar host", check.ErrRepositoryVCS),
	"chiselapp.com":        fmt.Errorf("%w: a Fossil host", check.ErrRepositoryVCS),
	"fossil-scm.org":       fmt.Errorf("%w: a Fossil repository", check.ErrRepositoryVCS),
	"hub.darcs.net":        fmt.Errorf("%w: a Darcs host", check.ErrRepositoryVCS),
}

// schemeError says why a scheme leads to no repository that we can read.
func schemeError(scheme string) error {
	switch system, _, _ := strings.Cut(scheme, "+"); system {
	case "hg":
		return check.ErrRepositoryMercurial
	case "svn":
		return check.ErrRepositorySubversion
	case "pijul":
		return check.ErrRepositoryPijul
	case "bzr", "fossil", "darcs", "cvs", "p4", "rad":
		return fmt.Errorf("%w: scheme %q", check.ErrRepositoryVCS, scheme)
	}
	return fmt.Errorf("scheme %q", scheme)
}

var errOwner = errors.New("an owner without a repository")

// twoSegments are the hosts whose repositories are all OWNER/NAME, and of which
// the rest of a path is a page.
var twoSegments = []string{
	"github.com", "codeberg.org", "bitbucket.org", "gitee.com", "gitea.com", "git.sr.ht", "notabug.org",
}

// sameForge are hosts of pages whose repositories are at another one.
var sameForge = map[string]string{
	"raw.githubusercontent.com": "github.com",
	"sr.ht":                     "git.sr.ht", // a project, which mostly has a repository of its name
	"ssh.dev.azure.com":         "dev.azure.com",
	"ssh.github.com":            "github.com",
	"altssh.gitlab.com":         "gitlab.com",
	"altssh.bitbucket.org":      "bitbucket.org",
}

// maxTrailing is how many segments of a path may be those of a page where
// nothing is known of the host.
const maxTrailing = 3

// forgePaths cuts the path of a page down to that of its repository. Where a
// forge's rules are not known, what may be meant is listed, likeliest first.
func forgePaths(host string, segments []string) ([]string, error) {
	if why := notRepositories[host]; why != nil {
		return nil, why
	}
	switch {
	case slices.Contains(twoSegments, host):
		if len(segments) < 2 {
			return nil, errOwner
		}
		return []string{segments[0] + "/" + strings.TrimSuffix(segments[1], ".git")}, nil
	case host == "gist.github.com":
		id := segments[min(1, len(segments)-1)]
		return []string{strings.TrimSuffix(id, ".git") + ".git"}, nil
	case host == "gitlab.com", strings.HasPrefix(host, "gitlab."):
		p := strings.TrimSuffix(strings.Join(cutPage(segments), "/"), ".git")
		if !strings.Contains(p, "/") {
			return nil, errOwner
		}
		return []string{p + ".git"}, nil
	case strings.HasSuffix(host, ".googlesource.com"):
		if i := slices.IndexFunc(segments, func(s string) bool { return strings.HasPrefix(s, "+") }); i > 0 {
			segments = segments[:i]
		}
		return []string{strings.Join(segments, "/")}, nil
	case isAzure(host):
		return azurePaths(segments)
	}
	return plainPaths(cutPage(segments)), nil
}

func isAzure(host string) bool {
	return host == "dev.azure.com" || strings.HasSuffix(host, ".visualstudio.com")
}

// azurePaths reads ".../_git/NAME", and "v3/ORGANISATION/PROJECT/NAME" of ssh.
func azurePaths(segments []string) ([]string, error) {
	if len(segments) == 4 && segments[0] == "v3" {
		return []string{segments[1] + "/" + segments[2] + "/_git/" + segments[3]}, nil
	}
	i := slices.Index(segments, "_git")
	if i < 0 || i+1 >= len(segments) {
		return nil, errors.New("a project without a repository")
	}
	return []string{strings.Join(segments[:i+2], "/")}, nil
}

// plainPaths lists what a path may mean on a host of which nothing is known: as
// it is, with ".git" or without, then without its last segments.
func plainPaths(segments []string) []string {
	if i := slices.IndexFunc(segments, func(s string) bool { return len(s) > 4 && strings.HasSuffix(s, ".git") }); i >= 0 {
		p := strings.Join(segments[:i+1], "/") // what follows is a page, as of cgit
		return []string{p, strings.TrimSuffix(p, ".git")}
	}
	var paths []string
	for n := len(segments); n > 0 && n >= len(segments)-maxTrailing; n-- {
		p := strings.Join(segments[:n], "/")
		if n == 1 && len(segments) > 1 {
			break // the first is mostly an owner
		}
		paths = append(paths, p, p+".git")
	}
	return paths
}

// cutPage cuts what a forge's pages add to OWNER/NAME: "/-/…" of GitLab, where
// groups nest, and its older "/tree/…"; "/src/…" of Gitea. Pages of Bitbucket's
// own servers have another form: projects/KEY/repos/NAME.
func cutPage(segments []string) []string {
	if i := slices.Index(segments, "-"); i >= 2 {
		return segments[:i]
	}
	if len(segments) > 3 && slices.Contains([]string{"tree", "blob", "src", "raw", "commit"}, segments[2]) {
		return segments[:2]
	}
	if len(segments) >= 4 && segments[0] == "projects" && segments[2] == "repos" {
		return []string{"scm", strings.ToLower(segments[1]), segments[3]}
	}
	return segments
}
