package gitsource

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/gitobj"
)

func shelved(t testing.TB) Limits {
	limits := DefaultLimits
	limits.Manners = Manners{}
	limits.Shelf = Shelf{Folder: t.TempDir(), Bytes: 1 << 20}
	return limits
}

// look reads a commit of the monorepo, and returns the bytes and requests it took.
func look(t *testing.T, source *Source, url string, m *meter, commit gitobj.ID) (bytes, requests int) {
	t.Helper()
	m.bytes, m.requests = 0, 0
	snap, err := source.Snapshot(t.Context(), url+"/repo", commit)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(paths(snap, snap.Commit().Tree, "")); n != 100 {
		t.Fatalf("commit %s has %d files, want 100", commit, n)
	}
	return m.bytes, m.requests
}

// What one process read, the next need not fetch.
func TestShelf(t *testing.T) {
	f, commits := monorepo(t)
	m := &meter{Handler: f.handler}
	limits := shelved(t)
	server, source := serve(t, limits, m)
	whole, _ := look(t, source, server.URL, m, commits[0])
	for i, commit := range commits[1:] {
		if n, requests := look(t, sourceOf(t, limits, server), server.URL, m, commit); n > whole/2 || requests != 2 {
			t.Errorf("next %d: %d bytes in %d requests, want 2 and less than half of the first's %d", i, n, requests, whole)
		}
	}
}

// A shelf that is damaged, or that somebody meddled with, costs what an empty one
// does.
func TestShelfDamaged(t *testing.T) {
	f, commits := monorepo(t)
	m := &meter{Handler: f.handler}
	for _, tt := range []struct {
		name   string
		damage func(pack []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"cut short", func(pack []byte) []byte { return pack[:len(pack)/2] }},
		{"a bit is another", func(pack []byte) []byte { pack[len(pack)/2] ^= 4; return pack }},
		{"of another commit", func([]byte) []byte { return emptyPack }},
		{"too large", func([]byte) []byte { return make([]byte, maxShelved+1) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limits := shelved(t)
			server, source := serve(t, limits, m)
			whole, _ := look(t, source, server.URL, m, commits[0])
			file := filepath.Join(limits.Shelf.repository(server.URL+"/repo"), packName(0, commits[0]))
			pack, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, tt.damage(bytes.Clone(pack)), 0o600); err != nil {
				t.Fatal(err)
			}
			if n, _ := look(t, sourceOf(t, limits, server), server.URL, m, commits[1]); n < whole*9/10 {
				t.Errorf("%d bytes, want about all %d", n, whole)
			}
		})
	}
}

// emptyPack is a sound pack of no objects.
var emptyPack = []byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00" +
	"\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e")

// What is over the bytes goes, the repositories of which nothing new was read for
// longest first; what is not the shelf's own stays.
func TestShelfBound(t *testing.T) {
	s := Shelf{Folder: t.TempDir(), Bytes: 1 << 20}
	if err := os.Mkdir(filepath.Join(s.Folder, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	pack := make([]byte, 100)
	for age, repository := range []string{"newest", "newer", "older", "oldest"} {
		s.keep(repository, gitobj.ID{1}, pack, false)
		at := time.Now().Add(-time.Duration(age) * time.Hour)
		if err := os.Chtimes(filepath.Join(s.repository(repository), packName(0, gitobj.ID{1})), at, at); err != nil {
			t.Fatal(err)
		}
	}
	s.Bytes = 250
	s.trim()
	var got []string
	for _, repository := range []string{"newest", "newer", "older", "oldest"} {
		for range s.packs(repository) {
			got = append(got, repository)
		}
	}
	if diff := cmp.Diff([]string{"newest", "newer"}, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(s.Folder, "other")); err != nil {
		t.Error(err)
	}
}

func TestShelfKeep(t *testing.T) {
	type pack struct {
		commit byte
		size   int
		thin   bool
	}
	many := func(n int) (all []pack) {
		for i := range n {
			all = append(all, pack{byte(i), 10, i > 0})
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		packs []pack
		want  []byte // the first bytes of commits, in order
	}{
		{"whole, then thin", []pack{{1, 10, false}, {2, 10, true}}, []byte{1, 2}},
		{"thin ones need others", []pack{{1, 10, true}}, nil},
		{"too large", []pack{{1, maxShelved + 1, false}}, nil},
		{"again", []pack{{1, 10, false}, {2, 10, true}, {1, 10, false}}, []byte{1, 2}},
		{"begins anew", append(many(maxPacks), pack{100, 10, true}, pack{101, 10, false}, pack{102, 10, true}), []byte{101, 102}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Shelf{Folder: t.TempDir(), Bytes: 1 << 20}
			for _, p := range tt.packs {
				s.keep("r", gitobj.ID{p.commit}, make([]byte, p.size), p.thin)
			}
			var got []byte
			for commit := range s.packs("r") {
				got = append(got, commit[0])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

// A shelf that cannot be written to is none.
func TestShelfUnwritable(t *testing.T) {
	f, commits := monorepo(t)
	m := &meter{Handler: f.handler}
	limits := shelved(t)
	limits.Shelf.Folder = filepath.Join(f.dir, "repo", ".git", "HEAD", "shelf") // below a file
	server, source := serve(t, limits, m)
	look(t, source, server.URL, m, commits[0])
}

// Many read and write at once, and throw away what others read.
func TestShelfConcurrent(t *testing.T) {
	s := Shelf{Folder: t.TempDir(), Bytes: 2000}
	var group sync.WaitGroup
	for writer := range 8 {
		group.Go(func() {
			for i := range 50 {
				name := fmt.Sprint(i % 5)
				s.keep(name, gitobj.ID{byte(writer), byte(i)}, bytes.Repeat([]byte{byte(writer)}, 100), false)
				for commit, pack := range s.packs(name) {
					if len(pack) != 100 || pack[0] != commit[0] {
						t.Errorf("%d bytes of %v under the name of %d, want 100 of it", len(pack), pack[:min(1, len(pack))], commit[0])
					}
				}
				s.trim()
			}
		})
	}
	group.Wait()
	files, err := filepath.Glob(filepath.Join(s.Folder, "*", "*.new"))
	if err != nil || len(files) > 0 {
		t.Errorf("left behind: %q, %v", files, err)
	}
}
