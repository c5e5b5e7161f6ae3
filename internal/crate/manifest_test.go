package crate

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseManifest(t *testing.T) {
	const text = `# as published
[package]
name = "foo"
version = "1.0.0"
authors = ["A <a@example.com>"]
edition = "2021"
rust-version = "1.70"
description = "does foo"
license = "MIT"
readme = "README.md"
keywords = ["foo", "bar"]
build = false
links = "z"
repository = "https://example.com/foo"
unknown = 1

[package.metadata.security]
policy = "docs/SECURITY.md"

[lib]
path = "src/lib.rs"

[[bin]]
name = "one"

[[bin]]
name = "two"
path = "two.rs"

[dependencies]
plain = "1"
inline = { version = "2", optional = true, default-features = false, features = ["x"] }
dotted.version = "3"
dotted.package = "real-name"

[dependencies.table]
version = "4"
registry-index = "https://example.com/index"

[dev-dependencies.dev]
path = "../dev"

[target.'cfg(windows)'.build-dependencies]
win = { version = "5", default-features = true }

[features]
default = ["inline"]
empty = []
`
	got, err := ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	off, on := false, true
	want := &Manifest{
		Package: Package{
			Name: "foo", Version: "1.0.0", Authors: []string{"A <a@example.com>"}, Edition: "2021", RustVersion: "1.70",
			Description: "does foo", License: "MIT", Keywords: []string{"foo", "bar"}, Links: "z", Repository: "https://example.com/foo",
			Readme:    FileSetting{Set: true, Paths: []string{"README.md"}},
			Build:     FileSetting{Set: true},
			Metadata:  map[string]any{"security": map[string]any{"policy": "docs/SECURITY.md"}},
			Inherited: map[string]bool{},
		},
		Dependencies: []Dependency{
			{Key: "plain", Package: "plain", Req: "1", Kind: KindNormal, Line: 31},
			{Key: "inline", Package: "inline", Req: "2", Kind: KindNormal, Optional: true, DefaultFeatures: &off, Features: []string{"x"}, Line: 32},
			{Key: "dotted", Package: "real-name", Req: "3", Kind: KindNormal, Line: 33},
			{Key: "table", Package: "table", Req: "4", Kind: KindNormal, RegistryIndex: "https://example.com/index", Line: 36},
			{Key: "dev", Package: "dev", Kind: KindDev, Path: "../dev", Line: 40},
			{Key: "win", Package: "win", Req: "5", Kind: KindBuild, Target: "cfg(windows)", DefaultFeatures: &on, Line: 44},
		},
		Features: map[string][]string{"default": {"inline"}, "empty": {}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Manifest{}), cmpopts.IgnoreFields(Manifest{}, "Raw")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, ok := got.Raw["lib"]; !ok {
		t.Error("Raw lacks [lib]")
	}
	lines := []struct {
		path string
		want int
	}{
		{"package", 2}, {"package name", 3}, {"package.metadata", 0}, {"package metadata security policy", 18},
		{"bin", 23}, {"bin 0 name", 24}, {"bin 1", 26}, {"bin 1 path", 28},
		{"dependencies inline", 32}, {"dependencies inline features", 32}, {"dependencies dotted package", 34},
		{"target cfg(windows) build-dependencies", 43}, {"features default", 47}, {"absent", 0},
	}
	for _, l := range lines {
		if got := got.Line(strings.Fields(l.path)...); got != l.want {
			t.Errorf("line of %q: got %d, want %d", l.path, got, l.want)
		}
	}
}

func TestParseManifestSpellings(t *testing.T) {
	tests := []struct {
		name, text string
		want       *Manifest
	}{
		{
			name: "old spellings and a byte order mark",
			text: "\xef\xbb\xbf[project]\nname = \"foo\"\nreadme = true\n[dev_dependencies]\na = \"1\"\n[target.x.build_dependencies.b]\nversion = \"2\"\ndefault_features = false\n",
			want: &Manifest{
				Package: Package{Name: "foo", Readme: FileSetting{Set: true, Guess: true}, Inherited: map[string]bool{}},
				Dependencies: []Dependency{
					{Key: "a", Package: "a", Req: "1", Kind: KindDev, Line: 5},
					{Key: "b", Package: "b", Req: "2", Kind: KindBuild, Target: "x", DefaultFeatures: new(bool), Line: 6},
				},
			},
		},
		{
			name: "inherited from a workspace",
			text: "[package]\nname = \"foo\"\nversion.workspace = true\nauthors = { workspace = true }\n[dependencies]\na = { workspace = true, features = [\"f\"] }\nb.workspace = true\n",
			want: &Manifest{
				Package: Package{Name: "foo", Inherited: map[string]bool{"version": true, "authors": true}},
				Dependencies: []Dependency{
					{Key: "a", Package: "a", Kind: KindNormal, Workspace: true, Features: []string{"f"}, Line: 6},
					{Key: "b", Package: "b", Kind: KindNormal, Workspace: true, Line: 7},
				},
			},
		},
		{
			name: "root of a workspace",
			text: "[workspace]\nmembers = [\"a\"]\n",
			want: &Manifest{},
		},
		{
			name: "several build scripts",
			text: "[package]\nname = \"foo\"\nbuild = [\"a.rs\", \"b.rs\"]\n",
			want: &Manifest{Package: Package{Name: "foo", Build: FileSetting{Set: true, Paths: []string{"a.rs", "b.rs"}}, Inherited: map[string]bool{}}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseManifest([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(Manifest{}), cmpopts.IgnoreFields(Manifest{}, "Raw")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseManifestRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no TOML", "[package", "line 1"},
		{"key twice", "[package]\nname = \"a\"\nname = \"b\"\n", "line 3"},
		{"no name", "[package]\nversion = \"1.0.0\"\n", `"package.name"`},
		{"name is a number", "[package]\nname = 1\n", `line 2: "package.name": want a string, not an integer`},
		{"package is a string", "package = \"foo\"\n", `"package": want a table`},
		{"keywords is a string", "[package]\nname = \"a\"\nkeywords = \"k\"\n", `"package.keywords"`},
		{"keyword is a bool", "[package]\nname = \"a\"\nkeywords = [true]\n", `"package.keywords"`},
		{"readme is a date", "[package]\nname = \"a\"\nreadme = 2020-01-01\n", `"package.readme"`},
		{"dependencies is an array", "dependencies = []\n", `"dependencies"`},
		{"dependency is a number", "[dependencies]\na = 1\n", `line 2: "dependencies.a"`},
		{"optional is a string", "[target.x.dependencies]\na = { version = \"1\", optional = \"no\" }\n", `"target.x.dependencies.a.optional"`},
		{"feature is a string", "[features]\na = \"b\"\n", `"features.a"`},
		{"too large", strings.Repeat("#", maxManifest+1), "limit"},
		// Each would cost a recursive parser its stack, or a thorough one its time.
		{"deep arrays", "a = " + strings.Repeat("[", 100_000), "deeper"},
		{"deep tables", "a = " + strings.Repeat("{a=", 100_000), "deeper"},
		{"deep dotted key", strings.Repeat("a.", 100_000) + "a = 1", "deeper"},
		{"deep quoted key", strings.Repeat(`"[".`, 100_000) + "a = 1", "deeper"},
		{"deep after a string", "s = '''\n\"'''\nt = \"\\\"]\"\na = " + strings.Repeat("[", 100_000), "deeper"},
		{"long key", "[" + strings.Repeat("a", maxManifestKey+1) + "]", "a key of"},
		{"many keys", manyKeys(maxManifestKeys + 1), "more than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseManifest([]byte(test.text))
			if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d=1\n", i)
	}
	return b.String()
}

// Brackets, dots and quotes in strings and comments are no structure.
func TestGuardSkipsStrings(t *testing.T) {
	text := "# [[[" + strings.Repeat("[", 100) + "\n" +
		"a = '" + strings.Repeat("[", 100) + "\"'\n" +
		`b = "` + strings.Repeat(`\"[`, 100) + `"` + "\n" +
		"c = '''\n''" + strings.Repeat("[", 100) + "''''\n" +
		`d = """` + strings.Repeat(`\"""[`[:3], 100) + `"""` + "\n" +
		"e = [" + strings.Repeat("1.5,\n", 100) + "]\n"
	if _, err := ParseManifest([]byte(text)); err != nil {
		t.Error(err)
	}
}

// What a manifest costs to remember is bounded by its own size, not by the
// product of its keys and the path that they lie below.
func TestLineMemory(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 1000)+".", 10)
	text := "[" + long + "x]\n" + manyKeys(1000)
	m, err := ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	bytes := 0
	for key := range m.lines {
		bytes += len(key)
	}
	if bytes > 2*len(text) {
		t.Errorf("%d bytes of keys are kept for a manifest of %d", bytes, len(text))
	}
}
