package crate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// What cargo adds when it unpacks or vendors a crate: not part of it.
const (
	unpackMark = ".cargo-ok"
	vendorMark = ".cargo-checksum.json"
)

var errTooMuch = errors.New("over the limit")

// ReadDir reads an unpacked crate. Links are not followed out of root; they are
// refused, as in an archive. Where the folder is refused the error is a
// *FormatError; where it cannot be read it is the file system's.
func ReadDir(root string, lim Limits) (*Archive, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("read crate folder: %w", err)
	}
	defer dir.Close()
	d := dirReader{root: dir, lim: lim, left: lim.Unpacked}
	if err := fs.WalkDir(dir.FS(), ".", d.visit); err != nil && !errors.Is(err, errTooMuch) {
		return nil, fmt.Errorf("read crate folder %q: %w", root, err)
	}
	d.paths.check(&d.found)
	if err := d.found.err(); err != nil {
		return nil, err
	}
	slices.SortFunc(d.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return newArchive(d.files, d.found.notes()), nil
}

type dirReader struct {
	root    *os.Root
	lim     Limits
	left    int64 // bytes that may still be read
	entries int
	files   []File
	paths   pathSet
	found   problems
}

func (d *dirReader) visit(path string, e fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if path == "." || path == unpackMark || path == vendorMark {
		return nil
	}
	if d.entries++; d.entries > d.lim.Files {
		d.found.add(RuleFileCount, "", "the folder has more than %d entries", d.lim.Files)
		return errTooMuch
	}
	if rule, why := checkPath(path, d.lim.Path); rule != "" {
		d.found.add(rule, path, "%s", why)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	notePath(path, path, &d.found)
	switch {
	case e.IsDir():
		return nil
	case !e.Type().IsRegular():
		d.found.add(RuleEntryType, path, "a %s; a crate holds only regular files", kindName(e.Type()))
		return nil
	}
	return d.file(path)
}

func (d *dirReader) file(path string) error {
	// Not blocking: the entry may have become a pipe since it was listed.
	f, err := d.root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("open %q: it is no longer a regular file", path)
	}
	data, err := readAtMost(f, d.left, min(info.Size()+1, d.left+1))
	if err != nil {
		return err
	}
	if d.left -= int64(len(data)); d.left < 0 {
		d.found.add(RuleUnpackedSize, path, "the folder holds more than the limit of %d bytes", d.lim.Unpacked)
		return errTooMuch
	}
	d.paths.addFile(path, data)
	d.files = append(d.files, File{Path: path, Executable: info.Mode()&0o111 != 0, Data: data})
	return nil
}

func kindName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device or other special file"
	}
}
