package provenance

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
