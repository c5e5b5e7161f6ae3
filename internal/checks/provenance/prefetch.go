package provenance

import (
	"context"
	"path"
	"slices"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// prefetch asks at once for what the steps to come will ask for one after
// another: the manifests and lock of the package and the folders above, and the
// links that stand where files of the crate do. The snapshot keeps it.
func (c *comparison) prefetch(ctx context.Context) error {
	var ids []gitobj.ID
	want := func(file string, had []gitobj.ID) {
		if e, ok := c.tree.literal(file); ok && e.Mode.IsFile() && !slices.Contains(had, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	var own, locked []gitobj.ID // of the texts at hand
	if c.originalFile != nil {
		for s := range spellings(c.originalFile.Data) {
			own = append(own, s.id)
		}
	}
	lock := c.in.Archive.File(crate.LockFile)
	if lock != nil {
		locked = append(locked, blobID(lock.Data))
	}
	for folder := c.out.Path; ; folder = parent(folder) {
		want(path.Join(folder, crate.ManifestFile), own)
		if lock != nil {
			want(path.Join(folder, crate.LockFile), locked)
		}
		if own = nil; folder == "" { // which no folder above is compared with
			break
		}
	}
	c.twins = c.suspects()
	for _, m := range c.twins {
		if !m.same {
			ids = append(ids, m.id)
		}
	}
	for _, f := range c.in.Archive.Files {
		if at := c.tree.find(c.inRepository(f.Path)); at.state == waiting {
			ids = append(ids, at.entry.ID)
		}
	}
	if _, err := c.tree.blobs(ctx, ids); err != nil {
		return ctx.Err() // each step says for itself what it cannot do without
	}
	return nil
}
