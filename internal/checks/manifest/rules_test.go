package manifest

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/crate"
)

var update = flag.Bool("update", false, "write the fixtures' notes and differences")

// Each fixture is a manifest in git, the last below git/, and how it was
// published; the files of the crate; the notes and differences that are wanted.
func TestRules(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range fixtures {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f := readFixture(t, archive)
			git, notes := mustCanonicalise(t, f.git)
			published, _ := mustCanonicalise(t, f.published)
			var gotNotes, gotDifferences strings.Builder
			for _, n := range notes {
				fmt.Fprintf(&gotNotes, "%s: %s\n", n.Rule, n.Message)
			}
			for _, d := range Compare(git, published) {
				fmt.Fprintf(&gotDifferences, "%s\n", describe(d))
			}
			if *update {
				f.set(archive, "notes", gotNotes.String())
				f.set(archive, "differences", gotDifferences.String())
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(f.text["notes"], gotNotes.String()); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(f.text["differences"], gotDifferences.String()); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func describe(d Difference) string {
	known := ""
	if d.Known != "" {
		known = " (" + string(d.Known) + ")"
	}
	return fmt.Sprintf("%s %s%s line %d: %s", d.Class, d.Rule, known, d.Line, d.Message)
}

type fixture struct {
	text           map[string]string
	git, published Input
}

func readFixture(t *testing.T, archive *txtar.Archive) fixture {
	t.Helper()
	f := fixture{text: map[string]string{}}
	manifest := ""
	for _, file := range archive.Files {
		f.text[file.Name] = string(file.Data)
		if strings.HasPrefix(file.Name, "git/") {
			manifest = file.Name
		}
	}
	files := strings.Fields(f.text["files"])
	dir := strings.TrimPrefix(path.Dir(manifest), "git")
	dir = strings.TrimPrefix(dir, "/")
	f.git = Input{Manifest: mustParse(t, f.text[manifest]), Dir: dir, Files: files}
	f.git.RootDir, f.git.Root, _ = WorkspaceRoot(nil, dir, func(file string) ([]byte, bool) {
		text, ok := f.text["git/"+file]
		return []byte(text), ok
	})
	f.published = Input{Manifest: mustParse(t, f.text["published/Cargo.toml"]), Files: files}
	return f
}

func (f fixture) set(archive *txtar.Archive, name, text string) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = []byte(text)
			return
		}
	}
	if text != "" {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
}

func mustParse(t testing.TB, text string) *crate.Manifest {
	t.Helper()
	m, err := crate.ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustCanonicalise(t testing.TB, in Input) (*Canon, []Note) {
	t.Helper()
	c, notes, err := Canonicalise(in)
	if err != nil {
		t.Fatal(err)
	}
	return c, notes
}
