package provenance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissing(t *testing.T) {
	tests := []struct {
		name, at, fixture string
		want              Missing
	}{
		{
			name: "nothing", fixture: demoManifest + "-- src/lib.rs --\n-- Cargo.lock --\n-- crate/Cargo.lock gone --\n",
			want: Missing{Explained: map[Reason]int{}},
		},
		{
			name: "no reason", fixture: demoManifest + "-- src/lib.rs --\n-- src/gone.rs --\n-- crate/src/gone.rs gone --\n",
			want: Missing{Explained: map[Reason]int{}, Unexplained: []string{"src/gone.rs"}},
		},
		{
			name: "by the manifest", fixture: demoManifest + `exclude = ["tests/", "*.png", "!keep.png"]
-- tests/all.rs --
-- a.png --
-- keep.png --
-- crate/tests/all.rs gone --
-- crate/a.png gone --
-- crate/keep.png gone --
`,
			want: Missing{Explained: map[Reason]int{Excluded: 2}, Unexplained: []string{"keep.png"}},
		},
		{
			name: "by the workspace", at: "demo", fixture: `
-- Cargo.toml --
[workspace]
[workspace.package]
include = ["src/**/*.rs"]
-- demo/Cargo.toml --
[package]
name = "demo"
include.workspace = true
-- demo/src/lib.rs --
-- demo/src/data.bin --
-- crate/src/data.bin gone --
`,
			want: Missing{Explained: map[Reason]int{NotIncluded: 1}},
		},
		{
			name: "what cargo never packages", fixture: demoManifest + `
-- src/lib.rs --
-- nested/Cargo.toml --
[package]
name = "nested"
-- nested/src/lib.rs --
-- target/out --
-- to -> nested --
-- vendor submodule --
-- crate/nested/Cargo.toml gone --
-- crate/nested/src/lib.rs gone --
-- crate/target/out gone --
`,
			want: Missing{Explained: map[Reason]int{NestedPackage: 1, BuildOutput: 1, Link: 1}},
		},
		{
			name: "a folder that a link leads to", fixture: demoManifest + `
-- real/a.rs --
-- to -> real --
-- crate/to/a.rs --
`,
			want: Missing{Explained: map[Reason]int{}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := compare(t, newFixture(t, test.at, test.fixture), test.at)
			if diff := cmp.Diff(test.want, r.Missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingBounds(t *testing.T) {
	var text strings.Builder
	text.WriteString(demoManifest)
	for i := range 150 {
		fmt.Fprintf(&text, "-- f%03d --\n-- crate/f%03d gone --\n", i, i)
	}
	r := compare(t, newFixture(t, "", text.String()), "")
	if len(r.Missing.Unexplained) != maxMissing || r.Missing.More != 50 {
		t.Errorf("%d files are named and %d more, want %d and 50", len(r.Missing.Unexplained), r.Missing.More, maxMissing)
	}
}

func TestDeclarationRefused(t *testing.T) {
	for _, line := range []string{"**", "*", "/", "src/**", "src/*", "src", "*.rs", "src/[!x]*", "Cargo.toml", "**/build.rs", "lib.rs", "!x", "", "tool.rs", "src/?ib.rs"} {
		f := newFixture(t, "", fmt.Sprintf(`
-- Cargo.toml --
[package]
name = "demo"
build = "tool.rs"
[package.metadata.provenance]
generated = [%q]
-- src/lib.rs --
-- crate/src/evil.rs --
-- crate/tool.rs --
`, line))
		r := compare(t, f, "")
		if len(r.Declaration.Refused) != 1 || strings.Contains(told(r), "declared") {
			t.Errorf("%q is not refused:\n%s", line, told(r))
		}
	}
}
