package provenance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHints(t *testing.T) {
	tests := []struct {
		repository string
		want       []string
	}{
		{"", nil},
		{"https://github.com/o/r", nil},
		{"https://github.com/o/r/tree/main", nil},
		{"https://github.com/o/r/tree/main/crates/demo", []string{"crates/demo", "demo"}},
		{"github.com/o/r/tree/main/demo/", []string{"demo"}},
		{"git+https://github.com/o/r/tree/main/demo?x=/tree/a/b#readme", []string{"demo"}},
		{"https://gitlab.com/g/s/r/-/tree/main/demo", []string{"demo"}},
		{"https://codeberg.org/o/r/src/branch/main/demo", []string{"main/demo", "demo"}},
		{"https://bitbucket.org/o/r/src/main/demo", []string{"demo"}},
		{"https://git.sr.ht/~o/r/tree/main/item/demo", []string{"item/demo", "demo"}},
		{"https://chromium.googlesource.com/a/b/+/refs/heads/main/demo", []string{"heads/main/demo", "main/demo", "demo"}},
		{"https://github.com/o/tree/tree/main/demo", []string{"demo"}}, // a repository of that name
		{"git@github.com:o/r.git", nil},
		{"https://github.com/o/r/tree/main/../../../etc", []string{"../../../etc", "../../etc", "../etc", "etc"}}, // where nothing is found
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, hints(test.repository)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.repository, diff)
		}
	}
}
