package crate

// Limits bound what Read accepts.
type Limits struct {
	Packed   int64 // bytes of the .crate
	Unpacked int64 // bytes of the tar stream, headers and padding included
	Files    int
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
}

// A File is a regular file of a release.
type File struct {
	Path       string // relative to the crate's root, separated by "/"
	Executable bool
	Data       []byte // shared with the archive: not to be written to
}

// A Problem is something in an archive that cargo would not write.
type Problem struct {
	Rule    string // stable name, as in a finding
	Path    string // the entry, as the archive spells it; may hold anything
	Message string
}

// A FormatError says why an archive is refused.
type FormatError struct {
	Problems []Problem // at least one
	More     int       // further problems that were not kept
}

func (e *FormatError) Error() string { panic("not written yet") }

// Read reads a .crate of the given release (its name and version name the
// folder in the archive). Where the archive is refused the error is a
// *FormatError and the archive nil.
func Read(data []byte, r Release, lim Limits) (*Archive, error) { panic("not written yet") }

// ReadDir reads an unpacked crate. Links are not followed out of root.
func ReadDir(root string, lim Limits) (*Archive, error) { panic("not written yet") }

// File returns the file at path, or nil.
func (a *Archive) File(path string) *File { panic("not written yet") }
