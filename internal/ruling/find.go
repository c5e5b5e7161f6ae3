package ruling

import (
	"context"
	"errors"
	"fmt"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Releases are those taken in.
type Releases interface {
	// Release wraps store.ErrNotFound when there is none.
	Release(ctx context.Context, name, version string) (store.Release, error)
}

// found is what a decision binds to: the bytes first seen under a version.
type found struct {
	Crate     string // as its index lines write it
	Version   string
	Checksum  crate.Checksum
	Publisher string // "" when not known
	Claimed   bool   // the publisher, by nobody but whoever brought the bytes
}

// find looks for a release in the index files, where every release stands that
// cargo can ask for, and among those taken in, for who published it.
func (d *Desk) find(ctx context.Context, s Subject) (found, error) {
	if crate.ValidateName(s.Crate) != nil {
		return found{}, invalid("%q is not the name of a crate", s.Crate)
	}
	if _, err := crate.ParseVersion(s.Version); err != nil {
		return found{}, invalid("%q is not a version", s.Version)
	}
	taken, err := d.Releases.Release(ctx, s.Crate, s.Version)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return found{}, fmt.Errorf("find release %s: %w", s, err)
	}
	f, err := d.indexed(ctx, s)
	switch {
	case errors.Is(err, store.ErrNotFound) && taken.ID == 0:
		return found{}, fmt.Errorf("find release %s: %w", s, store.ErrNotFound)
	case errors.Is(err, store.ErrNotFound):
		f = found{Crate: taken.Crate, Version: taken.Version, Checksum: taken.Checksum}
	case err != nil:
		return found{}, fmt.Errorf("find release %s: %w", s, err)
	}
	if taken.Checksum == f.Checksum {
		f.Publisher, f.Claimed = taken.Publisher, taken.KnownPublisher() == ""
	}
	return f, nil
}

// indexed finds a version in its crate's index file.
func (d *Desk) indexed(ctx context.Context, s Subject) (found, error) {
	file, records, err := d.Lines.IndexFile(ctx, store.IndexKey(s.Crate))
	if err != nil {
		return found{}, err
	}
	for _, r := range records {
		if r.Version == s.Version {
			return found{Crate: file.Name, Version: r.Version, Checksum: r.Checksum}, nil
		}
	}
	line, err := file.Entry(s.Version)
	if err != nil {
		return found{}, err
	}
	return found{Crate: file.Name, Version: s.Version, Checksum: line.Cksum}, nil
}
