package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
)

func TestInheritErrors(t *testing.T) {
	const name = "[package]\nname = \"a\"\n"
	tests := []struct {
		name       string
		text, root string
	}{
		{"version, no workspace", name + "version.workspace = true\n", ""},
		{"version, not in the workspace", name + "version.workspace = true\n", "[workspace]\n"},
		{"dependency, no workspace", name + "[dependencies]\nb.workspace = true\n", ""},
		{"dependency, not in the workspace", name + "[dependencies]\nb.workspace = true\n", "[workspace.dependencies]\nc = \"1\"\n"},
		{"lints", name + "[lints]\nworkspace = true\n", "[workspace]\n"},
		{"readme", name + "readme.workspace = true\n", "[workspace]\n"},
		{"own workspace", name + "version.workspace = true\n[workspace]\n", "[workspace.package]\nversion = \"1.0.0\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Manifest: mustParse(t, tt.text)}
			if tt.root != "" {
				in.Root = mustParse(t, tt.root)
			}
			if _, _, err := Canonicalise(in); !errors.Is(err, ErrInherit) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCanonicaliseNeedsPackage(t *testing.T) {
	if _, _, err := Canonicalise(Input{Manifest: mustParse(t, "[workspace]\n")}); !errors.Is(err, ErrNoPackage) {
		t.Errorf("got %v", err)
	}
}

// One long entry of the workspace, taken over by thousands of targets.
func TestInheritedIsBounded(t *testing.T) {
	root := mustParse(t, "[workspace.dependencies]\nb = { version = \"1\", features = ["+strings.Repeat(`"x",`, 100_000)+"] }\n")
	var text strings.Builder
	text.WriteString("[package]\nname = \"a\"\n")
	for i := range 3000 {
		fmt.Fprintf(&text, "[target.t%d.dependencies]\nb.workspace = true\n", i)
	}
	if _, _, err := Canonicalise(Input{Manifest: mustParse(t, text.String()), Root: root}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// manyDependencies is put together by hand, for parsing it takes longer than what
// is looked at here.
func manyDependencies(n int, version string) *crate.Manifest {
	dependencies := map[string]any{}
	for i := range n {
		dependencies[fmt.Sprint("d", i)] = version
	}
	return &crate.Manifest{
		Package: crate.Package{Name: "a"},
		Raw:     map[string]any{"package": map[string]any{"name": "a"}, "dependencies": dependencies},
	}
}

func TestManyDependencies(t *testing.T) {
	const n = 10_000
	git, _ := mustCanonicalise(t, Input{Manifest: manyDependencies(n, "1")})
	published, _ := mustCanonicalise(t, Input{Manifest: manyDependencies(n, "2")})
	if got := len(Compare(git, published)); got != n {
		t.Errorf("%d differences, want %d", got, n)
	}
}

func BenchmarkCanonicalise(b *testing.B) {
	in := Input{Manifest: mustParse(b, gitText), Files: aFiles}
	for b.Loop() {
		mustCanonicalise(b, in)
	}
}

func BenchmarkCompareManyDependencies(b *testing.B) {
	git, _ := mustCanonicalise(b, Input{Manifest: manyDependencies(10_000, "1")})
	published, _ := mustCanonicalise(b, Input{Manifest: manyDependencies(10_000, "2")})
	for b.Loop() {
		Compare(git, published)
	}
}
