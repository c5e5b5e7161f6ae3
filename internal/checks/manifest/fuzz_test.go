package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/crate"
)

// The canonical form of a canonical form is itself: the order and notation that
// it was written in, and what was inherited, have no part in it.
func FuzzCanonicalise(f *testing.F) {
	f.Add([]byte(gitText), []byte{}, strings.Join(aFiles, "\n"))
	f.Add([]byte(publishedText), []byte("[workspace]\nresolver = \"3\""), "")
	archive, err := txtar.ParseFile("testdata/workspace.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var names []string
	for _, file := range archive.Files {
		names = append(names, strings.TrimPrefix(file.Name, "crates/demo/"))
	}
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, crate.ManifestFile) {
			f.Add(file.Data, archive.Files[0].Data, strings.Join(names, "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, text, root []byte, files string) {
		m, err := crate.ParseManifest(text)
		if err != nil || !utf8.ValidString(files) || strings.Contains(files, `\`) { // no crate has such files
			return
		}
		in := Input{Manifest: m, Dir: "crates/a", Files: strings.Split(files, "\n")}
		if r, err := crate.ParseManifest(root); err == nil && len(root) > 0 {
			in.Root = r
		}
		checkIdempotent(t, in)
		Flags(text, m, in.Files)
	})
}

// FuzzMix makes manifests that parse, of pieces that each have a rule: a byte for
// the table and one for its key.
func FuzzMix(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"))
	root, err := crate.ParseManifest([]byte(mixRoot))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		m, err := crate.ParseManifest([]byte(mix(choices, false)))
		if err != nil {
			return
		}
		checkIdempotent(t, Input{Manifest: m, Root: root, Dir: "crates/a", Files: mixFiles})
	})
}

const mixRoot = `
[workspace]
members = ["crates/a"]
resolver = "1"
[workspace.package]
version = "1.0.0"
edition = "2024"
readme = true
license-file = "LICENSE"
[workspace.dependencies]
b = { version = "1", features = ["y", "x"], default-features = false, path = "b", typo = 1 }
c = "2"
[workspace.lints.rust]
x = "warn"
`

var mixFiles = []string{
	"README", "build.rs", "src/lib.rs", "src/a.rs", "src/main.rs", "src/bin/t.rs", "src/bin/s/main.rs", "src/bench.rs",
	"tests/t.rs", "tests/.t.rs", "examples/e/main.rs", "benches/t.rs", "x/y.rs",
}

// mixPieces are the keys of tables, by the tables' headers.
var mixPieces = []struct {
	headers []string
	keys    []string
}{
	{[]string{"package"}, []string{
		"version.workspace = true", "edition.workspace = true", `edition = "2018"`, `edition = "2021"`, "readme.workspace = true", "readme = true",
		`readme = "../a/x/./R"`, `readme = "..\\..\\R"`, "license-file.workspace = true", `license-file = "/etc/passwd"`, "build = true", "build = false",
		`build = "x\\y.rs"`, `!build = ["build.rs", "gone.rs", "x/y.rs"]`, "autobins = true", "autobins = false", "autolib = false", "autotests = false",
		"autonew = false", `resolver = "2"`, `description = "a\r\n"`, "publish = true", "publish = []", "keywords = []", "metadata.x.y = {}",
		"metadata.z = [1.0, 1, nan, {}]", "!metabuild = \"m\"", "links = \"l\"", "new = 1", "!workspace = \"..\"", "rust-version = \"1.2\"",
	}},
	{[]string{"lib", "[bin]", "[test]", "[bench]", "[example]"}, []string{
		`name = "t"`, `name = "a"`, `name = "bench"`, `path = "./src/../src/a.rs"`, `path = "src/lib.rs"`, `!path = "gone.rs"`, "proc-macro = true", "proc_macro = true",
		`!crate-type = ["b", "a", "b"]`, `!crate-type = ["rlib", "cdylib"]`, `crate_type = []`, "test = false", "harness = true", "plugin = true", "required-features = [\"f\"]", "!path = 1",
	}},
	{[]string{
		"dependencies", "dev-dependencies", "dev_dependencies", "build_dependencies", "target.x.dependencies", "target.'cfg(y)'.dev_dependencies",
	}, []string{
		`b = "1"`, "b.workspace = true", `b = { workspace = true, features = ["z"], default-features = true, optional = true, version = "9" }`,
		"c = { workspace = true, default-features = false, public = true }", `c = { version = "1", package = "c", default_features = false, default-features = true }`,
		`d = { path = "../d" }`, `!d = { git = "g", rev = "r", version = "1" }`, `d = "1"`, `!d = { version = "1", registry = "r" }`, `!d = { version = "1", registry-index = "https://i" }`,
		`!e = { version = "1", artifact = "bin", lib = true, target = "t" }`, "e = { version = \"1\", features = [], optional = false, typo = {} }",
	}},
	{[]string{"features"}, []string{`default = ["b/x", "c?/y", "dep:d", "e"]`, "e = []", `e = ["d/x", "d/x"]`}},
	{[]string{"profile.release", "profile.dev.package.'*'", "profile.dev.build-override"}, []string{
		"debug = true", `debug = "none"`, "debug = 1", "opt-level = 3", `!opt-level = "3"`, `opt-level = "s"`, "lto = true", "new = 1", "codegen-units = 1",
	}},
	{[]string{"lints"}, []string{"workspace = true", `rust.x = "warn"`, `rust.y = { level = "warn" }`, `rust.z = { level = "warn", priority = 1 }`, "clippy = {}"}},
	{[]string{"badges", "new"}, []string{"a = {}", `a = { b = "c" }`, "!workspace = true"}},
	{[]string{"hints", "!workspace", "!patch.x"}, []string{"mostly-unused = true"}},
}

// mix writes every choice once: a second key of a name would not parse. An honest
// mix is without what cargo refuses, marked by "!".
func mix(choices []byte, honest bool) string {
	tables, taken := map[string][]string{"package": {`name = "a"`}}, map[string]bool{}
	for ; len(choices) >= 3; choices = choices[3:] {
		piece := mixPieces[int(choices[0])%len(mixPieces)]
		header, refused1 := strings.CutPrefix(piece.headers[int(choices[1])%len(piece.headers)], "!")
		line, refused2 := strings.CutPrefix(piece.keys[int(choices[2])%len(piece.keys)], "!")
		name, _, _ := strings.Cut(line, " ")
		if name, _, _ = strings.Cut(name, "."); header == "lints" {
			name = line
		}
		if taken[header+name] || honest && (refused1 || refused2) {
			continue
		}
		taken[header+name] = true
		if honest && strings.HasPrefix(header, "[") && !taken[header+"name"] {
			taken[header+"name"] = true
			tables[header] = append(tables[header], `name = "t"`)
		}
		tables[header] = append(tables[header], line)
	}
	var text strings.Builder
	for _, header := range slices.Sorted(maps.Keys(tables)) {
		fmt.Fprintf(&text, "[%s]\n%s\n", header, strings.Join(tables[header], "\n"))
	}
	return text.String()
}

// checkIdempotent writes the canonical form down and reads it again.
func checkIdempotent(t *testing.T, in Input) {
	t.Helper()
	once, _, err := Canonicalise(in)
	if err != nil {
		return
	}
	written, err := toml.Marshal(asManifest(once))
	if err != nil {
		t.Fatal(err)
	}
	again, err := crate.ParseManifest(written)
	if err != nil {
		t.Fatalf("%v:\n%s", err, written)
	}
	twice, _, err := Canonicalise(Input{Manifest: again, Files: in.Files})
	if err != nil {
		t.Fatalf("%v:\n%s", err, written)
	}
	if diff := cmp.Diff(render(once.tree), render(twice.tree)); diff != "" {
		t.Errorf("%s\n(-once +twice):\n%s", written, diff)
	}
	for _, d := range Compare(once, twice) {
		t.Error(describe(d))
	}
}

// asManifest lays a canonical form out as a manifest has it: targets in arrays,
// and nothing guessed.
func asManifest(c *Canon) map[string]any {
	m := maps.Clone(c.tree)
	own := maps.Clone(tableOf(m, "package"))
	own["autolib"] = false
	for _, kind := range targetKinds {
		own[kind.auto] = false
		var array []any
		targets := tableOf(m, kind.name)
		for _, name := range slices.Sorted(maps.Keys(targets)) {
			array = append(array, targets[name])
		}
		if delete(m, kind.name); array != nil {
			m[kind.name] = array
		}
	}
	m["package"] = own
	return m
}
