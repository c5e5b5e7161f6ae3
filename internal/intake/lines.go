package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

// Lines are the index files that are known.
type Lines interface {
	// IndexFile wraps store.ErrNotFound when there is none.
	IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error)
}

// indexed refuses bytes under a version of which nothing was taken in, and whose
// index line was first seen with others: taken in, they would stand in the way of
// those. Beside what was taken in they are an incident, which is not for here. The
// error wraps ErrInvalid.
func (in *Intake) indexed(ctx context.Context, name, version string, sum crate.Checksum) error {
	if in.Lines == nil {
		return nil
	}
	if _, err := in.Store.Release(ctx, name, version); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	file, _, err := in.Lines.IndexFile(ctx, store.IndexKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	lines, err := file.Unpack()
	if err != nil {
		return err
	}
	for e, err := range index.Entries(lines) {
		if err == nil && e.Key() == index.VersionKey(version) && e.Cksum != sum {
			return fmt.Errorf("%w: the index has %q %q with other bytes, of checksum %s", ErrInvalid, name, version, e.Cksum)
		}
	}
	return nil
}
