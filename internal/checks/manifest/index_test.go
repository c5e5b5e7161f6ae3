package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/index"
)

const indexedText = `
[package]
name = "a"
version = "1.0.0"
links = "z"
rust-version = "1.60"

[dependencies]
foo_bar = { version = ">= 1.2,<2", features = ["y", "x"] }
renamed = { package = "real", version = "1", optional = true, default-features = false }
[dependencies.any]
path = "of-old"
[target.'cfg(any(unix, target_os = "a b",))'.build-dependencies]
cc = "=1.0.3"
[dev-dependencies]
wild = "1.*.*"
[features]
default = ["new"]
new = ["dep:renamed"]
`

const indexedLine = `{"name":"a","vers":"1.0.0","deps":[
{"name":"foo_bar","req":">=1.2, <2","features":["x","y"],"optional":false,"default_features":true,"target":null,"kind":"normal"},
{"name":"renamed","package":"real","req":"^1","features":[],"optional":true,"default_features":false,"target":null,"kind":"normal"},
{"name":"any","req":"*","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"},
{"name":"cc","req":"=1.0.3","features":[],"optional":false,"default_features":true,"target":"cfg(any(unix, target_os = \"a b\"))","kind":"build"},
{"name":"wild","req":"1.*","features":[],"optional":false,"default_features":true,"target":null,"kind":"dev"}
],"cksum":"0000000000000000000000000000000000000000000000000000000000000001","features":{"default":["new"]},"features2":{"new":["dep:renamed"]},"yanked":false,"links":"z","rust_version":"1.60","v":2}`

func TestCompareIndex(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // in the line
		want     []string
	}{
		{name: "the same"},
		{"requirement", `"^1"`, `"^2"`, []string{"dependency-changed dependencies.renamed.version"}},
		{"open requirement", `">=1.2, <2"`, `">=1.2, <2.*"`, nil},
		{"package", `"package":"real"`, `"package":"rea1"`, []string{"dependency-changed dependencies.renamed.package"}},
		{"package spelled otherwise", `"package":"real"`, `"package":"Real"`, nil},
		{"features", `["x","y"]`, `["x"]`, []string{"dependency-changed dependencies.foo_bar.features"}},
		{"optional", `"optional":true`, `"optional":false`, []string{"dependency-changed dependencies.renamed.optional"}},
		{"default features", `"default_features":false`, `"default_features":true`, []string{"dependency-changed dependencies.renamed.default-features"}},
		{"kind", `"kind":"dev"`, `"kind":"normal"`, []string{"dependency-removed dependencies.wild", "dependency-added dev-dependencies.wild"}},
		{"target", `a b`, `ab`, []string{`dependency-added target."cfg(any(unix,target_os=\"a b\"))".build-dependencies.cc`, `dependency-removed target."cfg(any(unix,target_os=\"ab\"))".build-dependencies.cc`}},
		{"registry", `"kind":"dev"`, `"kind":"dev","registry":"https://x.example"`, []string{"dependency-changed dev-dependencies.wild.registry-index"}},
		{"crates.io as another registry", `"kind":"dev"`, `"kind":"dev","registry":"https://github.com/rust-lang/crates.io-index"`, nil},
		{"dependency hidden from the index", `{"name":"any","req":"*","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"},`, ``, []string{"dependency-added dependencies.any"}},
		{"feature", `"default":["new"]`, `"default":[]`, []string{"feature-changed features.default"}},
		{"feature hidden from the manifest", `"default":["new"]`, `"default":["new"],"evil":[]`, []string{"feature-removed features.evil"}},
		{"links", `"links":"z"`, `"links":"y"`, []string{"build-key-changed package.links"}},
		{"no links", `"links":"z",`, ``, []string{"build-key-added package.links"}},
		{"rust-version", `"rust_version":"1.60",`, ``, []string{"build-key-added package.rust-version"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(indexedLine, tt.old, tt.new, 1)
			if text == indexedLine && tt.old != "" {
				t.Fatalf("%q is not in the line", tt.old)
			}
			line, err := index.ParseLine([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range CompareIndex(mustParse(t, indexedText), line) {
				got = append(got, d.Rule+" "+Dotted(d.Path))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A registry of one's own: its dependencies are the index's where the manifest
// has the registry's URL.
func TestCompareIndexOfOtherRegistry(t *testing.T) {
	m := mustParse(t, "[package]\nname = \"a\"\n[dependencies]\nours = { version = \"1\", registry-index = \"https://ours.example\" }\ntheirs = { version = \"1\", registry-index = \"https://theirs.example\" }\n")
	line := index.Line{Deps: []index.Dep{
		{Name: "ours", Req: "^1", DefaultFeatures: true, Kind: index.Normal},
		{Name: "theirs", Req: "^1", DefaultFeatures: true, Kind: index.Normal, Registry: "https://theirs.example"},
	}}
	if got := CompareIndex(m, line); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	line.Deps[1].Registry = "https://evil.example"
	got := CompareIndex(m, line)
	if len(got) != 1 || got[0].Index != `"https://evil.example"` || got[0].Published != `"https://theirs.example"` || got[0].Line != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestPlainRequirement(t *testing.T) {
	for requirement, want := range map[string]string{
		"": "*", "*": "*", "1": "^1", " 1.2.3 ": "^1.2.3", "^1": "^1", "~ 1.2": "~1.2", "=1.2.3+meta": "=1.2.3",
		">=1,<2": ">=1, <2", ">= 1.0, < 2.0,": ">=1.0, <2.0", "1.x": "1.*", "1.*.*": "1.*", "<=0.59.*": "<=0.59",
		"1.0.0-alpha.1": "^1.0.0-alpha.1",
	} {
		if got := plainRequirement(requirement); got != want {
			t.Errorf("plainRequirement(%q): got %q, want %q", requirement, got, want)
		}
	}
}
