package gitsource

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
)

func TestCandidates(t *testing.T) {
	tests := []struct {
		in   string
		want []string // nil: refused
	}{
		{"https://github.com/dtolnay/itoa", []string{"https://github.com/dtolnay/itoa"}},
		{"https://github.com/dtolnay/itoa.git", []string{"https://github.com/dtolnay/itoa"}},
		{"https://github.com/dtolnay/itoa/", []string{"https://github.com/dtolnay/itoa"}},
		{"https://www.GitHub.com/dtolnay/itoa#readme", []string{"https://github.com/dtolnay/itoa"}},
		{"http://github.com/dtolnay/itoa?tab=readme", []string{"https://github.com/dtolnay/itoa"}},
		{"http://github.com:80/dtolnay/itoa", []string{"https://github.com/dtolnay/itoa"}},
		{"https://github.com/rust-random/rand/tree/master/rand_core", []string{"https://github.com/rust-random/rand"}},
		{"https://github.com/a/b/blob/main/README.md", []string{"https://github.com/a/b"}},
		{"git+https://github.com/a/b.git", []string{"https://github.com/a/b"}},
		{"git://github.com/a/b.git", []string{"https://github.com/a/b"}},
		{"ssh://git@github.com/a/b.git", []string{"https://github.com/a/b"}},
		{"ssh://git@github.com:22/a/b.git", []string{"https://github.com/a/b"}},
		{"git@github.com:a/b.git", []string{"https://github.com/a/b"}},
		{"github:a/b", []string{"https://github.com/a/b"}},
		{"github.com/a/b", []string{"https://github.com/a/b"}},
		{"https://g\u0456thub.com:8443/a/b.git", []string{"https://xn--gthub-n2e.com:8443/a/b.git", "https://xn--gthub-n2e.com:8443/a/b"}}, // not our "i"
		{" <https://github.com/a/b> ", []string{"https://github.com/a/b"}},
		{"https://gist.github.com/user/0123abcd", []string{"https://gist.github.com/0123abcd.git"}},
		{"https://gitlab.com/group/sub/repo", []string{"https://gitlab.com/group/sub/repo.git"}},
		{"https://gitlab.com/group/sub/repo/-/tree/main/dir", []string{"https://gitlab.com/group/sub/repo.git"}},
		{"https://gitlab.com/o/r/tree/main/dir", []string{"https://gitlab.com/o/r.git"}},
		{"https://gitlab.freedesktop.org/o/r", []string{"https://gitlab.freedesktop.org/o/r.git"}},
		{"https://codeberg.org/o/r/src/branch/main/dir", []string{"https://codeberg.org/o/r"}},
		{"https://bitbucket.org/o/r/src/main/dir", []string{"https://bitbucket.org/o/r"}},
		{"https://git.sr.ht/~user/repo/tree/main", []string{"https://git.sr.ht/~user/repo"}},
		{"https://fuchsia.googlesource.com/fuchsia/+/main/src", []string{"https://fuchsia.googlesource.com/fuchsia"}},
		{"https://git.example.org/a/b/c", []string{
			"https://git.example.org/a/b/c", "https://git.example.org/a/b/c.git", "https://git.example.org/a/b", "https://git.example.org/a/b.git",
		}},
		{"https://git.example.org/a/b/c/d/e/f", []string{
			"https://git.example.org/a/b/c/d/e/f", "https://git.example.org/a/b/c/d/e/f.git", "https://git.example.org/a/b/c/d/e", "https://git.example.org/a/b/c/d/e.git",
			"https://git.example.org/a/b/c/d", "https://git.example.org/a/b/c/d.git", "https://git.example.org/a/b/c", "https://git.example.org/a/b/c.git",
		}},
		{"https://git.example.org/repo", []string{"https://git.example.org/repo", "https://git.example.org/repo.git"}},
		{"https://git.example.org/pub/scm/repo.git/tree/src", []string{"https://git.example.org/pub/scm/repo.git", "https://git.example.org/pub/scm/repo"}},
		{"https://git.example.org/r.git", []string{"https://git.example.org/r.git", "https://git.example.org/r"}},
		{"https://git.example.org/o/r/src/branch/main", []string{"https://git.example.org/o/r", "https://git.example.org/o/r.git"}},
		{"https://git@github.com/a/b", []string{"https://github.com/a/b"}},
		{"git+ssh://git@github.com/a/b.git", []string{"https://github.com/a/b"}},
		{"git+http://github.com/a/b", []string{"https://github.com/a/b"}},
		{"https+git://github.com/a/b", []string{"https://github.com/a/b"}},
		{"ssh://git@ssh.github.com:443/a/b.git", []string{"https://github.com/a/b"}},
		{"https://github.com/a/b.git/tree/main/dir", []string{"https://github.com/a/b"}},
		{"https://raw.githubusercontent.com/a/b/main/README.md", []string{"https://github.com/a/b"}},
		{"git@gitlab.com:group/sub/repo.git", []string{"https://gitlab.com/group/sub/repo.git"}},
		{"https://gitlab.com/group/sub/repo/-/blob/feature/x/Cargo.toml", []string{"https://gitlab.com/group/sub/repo.git"}},
		{"https://gist.github.com/0123abcd", []string{"https://gist.github.com/0123abcd.git"}},
		{"https://sr.ht/~user/repo", []string{"https://git.sr.ht/~user/repo"}},
		{"git@git.sr.ht:~user/repo", []string{"https://git.sr.ht/~user/repo"}},
		{"https://chromium.googlesource.com/a/b/c/+log/main", []string{"https://chromium.googlesource.com/a/b/c"}},
		{"https://dev.azure.com/org/project/_git/repo?path=/src", []string{"https://dev.azure.com/org/project/_git/repo"}},
		{"https://org@dev.azure.com/org/project/_git/repo", []string{"https://dev.azure.com/org/project/_git/repo"}},
		{"git@ssh.dev.azure.com:v3/org/project/repo", []string{"https://dev.azure.com/org/project/_git/repo"}},
		{"https://org.visualstudio.com/project/_git/repo/commits", []string{"https://org.visualstudio.com/project/_git/repo"}},
		{"https://bitbucket.example.org/projects/KEY/repos/repo/browse", []string{
			"https://bitbucket.example.org/scm/key/repo", "https://bitbucket.example.org/scm/key/repo.git",
			"https://bitbucket.example.org/scm/key", "https://bitbucket.example.org/scm/key.git",
		}},
		{"http://plain.test:3000/o/r", []string{"http://plain.test:3000/o/r", "http://plain.test:3000/o/r.git"}},
		{"http://other.test:3000/o/r", []string{"https://other.test:3000/o/r", "https://other.test:3000/o/r.git"}},

		{in: ""},
		{in: "https://"},
		{in: "https://github.com"},
		{in: "https://github.com/dtolnay"},
		{in: "https://gitlab.com/o"},
		{in: "https://crates.io/crates/itoa"},
		{in: "https://docs.rs/itoa"},
		{in: "https://dev.azure.com/org/project"},
		{in: "https://org:secret@dev.azure.com/org/project/_git/repo"},
		{in: "https://git:secret@github.com/o/r"},
		{in: "https://user:secret@example.org/o/r"},
		{in: "https://token@example.org/o/r"},
		{in: "ssh://git:secret@example.org/o/r"},
		{in: "https://example.org/a/../b"},
		{in: "https://example.org/a/%2e%2e/b"},
		{in: `https://example.org/a\b`},
		{in: "file:///etc/passwd"},
		{in: "ext::sh -c touch% /tmp/x"},
		{in: "ftp://example.org/o/r"},
		{in: "javascript:alert(1)"},
		{in: "../relative"},
		{in: "https://example.org/" + strings.Repeat("a", 2000)},
	}
	plain := func(u *url.URL) bool { return u.Host == "plain.test:3000" }
	for _, test := range tests {
		urls, err := candidates(test.in, plain)
		var got []string
		for _, u := range urls {
			got = append(got, u.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("candidates(%q) (-want +got): %v\n%s", test.in, err, diff)
		}
		if test.want == nil && !errors.Is(err, check.ErrRepositoryURL) {
			t.Errorf("candidates(%q): %v, want %v", test.in, err, check.ErrRepositoryURL)
		}
	}
}

// What is another system's is told from what is no repository at all.
func TestOtherSystems(t *testing.T) {
	tests := map[string]error{
		"https://hg.sr.ht/~user/repo":             check.ErrRepositoryMercurial,
		"hg+https://example.org/repo":             check.ErrRepositoryMercurial,
		"svn://example.org/repo":                  check.ErrRepositorySubversion,
		"svn+ssh://example.org/repo":              check.ErrRepositorySubversion,
		"https://svn.code.sf.net/p/project/trunk": check.ErrRepositorySubversion,
		"https://nest.pijul.com/user/repo":        check.ErrRepositoryPijul,
		"https://launchpad.net/project":           check.ErrRepositoryVCS,
		"bzr://example.org/repo":                  check.ErrRepositoryVCS,
		"https://hub.darcs.net/user/repo":         check.ErrRepositoryVCS,
	}
	for in, want := range tests {
		_, err := candidates(in, func(*url.URL) bool { return false })
		if !errors.Is(err, want) || !errors.Is(err, check.ErrRepositoryURL) {
			t.Errorf("candidates(%q): %v, want %v", in, err, want)
		}
	}
	if _, err := candidates("https://crates.io/crates/itoa", func(*url.URL) bool { return false }); errors.Is(err, check.ErrRepositoryVCS) {
		t.Errorf("a registry page is taken for a repository of another system: %v", err)
	}
}
