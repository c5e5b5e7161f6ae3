package checks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

const (
	treeCommit = "0123456789abcdef0123456789abcdef01234567"
	treeURL    = "https://example.com/one/repository"
)

// A treeSource is a repository in memory that has one commit.
type treeSource struct {
	check.Source       // panics where asked for more than a snapshot
	err          error // of Snapshot
	blobErr      error // of Blobs
	asked        []string
	snapshot     *treeSnapshot
}

func (s *treeSource) Snapshot(_ context.Context, repository string, commit gitobj.ID) (check.Snapshot, error) {
	s.asked = append(s.asked, repository+" "+commit.String())
	if s.err != nil {
		return nil, s.err
	}
	s.snapshot.blobErr = s.blobErr
	return s.snapshot, nil
}

type treeSnapshot struct {
	commit  *gitobj.Commit
	trees   map[gitobj.ID]*gitobj.Tree
	blobs   map[gitobj.ID][]byte
	blobErr error
}

func (s *treeSnapshot) URL() string                    { return treeURL + ".git" }
func (s *treeSnapshot) Commit() *gitobj.Commit         { return s.commit }
func (s *treeSnapshot) Tree(id gitobj.ID) *gitobj.Tree { return s.trees[id] }
func (s *treeSnapshot) Blobs(_ context.Context, ids ...gitobj.ID) (map[gitobj.ID][]byte, error) {
	if s.blobErr != nil {
		return nil, s.blobErr
	}
	found := map[gitobj.ID][]byte{}
	for _, id := range ids {
		if data, ok := s.blobs[id]; ok {
			found[id] = data
		}
	}
	return found, nil
}

// repository makes a source of files in txtar form. A file called "NAME -> " has
// the target of a symbolic link for its text.
func repository(t *testing.T, text string) *treeSource {
	t.Helper()
	s := &treeSnapshot{trees: map[gitobj.ID]*gitobj.Tree{}, blobs: map[gitobj.ID][]byte{}}
	folders := map[string]*gitobj.Tree{}
	for _, f := range txtar.Parse([]byte(text)).Files {
		name, link := strings.CutSuffix(f.Name, " ->")
		mode := gitobj.ModeFile
		if link {
			mode, f.Data = gitobj.ModeSymlink, []byte(strings.TrimSpace(string(f.Data)))
		}
		id, _ := gitobj.BlobID(f.Data)
		s.blobs[id] = f.Data
		s.add(folders, name, gitobj.Entry{Mode: mode, ID: id})
	}
	for _, tree := range folders {
		slices.SortFunc(tree.Entries, func(a, b gitobj.Entry) int { return cmp.Compare(gitOrder(a), gitOrder(b)) })
	}
	id, err := gitobj.ParseID(treeCommit)
	if err != nil {
		t.Fatal(err)
	}
	s.commit = &gitobj.Commit{ID: id, Tree: s.folder(folders, ".").ID}
	return &treeSource{snapshot: s}
}

func gitOrder(e gitobj.Entry) string {
	if e.Mode == gitobj.ModeTree {
		return e.Name + "/"
	}
	return e.Name
}

func (s *treeSnapshot) add(folders map[string]*gitobj.Tree, name string, e gitobj.Entry) {
	e.Name = path.Base(name)
	tree := s.folder(folders, path.Dir(name))
	if !slices.ContainsFunc(tree.Entries, func(have gitobj.Entry) bool { return have.Name == e.Name }) {
		tree.Entries = append(tree.Entries, e)
	}
}

// folder returns the tree of that path, made with its parents where needed. Its
// id is a stand-in: nothing here recomputes it.
func (s *treeSnapshot) folder(folders map[string]*gitobj.Tree, name string) *gitobj.Tree {
	if tree := folders[name]; tree != nil {
		return tree
	}
	id, _ := gitobj.BlobID([]byte("tree " + name))
	tree := &gitobj.Tree{ID: id}
	folders[name], s.trees[id] = tree, tree
	if name != "." {
		s.add(folders, name, gitobj.Entry{Mode: gitobj.ModeTree, ID: id})
	}
	return tree
}

// release is a subject with the files of a crate in txtar form. Where the text
// has no .cargo_vcs_info.json, folder says where in the repository it lay.
func release(text, folder string) *check.Subject {
	a := &crate.Archive{}
	for _, f := range txtar.Parse([]byte(text)).Files {
		a.Files = append(a.Files, crate.File{Path: f.Name, Data: f.Data})
	}
	if a.File(crate.VCSInfoFile) == nil {
		info := fmt.Sprintf(`{"git":{"sha1":%q},"path_in_vcs":%q}`, treeCommit, folder)
		a.Files = append(a.Files, crate.File{Path: crate.VCSInfoFile, Data: []byte(info)})
	}
	return &check.Subject{Release: crate.Release{Name: "one", Version: "1.0.0"}, Archive: a}
}

const plainManifest = `
-- Cargo.toml --
[package]
name = "one"
version = "1.0.0"
repository = "https://example.com/one/repository"
`

func TestOpenSource(t *testing.T) {
	without := func(path string) *check.Subject {
		s := release(plainManifest, "")
		s.Archive.Files = slices.DeleteFunc(s.Archive.Files, func(f crate.File) bool { return f.Path == path })
		return s
	}
	broken := func(err error) *treeSource { return &treeSource{err: fmt.Errorf("fetch: %w", err)} }
	trouble := errors.New("disk full")
	tests := []struct {
		name    string
		s       *check.Subject
		source  *treeSource
		reason  string
		retry   bool
		wantErr error
	}{
		{name: "no vcs info", s: without(crate.VCSInfoFile), reason: "no-vcs-info"},
		{name: "malformed vcs info", s: release(plainManifest+"-- .cargo_vcs_info.json --\n{}\n", ""), reason: "vcs-info-malformed"},
		{
			name: "commit of a SHA-256 repository", reason: "commit-sha256",
			s: release(plainManifest+"-- .cargo_vcs_info.json --\n{\"git\":{\"sha1\":\""+strings.Repeat("ab", 32)+"\"}}\n", ""),
		},
		{name: "no manifest", s: without(crate.ManifestFile), reason: "no-repository"},
		{name: "no repository", s: release("-- Cargo.toml --\n[package]\nname = \"one\"\n", ""), reason: "no-repository"},
		{name: "bad URL", s: release(plainManifest, ""), source: broken(check.ErrRepositoryURL), reason: "repository-url"},
		{name: "refused", s: release(plainManifest, ""), source: broken(check.ErrRepositoryRefused), reason: "repository-refused"},
		{name: "missing", s: release(plainManifest, ""), source: broken(check.ErrRepositoryMissing), reason: "repository-missing"},
		{name: "unreachable", s: release(plainManifest, ""), source: broken(check.ErrRepositoryUnreachable), reason: "repository-unreachable", retry: true},
		{name: "protocol", s: release(plainManifest, ""), source: broken(check.ErrRepositoryProtocol), reason: "repository-protocol"},
		{name: "too large", s: release(plainManifest, ""), source: broken(check.ErrRepositoryTooLarge), reason: "repository-too-large"},
		{name: "commit missing", s: release(plainManifest, ""), source: broken(check.ErrCommitMissing), reason: "commit-missing", retry: true},
		{name: "our trouble", s: release(plainManifest, ""), source: broken(trouble), wantErr: trouble},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.source != nil {
				test.s.Source = test.source
			}
			src, missing, err := openSource(t.Context(), test.s)
			switch {
			case !errors.Is(err, test.wantErr):
				t.Fatalf("error %v, want %v", err, test.wantErr)
			case test.wantErr != nil:
				return
			case src != nil || missing == nil:
				t.Fatalf("got %v and %v, want only a reason", src, missing)
			}
			if missing.Reason != test.reason {
				t.Errorf("reason %q, want %q: %s", missing.Reason, test.reason, missing.Message)
			}
			if got := missing.RetryAt.After(time.Now()); got != test.retry {
				t.Errorf("to be tried again: %v, want %v", got, test.retry)
			}
		})
	}
}

func TestOpenSourceOverride(t *testing.T) {
	s := release(plainManifest, "")
	fake := repository(t, "-- a --\n")
	s.Source, s.Repository = fake, "https://example.com/other"
	src, missing, err := openSource(t.Context(), s)
	if src == nil || missing != nil || err != nil {
		t.Fatalf("got %v, %v, %v", src, missing, err)
	}
	if want := []string{"https://example.com/other " + treeCommit}; !slices.Equal(fake.asked, want) {
		t.Errorf("asked for %q, want %q", fake.asked, want)
	}
}

func TestSourceFile(t *testing.T) {
	s := release(plainManifest, "")
	s.Source = repository(t, `
-- README.md --
top
-- a/b/deep.txt --
deep
-- link -> --
a/b/deep.txt
-- a/up -> --
../README.md
-- folder -> --
a/b
-- a/twice -> --
../folder/deep.txt
-- loop -> --
loop
-- out -> --
../../etc/passwd
-- absolute -> --
/etc/passwd
-- a/climb -> --
../../README.md
`)
	src, _, err := openSource(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ at, want, real string }{
		{"README.md", "top\n", "README.md"},
		{"a/b/deep.txt", "deep\n", "a/b/deep.txt"},
		{"link", "deep\n", "a/b/deep.txt"},
		{"a/up", "top\n", "README.md"},
		{"folder/deep.txt", "deep\n", "a/b/deep.txt"},
		{"a/twice", "deep\n", "a/b/deep.txt"},
	}
	for _, test := range tests {
		data, real, err := src.file(t.Context(), test.at)
		if string(data) != test.want || real != test.real || err != nil {
			t.Errorf("%q: got %q at %q, %v", test.at, data, real, err)
		}
	}
	for _, at := range []string{"none", "a", "a/b", "a/none", "README.md/x", "loop", "out", "absolute", "a/climb", "folder", "folder/none", ""} {
		if data, real, err := src.file(t.Context(), at); !errors.Is(err, errNotInTree) {
			t.Errorf("%q: got %q at %q, %v", at, data, real, err)
		}
	}
}
