package provenance

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// maxTwins bounds the manifests that are fetched, beyond those above the package,
// to see whether they are of the same name.
const maxTwins = 10

// suspects lists the manifests of other folders that a reader may take for the
// package's: no deeper than it, and the same, or above it, or in a folder that is
// called like it.
func (c *comparison) suspects() (all []candidate) {
	own, ok := c.tree.literal(path.Join(c.out.Path, crate.ManifestFile))
	if c.out.Path == "" || c.in.Name == "" || !ok {
		return nil // the root's is what everybody reads
	}
	for _, m := range c.tree.manifests(depth(c.out.Path)) {
		if m.folder == c.out.Path {
			continue
		}
		above := m.folder == "" || strings.HasPrefix(c.out.Path, m.folder+"/")
		if above || m.id == own.ID || len(all) < maxTwins && c.calledLike(path.Base(m.folder)) {
			m.same = m.id == own.ID
			all = append(all, m)
		}
	}
	return all
}

// calledLike reports whether a folder is called as the package or its own folder
// are, or as packages of a workspace are for short.
func (c *comparison) calledLike(folder string) bool {
	name := c.in.Name
	return slices.Contains([]string{name, strings.ReplaceAll(name, "-", "_"), name[strings.LastIndexAny(name, "-_")+1:], path.Base(c.out.Path)}, folder)
}

// findTwins looks which of the suspects are packages of the crate's name.
func (c *comparison) findTwins(ctx context.Context) error {
	var ids []gitobj.ID
	for _, m := range c.twins {
		if !m.same {
			ids = append(ids, m.id)
		}
	}
	blobs, err := c.tree.blobs(ctx, ids)
	if err != nil {
		return ctx.Err() // what cannot be read misleads nobody
	}
	for _, m := range c.twins {
		if m.same && c.git != nil && c.git.Package.Name == c.in.Name || names(blobs[m.id], c.in.Name) {
			c.out.Twins = append(c.out.Twins, m.folder)
		}
	}
	return nil
}

// names reports whether a manifest is of the package of a name. Most need not be
// parsed for it.
func names(text []byte, name string) bool {
	if !bytes.Contains(text, []byte(name)) {
		return false
	}
	m, err := crate.ParseManifest(text)
	return err == nil && m.Package.Name == name
}
