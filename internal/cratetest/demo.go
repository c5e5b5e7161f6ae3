package cratetest

import (
	"context"
	"embed"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

//go:embed fixtures/*.txtar
var fixtures embed.FS

// Published is a version as its publisher handed it in.
type Published struct {
	Name        string
	Version     string
	Crate       []byte
	Publisher   string
	PublishedAt time.Time
}

// A demoRelease is a version of a fixture of the same name as its crate.
type demoRelease struct {
	name, version string
	commit        int // of the fixture, from 1
	noVCSInfo     bool
	publisher     string
	published     time.Time
}

// demoReleases is the world of the demo, in the order of publishing.
var demoReleases = []demoRelease{
	{name: "tidy-int", version: "0.1.0", commit: 1, publisher: "ada", published: day(2)},
	{name: "lantern-log", version: "1.3.0", commit: 1, publisher: "noor", published: day(9)},
	{name: "gentle-parse", version: "0.4.1", commit: 1, publisher: "tomas", published: day(12)},
	{name: "quiet-pool", version: "2.0.0", commit: 1, noVCSInfo: true, publisher: "wren", published: day(15)},
	{name: "tidy-int", version: "0.2.0", commit: 2, publisher: "ada", published: day(20)},
}

func day(n int) time.Time { return time.Date(2026, 10, n, 14, 30, 0, 0, time.UTC) }

// World makes the demo's repositories below the folder dir and returns its
// releases in the order of publishing: an honest crate with two versions, one
// with a source file that its repository lacks, one whose published manifest
// gained a dependency, one without a recorded commit, and a hostile archive.
// gitBase is where dir is served ("http://HOST:PORT"); manifests name it.
func World(ctx context.Context, dir, gitBase string) ([]Published, error) {
	repositories := map[string]*Repository{}
	var world []Published
	for _, r := range demoReleases {
		f, err := readFixture(r.name, r.version, gitBase)
		if err != nil {
			return nil, err
		}
		if repositories[r.name] == nil {
			repository, err := NewRepository(ctx, filepath.Join(dir, r.name), f.repository)
			if err != nil {
				return nil, fmt.Errorf("make %q: %w", r.name, err)
			}
			repositories[r.name] = repository
		}
		data, err := r.pack(f, repositories[r.name].Commits[r.commit-1])
		if err != nil {
			return nil, err
		}
		world = append(world, Published{r.name, r.version, data, r.publisher, r.published})
	}
	data, err := Hostile("crooked-box", "0.0.7").Bytes()
	if err != nil {
		return nil, err
	}
	return append(world, Published{"crooked-box", "0.0.7", data, "someone-new", day(21)}), nil
}

// A fixture is a repository and what was published in place of its files.
type fixture struct {
	repository *txtar.Archive
	published  []File
}

// readFixture reads an embedded fixture. Files below published/VERSION are not
// of the repository: they are laid over the packaged files of its commit.
func readFixture(name, version, gitBase string) (fixture, error) {
	text, err := fixtures.ReadFile("fixtures/" + name + ".txtar")
	if err != nil {
		return fixture{}, fmt.Errorf("read fixture: %w", err)
	}
	f := fixture{repository: &txtar.Archive{}}
	values := map[string]string{"GIT": gitBase, "GENERATED": strings.TrimSpace(ManifestHeader)}
	for _, file := range Expand(txtar.Parse(text), values).Files {
		if path, ok := strings.CutPrefix(file.Name, "published/"+version+"/"); ok {
			f.published = append(f.published, File{Path: path, Data: file.Data})
		} else if !strings.HasPrefix(file.Name, "published/") {
			f.repository.Files = append(f.repository.Files, file)
		}
	}
	return f, nil
}

// pack packs the fixture's commit as if by cargo, then lays over it what was
// published instead.
func (r demoRelease) pack(f fixture, commit string) ([]byte, error) {
	commits, err := Commits(f.repository)
	if err != nil {
		return nil, err
	}
	p := Package{Name: r.name, Version: r.version, Commit: commit, Files: commits[r.commit-1].Files}
	if r.noVCSInfo {
		p.Commit = ""
	}
	if p.Files, err = overlay(p.Files, f.published); err != nil {
		return nil, fmt.Errorf("pack %s@%s: %w", r.name, r.version, err)
	}
	return Pack(p)
}

// overlay lays files over others. A manifest laid over another leaves that one
// as Cargo.toml.orig.
func overlay(files, over []File) ([]File, error) {
	tree := map[string]File{}
	for _, f := range files {
		tree[f.Path] = f
	}
	for _, f := range over {
		if f.Path == manifestFile {
			original, ok := tree[manifestFile]
			if !ok {
				return nil, fmt.Errorf("no %s to publish another in place of", manifestFile)
			}
			tree[originalFile] = File{Path: originalFile, Data: original.Data}
		}
		tree[f.Path] = f
	}
	return sorted(tree), nil
}

// Hostile returns an archive that shows many of the things that no reader may
// accept: a path that climbs, an absolute one, links, a device, a duplicate, a
// name in another case, a size that PAX states otherwise, a folder of another
// release, and a second gzip member. Nothing in it does harm when unpacked by a
// careful tool.
func Hostile(name, version string) Raw {
	root := name + "-" + version + "/"
	manifest := fmt.Sprintf("[package]\nname = %q\nversion = %q\nedition = \"2021\"\n", name, version)
	return Raw{
		FileName: name + "-" + version + ".crate",
		Entries: []RawEntry{
			{Name: root + "Cargo.toml", Data: []byte(manifest)},
			{Name: root + "src/lib.rs", Data: []byte("//! What most people see.\n")},
			{Name: root + "src/lib.rs", Data: []byte("//! What cargo unpacks: the last of two wins.\n")},
			{Name: root + "src/LIB.rs", Data: []byte("//! The same file where case does not count.\n")},
			{Name: root + "../../climbing.txt", Data: []byte("out of the folder\n")},
			{Name: "/tmp/absolute.txt", Data: []byte("anywhere\n")},
			{Name: root + "notes", Type: '2', Link: "../../../notes"},
			{Name: root + "twin", Type: '1', Link: root + "src/lib.rs"},
			{Name: root + "zero", Type: '3'},
			{Name: root + "src/long.rs", Data: []byte("// short\n"), PAX: map[string]string{"size": "4096"}},
			{Name: "tidy-int-0.2.0/src/lib.rs", Data: []byte("//! Of another release.\n")},
		},
		Members: [][]byte{[]byte("a second gzip member that cargo does not read")},
	}
}
