package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/lockfile"
)

// What the installed cargo makes of a workspace leaves no residue.
func TestRealCargo(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/workspace.txtar")
	if err != nil {
		t.Fatal(err)
	}
	registry := cratetest.NewRegistry()
	for name, text := range map[string]string{
		"base@1.2.0": "-- Cargo.toml --\n[package]\nname = \"base\"\nversion = \"1.2.0\"\n[features]\nx = []\ny = []\n-- src/lib.rs --\n",
		"proc@1.4.0": "-- Cargo.toml --\n[package]\nname = \"proc\"\nversion = \"1.4.0\"\n[features]\nx = []\n-- src/lib.rs --\n",
	} {
		name, version, _ := strings.Cut(name, "@")
		if err := registry.Publish(name, version, cratetest.MustPackText(t, name, version, text), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	cargo := cratetest.MustCargo(t)
	config := fmt.Sprintf("[source.crates-io]\nreplace-with = \"small\"\n[source.small]\nregistry = %q\n", cratetest.IndexURL(cratetest.MustServe(t, registry)))
	if err := cargo.Config(config); err != nil {
		t.Fatal(err)
	}
	repository := cratetest.MustRepository(t, filepath.Join(t.TempDir(), "repository"), string(txtar.Format(archive)))
	git := func(file string) ([]byte, bool) {
		data, err := os.ReadFile(filepath.Join(repository.Dir, file))
		return data, err == nil
	}
	for dir, name := range map[string]string{
		"": "root", "crates/demo": "demo", "crates/old": "old", "crates/proc": "proc", "apart/away": "away", "crates/tool": "tool",
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if _, err := cargo.Run(t.Context(), filepath.Join(repository.Dir, dir), "package", "--no-verify", "--target-dir", out, "--package", name); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(out, "package", name+"-1.4.0.crate"))
			if err != nil {
				t.Fatal(err)
			}
			packed, err := crate.Read(data, crate.Release{Name: name, Version: "1.4.0"}, crate.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			published, err := packed.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			text, _ := git(filepath.Join(dir, crate.ManifestFile))
			in := Input{Manifest: mustParse(t, string(text)), Dir: dir, Files: paths(packed)}
			in.RootDir, in.Root, _ = WorkspaceRoot(nil, dir, git)
			want, notes := mustCanonicalise(t, in)
			got, _ := mustCanonicalise(t, Input{Manifest: published, Files: in.Files})
			for _, d := range Compare(want, got) {
				t.Error(describe(d))
			}
			if len(notes) == 0 {
				t.Error("no rule was applied")
			}
			for _, f := range Flags(packed.File(crate.ManifestFile).Data, published, in.Files) {
				t.Error(f.Message)
			}
			lock, err := lockfile.Parse(packed.File(crate.LockFile).Data)
			if err != nil {
				t.Fatal(err)
			}
			if len(lock.Packages) == 0 {
				t.Error("nothing is locked")
			}
			for _, d := range CompareLock(lock, nil, name) {
				if d.Kind.Contradicts() {
					t.Error(d.Message)
				}
			}
			if diff := cmp.Diff(want.tree, got.tree); diff != "" {
				t.Errorf("trees (-git +published):\n%s", diff)
			}
		})
	}
}

func paths(a *crate.Archive) []string {
	var all []string
	for _, f := range a.Files {
		all = append(all, f.Path)
	}
	return all
}
