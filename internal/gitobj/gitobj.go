// Package gitobj reads git's formats from hostile peers: pkt-lines, packs,
// commits, trees; and computes object ids.
//
// It is pure: no network, no clock, no log. It knows nothing of repositories or
// remotes.
package gitobj

import "time"

// An ID is the id of an object in a SHA-1 repository.
type ID [20]byte

// ParseID reads 40 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) { panic("not written yet") }

// IsZero reports whether id is the zero id, which stands for none.
func (id ID) IsZero() bool { return id == ID{} }

// String returns 40 lower-case hexadecimal digits.
func (id ID) String() string { panic("not written yet") }

// BlobID returns the id that git gives to a file of this content. It detects
// known SHA-1 collision attacks; collision reports one.
func BlobID(data []byte) (id ID, collision bool) { panic("not written yet") }

// A Mode is a tree entry's mode.
type Mode uint32

// The modes that git writes.
const (
	ModeFile       Mode = 0o100644
	ModeExecutable Mode = 0o100755
	ModeSymlink    Mode = 0o120000
	ModeTree       Mode = 0o040000
	ModeSubmodule  Mode = 0o160000
)

// A Commit is what a commit object says.
type Commit struct {
	ID        ID
	Tree      ID
	Parents   []ID
	Committed time.Time
	Message   string // cut to 4 KiB
}

// A Tree is a tree object.
type Tree struct {
	ID      ID
	Entries []Entry // in git's order
}

// An Entry is an entry of a tree.
type Entry struct {
	Name string
	Mode Mode
	ID   ID
}

// Entry returns the entry of that name.
func (t *Tree) Entry(name string) (Entry, bool) { panic("not written yet") }
