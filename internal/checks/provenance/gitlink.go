package provenance

import (
	"context"
	"path"
	"slices"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Gitlink is a submodule of the commit that files of the crate stand in.
type Gitlink struct {
	Path   string // in the repository
	Commit gitobj.ID
	URL    string // as it answered; "" where it did not
	Err    error  // why its files were not compared
}

// compareSubmodules compares files that stand in submodules with the commits that
// these are pinned to. A submodule of a submodule is not followed.
func (c *comparison) compareSubmodules(ctx context.Context, pending []int, places map[string]place) error {
	byPath := map[string][]int{}
	for _, i := range pending {
		if f := c.out.Files[i]; f.Kind == Uncompared {
			at := places[c.inRepository(f.Path)]
			byPath[at.path] = append(byPath[at.path], i)
		}
	}
	if len(byPath) == 0 {
		return nil
	}
	opener := NewSubmodules(c.in.Source, c.in.Snapshot)
	for _, at := range sortedKeys(byPath) {
		files := byPath[at]
		link := Gitlink{Path: at, Commit: places[c.inRepository(c.out.Files[files[0]].Path)].entry.ID}
		snapshot, err := opener.Open(ctx, at, link.Commit)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			link.Err = err
		default:
			link.URL = snapshot.URL()
			link.Err = c.compareInSubmodule(ctx, &tree{snap: snapshot, links: map[gitobj.ID]string{}}, files, places)
		}
		c.out.Submodules = append(c.out.Submodules, link)
	}
	return ctx.Err()
}

// compareInSubmodule compares files with those of a submodule's tree. They stay
// uncompared where its links cannot be fetched.
func (c *comparison) compareInSubmodule(ctx context.Context, t *tree, files []int, places map[string]place) error {
	var paths []string
	for _, i := range files {
		paths = append(paths, places[c.inRepository(c.out.Files[i].Path)].below)
	}
	below, err := t.findAll(ctx, paths)
	if err != nil {
		return err
	}
	for n, i := range files {
		f, at := &c.out.Files[i], below[paths[n]]
		f.At = path.Join(f.At, at.path)
		_, same := spelled(spellings(c.in.Archive.Files[i].Data), at.entry.ID)
		switch {
		case at.state == submodule || at.state == outside: // further than is followed
		case at.state == found && same:
			f.Kind = Submodule
		case at.state == found:
			f.Kind = Modified
		default:
			f.Kind, f.At = Unknown, ""
		}
	}
	return nil
}

func sortedKeys(m map[string][]int) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
