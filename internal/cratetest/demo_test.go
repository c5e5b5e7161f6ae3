package cratetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
)

func world(t *testing.T) (string, []Published) {
	t.Helper()
	dir := t.TempDir()
	releases, err := World(t.Context(), dir, "http://127.0.0.1:1234")
	must(t, err)
	return dir, releases
}

func read(t *testing.T, p Published) (*crate.Archive, error) {
	t.Helper()
	return crate.Read(p.Crate, crate.Release{Name: p.Name, Version: p.Version, Checksum: crate.Sum(p.Crate)}, crate.DefaultLimits)
}

// Each release of the demo is what it is there for, as a strict reader sees it.
func TestWorld(t *testing.T) {
	dir, releases := world(t)
	type seen struct {
		Release   string
		Refused   bool
		Commit    bool     // recorded, and of the repository
		Foreign   []string // files that differ from the commit's or are not in it
		Publisher string
	}
	want := []seen{
		{Release: "tidy-int@0.1.0", Commit: true, Publisher: "ada"},
		{Release: "lantern-log@1.3.0", Commit: true, Foreign: []string{"src/greeting.rs", "src/lib.rs"}, Publisher: "noor"},
		{Release: "gentle-parse@0.4.1", Commit: true, Publisher: "tomas"},
		{Release: "quiet-pool@2.0.0", Publisher: "wren"},
		{Release: "tidy-int@0.2.0", Commit: true, Publisher: "ada"},
		{Release: "crooked-box@0.0.7", Refused: true, Publisher: "someone-new"},
	}
	var got []seen
	var last time.Time
	for _, p := range releases {
		if !p.PublishedAt.After(last) {
			t.Errorf("%s is published out of order", p.Name)
		}
		last = p.PublishedAt
		s := seen{Release: p.Name + "@" + p.Version, Publisher: p.Publisher}
		archive, err := read(t, p)
		if format, ok := errors.AsType[*crate.FormatError](err); ok {
			s.Refused = len(format.Problems) >= 8
		} else if err != nil {
			t.Fatal(err)
		} else {
			s.Commit, s.Foreign = compare(t, filepath.Join(dir, p.Name), archive)
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("World (-want +got):\n%s", diff)
	}
}

// compare lists the files that are not the recorded commit's.
func compare(t *testing.T, repository string, archive *crate.Archive) (recorded bool, foreign []string) {
	t.Helper()
	note := archive.File(".cargo_vcs_info.json")
	if note == nil {
		return false, nil
	}
	var info struct{ Git struct{ SHA1 string } }
	if err := json.Unmarshal(note.Data, &info); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		path := strings.TrimSuffix(f.Path, ".orig")
		if generated[f.Path] {
			continue
		}
		source, err := git(t.Context(), repository, nil, "show", info.Git.SHA1+":"+path)
		if err != nil || string(source) != string(f.Data) {
			foreign = append(foreign, f.Path)
		}
	}
	slices.Sort(foreign)
	return true, foreign
}

func TestWorldNamesItsServer(t *testing.T) {
	dir, releases := world(t)
	archive, err := read(t, releases[0])
	if err != nil {
		t.Fatal(err)
	}
	manifest := string(archive.File("Cargo.toml").Data)
	if !strings.Contains(manifest, `repository = "http://127.0.0.1:1234/tidy-int"`) {
		t.Errorf("the manifest names another repository:\n%s", manifest)
	}
	for _, path := range []string{"SECURITY.md", "README.md"} {
		if archive.File(path) == nil {
			t.Errorf("the honest crate has no %s", path)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("%d repositories, %v, want 4: the hostile crate has none", len(entries), err)
	}
}

// The honest crate is what cargo makes of its repository, byte for byte before
// compression: the demo shows no invented one.
func TestWorldIsCargos(t *testing.T) {
	cargo := MustCargo(t)
	needModernCargo(t, cargo)
	dir, releases := world(t)
	repository := filepath.Join(dir, "tidy-int")
	for _, p := range releases {
		if p.Name != "tidy-int" {
			continue
		}
		if _, err := git(t.Context(), repository, nil, "checkout", "-q", "v"+p.Version); err != nil {
			t.Fatal(err)
		}
		byCargo, err := cargo.Package(t.Context(), repository, p.Name, p.Version)
		if err != nil {
			t.Fatal(err)
		}
		_, want := unzip(t, byCargo)
		_, got := unzip(t, p.Crate)
		root := p.Name + "-" + p.Version
		if diff := cmp.Diff(untar(t, want, root), untar(t, got, root)); diff != "" {
			t.Errorf("files of %s (-cargo +demo):\n%s", root, diff)
		} else if !bytes.Equal(want, got) {
			t.Errorf("%s holds cargo's files, but not cargo's bytes", root)
		}
	}
}

// Cargo's own unpacking accepts the honest crate and builds it.
func TestWorldBuilds(t *testing.T) {
	cargo := MustCargo(t)
	_, releases := world(t)
	r := NewRegistry()
	for _, p := range releases {
		publish(t, r, p.Name, p.Version, p.Crate)
	}
	err := cargo.Config("[source.crates-io]\nreplace-with = \"local\"\n" +
		"[source.local]\nregistry = \"" + IndexURL(MustServe(t, r)) + "\"\n")
	if err != nil {
		t.Fatal(err)
	}
	app := t.TempDir()
	write(t, app, `
-- Cargo.toml --
[package]
name = "app"
version = "0.0.0"
edition = "2021"

[dependencies]
gentle-parse = "0.4"
lantern-log = "1"
quiet-pool = "2"
tidy-int = "0.2"
-- src/lib.rs --
pub fn tidy() -> String {
    tidy_int::tidy(1_234_567, ' ')
}
`)
	if _, err := cargo.Run(t.Context(), app, "check", "--quiet"); err != nil {
		t.Fatal(err)
	}
}
