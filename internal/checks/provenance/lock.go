package provenance

import (
	"context"
	"path"

	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
	"github.com/cratefence/cratefence/internal/lockfile"
)

// A Lock is how the published Cargo.lock relates to the repository's.
type Lock struct {
	InRepository bool // there is one to compare with
	Entries      int
	Differences  []manifest.LockDifference // where InRepository
	// Unmatched are the entries that nothing in the repository vouches for.
	Unmatched []lockfile.Package
	// Err says why the published one cannot be read.
	Err error
}

// compareLock compares the published Cargo.lock, if there is one, with that of the
// workspace, or of the package where it has none. cargo resolves anew when it
// packages, so that few are the same.
func (c *comparison) compareLock(ctx context.Context) error {
	f := c.in.Archive.File(crate.LockFile)
	if f == nil {
		return nil
	}
	published, err := lockfile.Parse(f.Data)
	if err != nil {
		c.out.Lock = &Lock{Err: err}
		return nil
	}
	lock := &Lock{Entries: len(published.Packages), Unmatched: published.Packages}
	c.out.Lock = lock
	folder := c.out.Path
	if c.root != nil {
		folder = c.root.folder
	}
	at := path.Join(folder, crate.LockFile)
	places, err := c.tree.findAll(ctx, []string{at})
	if err != nil || places[at].state != found {
		return err
	}
	lock.InRepository = true
	id := places[at].entry.ID
	if id == blobID(f.Data) {
		lock.Unmatched = nil
		return nil
	}
	blobs, err := c.tree.blobs(ctx, []gitobj.ID{id})
	if err != nil { // too large, or hidden: a lock decides nothing of what is built elsewhere
		lock.InRepository = false
		return ctx.Err()
	}
	git, err := lockfile.Parse(blobs[id])
	if err != nil {
		lock.InRepository = false
		return nil
	}
	lock.Differences = manifest.CompareLock(published, git, c.in.Name)
	lock.Unmatched = nil
	for _, d := range lock.Differences {
		lock.Unmatched = append(lock.Unmatched, d.Package)
	}
	return nil
}
