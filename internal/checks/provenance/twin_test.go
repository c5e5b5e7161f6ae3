package provenance

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of packages of one name, a reader may look at another than is published.
func TestTwins(t *testing.T) {
	manifest := func(folder, name, more string) string {
		return fmt.Sprintf("-- %s/Cargo.toml --\n[package]\nname = %q\n%s", folder, name, more)
	}
	tests := []struct {
		name, fixture string
		want          []string
	}{
		{"alone", manifest("tools/x", "demo", "") + manifest("crates/other", "other", ""), nil},
		{"one called like it", manifest("tools/x", "demo", "") + manifest("crates/demo", "demo", "version = \"1.0.0\"\n"), []string{"crates/demo"}},
		{"one called like its folder", manifest("tools/x", "demo", "") + manifest("lib/x", "demo", "version = \"1.0.0\"\n"), []string{"lib/x"}},
		{"one with its manifest", manifest("tools/x", "demo", "") + manifest("a/b", "demo", ""), []string{"a/b"}},
		{"one above", manifest("tools/x", "demo", "") + manifest("tools", "demo", "version = \"1.0.0\"\n"), []string{"tools"}},
		{"the root", manifest("tools/x", "demo", "") + "-- Cargo.toml --\n[package]\nname = \"demo\"\n", []string{""}},
		{"one deeper, where nobody looks first", manifest("tools/x", "demo", "") + manifest("a/b/demo", "demo", ""), nil},
		{"one called like it, of another name", manifest("tools/x", "demo", "") + manifest("crates/demo", "demo-tools", ""), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, "tools/x", test.fixture)
			if diff := cmp.Diff(test.want, compare(t, f, "tools/x").Twins); diff != "" {
				t.Errorf("twins (-want +got):\n%s", diff)
			}
		})
	}
}
