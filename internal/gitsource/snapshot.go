package gitsource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Bounds on the bytes of files that one snapshot keeps: those that came with the
// commit, unasked, and those fetched later. What is over the latter is handed out
// and forgotten.
const (
	maxKept    = 64 << 20
	maxFetched = 4 << 20
)

// maxWants bounds the objects that are asked for in one request.
const maxWants = 1000

// A snapshot implements check.Snapshot. Its trees are complete when it is made.
type snapshot struct {
	remote *remote
	commit *gitobj.Commit
	trees  map[gitobj.ID]*gitobj.Tree

	kept int // bytes of blobs when made

	mu      sync.Mutex // guards what follows, and that one request is made at a time
	blobs   map[gitobj.ID][]byte
	fetched int // bytes of blobs added since
}

// shareable reports whether a snapshot is small enough to be kept for others.
func shareable(s *snapshot) bool { return s.kept <= maxRecentKept }

// snapshot fetches a commit, and those of its trees that are not at hand.
func (r *remote) snapshot(ctx context.Context, commit gitobj.ID) (*snapshot, error) {
	// Without history, and without files where the server can leave them out.
	f := fetchRequest{wants: []gitobj.ID{commit}, depth: 1, filter: noFiles}
	pack, err := r.fetchDifference(ctx, f)
	if err == nil && pack == nil {
		f.keep = r.shelve(commit, false)
		pack, err = r.fetch(ctx, r.source.fetch, f)
	}
	if errors.Is(err, errNotThere) {
		return nil, fmt.Errorf("%w: %w", check.ErrCommitMissing, err)
	}
	if err != nil {
		return nil, err
	}
	s, err := newSnapshot(ctx, r, pack, commit)
	if err == nil {
		r.source.trees.note(r.base.String(), commit)
	}
	return s, err
}

// fetchDifference fetches what a commit does not share with those that were read
// last. It returns nil where asking for all is better: where none were, where the
// server makes nothing sensible of the question, and where what is shared has been
// forgotten since.
func (r *remote) fetchDifference(ctx context.Context, f fetchRequest) (*gitobj.Pack, error) {
	if !r.differs() {
		return nil, nil
	}
	if f.haves, f.bases = r.source.trees.haves(r.base.String()), r.source.trees.get; len(f.haves) == 0 {
		r.recall()
		f.haves = r.source.trees.haves(r.base.String())
	}
	if len(f.haves) == 0 || slices.Contains(f.haves, f.wants[0]) {
		return nil, nil
	}
	f.keep = r.shelve(f.wants[0], true)
	pack, err := r.fetch(ctx, r.source.fetch, f)
	if errors.Is(err, check.ErrRepositoryProtocol) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, _, there := pack.Object(f.wants[0]); !there {
		return nil, nil
	}
	return pack, nil
}

// differs reports whether the server can be asked for a difference between
// commits.
func (r *remote) differs() bool { return r.can.filter && r.can.shallow }

// shelve returns what keeps the pack of a commit for other processes.
func (r *remote) shelve(commit gitobj.ID, thin bool) func(*gitobj.Pack, []byte) {
	return func(read *gitobj.Pack, pack []byte) {
		if _, _, there := read.Object(commit); there && r.differs() {
			r.source.limits.Shelf.keep(r.base.String(), commit, pack, thin)
		}
	}
}

// recall takes in what was read of the repository before this process was started,
// or by another.
func (r *remote) recall() {
	name := r.base.String()
	for commit, data := range r.source.limits.Shelf.packs(name) {
		pack, err := gitobj.ReadPack(data, r.source.limits.Pack, r.source.trees.get)
		if err == nil {
			_, err = pack.Commit(commit)
		}
		if err != nil {
			r.source.limits.Shelf.drop(name)
			return
		}
		r.source.trees.add(pack)
		r.source.trees.note(name, commit)
	}
}

// newSnapshot takes what a pack holds of a commit, and fetches the trees that are
// missing.
func newSnapshot(ctx context.Context, r *remote, pack *gitobj.Pack, id gitobj.ID) (*snapshot, error) {
	commit, err := pack.Commit(id)
	if err != nil {
		return nil, formatError(err)
	}
	s := &snapshot{remote: r, commit: commit, trees: make(map[gitobj.ID]*gitobj.Tree, pack.Len())}
	missing, err := s.addTrees(pack, []gitobj.ID{commit.Tree})
	if err != nil {
		return nil, err
	}
	if s.blobs, err = takeBlobs(pack, pack.IDs(gitobj.Blob)); err != nil { // of servers that cannot leave them out
		return nil, err
	}
	s.kept = size(s.blobs)
	if s.kept > maxKept {
		return nil, fmt.Errorf("%w: files of more than %d bytes", check.ErrRepositoryTooLarge, maxKept)
	}
	// A server may leave out what it thinks we have. Asked outright it answers
	// with all below: one round suffices, unless it plays with us.
	if len(missing) > 0 {
		if pack, err = r.objects(ctx, noFiles, missing); err != nil {
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

// addTrees adds the trees at and below roots, from the pack or from those at
// hand, and returns those that neither holds.
func (s *snapshot) addTrees(pack *gitobj.Pack, roots []gitobj.ID) (missing []gitobj.ID, err error) {
	s.remote.source.trees.add(pack)
	lacking := map[gitobj.ID]bool{}
	for work := slices.Clone(roots); len(work) > 0; {
		id := work[len(work)-1]
		work = work[:len(work)-1]
		if s.trees[id] != nil || lacking[id] {
			continue
		}
		tree, err := s.tree(pack, id)
		if errors.Is(err, gitobj.ErrMissing) {
			lacking[id] = true
			missing = append(missing, id)
			continue
		}
		if err != nil {
			return nil, formatError(err)
		}
		if len(s.trees) == s.remote.source.limits.Pack.Objects {
			return nil, fmt.Errorf("%w: more than %d trees", check.ErrRepositoryTooLarge, len(s.trees))
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

func (s *snapshot) tree(pack *gitobj.Pack, id gitobj.ID) (*gitobj.Tree, error) {
	tree, err := pack.Tree(id)
	if !errors.Is(err, gitobj.ErrMissing) {
		return tree, err
	}
	if _, data, ok := s.remote.source.trees.get(id); ok {
		return gitobj.ParseTree(id, data)
	}
	return nil, err
}

// takeBlobs takes files out of a pack.
func takeBlobs(pack *gitobj.Pack, ids []gitobj.ID) (map[gitobj.ID][]byte, error) {
	blobs := make(map[gitobj.ID][]byte, len(ids))
	for _, id := range ids {
		data, err := pack.Blob(id)
		if err != nil {
			return nil, fmt.Errorf("the server answers with other objects than asked for: %w", formatError(err))
		}
		blobs[id] = data
	}
	return blobs, nil
}

func size(blobs map[gitobj.ID][]byte) (n int) {
	for _, data := range blobs {
		n += len(data)
	}
	return n
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
	blobs := make(map[gitobj.ID][]byte, len(ids))
	var absent []gitobj.ID
	for _, id := range ids {
		data, ok := s.blobs[id]
		if _, asked := blobs[id]; !ok && !asked {
			absent = append(absent, id)
		}
		blobs[id] = data
	}
	if len(absent) == 0 {
		return blobs, nil
	}
	fetched, err := s.fetchBlobs(ctx, absent)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("read %d files of %q: %w", len(absent), s.URL(), err)
	}
	maps.Copy(blobs, fetched)
	if n := size(fetched); s.fetched+n <= maxFetched {
		s.fetched += n
		maps.Copy(s.blobs, fetched)
	}
	return blobs, nil
}

func (s *snapshot) fetchBlobs(ctx context.Context, ids []gitobj.ID) (map[gitobj.ID][]byte, error) {
	leave, err := s.remote.source.hosts.at(s.remote.base.Host).enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	pack, err := s.remote.objects(ctx, "", ids)
	if err != nil {
		return nil, err
	}
	return takeBlobs(pack, ids)
}

// objects fetches single objects, which the commit at hand says the server has.
// Trees bring those below them, unless the filter leaves them out.
func (r *remote) objects(ctx context.Context, filter string, ids []gitobj.ID) (*gitobj.Pack, error) {
	if len(ids) > maxWants {
		return nil, fmt.Errorf("%w: %d objects asked for at once", check.ErrRepositoryTooLarge, len(ids))
	}
	pack, err := r.fetch(ctx, r.source.fetch, fetchRequest{wants: ids, filter: filter})
	if errors.Is(err, errNotThere) {
		return nil, fmt.Errorf("%w: a part of the commit: %w", check.ErrRepositoryProtocol, err)
	}
	return pack, err
}
