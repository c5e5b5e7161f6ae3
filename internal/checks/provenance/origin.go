package provenance

import (
	"context"
	"path"
	"slices"

	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A root is the manifest of a package's workspace.
type root struct {
	folder string
	parsed *crate.Manifest
}

func (r *root) workspacePackage() map[string]any {
	workspace, _ := r.parsed.Raw["workspace"].(map[string]any)
	table, _ := workspace["package"].(map[string]any)
	return table
}

// readOrigin reads the repository's manifest of the package and its workspace's.
// The former is fetched only where the crate does not hold the same text.
func (c *comparison) readOrigin(ctx context.Context) error {
	m := &c.out.Manifest
	at := path.Join(c.out.Path, crate.ManifestFile)
	r := reader{tree: &c.tree, ctx: ctx, files: map[string][]byte{}}
	above := c.manifestsAbove()
	places, err := c.tree.findAll(ctx, append(above, at))
	if err != nil {
		return err
	}
	m.Original = Edited
	if c.originalFile != nil {
		if kind, ok := spelled(spellings(c.originalFile.Data), places[at].entry.ID); ok {
			m.Original, r.files[at] = kind, c.originalFile.Data
		}
	}
	r.fetch(append(above, at))
	if c.git = c.original; m.Original == Edited {
		text, _ := r.read(at)
		c.git, _ = crate.ParseManifest(text)
	}
	if folder, parsed, ok := manifest.WorkspaceRoot(c.git, c.out.Path, r.read); ok {
		c.root = &root{folder, parsed}
	}
	return r.err
}

// manifestsAbove lists the manifests that may be the workspace's.
func (c *comparison) manifestsAbove() (files []string) {
	for folder := c.out.Path; folder != ""; {
		folder = parent(folder)
		files = append(files, path.Join(folder, crate.ManifestFile))
	}
	return files
}

// A reader reads files of a commit, and keeps its first error.
type reader struct {
	tree  *tree
	ctx   context.Context
	files map[string][]byte // fetched so far
	err   error
}

// fetch fetches files together; those that are not there are left out.
func (r *reader) fetch(files []string) {
	files = slices.DeleteFunc(slices.Clone(files), func(file string) bool { _, had := r.files[file]; return had })
	places, err := r.tree.findAll(r.ctx, files)
	if err != nil {
		r.fail(err)
		return
	}
	var ids []gitobj.ID
	for _, p := range places {
		if p.state == found {
			ids = append(ids, p.entry.ID)
		}
	}
	blobs, err := r.tree.blobs(r.ctx, ids)
	if err != nil {
		r.fail(err)
		return
	}
	for file, p := range places {
		if p.state == found {
			r.files[file] = blobs[p.entry.ID]
		}
	}
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) read(file string) ([]byte, bool) {
	if _, had := r.files[file]; !had && r.err == nil {
		r.fetch([]string{file})
	}
	data, ok := r.files[file]
	return data, ok
}
