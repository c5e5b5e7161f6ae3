package provenance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
)

// demoManifest is the least that names the package of these tests.
const demoManifest = `-- Cargo.toml --
[package]
name = "demo"
version = "0.1.0"
edition = "2021"
`

// told writes a result as lines, without what is the same or generated.
func told(r *Result) string {
	var b strings.Builder
	for _, f := range r.Files {
		if f.Kind == Exact || f.Kind == Generated {
			continue
		}
		fmt.Fprintf(&b, "%s %s", f.Path, f.Kind)
		if f.Source && f.Kind != Collides {
			b.WriteString(" source")
		}
		if f.At != "" {
			b.WriteString(" at " + f.At)
		}
		if f.Elsewhere != "" {
			b.WriteString(" elsewhere " + f.Elsewhere)
		}
		if f.Escapes {
			b.WriteString(" escapes")
		}
		if f.Ends != SameEnds {
			b.WriteString(" ends " + string(f.Ends))
		}
		if f.Diff != nil {
			fmt.Fprintf(&b, " lines %d-%d", f.Diff.Start, f.Diff.End)
		}
		b.WriteByte('\n')
	}
	for _, file := range r.Manifest.Unreadable {
		fmt.Fprintf(&b, "unreadable %q\n", file.File)
	}
	for _, d := range r.Manifest.Differences {
		fmt.Fprintf(&b, "%s %s:%d\n", d.Rule, crate.ManifestFile, d.Line)
	}
	return b.String()
}

func compare(t *testing.T, f fixture, at string) *Result {
	t.Helper()
	r, err := Compare(t.Context(), Input{Name: "demo", Archive: f.archive, Snapshot: f.snapshot, Source: submoduleSource{}, Path: &at})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFiles(t *testing.T) {
	tests := []struct {
		name, at, fixture string
		want              string
	}{
		{
			name: "the same",
			fixture: demoManifest + `
-- src/lib.rs --
pub fn f() {}
-- crate/Cargo.lock --
generated
-- crate/.cargo_vcs_info.json --
{}
`,
		},
		{
			name: "modified, one word", fixture: demoManifest + `
-- src/lib.rs --
pub fn one() {}
pub fn two() {}
pub fn three() {}
-- crate/src/lib.rs --
pub fn one() {}
pub fn evil() {}
pub fn three() {}
`,
			want: "src/lib.rs modified source at src/lib.rs lines 2-2\n",
		},
		{
			name: "modified, lines added at the end", fixture: demoManifest + `
-- src/lib.rs --
pub fn one() {}
-- crate/src/lib.rs --
pub fn one() {}
pub fn two() {}
pub fn three() {}
`,
			want: "src/lib.rs modified source at src/lib.rs lines 2-3\n",
		},
		{
			name: "modified, lines missing", fixture: demoManifest + `
-- src/lib.rs --
pub fn one() {}
pub fn two() {}
pub fn three() {}
-- crate/src/lib.rs --
pub fn one() {}
pub fn three() {}
`,
			want: "src/lib.rs modified source at src/lib.rs lines 2-1\n",
		},
		{
			name: "not in the repository", fixture: demoManifest + `
-- src/lib.rs --
-- crate/src/extra.rs --
fn f() {}
-- crate/lib.a --
!<arch>
`,
			want: "lib.a unknown source\nsrc/extra.rs unknown source\n",
		},
		{
			name: "elsewhere in the repository", fixture: demoManifest + `
-- notes/old.rs --
fn f() {}
-- crate/notes/old.rs gone --
-- crate/src/extra.rs --
fn f() {}
`,
			want: "src/extra.rs unknown source elsewhere notes/old.rs\n",
		},
		{
			name: "documentation, tests and tooling", fixture: demoManifest + `
-- src/lib.rs --
-- README.md --
one
-- tests/all.rs --
one
-- crate/README.md --
two
-- crate/tests/all.rs --
two
-- crate/.github/workflows/ci.yml --
-- crate/LICENSE-MIT --
-- crate/docs/picture.html --
`,
			want: ".github/workflows/ci.yml unknown\nLICENSE-MIT unknown\nREADME.md modified at README.md lines 1-1\n" +
				"docs/picture.html unknown\ntests/all.rs modified at tests/all.rs lines 1-1\n",
		},
		{
			name: "what only looks like documentation", fixture: demoManifest + `
-- src/lib.rs --
-- crate/src/notes.md --
-- crate/LICENSE-check.rs --
-- crate/README.rs --
-- crate/.cargo/config.toml --
-- crate/rust-toolchain.toml --
-- crate/nested/Cargo.toml --
`,
			want: ".cargo/config.toml unknown source\nLICENSE-check.rs unknown source\nREADME.rs unknown source\n" +
				"nested/Cargo.toml unknown source\nrust-toolchain.toml unknown source\nsrc/notes.md unknown source\n",
		},
		{
			name: "a test that source reaches", fixture: demoManifest + `
-- src/lib.rs --
#[path = "../tests/common.rs"]
mod common;
-- crate/tests/common.rs --
-- crate/examples/one.rs --
`,
			want: "examples/one.rs unknown\ntests/common.rs unknown source\n",
		},
		{
			name: "a URL leads into no folder", fixture: demoManifest + `
-- src/lib.rs --
//! See https://example.org/docs/x.html and "../docs/a.rs".
const HELP: &str = "https://example.org/tests/b.rs";
/*
// */ include!("../examples/c.rs");
-- crate/docs/a.rs --
-- crate/tests/b.rs --
-- crate/examples/c.rs --
`,
			want: "docs/a.rs unknown\nexamples/c.rs unknown source\ntests/b.rs unknown\n",
		},
		{
			name: "documents taken in as code", fixture: demoManifest + `
-- src/lib.rs --
#![doc = include_str!("../README.md")]
include!(concat!(env!("CARGO_MANIFEST_DIR"), "/CHANGELOG.md"));
#[path = r"../LICENSE"]
mod license;
-- crate/README.md --
-- crate/CHANGELOG.md --
-- crate/LICENSE --
`,
			want: "CHANGELOG.md unknown source\nLICENSE unknown source\nREADME.md unknown\n",
		},
		{
			name: "a test that the manifest builds", fixture: `
-- Cargo.toml --
[package]
name = "demo"
build = "tests/build.rs"
-- crate/tests/build.rs --
`,
			want: "tests/build.rs unknown source\n",
		},
		{
			name: "executable", fixture: demoManifest + `
-- run.sh +x --
-- crate/run.sh --
`,
			want: "run.sh other-mode at run.sh\n",
		},
		{
			name: "line ends of other systems", fixture: demoManifest + "-- a.rs --\none\ntwo\n-- b.rs --\none\r\ntwo\r\n-- c.rs --\none\ntwo\n-- d.bin --\n\x00\n" +
				"-- crate/a.rs --\none\r\ntwo\r\n-- crate/b.rs --\none\ntwo\n-- crate/c.rs --\none\r\nevil\r\n-- crate/d.bin --\n\x00\r\n",
			want: "a.rs line-ends at a.rs\nb.rs line-ends at b.rs\nc.rs modified source at c.rs lines 2-2\nd.bin modified source at d.bin\n",
		},
		{
			name: "links", at: "crates/demo", fixture: `
-- crates/demo/Cargo.toml --
[package]
name = "demo"
-- LICENSE --
free
-- shared/deep/a.rs --
a
-- shared/b.rs -> deep/a.rs --
-- crates/demo/LICENSE -> ../../LICENSE --
-- crates/demo/src -> ../../shared --
-- crates/demo/text -> ../../LICENSE --
-- crates/demo/evil -> ../../LICENSE --
-- crate/LICENSE --
free
-- crate/src/deep/a.rs --
a
-- crate/src/b.rs --
a
-- crate/evil --
not free
`,
			want: "LICENSE linked at LICENSE\nevil modified source at LICENSE lines 1-1\nsrc/b.rs linked at shared/deep/a.rs\nsrc/deep/a.rs linked at shared/deep/a.rs\n",
		},
		{
			name: "links that lead nowhere", fixture: demoManifest + `
-- up -> ../../etc/passwd --
-- absolute -> /etc/passwd --
-- circle -> other --
-- other -> circle --
-- folder -> src --
-- gone -> nothing --
-- through -> Cargo.toml/x --
-- src/lib.rs --
-- crate/up --
-- crate/absolute --
-- crate/circle --
-- crate/folder --
-- crate/gone --
-- crate/through --
`,
			want: "absolute unknown source escapes\ncircle unknown source escapes\nfolder unknown source\ngone unknown source\n" +
				"through unknown source\nup unknown source escapes\n",
		},
		{
			name: "a link packaged as its text", fixture: demoManifest + "-- link -> src/lib.rs --\n-- src/lib.rs --\nx\n-- crate/link --\nsrc/lib.rs",
			want: "link modified source at src/lib.rs lines 1-1\n", // txtar ends every file with a line feed: see TestLinkText
		},
		{
			name: "readme and licence from outside", at: "crates/demo", fixture: `
-- crates/demo/Cargo.toml --
[package]
name = "demo"
readme = "../../README.md"
license-file.workspace = true
-- Cargo.toml --
[workspace]
[workspace.package]
license-file = "legal/LICENSE.txt"
-- legal/LICENSE.txt --
free
-- README.md --
read me
-- crate/README.md --
read me
-- crate/LICENSE.txt --
free
-- crate/Cargo.toml --
[package]
name = "demo"
readme = "README.md"
license-file = "LICENSE.txt"
`,
			want: "LICENSE.txt copied at legal/LICENSE.txt\nREADME.md copied at README.md\n",
		},
		{
			name: "a readme that is not the one outside", at: "crates/demo", fixture: `
-- crates/demo/Cargo.toml --
[package]
name = "demo"
readme = "../../README.md"
-- README.md --
read me
-- crate/README.md --
something else
-- crate/Cargo.toml --
[package]
name = "demo"
readme = "README.md"
`,
			want: "README.md unknown\n",
		},
		{
			name: "a source file cannot be copied in as readme", at: "crates/demo", fixture: `
-- crates/demo/Cargo.toml --
[package]
name = "demo"
readme = "../../build.rs"
-- build.rs --
fn main() { evil() }
-- crate/build.rs --
fn main() { evil() }
-- crate/Cargo.toml --
[package]
name = "demo"
readme = "build.rs"
`,
			want: "build.rs unknown source elsewhere build.rs\n",
		},
		{
			name: "submodule", fixture: demoManifest + `
-- src/lib.rs --
-- vendor submodule --
-- link.c -> vendor/x.c --
-- crate/vendor/x.c --
int x;
-- crate/link.c --
int x;
`,
			want: "link.c uncompared at vendor\nvendor/x.c uncompared at vendor\n",
		},
		{
			name: "a file swapped for another of its name", fixture: demoManifest + `
-- src/a/mod.rs --
pub fn check() -> bool { verify() }
-- src/b/mod.rs --
pub fn check() -> bool { true }
-- crate/src/a/mod.rs --
pub fn check() -> bool { true }
`,
			want: "src/a/mod.rs modified source at src/a/mod.rs elsewhere src/b/mod.rs lines 1-1\n",
		},
		{
			name: "declared as generated", fixture: `
-- Cargo.toml --
[package]
name = "demo"
[package.metadata.provenance]
generated = ["pregenerated/**", "src/tables.rs"]
-- src/lib.rs --
-- src/tables.rs --
old
-- crate/src/tables.rs --
new
-- crate/src/more.rs --
new
-- crate/pregenerated/x.o --
new
`,
			want: "pregenerated/x.o declared source\nsrc/more.rs unknown source\nsrc/tables.rs declared source at src/tables.rs\n",
		},
		{
			name: "packaged before manifests were generated", fixture: demoManifest + `
-- src/lib.rs --
-- crate/Cargo.toml.orig gone --
`,
		},
		{
			name: "an old manifest with another version", fixture: demoManifest + `
-- crate/Cargo.toml.orig gone --
-- crate/Cargo.toml --
[package]
name = "demo"
version = "0.2.0"
edition = "2021"
`,
			want: "Cargo.toml edited at Cargo.toml\nbuild-key-changed Cargo.toml:3\n",
		},
		{
			name: "a manifest that cannot be read", fixture: demoManifest + `
-- crate/Cargo.toml.orig --
[package
`,
			want: "Cargo.toml.orig modified source at Cargo.toml lines 1-1\nunreadable \"Cargo.toml.orig\"\n",
		},
		{
			name: "a published manifest that cannot be read", fixture: demoManifest + `
-- crate/Cargo.toml --
[package
`,
			want: "unreadable \"Cargo.toml\"\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := told(compare(t, newFixture(t, test.at, test.fixture), test.at))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinkText(t *testing.T) {
	f := newFixture(t, "", demoManifest+"-- link -> src/lib.rs --\n-- src/lib.rs --\nx\n-- crate/link --\n")
	for i := range f.archive.Files {
		if f.archive.Files[i].Path == "link" {
			f.archive.Files[i].Data = []byte("src/lib.rs")
		}
	}
	if diff := cmp.Diff("link link-text at link\n", told(compare(t, f, ""))); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// Links are fetched together: a round for every link to a link, however many
// files stand behind them.
func TestLinksTogether(t *testing.T) {
	var text strings.Builder
	text.WriteString(demoManifest + "-- real --\nx\n-- first -> real --\n")
	for i := range 20 {
		fmt.Fprintf(&text, "-- a%d -> ./real --\n-- b%d -> first --\n-- crate/a%d --\nx\n-- crate/b%d --\nx\n", i, i, i, i)
	}
	f := newFixture(t, "", text.String())
	r := compare(t, f, "")
	if got := strings.Count(told(r), "linked at real"); got != 40 {
		t.Errorf("%d files are linked, want 40", got)
	}
	if len(f.snapshot.requests) != 2 {
		t.Errorf("%d requests, want 2", len(f.snapshot.requests))
	}
}

// What differences cost is bounded: some are shown, and the rest told without.
func TestDiffsBounded(t *testing.T) {
	long := strings.Repeat("line\n", 150_000) // 750 kB
	var text strings.Builder
	text.WriteString(demoManifest)
	for i := range 10 {
		fmt.Fprintf(&text, "-- src/f%d.rs --\n%sold\n-- crate/src/f%d.rs --\n%snew\n", i, long, i, long)
	}
	r := compare(t, newFixture(t, "", text.String()), "")
	shown, modified := 0, 0
	for _, f := range r.Files {
		if f.Kind == Modified {
			modified++
		}
		if f.Diff != nil {
			shown++
		}
	}
	if shown != 5 || modified != 10 {
		t.Errorf("%d of %d modified files with a difference, want 5 of 10", shown, modified)
	}
}

// A server that answers no more cannot turn a difference into none.
func TestHunksHidden(t *testing.T) {
	f := newFixture(t, "", demoManifest+"-- src/lib.rs --\none\n-- crate/src/lib.rs --\ntwo\n")
	f.snapshot.broken = errors.New("connection reset")
	if diff := cmp.Diff("src/lib.rs modified source at src/lib.rs\n", told(compare(t, f, ""))); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestLocate(t *testing.T) {
	const text = `
-- Cargo.toml --
[workspace]
-- a/Cargo.toml --
[package]
name = "other"
-- b/demo/Cargo.toml --
[package]
name = "demo"
version = "1.0.0"
-- deeper/down/demo/Cargo.toml --
[package]
name = "demo"
version = "1.0.0"
`
	path := func(s string) *string { return &s }
	const sameAsB, otherText, noneOfIt = "[package]\nname = \"demo\"\nversion = \"1.0.0\"\n", "[package]\nname = \"demo\"\n", "[package]\nname = \"nobody\"\n"
	tests := []struct {
		name        string
		path        *string
		repository  string
		crateName   string
		manifest    string
		want        string
		wantGuessed bool
		wantErr     error
	}{
		{name: "recorded", path: path("b/demo"), crateName: "demo", manifest: sameAsB, want: "b/demo"},
		{name: "recorded, another package", path: path("a"), crateName: "demo", manifest: sameAsB, want: "a"}, // told as other-package
		{name: "recorded wrongly", path: path("c"), crateName: "demo", manifest: sameAsB, want: "b/demo", wantGuessed: true},
		{name: "not recorded, by id", crateName: "demo", manifest: sameAsB, want: "b/demo", wantGuessed: true},
		{name: "not recorded, by name", crateName: "demo", manifest: otherText, want: "b/demo", wantGuessed: true},
		{
			name: "hinted at", repository: "https://github.com/o/r/tree/main/deeper/down/demo", crateName: "demo", manifest: sameAsB,
			want: "deeper/down/demo", wantGuessed: true,
		},
		{
			name: "hinted at, in a branch with a slash", repository: "https://codeberg.org/o/r/src/branch/fix/one/deeper/down/demo/", crateName: "demo", manifest: otherText,
			want: "deeper/down/demo", wantGuessed: true,
		},
		{name: "hinted at another", repository: "https://github.com/o/r/tree/main/a", crateName: "demo", manifest: otherText, want: "b/demo", wantGuessed: true},
		{
			name: "hinted at, and recorded", path: path("b/demo"), repository: "https://github.com/o/r/tree/main/deeper/down/demo", crateName: "demo", manifest: sameAsB,
			want: "b/demo",
		},
		{name: "not there", crateName: "nobody", manifest: noneOfIt, wantErr: ErrNoPackage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, "nowhere", text+"-- crate/Cargo.toml.orig --\n"+test.manifest)
			r, err := Compare(context.Background(), Input{Name: test.crateName, Archive: f.archive, Snapshot: f.snapshot, Path: test.path, Repository: test.repository})
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("got %v, want %v", err, test.wantErr)
			}
			if err == nil && (r.Path != test.want || r.PathGuessed != test.wantGuessed) {
				t.Errorf("found at %q, guessed %v, want %q, %v", r.Path, r.PathGuessed, test.want, test.wantGuessed)
			}
		})
	}
}
