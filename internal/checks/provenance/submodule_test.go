package provenance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

func TestSubmoduleURLs(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]string
	}{
		{"nothing", "", map[string]string{}},
		{"as git writes it", "[submodule \"zstd\"]\n\tpath = zstd\n\turl = https://example.org/zstd.git\n\tbranch = main\n", map[string]string{"zstd": "https://example.org/zstd.git"}},
		{"two", "[submodule \"a\"]\npath=a\nurl=u\n[submodule \"b\"]\npath=deep/b/\nurl=v\n", map[string]string{"a": "u", "deep/b": "v"}},
		{"comments, quotes, Windows", "# a comment\r\n[submodule \"a\"] ; more\r\n  path = \"a # b\"\r\n  url = u ; c\r\n", map[string]string{"a # b": "u"}},
		{"other sections", "[core]\npath = a\nurl = u\n", map[string]string{}},
		{"keys before any section", "path = a\nurl = u\n", map[string]string{}},
		// What git would take is not what everybody would.
		{"a path with two URLs", "[submodule \"a\"]\npath=a\nurl=u\n[submodule \"b\"]\npath=a\nurl=v\n", map[string]string{"a": ""}},
		{"a path with one URL twice", "[submodule \"a\"]\npath=a\nurl=u\n[submodule \"b\"]\npath=a\nurl=u\n", map[string]string{"a": "u"}},
		{"a name twice", "[submodule \"a\"]\npath=a\nurl=u\n[submodule \"a\"]\nurl=v\n", map[string]string{"a": "v"}},
		{"no URL", "[submodule \"a\"]\npath=a\n", map[string]string{"a": ""}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, submoduleURLs(test.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestResolveSubmodule(t *testing.T) {
	tests := []struct{ address, want string }{ // "": refused
		{"https://example.com/a/b.git", "https://example.com/a/b.git"},
		{"git@github.com:a/b.git", "git@github.com:a/b.git"},
		{"../other.git", "https://example.org/owner/other.git"},
		{"../../else/other", "https://example.org/else/other"},
		{"./below", "https://example.org/owner/repo/below"},
		{"../a/../b", "https://example.org/owner/b"},
		{"../../../../etc/passwd", ""},
		{"../../..", ""},
	}
	for _, test := range tests {
		got, err := resolveSubmodule("https://example.org/owner/repo", test.address)
		if got != test.want || (test.want == "") != errors.Is(err, ErrNoSubmodule) {
			t.Errorf("%q: %q, %v, want %q", test.address, got, err, test.want)
		}
	}
}

// openings is a source that notes what was opened.
type openings struct {
	check.Source
	asked []string
	err   error
	snap  check.Snapshot
}

func (o *openings) Snapshot(_ context.Context, repository string, commit gitobj.ID) (check.Snapshot, error) {
	o.asked = append(o.asked, fmt.Sprintf("%s %x", repository, commit[:1]))
	return o.snap, o.err
}

func TestSubmodulesOpen(t *testing.T) {
	var text strings.Builder
	text.WriteString("-- Cargo.toml --\n-- .gitmodules --\n")
	for i := range maxSubmodules + 1 {
		fmt.Fprintf(&text, "[submodule \"m%d\"]\n\tpath = m%d\n\turl = ../m%d.git\n", i, i, i)
	}
	f := newFixture(t, "", text.String())
	source := &openings{snap: f.snapshot}
	modules := NewSubmodules(source, f.snapshot)
	var want []string
	for i := range maxSubmodules {
		for range 2 { // the second time from memory
			snap, err := modules.Open(t.Context(), fmt.Sprintf("m%d", i), gitobj.ID{7})
			if err != nil || snap != check.Snapshot(f.snapshot) {
				t.Errorf("m%d: %v", i, err)
			}
		}
		want = append(want, fmt.Sprintf("https://example.org/o/m%d.git 07", i))
	}
	if _, err := modules.Open(t.Context(), fmt.Sprintf("m%d", maxSubmodules), gitobj.ID{7}); !errors.Is(err, ErrNoSubmodule) {
		t.Errorf("one more than are fetched: %v", err)
	}
	if diff := cmp.Diff(want, source.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestSubmodulesRefused(t *testing.T) {
	named := "-- Cargo.toml --\n-- .gitmodules --\n[submodule \"m\"]\npath = m\nurl = https://example.com/m\n"
	tests := []struct {
		name, fixture, at string
		err               error // of the source
		want              error
	}{
		{name: "no list", fixture: "-- Cargo.toml --\n", at: "m", want: ErrNoSubmodule},
		{name: "a list that is a link", fixture: "-- Cargo.toml --\n-- .gitmodules -> Cargo.toml --\n", at: "m", want: ErrNoSubmodule},
		{name: "not in the list", fixture: named, at: "n", want: ErrNoSubmodule},
		{name: "a commit that is gone", fixture: named, at: "m", err: check.ErrCommitMissing, want: check.ErrCommitMissing},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, "", test.fixture)
			source := &openings{err: test.err}
			modules := NewSubmodules(source, f.snapshot)
			for range 2 {
				if snap, err := modules.Open(t.Context(), test.at, gitobj.ID{7}); !errors.Is(err, test.want) {
					t.Errorf("got %v, %v, want %v", snap, err, test.want)
				}
			}
			if len(source.asked) > 1 {
				t.Errorf("asked again: %q", source.asked)
			}
		})
	}
}

// No list of submodules leads a relative address out of its host.
func FuzzSubmodules(f *testing.F) {
	f.Add("[submodule \"a\"]\n\tpath = a\n\turl = ../../b\n")
	f.Fuzz(func(t *testing.T, text string) {
		for at, address := range submoduleURLs(text) {
			got, err := resolveSubmodule("https://example.org/owner/repo", address)
			if err == nil && got != address && !strings.HasPrefix(got, "https://example.org/") {
				t.Errorf("%q at %q leads to %q", address, at, got)
			}
		}
	})
}
