// Package blob keeps crates as bytes under their checksum, in a folder. It knows
// nothing of what they are or who may read them.
package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

var (
	// ErrNotFound: there is no such blob.
	ErrNotFound = errors.New("blob not found")
	// ErrCorrupt: the bytes there no longer have the checksum.
	ErrCorrupt = errors.New("blob corrupt")
	// ErrTooLarge: the blob is over the limit of who asked.
	ErrTooLarge = errors.New("blob too large")
	// ErrChecksum: the bytes to be kept do not have the checksum.
	ErrChecksum = errors.New("checksum does not match")
)

const (
	fileMode   = 0o600
	folderMode = 0o700
	// scratch holds files that are being written. It is on the file system of the
	// blobs, so that a rename moves them.
	scratch = "tmp"
	// abandoned is the age at which a scratch file has no writer any more.
	abandoned = time.Hour
)

// A Folder keeps blobs as files: "ab/cd/abcd…" by checksum. It is safe for
// concurrent use, by several processes too.
type Folder struct {
	root *os.Root
}

// New opens the folder at dir, making it where there is none, and clears away
// what crashed writers left in it.
func New(dir string) (*Folder, error) {
	f, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("open blob folder %q: %w", dir, err)
	}
	return f, nil
}

func open(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{root: root}
	if err := f.sweep(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// Close releases the folder.
func (f *Folder) Close() error { return f.root.Close() }

// sweep makes the scratch folder, and removes from it what nobody writes any
// more. Younger files may be another process's.
func (f *Folder) sweep() error {
	if err := f.root.Mkdir(scratch, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := fs.ReadDir(f.root.FS(), scratch)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < abandoned {
			continue // gone meanwhile, or young
		}
		if err := f.root.Remove(path.Join(scratch, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// location is the folder and the file of a blob.
func location(sum crate.Checksum) (folder, file string) {
	digits := sum.String()
	folder = path.Join(digits[:2], digits[2:4])
	return folder, path.Join(folder, digits)
}

// Put keeps data, whose checksum is sum. When it returns nil the bytes outlive a
// loss of power. A blob that is there already is left alone.
func (f *Folder) Put(ctx context.Context, sum crate.Checksum, data []byte) error {
	if got := crate.Sum(data); got != sum {
		return fmt.Errorf("put blob %q: %w: the bytes have %q", sum, ErrChecksum, got)
	}
	err := ctx.Err()
	if err == nil {
		err = f.put(sum, data)
	}
	if err != nil {
		return fmt.Errorf("put blob %q: %w", sum, err)
	}
	return nil
}

func (f *Folder) put(sum crate.Checksum, data []byte) error {
	folder, file := location(sum)
	info, err := f.root.Lstat(file)
	if err == nil && info.Mode().IsRegular() && info.Size() == int64(len(data)) {
		return f.syncFolders(folder) // its writer may not have come that far yet
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temp := path.Join(scratch, rand.Text())
	if err := f.write(temp, data); err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	if err := f.root.MkdirAll(folder, folderMode); err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	if err := f.root.Rename(temp, file); err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	return f.syncFolders(folder)
}

// write writes a new file, down to the disk.
func (f *Folder) write(name string, data []byte) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	if _, err := file.Write(data); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Sync(); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// syncFolders brings a folder's entry for a file, and its own and its parents'
// entries, down to the disk.
func (f *Folder) syncFolders(folder string) error {
	for _, name := range []string{folder, path.Dir(folder), "."} {
		dir, err := f.root.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Get returns a blob of at most limit bytes. The error wraps ErrNotFound,
// ErrTooLarge or ErrCorrupt where that is why.
func (f *Folder) Get(ctx context.Context, sum crate.Checksum, limit int64) ([]byte, error) {
	err := ctx.Err()
	var data []byte
	if err == nil {
		data, err = f.get(sum, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("get blob %q: %w", sum, err)
	}
	return data, nil
}

func (f *Folder) get(sum crate.Checksum, limit int64) ([]byte, error) {
	_, name := location(sum)
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrTooLarge, info.Size(), limit)
	}
	var buf bytes.Buffer
	buf.Grow(int(info.Size()) + bytes.MinRead) // so that reading to the end does not grow it again
	if _, err := buf.ReadFrom(io.LimitReader(file, limit)); err != nil {
		return nil, err
	}
	if got := crate.Sum(buf.Bytes()); got != sum {
		return nil, fmt.Errorf("%w: it has checksum %q", ErrCorrupt, got)
	}
	return buf.Bytes(), nil
}
