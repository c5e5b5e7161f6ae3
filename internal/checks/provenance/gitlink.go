package provenance

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Gitlink is a submodule of the commit, or of another submodule, that files of
// the crate stand in.
type Gitlink struct {
	Path   string // in the repository
	Commit gitobj.ID
	// Repository is where it is said to come from, "" where nobody says so clearly;
	// URL is that as it answered, "" where it did not.
	Repository, URL string
	Err             error // why its files, Files of them, were not compared
	Files           int
	// Reach says how the commit belongs to the submodule's repository: who may
	// propose a change there could otherwise have it built here. ReachErr says why
	// that is not known. Both are nil where the files were not compared.
	Reach    *Reach
	ReachErr error
}

// Bounds on the submodules of one crate.
const (
	maxSubmodules     = 5
	maxSubmoduleDepth = 3 // submodules in one another
)

// An inside is a file of the crate that stands in a submodule.
type inside struct {
	file int
	at   place // of the submodule, with what is left of the path
}

// compareSubmodules compares files that stand in submodules with the commits that
// these are pinned to.
func (c *comparison) compareSubmodules(ctx context.Context, pending []int, places map[string]place) error {
	var files []inside
	for _, i := range pending {
		if f := c.out.Files[i]; f.Kind == Uncompared {
			files = append(files, inside{i, places[c.inRepository(f.Path)]})
		}
	}
	return c.follow(ctx, &c.tree, "", files, 1)
}

// follow compares files that stand in submodules of a commit, whose own path is
// above.
func (c *comparison) follow(ctx context.Context, t *tree, above string, files []inside, depth int) error {
	byPath := map[string][]inside{}
	for _, f := range files {
		byPath[f.at.path] = append(byPath[f.at.path], f)
	}
	if len(byPath) == 0 {
		return nil
	}
	urls, err := t.submodules(ctx)
	for _, at := range slices.Sorted(maps.Keys(byPath)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		some := byPath[at]
		link := Gitlink{Path: path.Join(above, at), Commit: some[0].at.entry.ID, Files: len(some), Err: err}
		below, deeper := c.compareGitlink(ctx, t, &link, urls[at], some, depth)
		c.out.Submodules = append(c.out.Submodules, link)
		if err := c.follow(ctx, below, link.Path, deeper, depth+1); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// compareGitlink compares the files of one submodule. It returns its tree, and
// the files that stand in submodules of its own.
func (c *comparison) compareGitlink(ctx context.Context, t *tree, link *Gitlink, address string, files []inside, depth int) (*tree, []inside) {
	if link.Err != nil {
		return nil, nil
	}
	snapshot, err := c.openSubmodule(ctx, t.snap, address, link, depth)
	if err != nil {
		link.Err = err
		return nil, nil
	}
	link.URL = snapshot.URL()
	below := &tree{snap: snapshot, links: map[gitobj.ID]string{}}
	deeper, err := c.compareInSubmodule(ctx, below, link.Path, files)
	if err != nil {
		link.Err = err
		return nil, nil
	}
	link.Reach, link.ReachErr = FindReach(ctx, c.in.Source, link.Repository, link.Commit, "", "")
	return below, deeper
}

func (c *comparison) openSubmodule(ctx context.Context, above check.Snapshot, address string, link *Gitlink, depth int) (check.Snapshot, error) {
	switch {
	case len(c.out.Submodules) >= maxSubmodules:
		return nil, fmt.Errorf("%w: more than %d of them", ErrNoSubmodule, maxSubmodules)
	case depth > maxSubmoduleDepth:
		return nil, fmt.Errorf("%w: more than %d in one another", ErrNoSubmodule, maxSubmoduleDepth)
	case address == "":
		return nil, fmt.Errorf("%w: %s names none, or two", ErrNoSubmodule, submodulesFile)
	}
	repository, err := resolveSubmodule(above.URL(), address)
	if err != nil {
		return nil, err
	}
	link.Repository = repository
	return c.in.Source.Snapshot(ctx, repository, link.Commit)
}

// compareInSubmodule compares files with those of a submodule's tree, and returns
// those that stand deeper. They stay uncompared where its links cannot be fetched.
func (c *comparison) compareInSubmodule(ctx context.Context, t *tree, above string, files []inside) (deeper []inside, err error) {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.at.below)
	}
	below, err := t.findAll(ctx, paths)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		file, at, data := &c.out.Files[f.file], below[f.at.below], c.in.Archive.Files[f.file].Data
		file.At, file.in, file.inPath = path.Join(above, at.path), t, at.path
		kind, same := spelled(spellings(data), at.entry.ID)
		switch {
		case at.state == submodule:
			deeper = append(deeper, inside{f.file, at})
		case at.state == outside: // what is next to a submodule is not its own
		case at.state == found && same:
			file.Kind, file.Ends = Submodule, endsOf(kind, data)
		case at.state == found:
			file.Kind, file.git = Modified, at.entry.ID
		default:
			file.Kind, file.At, file.inPath = Unknown, "", ""
		}
	}
	return deeper, nil
}
