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
		{"https://git.example.org/a/b/c", []string{"https://git.example.org/a/b/c", "https://git.example.org/a/b/c.git"}},
		{"https://git.example.org/r.git", []string{"https://git.example.org/r.git", "https://git.example.org/r"}},
		{"https://git.example.org/o/r/src/branch/main", []string{"https://git.example.org/o/r", "https://git.example.org/o/r.git"}},
		{"http://plain.test:3000/o/r", []string{"http://plain.test:3000/o/r", "http://plain.test:3000/o/r.git"}},
		{"http://other.test:3000/o/r", []string{"https://other.test:3000/o/r", "https://other.test:3000/o/r.git"}},

		{in: ""},
		{in: "https://"},
		{in: "https://github.com"},
		{in: "https://github.com/dtolnay"},
		{in: "https://gitlab.com/o"},
		{in: "https://crates.io/crates/itoa"},
		{in: "https://docs.rs/itoa"},
		{in: "https://hg.sr.ht/~user/repo"},
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
