package checks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// attackedRepository is the demo with more in its manifest, and more files.
func attackedRepository(settings, files string) string {
	return strings.Replace(demoRepository, "[dependencies]\nitoa.workspace = true\n", settings+"[dependencies]\nitoa.workspace = true\n", 1) + files
}

// attackingManifest is what cargo would make of it.
func attackingManifest(settings string) string {
	return "-- Cargo.toml --\n" + strings.Replace(demoManifest, "[dependencies.itoa]", settings+"[dependencies.itoa]", 1)
}

// What is built and is not the repository's is found, wherever it stands and
// whatever it is called.
func TestProvenanceAttacks(t *testing.T) {
	tests := []struct {
		name            string
		settings, files string // of the repository
		published       string // settings; "" for the same
		changes         string
		rules           []string
	}{
		{
			name:     "a library and a build script of the crate unpacked beside this one",
			settings: "build = \"../evil-1.0.0/build.rs\"\n[lib]\npath = \"../evil-1.0.0/lib.rs\"\n",
			files:    "-- evil-1.0.0/lib.rs --\n-- evil-1.0.0/build.rs --\nfn main() {}\n",
			rules:    []string{"error outside-crate Cargo.toml:7", "error outside-crate Cargo.toml:9"},
		},
		{
			name:     "a file laid over by the licence",
			settings: "license-file = \"../fixtures/configure\"\n", published: "license-file = \"configure\"\n",
			files:   "-- demo/configure --\ntrue\n-- fixtures/configure --\nevil\n",
			changes: "-- configure --\nevil\n", rules: []string{"error file-modified configure:1"},
		},
		{
			name:  "a file taken in by one that is taken in itself",
			files: "-- demo/src/a.rs --\n#[path = \"../ci/a.rs\"] mod a;\n-- demo/ci/a.rs --\ninclude!(\"../benches/b.rs\");\n-- demo/benches/b.rs --\n",
			// A folder that sorts before the source that leads to it.
			changes: "-- benches/b.rs --\nfn evil() {}\n", rules: []string{"error file-modified benches/b.rs:1"},
		},
		{
			name:    "a header of C",
			files:   "-- demo/native/a.c --\n#include \"../tests/a.h\"\n-- demo/tests/a.h --\nint a;\n",
			changes: "-- tests/a.h --\nint evil;\n", rules: []string{"error file-modified tests/a.h:1"},
		},
		{
			name:    "a file that a build script joins a path of",
			files:   "-- demo/build.rs --\nfn main() { run(root.join(\"docs\").join(\"x.txt\")); }\n-- demo/docs/x.txt --\na\n",
			changes: "-- docs/x.txt --\nevil\n", rules: []string{"error file-modified docs/x.txt:1"},
		},
		{
			name:    "a document taken in with a blank",
			files:   "-- demo/src/a.rs --\ninclude !(\"../x.md\");\n-- demo/x.md --\nfn a() {}\n",
			changes: "-- x.md --\nfn evil() {}\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name:    "a document taken in as data",
			files:   "-- demo/src/a.rs --\npub const HELP: &str = include_str!(\"../x.md\");\n-- demo/x.md --\nhelp\n",
			changes: "-- x.md --\nevil\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name:    "a document that C takes in",
			files:   "-- demo/native/a.c --\n#include \"../x.md\"\n-- demo/x.md --\nint a;\n",
			changes: "-- x.md --\nint evil;\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name:    "a document that a build script reads",
			files:   "-- demo/build.rs --\nfn main() { run(std::fs::read(\"x.md\")); }\n-- demo/x.md --\ntrue\n",
			changes: "-- x.md --\nevil\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name:    "a document taken in by another word",
			files:   "-- demo/src/a.rs --\nuse std::include as take;\n-- demo/src/b.rs --\ntake!(\"../x.md\");\n-- demo/x.md --\nfn a() {}\n",
			changes: "-- x.md --\nfn evil() {}\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name:    "a document taken in by a macro",
			files:   "-- demo/src/a.rs --\nmacro_rules! take { ($x:expr) => { include!($x); } }\ntake!(\"../x.md\");\n-- demo/x.md --\nfn a() {}\n",
			changes: "-- x.md --\nfn evil() {}\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name:    "a file taken in as on Windows",
			files:   "-- demo/src/a.rs --\n#[path = r\"..\\tests\\all.rs\"] mod a;\n",
			changes: "-- tests/all.rs --\nfn evil() {}\n", rules: []string{"error file-modified tests/all.rs:1"},
		},
		{
			name:    "a document that a part of a build script reads",
			files:   "-- demo/build.rs --\nmod build_more;\n-- demo/build_more.rs --\nfn run() { std::fs::read(\"x.md\"); }\n-- demo/x.md --\ntrue\n",
			changes: "-- x.md --\nevil\n", rules: []string{"error file-modified x.md:1"},
		},
		{
			name: "a part of another build, which no word of Rust leads to",
			files: "-- demo/build.rs --\nfn main() { cmake::build(\".\"); }\n-- demo/CMakeLists.txt --\nadd_subdirectory(test)\n" +
				"-- demo/test/CMakeLists.txt --\nadd_library(t t.c)\n-- demo/test/t.c --\nint t;\n",
			changes: "-- test/CMakeLists.txt --\nexecute_process(COMMAND evil)\n-- test/t.c --\nint evil;\n",
			rules:   []string{"error file-modified test/CMakeLists.txt:1", "error file-modified test/t.c:1"},
		},
		{
			name:     "a library that is not called Rust",
			settings: "[lib]\npath = \"src/lib.inc\"\n", files: "-- demo/src/lib.inc --\n#[path = \"../tests/all.rs\"] mod a;\n",
			changes: "-- tests/all.rs --\nfn evil() {}\n", rules: []string{"error file-modified tests/all.rs:1"},
		},
		{
			name:     "a program declared as generated",
			settings: "[package.metadata.provenance]\ngenerated = [\"src/bin/**\"]\n", files: "-- demo/src/bin/x.rs --\nfn main() {}\n",
			changes: "-- src/bin/x.rs --\nfn evil() {}\n",
			rules:   []string{"error file-modified src/bin/x.rs:1", "warning declaration-refused Cargo.toml.orig"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newForge(t, attackedRepository(test.settings, test.files))
			settings := test.settings
			if test.published != "" {
				settings = test.published
			}
			s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, attackingManifest(settings)+test.changes)
			r, _ := runCheck(t, s)
			if diff := cmp.Diff(test.rules, rules(r.Findings)); r.Conclusion != check.Failure || diff != "" {
				t.Errorf("concludes %s, findings (-want +got):\n%s", r.Conclusion, diff)
			}
		})
	}
}

// What is only read, or tested with, is worth a look and no more.
func TestProvenanceNotBuilt(t *testing.T) {
	tests := []struct{ name, files, changes, rule string }{
		{
			name:    "a document taken into documentation",
			files:   "-- demo/src/a.rs --\n#![cfg_attr(doc, doc = include_str!(\"../x.md\"))]\n-- demo/x.md --\nhelp\n",
			changes: "-- x.md --\nother\n", rule: "warning file-modified x.md:1",
		},
		{
			name:    "a part of another build, and nobody to begin it",
			files:   "-- demo/test/CMakeLists.txt --\nadd_library(t t.c)\n",
			changes: "-- test/CMakeLists.txt --\nother\n", rule: "warning file-modified test/CMakeLists.txt:1",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newForge(t, attackedRepository("", test.files))
			r, _ := runCheck(t, f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, test.changes))
			if diff := cmp.Diff([]string{test.rule}, rules(r.Findings)); r.Conclusion != check.Neutral || diff != "" {
				t.Errorf("concludes %s, findings (-want +got):\n%s", r.Conclusion, diff)
			}
			if !strings.HasSuffix(r.Title, "; nothing that differs is seen to be built") {
				t.Errorf("the title is %q", r.Title)
			}
		})
	}
}

// A manifest as cargos of former days published it is nobody's work today.
func TestProvenanceOfOldToday(t *testing.T) {
	f := newForge(t, attackedRepository("",
		"-- demo/Cargo.toml --\n[package]\nname = \"demo\"\nversion = \"1.0.0\"\nreadme = \"../README.md\"\n"+
			"[dependencies]\nevil = { version = \"1\", path = \"../evil-1.0.0\" }\n"))
	s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, "")
	files := slices.DeleteFunc(slices.Clone(s.Archive.Files), func(file crate.File) bool { return file.Path == crate.ManifestFile })
	for i := range files {
		if files[i].Path == crate.ManifestOrigFile {
			files[i].Path = crate.ManifestFile
		}
	}
	for year, want := range map[int]check.Conclusion{2017: check.Success, 2026: check.Failure} {
		s.Archive, s.PublishedAt = &crate.Archive{Files: files}, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		if r, _ := runCheck(t, s); r.Conclusion != want {
			t.Errorf("published in %d it concludes %s, %q, %q", year, r.Conclusion, r.Title, rules(r.Findings))
		}
	}
}

// Files that are built are told first: a report keeps only so many findings.
func TestProvenanceFlood(t *testing.T) {
	f := newForge(t, attackedRepository("[package.metadata.provenance]\ngenerated = [\"zz/**\"]\n", ""))
	changes := attackingManifest("[package.metadata.provenance]\ngenerated = [\"zz/**\"]\n") + "-- docs/a.txt --\na\n-- zz/evil.o --\nevil\n"
	r, _ := runCheck(t, f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, changes))
	want := []string{"warning build-file-declared zz/evil.o", "warning file-unknown docs/a.txt"}
	if diff := cmp.Diff(want, rules(r.Findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// A list whose lines end otherwise says something else to who splits it; a text is
// what a checkout makes of it.
func TestProvenanceLineEnds(t *testing.T) {
	f := newForge(t, attackedRepository("", "-- demo/src/names.txt --\na\nb\n-- demo/docs/names.txt --\na\nb\n-- demo/src/c.rs --\nfn c() {}\n\n"))
	tests := []struct {
		name, changes string
		want          check.Conclusion
		rules         []string
	}{
		{"some of a list", "-- src/names.txt --\na\r\nb\n", check.Neutral, []string{"warning line-ends-mixed src/names.txt"}},
		{"a whole list", "-- src/names.txt --\na\r\nb\r\n", check.Neutral, []string{"warning line-ends-other src/names.txt"}},
		{"some of a document", "-- docs/names.txt --\na\r\nb\n", check.Success, []string{"note line-ends-mixed docs/names.txt"}},
		{"a whole document", "-- docs/names.txt --\na\r\nb\r\n", check.Success, nil},
		{"some of a source file", "-- src/c.rs --\nfn c() {}\r\n\n", check.Success, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, _ := runCheck(t, f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, test.changes))
			if diff := cmp.Diff(test.rules, rules(r.Findings)); r.Conclusion != test.want || diff != "" {
				t.Errorf("concludes %s, findings (-want +got):\n%s", r.Conclusion, diff)
			}
		})
	}
}

// Who leaves out the commit does not get away with what no commit excuses.
func TestProvenanceAttackWithoutCommit(t *testing.T) {
	const settings = "build = \"/x/build.rs\"\n[lib]\npath = \"../evil-1.0.0/lib.rs\"\n"
	f := newForge(t, attackedRepository(settings, "-- evil-1.0.0/lib.rs --\n"))
	changes := "-- src/more.rs --\nevil\n-- src/most.rs --\nevil\n-- src/too.rs --\nevil\n"
	r, _ := runCheck(t, f.publish(t, cratetest.Package{}, attackingManifest(settings)+changes))
	want := []string{
		"error outside-crate Cargo.toml:7", "error outside-crate Cargo.toml:9",
		"warning file-unknown src/more.rs:1", "warning file-unknown src/most.rs:1", "warning file-unknown src/too.rs:1",
	}
	if !strings.HasPrefix(r.Title, "2 things in the manifest") {
		t.Errorf("the title is %q", r.Title)
	}
	if diff := cmp.Diff(want, rules(r.Findings)); r.Conclusion != check.Failure || diff != "" {
		t.Errorf("concludes %s, %q, findings (-want +got):\n%s", r.Conclusion, r.Title, diff)
	}
}

// A crate is packaged from a copy of the package that nobody looks at.
func TestProvenanceTwin(t *testing.T) {
	f := newForge(t, attackedRepository("", "-- tools/x/Cargo.toml --\n[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\nreadme = \"../../README.md\"\n"+
		"[dependencies]\nitoa = \"1\"\n-- tools/x/LICENSE --\nfree\n-- tools/x/src/lib.rs --\nfn evil() {}\n-- tools/x/tests/all.rs --\nfn test() {}\n"))
	s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "tools/x"},
		"-- Cargo.toml.orig --\n[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\nreadme = \"../../README.md\"\n[dependencies]\nitoa = \"1\"\n"+
			"-- LICENSE --\nfree\n-- src/lib.rs --\nfn evil() {}\n")
	r, _ := runCheck(t, s)
	want := []string{"warning package-twin .cargo_vcs_info.json"}
	if diff := cmp.Diff(want, rules(r.Findings)); r.Conclusion != check.Neutral || diff != "" {
		t.Errorf("concludes %s, %q, findings (-want +got):\n%s", r.Conclusion, r.Title, diff)
	}
}
