package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// maxFiles bounds a folder. All of OSV's crates.io is about 2,000 files.
const maxFiles = 200_000

// A Folder is a folder of OSV files, at any depth. It is safe for concurrent use.
type Folder struct {
	dir     string
	current atomic.Pointer[set]

	mu   sync.Mutex // one reading at a time
	mark mark       // of the reading that is current
}

// mark tells whether the folder has changed since it was read.
type mark struct {
	files  int
	bytes  int64
	newest time.Time
}

// A Reading says what a reading of the folder brought.
type Reading struct {
	Advisories int
	Files      int
	Skipped    int   // files that are no advisories
	Why        error // of the first file skipped; wraps ErrOSV
}

// Open reads a folder. One that cannot be read is an error; a file in it that
// cannot is skipped.
func Open(ctx context.Context, dir string) (*Folder, Reading, error) {
	f := &Folder{dir: dir}
	reading, _, err := f.Refresh(ctx)
	return f, reading, err
}

// Refresh reads the folder again if it has changed, and reports whether it had.
// On an error what was read before stays.
func (f *Folder) Refresh(ctx context.Context) (Reading, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A symlink in the folder leads nowhere: os.Root refuses what leaves it.
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return Reading{}, false, fmt.Errorf("read advisories: %w", err)
	}
	defer root.Close()
	names, now, err := list(ctx, root)
	if err != nil {
		return Reading{}, false, fmt.Errorf("read advisories: %w", err)
	}
	if f.current.Load() != nil && now == f.mark {
		return Reading{}, false, nil
	}
	fresh := &set{byCrate: map[string][]*Advisory{}}
	reading := Reading{Files: len(names)}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return Reading{}, false, err
		}
		data, err := read(root, name)
		if err == nil {
			err = parse(data, fresh.add)
		}
		if err != nil {
			reading.Skipped++
			if reading.Why == nil {
				reading.Why = fmt.Errorf("read advisory %q: %w", name, err)
			}
		}
	}
	fresh.sort()
	reading.Advisories = fresh.count
	f.current.Store(fresh)
	f.mark = now
	return reading, true, nil
}

func list(ctx context.Context, root *os.Root) (names []string, m mark, err error) {
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir // as .git of a clone
		}
		if !d.Type().IsRegular() || !strings.HasSuffix(name, ".json") {
			return nil
		}
		if len(names) == maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		names = append(names, name)
		m.files++
		m.bytes += info.Size()
		if info.ModTime().After(m.newest) {
			m.newest = info.ModTime()
		}
		return nil
	})
	return names, m, err
}

func read(root *os.Root, name string) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errors.Join(ErrOSV, fmt.Errorf("more than %d bytes", maxFile))
	}
	return data, nil
}

// Affecting returns the advisories that name a version as vulnerable, by id. The
// caller does not change them.
func (f *Folder) Affecting(name, version string) []*Advisory {
	return f.pick(name, version, (*Advisory).Affects)
}

// Fixing returns the advisories in whose patched range a version stands, by id.
func (f *Folder) Fixing(name, version string) []*Advisory {
	return f.pick(name, version, (*Advisory).Fixes)
}

func (f *Folder) pick(name, version string, is func(*Advisory, crate.Version) bool) []*Advisory {
	all := f.current.Load().of(name)
	if len(all) == 0 {
		return nil
	}
	v, err := crate.ParseVersion(version)
	if err != nil {
		return nil
	}
	var picked []*Advisory
	for _, a := range all {
		if is(a, v) {
			picked = append(picked, a)
		}
	}
	return picked
}
