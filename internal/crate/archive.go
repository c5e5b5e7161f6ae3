package crate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// The files that cargo itself puts into a crate; everything else comes from the
// author's folder.
const (
	ManifestFile     = "Cargo.toml"
	ManifestOrigFile = "Cargo.toml.orig" // the manifest as the author wrote it; since cargo 1.20
	LockFile         = "Cargo.lock"
	VCSInfoFile      = ".cargo_vcs_info.json" // since cargo 1.30
)

// Limits bound what Read accepts.
type Limits struct {
	Packed   int64 // bytes of the .crate
	Unpacked int64 // bytes of the tar stream, headers and padding included
	Files    int   // entries of any kind
	Path     int   // bytes of one path
}

// DefaultLimits are cargo's and crates.io's, with room to spare.
var DefaultLimits = Limits{Packed: 64 << 20, Unpacked: 512 << 20, Files: 50_000, Path: 1024}

// An Archive is the files of a release.
type Archive struct {
	Files    []File    // as the archive orders them; a folder's are sorted by path
	Notes    []Problem // strange, but read the same by everybody: accepted
	Packed   int64     // bytes of the .crate; 0 for a folder
	Unpacked int64     // bytes of the files' contents

	byPath   map[string]int // into Files
	manifest struct {
		once   sync.Once
		parsed *Manifest
		err    error
	}
}

// A File is a regular file of a release.
type File struct {
	Path       string // relative to the crate's root, separated by "/"
	Executable bool
	Data       []byte // shared with the archive: not to be written to
}

// Read is ReadFrom of bytes at hand.
func Read(data []byte, r Release, lim Limits) (*Archive, error) {
	return ReadFrom(bytes.NewReader(data), int64(len(data)), r, lim)
}

// ReadFrom reads a .crate of the given release (its name and version name the
// folder in the archive), size bytes long. Where the archive is refused the
// error is a *FormatError and the archive nil.
//
// The files' contents are parts of one buffer that holds the whole tar stream;
// nothing of src is kept.
func ReadFrom(src io.ReaderAt, size int64, r Release, lim Limits) (*Archive, error) {
	var found problems
	if size > lim.Packed {
		found.add(RulePackedSize, "", "the archive has %d bytes, over the limit of %d", size, lim.Packed)
		return nil, found.err()
	}
	stream := inflate(packed{src, size}, lim.Unpacked, &found)
	if stream == nil {
		return nil, found.err()
	}
	t := tarReader{stream: stream, root: r.Name + "-" + r.Version + "/", lim: lim, found: &found}
	t.read()
	t.paths.check(&found)
	if err := found.err(); err != nil {
		return nil, err
	}
	a := newArchive(t.files, found.notes())
	a.Packed = size
	return a, nil
}

func newArchive(files []File, notes []Problem) *Archive {
	a := &Archive{Files: files, Notes: notes, byPath: make(map[string]int, len(files))}
	for i, f := range files {
		a.Unpacked += int64(len(f.Data))
		a.byPath[f.Path] = i
	}
	return a
}

// File returns the file at path, or nil.
func (a *Archive) File(path string) *File {
	if a.byPath == nil { // put together by hand
		i := slices.IndexFunc(a.Files, func(f File) bool { return f.Path == path })
		if i < 0 {
			return nil
		}
		return &a.Files[i]
	}
	if i, ok := a.byPath[path]; ok {
		return &a.Files[i]
	}
	return nil
}

// ErrNoManifest says that a crate has no Cargo.toml.
var ErrNoManifest = errors.New("no Cargo.toml")

// Manifest returns what Cargo.toml says, parsed once and shared: not to be
// written to. The error is ErrNoManifest where the crate has none.
func (a *Archive) Manifest() (*Manifest, error) {
	m := &a.manifest
	m.once.Do(func() {
		f := a.File(ManifestFile)
		if f == nil {
			m.err = ErrNoManifest
			return
		}
		m.parsed, m.err = ParseManifest(f.Data)
	})
	return m.parsed, m.err
}

// VCSInfo parses .cargo_vcs_info.json. It returns nil, nil where the crate has
// none.
func (a *Archive) VCSInfo() (*VCSInfo, error) {
	f := a.File(VCSInfoFile)
	if f == nil {
		return nil, nil
	}
	info, err := ParseVCSInfo(f.Data)
	if err != nil {
		return nil, err
	}
	return &info, nil
}

// A FormatError says why an archive is refused.
type FormatError struct {
	Problems []Problem // at least one
	More     int       // further problems that were not kept
}

func (e *FormatError) Error() string {
	var b strings.Builder
	first := e.Problems[0]
	fmt.Fprintf(&b, "read archive: %s", first.Message)
	if first.Path != "" {
		fmt.Fprintf(&b, " (%q)", first.Path)
	}
	if more := len(e.Problems) - 1 + e.More; more > 0 {
		fmt.Fprintf(&b, ", and %d more", more)
	}
	return b.String()
}
