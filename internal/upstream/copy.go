package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cratefence/cratefence/internal/index"
)

// A Copy is a whole index at hand: a folder of its files, or a git repository.
type Copy interface {
	// Files yields each file of the index that may be a crate's, by its path below
	// the index. A file that is too large is yielded with an error instead of its
	// bytes, which are the callee's to keep. It ends with an error of yield.
	Files(ctx context.Context, yield func(path string, data []byte, err error) error) error
	// String names the copy, and for a repository what is read of it.
	String() string
	// Close lets go of it.
	Close() error
}

// OpenCopy opens the index at a path. Of a git repository, bare or not, it is
// what ref holds that is read ("" is HEAD), not the files in its folder.
func OpenCopy(ctx context.Context, path, ref string) (Copy, error) {
	if isRepository(path) {
		return openRepository(ctx, path, ref)
	}
	if ref != "" {
		return nil, fmt.Errorf("open index %q at %q: %w", path, ref, errNoRepository)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	return &folder{path: path, root: root}, nil
}

var errNoRepository = errors.New("not a git repository")

// A folder is an index as files. Links out of it are not followed.
type folder struct {
	path string
	root *os.Root
}

func (f *folder) String() string { return "folder " + f.path }

func (f *folder) Close() error { return f.root.Close() }

func (f *folder) Files(ctx context.Context, yield func(string, []byte, error) error) error {
	files := f.root.FS()
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("read index: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case strings.HasPrefix(d.Name(), ".") && path != ".":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || path == index.ConfigPath:
			return nil
		}
		data, err := f.read(path)
		if err != nil && !errors.Is(err, ErrTooLarge) {
			return err
		}
		return yield(path, data, err)
	})
}

func (f *folder) read(path string) ([]byte, error) {
	file, err := f.root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, index.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	if len(data) > index.MaxFile {
		return nil, fmt.Errorf("read index file %q: %w: more than %d bytes", path, ErrTooLarge, index.MaxFile)
	}
	return data, nil
}
