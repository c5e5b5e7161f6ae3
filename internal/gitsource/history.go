package gitsource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Reachable implements check.Source.
//
// It fetches the commits that lie between: those that can be reached from the
// tips and not from the commit. What the server says of it otherwise, such as
// "ready", does not count: it says so of a commit that branched off, too. Only
// that the commit is outside of a long history is taken on the server's word:
// nobody gains by it, and histories are not fetched in vain.
func (s *Source) Reachable(ctx context.Context, repository string, w check.Walk) (from []gitobj.ID, err error) {
	err = s.ask(ctx, repository, func(ctx context.Context, r *remote) error {
		if w.Depth == 0 && !slices.Contains(w.Tips, w.Commit) {
			if outside, err := r.outside(ctx, w); outside || err != nil {
				return err
			}
		}
		commits, err := r.commits(ctx, fetchRequest{
			wants: unique(w.Tips), haves: unique(slices.Concat(w.Without, []gitobj.ID{w.Commit})), depth: w.Depth,
		})
		from = reaching(commits, w.Commit, w.Tips)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for commit %s in the history of %q: %w", w.Commit, repository, err)
	}
	return from, nil
}

// outside reports whether the server says that a walk is in vain: told that we
// have the tips, it sends the commit all the same. A first commit in the answer
// looks as if it had not listened.
func (r *remote) outside(ctx context.Context, w check.Walk) (bool, error) {
	if len(w.Tips) == 0 {
		return true, nil
	}
	commits, err := r.commits(ctx, fetchRequest{wants: []gitobj.ID{w.Commit}, haves: unique(slices.Concat(w.Without, w.Tips))})
	switch {
	case errors.Is(err, errNotThere):
		return true, nil
	case errors.Is(err, check.ErrRepositoryTooLarge):
		return false, nil
	case err != nil:
		return false, err
	}
	for _, c := range commits {
		if len(c.Parents) == 0 {
			return false, nil
		}
	}
	return commits[w.Commit] != nil, nil
}

// History implements check.Source.
func (s *Source) History(ctx context.Context, repository string, tip gitobj.ID, most int) (line []*gitobj.Commit, err error) {
	err = s.ask(ctx, repository, func(ctx context.Context, r *remote) error {
		commits, err := r.commits(ctx, fetchRequest{wants: []gitobj.ID{tip}, depth: most})
		for at := commits[tip]; at != nil && len(line) < most; {
			line = append(line, at)
			if len(at.Parents) == 0 {
				break
			}
			at = commits[at.Parents[0]]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of %q: %w", repository, err)
	}
	return line, nil
}

// commits fetches commits alone, as far as the server can leave out the rest.
func (r *remote) commits(ctx context.Context, f fetchRequest) (map[gitobj.ID]*gitobj.Commit, error) {
	if len(f.wants) == 0 {
		return nil, nil
	}
	if !r.can.shallow && f.depth > 0 {
		return nil, fmt.Errorf("%w: the server cannot leave out history", check.ErrRepositoryTooLarge)
	}
	f.filter = noTrees
	pack, err := r.fetch(ctx, r.source.list, f)
	if errors.Is(err, errNoTreeFilter) {
		f.filter = noFiles
		pack, err = r.fetch(ctx, r.source.list, f)
	}
	if errors.Is(err, errNotThere) { // a ref that was listed a moment ago
		return nil, fmt.Errorf("%w: %w", check.ErrRepositoryProtocol, err)
	}
	if err != nil {
		return nil, err
	}
	ids := pack.IDs(gitobj.CommitKind)
	commits := make(map[gitobj.ID]*gitobj.Commit, len(ids))
	for _, id := range ids {
		if commits[id], err = pack.Commit(id); err != nil {
			return nil, formatError(err)
		}
	}
	return commits, nil
}

// reaching returns those of tips that are commit or descend from it.
func reaching(commits map[gitobj.ID]*gitobj.Commit, commit gitobj.ID, tips []gitobj.ID) []gitobj.ID {
	children := make(map[gitobj.ID][]gitobj.ID, len(commits))
	for _, c := range commits {
		for _, parent := range c.Parents {
			children[parent] = append(children[parent], c.ID)
		}
	}
	descends := map[gitobj.ID]bool{commit: true}
	for work := []gitobj.ID{commit}; len(work) > 0; {
		at := work[len(work)-1]
		work = work[:len(work)-1]
		for _, child := range children[at] {
			if !descends[child] {
				descends[child] = true
				work = append(work, child)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(tips), func(tip gitobj.ID) bool { return !descends[tip] })
}

func unique(ids []gitobj.ID) []gitobj.ID {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b gitobj.ID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}
