package provenance

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A memory is a snapshot in memory. Ids of files are git's; those of trees only
// have to differ.
type memory struct {
	trees    map[gitobj.ID]*gitobj.Tree
	blobs    map[gitobj.ID][]byte
	requests [][]gitobj.ID
	kept     map[gitobj.ID]bool // what was asked for before
	broken   error              // what every request for files ends with, if set
}

func (m *memory) URL() string                    { return "https://example.org/o/r" }
func (m *memory) Commit() *gitobj.Commit         { return &gitobj.Commit{Tree: treeID("")} }
func (m *memory) Tree(id gitobj.ID) *gitobj.Tree { return m.trees[id] }
func treeID(folder string) gitobj.ID             { return sha1.Sum([]byte("tree " + folder)) }

func (m *memory) Blobs(_ context.Context, ids ...gitobj.ID) (map[gitobj.ID][]byte, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	if m.kept == nil {
		m.kept = map[gitobj.ID]bool{}
	}
	missing := slices.DeleteFunc(slices.Clone(ids), func(id gitobj.ID) bool { return m.kept[id] })
	if len(missing) > 0 {
		m.requests = append(m.requests, missing)
	}
	blobs := map[gitobj.ID][]byte{}
	for _, id := range ids {
		data, ok := m.blobs[id]
		if !ok {
			return nil, fmt.Errorf("blob %s: %w", id, errors.ErrUnsupported)
		}
		blobs[id], m.kept[id] = data, true
	}
	return blobs, nil
}

// add puts an entry into the tree of its folder.
func (m *memory) add(at string, mode gitobj.Mode, data []byte) {
	folder := parent(at)
	if m.trees[treeID(folder)] == nil {
		m.trees[treeID(folder)] = &gitobj.Tree{ID: treeID(folder)}
		if folder != "" {
			m.add(folder, gitobj.ModeTree, nil)
		}
	}
	e := gitobj.Entry{Name: path.Base(at), Mode: mode, ID: treeID(at)}
	if mode == gitobj.ModeSymlink || mode.IsFile() {
		e.ID, _ = gitobj.BlobID(data)
		m.blobs[e.ID] = data
	}
	t := m.trees[treeID(folder)]
	t.Entries = append(t.Entries, e)
	slices.SortFunc(t.Entries, func(a, b gitobj.Entry) int { return strings.Compare(sortName(a), sortName(b)) })
}

func sortName(e gitobj.Entry) string {
	if e.Mode == gitobj.ModeTree {
		return e.Name + "/"
	}
	return e.Name
}

// A fixture is a commit, and a crate that was packaged from its folder at path,
// as cargo does but for the manifest, which stays as it is. Files of the fixture
// below "crate/" are laid over the crate's; those named "NAME gone" are left out
// of it, and "NAME submodule" are commits of others.
type fixture struct {
	snapshot *memory
	archive  *crate.Archive
}

func newFixture(t *testing.T, at, text string) fixture {
	t.Helper()
	var repository, overlay txtar.Archive
	var gone, submodules []string
	for _, f := range txtar.Parse([]byte(text)).Files {
		name, inCrate := strings.CutPrefix(f.Name, "crate/")
		switch {
		case inCrate && strings.HasSuffix(name, " gone"):
			gone = append(gone, strings.TrimSuffix(name, " gone"))
		case strings.HasSuffix(name, " submodule"):
			submodules = append(submodules, strings.TrimSuffix(name, " submodule"))
		case inCrate:
			overlay.Files = append(overlay.Files, txtar.File{Name: name, Data: f.Data})
		default:
			repository.Files = append(repository.Files, f)
		}
	}
	commits, err := cratetest.Commits(&repository)
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{trees: map[gitobj.ID]*gitobj.Tree{}, blobs: map[gitobj.ID][]byte{}}
	m.trees[treeID("")] = &gitobj.Tree{ID: treeID("")}
	for _, f := range commits[0].Files {
		switch {
		case f.Link != "":
			m.add(f.Path, gitobj.ModeSymlink, []byte(f.Link))
		case f.Executable:
			m.add(f.Path, gitobj.ModeExecutable, f.Data)
		default:
			m.add(f.Path, gitobj.ModeFile, f.Data)
		}
	}
	for _, folder := range submodules {
		m.add(folder, gitobj.ModeSubmodule, nil)
	}
	return fixture{m, pack(t, commits[0].Files, overlay.Files, gone, at)}
}

func pack(t *testing.T, files []cratetest.File, overlay []txtar.File, gone []string, at string) *crate.Archive {
	t.Helper()
	packed := map[string]crate.File{}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Path, at+"/"); ok || at == "" {
			if at == "" {
				name = f.Path
			}
			if f.Link == "" { // what links lead to is laid over by the fixture
				packed[name] = crate.File{Path: name, Data: f.Data, Executable: f.Executable}
			}
		}
	}
	if manifest, ok := packed[crate.ManifestFile]; ok {
		manifest.Path = crate.ManifestOrigFile
		packed[crate.ManifestOrigFile] = manifest
	}
	for _, f := range overlay {
		name, executable := strings.CutSuffix(f.Name, " +x")
		packed[name] = crate.File{Path: name, Data: f.Data, Executable: executable}
	}
	for _, name := range gone {
		delete(packed, name)
	}
	a := &crate.Archive{}
	for _, f := range packed {
		a.Files = append(a.Files, f)
	}
	slices.SortFunc(a.Files, func(a, b crate.File) int { return strings.Compare(a.Path, b.Path) })
	return a
}
