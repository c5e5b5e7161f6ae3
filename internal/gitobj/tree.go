package gitobj

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

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

// IsFile reports whether the entry's id is that of a file's content.
func (m Mode) IsFile() bool { return m == ModeFile || m == ModeExecutable }

// modes is how trees spell them. Early gits wrote group-writable files, and some
// importers a leading zero; git reads both, and so do we.
var modes = map[string]Mode{
	"100644": ModeFile,
	"100664": ModeFile,
	"100755": ModeExecutable,
	"120000": ModeSymlink,
	"40000":  ModeTree,
	"040000": ModeTree,
	"160000": ModeSubmodule,
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
func (t *Tree) Entry(name string) (Entry, bool) {
	// The order depends on the mode, so the name may stand in two places.
	for _, mode := range []Mode{ModeFile, ModeTree} {
		i, found := slices.BinarySearchFunc(t.Entries, Entry{Name: name, Mode: mode}, compare)
		if found && t.Entries[i].Name == name {
			return t.Entries[i], true
		}
	}
	return Entry{}, false
}

// compare orders entries as git does: as if trees' names ended in a slash.
func compare(a, b Entry) int {
	n := min(len(a.Name), len(b.Name))
	if c := strings.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return cmp.Compare(after(a, n), after(b, n))
}

// after is the byte of e's name at n, which is its length or less.
func after(e Entry, n int) int {
	switch {
	case n < len(e.Name):
		return int(e.Name[n])
	case e.Mode == ModeTree:
		return '/'
	default:
		return 0
	}
}

// usualEntry is about the bytes of an entry with a short name.
const usualEntry = 32

// ParseTree reads a tree's content, whose id it takes on trust. Names are refused
// that no git writes; names that are a trick only on some file systems stand, as
// nothing is checked out.
func ParseTree(id ID, data []byte) (*Tree, error) {
	t := &Tree{ID: id, Entries: slices.Grow([]Entry(nil), len(data)/usualEntry)}
	// Names are parts of one string: a tree has hundreds, each of a few bytes.
	for text := string(data); len(text) > 0; {
		e, rest, err := nextEntry(text)
		if err != nil {
			return nil, fmt.Errorf("read tree %s: %w", id, err)
		}
		if err := t.checkOrder(e); err != nil {
			return nil, fmt.Errorf("read tree %s: %w", id, err)
		}
		t.Entries = append(t.Entries, e)
		text = rest
	}
	return t, nil
}

func nextEntry(text string) (e Entry, rest string, err error) {
	mode, text, ok := strings.Cut(text, " ")
	if !ok {
		return Entry{}, "", fmt.Errorf("entry cut short: %w", ErrFormat)
	}
	m, ok := modes[mode]
	if !ok {
		return Entry{}, "", fmt.Errorf("mode %.10q: %w", mode, ErrFormat)
	}
	name, text, ok := strings.Cut(text, "\x00")
	if !ok || len(text) < len(e.ID) {
		return Entry{}, "", fmt.Errorf("entry cut short: %w", ErrFormat)
	}
	e.Name, e.Mode = name, m
	copy(e.ID[:], text)
	if e.Name == "" || e.Name == "." || e.Name == ".." || strings.EqualFold(e.Name, ".git") || strings.Contains(e.Name, "/") {
		return Entry{}, "", fmt.Errorf("name %q: %w", e.Name, ErrFormat)
	}
	if e.ID.IsZero() {
		return Entry{}, "", fmt.Errorf("entry %q has no id: %w", e.Name, ErrFormat)
	}
	return e, text[len(e.ID):], nil
}

// checkOrder refuses e where it stands out of order or its name is taken. A file
// and a tree of one name need not be neighbours; what stands between them begins
// with that name too.
func (t *Tree) checkOrder(e Entry) error {
	for i := len(t.Entries) - 1; i >= 0; i-- {
		before := t.Entries[i]
		if before.Name == e.Name {
			return fmt.Errorf("name %q twice: %w", e.Name, ErrFormat)
		}
		if i == len(t.Entries)-1 && compare(before, e) >= 0 {
			return fmt.Errorf("name %q out of order: %w", e.Name, ErrFormat)
		}
		if e.Mode != ModeTree || !strings.HasPrefix(before.Name, e.Name) {
			break
		}
	}
	return nil
}
