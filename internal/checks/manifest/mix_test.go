package manifest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// What the installed cargo makes of mixed manifests leaves no residue either.
// Many of them it refuses.
func TestRealCargoMix(t *testing.T) {
	const tries, enough = 60, 15
	registry := cratetest.NewRegistry()
	for _, r := range []crate.Release{{Name: "b", Version: "1.0.0"}, {Name: "c", Version: "1.0.0"}, {Name: "c", Version: "2.0.0"}, {Name: "d", Version: "1.0.0"}, {Name: "e", Version: "1.0.0"}} {
		text := fmt.Sprintf("-- Cargo.toml --\n[package]\nname = %q\nversion = %q\n[features]\nx = []\ny = []\nz = []\n-- src/lib.rs --\n", r.Name, r.Version)
		if err := registry.Publish(r.Name, r.Version, cratetest.MustPackText(t, r.Name, r.Version, text), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	url := cratetest.IndexURL(cratetest.MustServe(t, registry))
	cargo := cratetest.MustCargo(t)
	if err := cargo.Config(fmt.Sprintf("[source.crates-io]\nreplace-with = \"small\"\n[source.small]\nregistry = %q\n", url)); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range tries {
		choices := make([]byte, 3*(1+random.IntN(12)))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		text := mix(choices, true)
		data := packMix(t, cargo, text)
		if data == nil {
			continue
		}
		taken++
		packed, err := crate.Read(data, crate.Release{Name: "a", Version: packedVersion(text)}, crate.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		published, err := packed.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		git, _ := mustCanonicalise(t, Input{Manifest: mustParse(t, text), Root: mustParse(t, mixRoot), Dir: "crates/a", Files: paths(packed)})
		is, _ := mustCanonicalise(t, Input{Manifest: published, Files: paths(packed)})
		for _, d := range Compare(git, is) {
			t.Errorf("%s\nof\n%s\nas\n%s", describe(d), text, packed.File(crate.ManifestFile).Data)
		}
	}
	t.Logf("cargo takes %d of %d", taken, tries)
	if taken < enough {
		t.Errorf("cargo takes %d of %d manifests", taken, tries)
	}
}

func packedVersion(text string) string {
	m, err := crate.ParseManifest([]byte(text))
	if err == nil && m.Package.Inherited["version"] {
		return "1.0.0"
	}
	return "0.0.0"
}

// packMix packages a manifest as a member of a workspace; nil where cargo refuses.
func packMix(t *testing.T, cargo *cratetest.Cargo, text string) []byte {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("Cargo.toml", mixRoot)
	write("LICENSE", "")
	write("README.md", "")
	for _, local := range []string{"b", "crates/d"} {
		write(local+"/Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = \"1.0.0\"\n[features]\nx = []\ny = []\nz = []\n", filepath.Base(local)))
		write(local+"/src/lib.rs", "")
	}
	write("crates/a/x/R", "")
	for _, name := range mixFiles {
		write("crates/a/"+name, "fn main() {}")
	}
	write("crates/a/Cargo.toml", text)
	_, err := cargo.Run(t.Context(), filepath.Join(dir, "crates/a"), "package", "--no-verify", "--allow-dirty", "--target-dir", filepath.Join(dir, "out"))
	if err != nil {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(dir, "out", "package", "a-"+packedVersion(text)+".crate"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
