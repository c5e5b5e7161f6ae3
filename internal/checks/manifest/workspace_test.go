package manifest

import (
	"strings"
	"testing"
)

func TestWorkspaceRoot(t *testing.T) {
	const member = "[package]\nname = \"a\"\n"
	tests := []struct {
		name  string
		files map[string]string
		dir   string
		want  string // "none" where there is none
	}{
		{"its own", map[string]string{"a/Cargo.toml": member + "[workspace]\n", "Cargo.toml": "[workspace]\n"}, "a", "a"},
		{"above", map[string]string{"x/y/a/Cargo.toml": member, "x/Cargo.toml": "[workspace]\n"}, "x/y/a", "x"},
		{"none", map[string]string{"a/Cargo.toml": member, "Cargo.toml": member}, "a", "none"},
		{"no manifest", map[string]string{"Cargo.toml": "[workspace]\n"}, "a", ""},
		{"nearest", map[string]string{"x/a/Cargo.toml": member, "x/Cargo.toml": "[workspace]\n", "Cargo.toml": "[workspace]\n"}, "x/a", "x"},
		{"excluded, then above", map[string]string{"x/a/Cargo.toml": member, "x/Cargo.toml": "[workspace]\nexclude = [\"a\"]\n", "Cargo.toml": "[workspace]\n"}, "x/a", ""},
		{"excluded with its folder", map[string]string{"x/a/Cargo.toml": member, "Cargo.toml": "[workspace]\nexclude = [\"./x/\"]\n"}, "x/a", "none"},
		{"beside what is excluded", map[string]string{"xa/Cargo.toml": member, "Cargo.toml": "[workspace]\nexclude = [\"x\"]\n"}, "xa", ""},
		{"excluded, but a member", map[string]string{"x/a/Cargo.toml": member, "Cargo.toml": "[workspace]\nexclude = [\"x\"]\nmembers = [\"x/a\"]\n"}, "x/a", ""},
		// Patterns are only for finding members.
		{"excluded, a member by pattern", map[string]string{"x/a/Cargo.toml": member, "Cargo.toml": "[workspace]\nexclude = [\"x\"]\nmembers = [\"x/*\"]\n"}, "x/a", "none"},
		{"all excluded", map[string]string{"a/Cargo.toml": member, "Cargo.toml": "[workspace]\nexclude = [\".\"]\n"}, "a", "none"},
		{"pointer", map[string]string{"a/Cargo.toml": member + "workspace = \"../w\"\n", "w/Cargo.toml": "[workspace]\n", "Cargo.toml": "[workspace]\n"}, "a", "w"},
		{"pointer to the top", map[string]string{"a/Cargo.toml": member + "workspace = \"..\"\n", "Cargo.toml": "[workspace]\n"}, "a", ""},
		{"pointer out of the repository", map[string]string{"a/Cargo.toml": member + "workspace = \"../..\"\n", "../Cargo.toml": "[workspace]\n"}, "a", "none"},
		{"pointer to no workspace", map[string]string{"a/Cargo.toml": member + "workspace = \"../w\"\n", "w/Cargo.toml": member}, "a", "none"},
		{"pointer of a folder above", map[string]string{"x/a/Cargo.toml": member, "x/Cargo.toml": member + "workspace = \"../w\"\n", "w/Cargo.toml": "[workspace]\n"}, "x/a", "w"},
		{"unreadable on the way", map[string]string{"x/a/Cargo.toml": member, "x/Cargo.toml": "[", "Cargo.toml": "[workspace]\n"}, "x/a", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, m, ok := WorkspaceRoot(nil, tt.dir, func(file string) ([]byte, bool) {
				text, ok := tt.files[file]
				return []byte(text), ok
			})
			if !ok {
				got = "none"
			}
			if got != tt.want || ok != (m != nil) {
				t.Errorf("got %q with manifest %t, want %q", got, m != nil, tt.want)
			}
		})
	}
}

// No more is parsed than a few manifests of the largest kind.
func TestWorkspaceRootIsBounded(t *testing.T) {
	reads := 0
	_, _, ok := WorkspaceRoot(nil, "a/b/c/d/e", func(string) ([]byte, bool) {
		reads++
		return []byte("[package]\nname = \"a\"\n#" + strings.Repeat("x", maxAncestry/3)), true
	})
	if ok || reads != 3 {
		t.Errorf("found %t after %d reads", ok, reads)
	}
}

// Folders may be as deep as a path can be long.
func TestWorkspaceRootIsLinear(t *testing.T) {
	reads := 0
	dir := strings.TrimSuffix(strings.Repeat("a/", 500), "/")
	root, _, ok := WorkspaceRoot(nil, dir, func(file string) ([]byte, bool) {
		reads++
		if file == "Cargo.toml" {
			return []byte("[workspace]\n"), true
		}
		return []byte("[package]\nname = \"a\"\n"), true
	})
	if root != "" || !ok || reads != 501 {
		t.Errorf("got %q, %t after %d reads", root, ok, reads)
	}
}
