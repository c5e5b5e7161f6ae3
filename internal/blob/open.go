package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cratefence/cratefence/internal/crate"
)

// Open opens a blob for reading, and says how many bytes it has. They are not
// verified: whoever sends them on does that. The error wraps ErrNotFound where
// that is why.
func (f *Folder) Open(ctx context.Context, sum crate.Checksum) (io.ReadCloser, int64, error) {
	err := ctx.Err()
	if err == nil {
		_, name := location(sum)
		var file io.ReadCloser
		var size int64
		if file, size, err = f.openFile(name); err == nil {
			return file, size, nil
		}
	}
	return nil, 0, fmt.Errorf("open blob %q: %w", sum, err)
}

func (f *Folder) openFile(name string) (io.ReadCloser, int64, error) {
	file, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a file", ErrCorrupt)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}
