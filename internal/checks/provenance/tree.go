package provenance

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

const (
	maxHops   = 40   // symbolic links on the way to one file, as in Linux
	maxTarget = 4096 // bytes of a link's target
	batch     = 500  // objects fetched in one request
)

// A tree looks up paths in a commit, following symbolic links within it. Nothing
// is checked out: a link is a file that holds a path.
type tree struct {
	snap  check.Snapshot
	links map[gitobj.ID]string // targets fetched so far
}

// A state says what a path leads to.
type state int

const (
	absent    state = iota // nothing, or a folder
	found                  // a file
	outside                // out of the repository, or in circles
	submodule              // into another repository
	waiting                // a link whose target has to be fetched first
)

// A place is what a path leads to.
type place struct {
	state  state
	entry  gitobj.Entry // of what was found; of the link waited for
	path   string       // where it really is
	linked bool         // by way of a link
	below  string       // what is left of the path, in a submodule
}

// literal returns the entry that stands at a path itself, without following
// links.
func (t *tree) literal(at string) (gitobj.Entry, bool) {
	folder := t.root()
	parts := strings.Split(at, "/")
	for _, part := range parts[:len(parts)-1] {
		e, ok := folder.Entry(part)
		if !ok || e.Mode != gitobj.ModeTree {
			return gitobj.Entry{}, false
		}
		folder = t.folder(e.ID)
	}
	return folder.Entry(parts[len(parts)-1])
}

// at returns the folder at a path, without following links; nil where there is
// none.
func (t *tree) at(folder string) *gitobj.Tree {
	if folder == "" {
		return t.root()
	}
	if e, ok := t.literal(folder); ok && e.Mode == gitobj.ModeTree {
		return t.folder(e.ID)
	}
	return nil
}

func (t *tree) root() *gitobj.Tree { return t.folder(t.snap.Commit().Tree) }

// folder returns a tree of the commit. One that the snapshot has not got is
// empty to us: nothing in it can be the same as anything.
func (t *tree) folder(id gitobj.ID) *gitobj.Tree {
	if found := t.snap.Tree(id); found != nil {
		return found
	}
	return &gitobj.Tree{ID: id}
}

// find follows a path as far as the links known so far allow.
func (t *tree) find(at string) place {
	type level struct {
		tree *gitobj.Tree
		path string
	}
	stack := []level{{t.root(), ""}}
	rest := strings.Split(at, "/")
	linked := false
	for hops := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		top := stack[len(stack)-1]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(stack) == 1 {
				return place{state: outside, linked: linked}
			}
			stack = stack[:len(stack)-1]
			continue
		}
		e, ok := top.tree.Entry(part)
		here := place{entry: e, path: path.Join(top.path, part), linked: linked}
		switch {
		case !ok:
			return place{linked: linked}
		case e.Mode == gitobj.ModeTree:
			stack = append(stack, level{t.folder(e.ID), here.path})
		case e.Mode == gitobj.ModeSubmodule:
			here.state, here.below = submodule, strings.Join(rest, "/")
			return here
		case e.Mode == gitobj.ModeSymlink:
			target, known := t.links[e.ID]
			if !known {
				here.state = waiting
				return here
			}
			if hops++; hops > maxHops || target == "" || path.IsAbs(target) {
				return place{state: outside, linked: true}
			}
			rest = slices.Concat(strings.Split(target, "/"), rest)
			linked = true
		case len(rest) > 0: // a file where a folder should be
			return place{linked: linked}
		default:
			here.state = found
			return here
		}
	}
	return place{linked: linked}
}

// findAll follows paths, fetching the links on their ways together.
func (t *tree) findAll(ctx context.Context, paths []string) (map[string]place, error) {
	places := make(map[string]place, len(paths))
	for {
		var links []gitobj.ID
		for _, p := range paths {
			if at, done := places[p]; done && at.state != waiting {
				continue
			}
			places[p] = t.find(p)
			if places[p].state == waiting {
				links = append(links, places[p].entry.ID)
			}
		}
		if len(links) == 0 {
			return places, nil
		}
		targets, err := t.blobs(ctx, links)
		if err != nil {
			return nil, err
		}
		for id, target := range targets {
			if len(target) > maxTarget {
				target = nil // leads nowhere
			}
			t.links[id] = string(target)
		}
	}
}

// blobs fetches files by id, in few requests.
func (t *tree) blobs(ctx context.Context, ids []gitobj.ID) (map[gitobj.ID][]byte, error) {
	ids = slices.SortedFunc(slices.Values(ids), func(a, b gitobj.ID) int { return slices.Compare(a[:], b[:]) })
	all := make(map[gitobj.ID][]byte, len(ids))
	for some := range slices.Chunk(slices.Compact(ids), batch) {
		blobs, err := t.snap.Blobs(ctx, some...)
		if err != nil {
			return nil, err
		}
		for _, id := range some {
			all[id] = blobs[id]
		}
	}
	return all, nil
}
