package gitsource

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Shelf is a folder in which processes keep the trees they read, for one
// another and for when they are started anew. It holds packs as servers sent them:
// a folder for each repository, and in it a file for each commit. The first pack
// is whole, the later ones stand on those before.
//
// Nobody need be trusted with it. Ids are computed anew when a pack is read, as
// when a server sends it, so that a file that is damaged or of somebody's making
// gives trees that nobody asks for, or none. Nothing depends on what is kept: what
// cannot be written is not, and what cannot be read is thrown away.
type Shelf struct {
	Folder string // "" for none
	Bytes  int64  // about what it may hold; repositories of which nothing new was read for longest go first
}

const (
	maxShelved = 4 << 20 // bytes of one pack
	maxPacks   = 16      // of one repository; then it begins anew
	// trimEvery is how many packs are written, on the average, before the bytes of
	// all are counted.
	trimEvery = 16
)

// packName is the name of a repository's nth pack, so that names are in order.
// Packs of one number were made at once, and stand on none of each other.
func packName(n int, commit gitobj.ID) string { return fmt.Sprintf("%02d-%s.pack", n, commit) }

// ofCommit is the commit that a pack is named for.
func ofCommit(name string) (commit gitobj.ID, ok bool) {
	digits, ok := strings.CutSuffix(name[min(len(name), len("00-")):], ".pack")
	commit, err := gitobj.ParseID(digits)
	return commit, ok && err == nil
}

// repository is the folder of a repository.
func (s Shelf) repository(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.Folder, hex.EncodeToString(sum[:]))
}

// keep writes a pack that was read of a commit. One that is thin stands on those
// kept before.
func (s Shelf) keep(repository string, commit gitobj.ID, pack []byte, thin bool) {
	if s.Folder == "" || len(pack) > maxShelved {
		return
	}
	dir := s.repository(repository)
	kept := 0
	for _, file := range filesIn(dir) {
		switch of, ok := ofCommit(file.Name()); {
		case ok && of == commit:
			return // others may stand on it: it keeps its place
		case ok:
			kept++
		}
	}
	if kept >= maxPacks {
		os.RemoveAll(dir)
		kept = 0
	}
	if thin && kept == 0 || os.MkdirAll(dir, 0o700) != nil {
		return
	}
	if err := writeWhole(filepath.Join(dir, packName(kept, commit)), pack); err == nil && rand.N(trimEvery) == 0 {
		s.trim()
	}
}

// writeWhole writes a file that no reader sees in part. A crash of the machine may
// leave it damaged.
func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// packs yields the packs of a repository in the order they were kept, by commit.
func (s Shelf) packs(repository string) iter.Seq2[gitobj.ID, []byte] {
	return func(yield func(gitobj.ID, []byte) bool) {
		if s.Folder == "" {
			return
		}
		dir := s.repository(repository)
		for _, file := range filesIn(dir) {
			commit, ok := ofCommit(file.Name())
			if !ok || file.Size() > maxShelved {
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, file.Name()))
			if err != nil || !yield(commit, data) {
				return
			}
		}
	}
}

// drop throws away what is kept of a repository.
func (s Shelf) drop(repository string) { os.RemoveAll(s.repository(repository)) }

// trim throws away the repositories of which nothing new was read for longest, until
// the rest has its bytes.
func (s Shelf) trim() {
	type shelved struct {
		dir  string
		size int64
		last time.Time
	}
	var all []shelved
	total := int64(0)
	dirs, _ := os.ReadDir(s.Folder)
	for _, d := range dirs {
		if name, err := hex.DecodeString(d.Name()); err != nil || len(name) != sha256.Size {
			continue // nothing of ours
		}
		at := shelved{dir: filepath.Join(s.Folder, d.Name())}
		for _, file := range filesIn(at.dir) {
			at.size += file.Size()
			if file.ModTime().After(at.last) {
				at.last = file.ModTime()
			}
		}
		all = append(all, at)
		total += at.size
	}
	slices.SortFunc(all, func(a, b shelved) int { return a.last.Compare(b.last) })
	for _, at := range all {
		if total <= s.Bytes {
			return
		}
		os.RemoveAll(at.dir)
		total -= at.size
	}
}

// filesIn lists the files of a folder by name; none where there is none.
func filesIn(dir string) (files []fs.FileInfo) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	return files
}
