package gitsource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// maxKept bounds the bytes of files that one snapshot keeps.
const maxKept = 64 << 20

// maxWants bounds the objects that are asked for in one request.
const maxWants = 1000

// A snapshot implements check.Snapshot. Its trees are complete when it is made.
type snapshot struct {
	remote *remote
	commit *gitobj.Commit
	trees  map[gitobj.ID]*gitobj.Tree

	mu    sync.Mutex // guards what follows, and that one request is made at a time
	blobs map[gitobj.ID][]byte
	kept  int
}

// newSnapshot takes what a pack holds of a commit, and fetches the trees that are
// missing.
func newSnapshot(ctx context.Context, r *remote, pack *gitobj.Pack, id gitobj.ID) (*snapshot, error) {
	commit, err := pack.Commit(id)
	if err != nil {
		return nil, formatError(err)
	}
	s := &snapshot{remote: r, commit: commit, trees: map[gitobj.ID]*gitobj.Tree{}, blobs: map[gitobj.ID][]byte{}}
	missing, err := s.addTrees(pack, []gitobj.ID{commit.Tree})
	if err != nil {
		return nil, err
	}
	if err := s.addBlobs(pack, pack.IDs(gitobj.Blob)); err != nil { // of servers that cannot leave them out
		return nil, err
	}
	// A server may leave out what it thinks we have. Asked outright it answers
	// with all below: one round suffices, unless it plays with us.
	if len(missing) > 0 {
		if pack, err = r.objects(ctx, true, missing); err != nil {
			return nil, err
		}
		if missing, err = s.addTrees(pack, missing); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: the server keeps tree %s back", check.ErrRepositoryProtocol, missing[0])
	}
	return s, nil
}

// addTrees adds the trees at and below roots, and returns those that the pack
// does not hold.
func (s *snapshot) addTrees(pack *gitobj.Pack, roots []gitobj.ID) (missing []gitobj.ID, err error) {
	seen := map[gitobj.ID]bool{}
	for work := slices.Clone(roots); len(work) > 0; {
		id := work[len(work)-1]
		work = work[:len(work)-1]
		if seen[id] || s.trees[id] != nil {
			continue
		}
		seen[id] = true
		tree, err := pack.Tree(id)
		if errors.Is(err, gitobj.ErrMissing) {
			missing = append(missing, id)
			continue
		}
		if err != nil {
			return nil, formatError(err)
		}
		s.trees[id] = tree
		for _, e := range tree.Entries {
			if e.Mode == gitobj.ModeTree {
				work = append(work, e.ID)
			}
		}
	}
	return missing, nil
}

// addBlobs keeps files that a pack holds.
func (s *snapshot) addBlobs(pack *gitobj.Pack, ids []gitobj.ID) error {
	for _, id := range ids {
		data, err := pack.Blob(id)
		if err != nil {
			return fmt.Errorf("the server answers with other objects than asked for: %w", formatError(err))
		}
		if s.kept += len(data); s.kept > maxKept {
			return fmt.Errorf("%w: files of more than %d bytes", check.ErrRepositoryTooLarge, maxKept)
		}
		s.blobs[id] = data
	}
	return nil
}

// URL implements check.Snapshot.
func (s *snapshot) URL() string { return s.remote.name() }

// Commit implements check.Snapshot.
func (s *snapshot) Commit() *gitobj.Commit { return s.commit }

// Tree implements check.Snapshot.
func (s *snapshot) Tree(id gitobj.ID) *gitobj.Tree { return s.trees[id] }

// Blobs implements check.Snapshot.
func (s *snapshot) Blobs(ctx context.Context, ids ...gitobj.ID) (map[gitobj.ID][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var absent []gitobj.ID
	asked := map[gitobj.ID]bool{}
	for _, id := range ids {
		if _, ok := s.blobs[id]; !ok && !asked[id] {
			asked[id] = true
			absent = append(absent, id)
		}
	}
	if len(absent) > 0 {
		pack, err := s.remote.objects(ctx, false, absent)
		if err == nil {
			err = s.addBlobs(pack, absent)
		}
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, fmt.Errorf("read %d files of %q: %w", len(absent), s.URL(), err)
		}
	}
	blobs := make(map[gitobj.ID][]byte, len(ids))
	for _, id := range ids {
		blobs[id] = s.blobs[id]
	}
	return blobs, nil
}

// objects fetches single objects, which the commit at hand says the server has.
func (r *remote) objects(ctx context.Context, trees bool, ids []gitobj.ID) (*gitobj.Pack, error) {
	if len(ids) > maxWants {
		return nil, fmt.Errorf("%w: %d objects asked for at once", check.ErrRepositoryTooLarge, len(ids))
	}
	pack, err := r.fetch(ctx, objectsRequest(r.can, trees, ids...))
	if errors.Is(err, errNotThere) {
		return nil, fmt.Errorf("%w: a part of the commit: %w", check.ErrRepositoryProtocol, err)
	}
	return pack, err
}
