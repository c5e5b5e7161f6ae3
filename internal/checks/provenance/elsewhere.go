package provenance

import (
	"path"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// findElsewhere looks whether the repository holds files that differ at other
// paths.
func (c *comparison) findElsewhere() {
	wanted := map[gitobj.ID][]int{}
	for i, f := range c.out.Files {
		if (f.Kind == Unknown || f.Kind == Modified || f.Kind == Declared) && f.Size > 0 {
			wanted[f.id] = append(wanted[f.id], i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	seen := map[gitobj.ID]bool{}
	c.tree.each(c.tree.root(), "", seen, func(at string, e gitobj.Entry) {
		for _, i := range wanted[e.ID] {
			if c.out.Files[i].Elsewhere == "" {
				c.out.Files[i].Elsewhere = at
			}
		}
	})
}

// LookIn looks whether another commit of the repository, known by a name, holds
// the files that differ and that were not found so far. Somebody may have
// committed them later.
func (r *Result) LookIn(name string, snapshot check.Snapshot, archive *crate.Archive) {
	wanted := map[gitobj.ID][]*File{}
	for i := range r.Files {
		if f := &r.Files[i]; f.Kind.Differs() && f.Elsewhere == "" && f.Size > 0 {
			id := blobID(archive.Files[i].Data)
			wanted[id] = append(wanted[id], f)
		}
	}
	t := tree{snap: snapshot}
	t.each(t.root(), "", map[gitobj.ID]bool{}, func(at string, e gitobj.Entry) {
		for _, f := range wanted[e.ID] {
			if f.Elsewhere == "" {
				f.Elsewhere, f.ElsewhereIn = at, name
			}
		}
	})
}

// each visits the files below a folder, those of a tree that stands in several
// places once.
func (t *tree) each(folder *gitobj.Tree, at string, seen map[gitobj.ID]bool, visit func(at string, e gitobj.Entry)) {
	if seen[folder.ID] || len(at) > crate.DefaultLimits.Path {
		return
	}
	seen[folder.ID] = true
	for _, e := range folder.Entries {
		switch {
		case e.Mode == gitobj.ModeTree:
			t.each(t.folder(e.ID), path.Join(at, e.Name), seen, visit)
		case e.Mode.IsFile():
			visit(path.Join(at, e.Name), e)
		}
	}
}
