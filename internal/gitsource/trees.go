package gitsource

import (
	"container/list"
	"slices"
	"sync"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// trees keeps the bytes of trees by their ids, whatever repository they came
// from, up to a number of bytes; those not used for longest go first. It knows,
// too, which commits of a repository were read last: a server that is told leaves
// out what they have in common with the one that is asked for.
type trees struct {
	most int64 // bytes

	mu   sync.Mutex
	size int64
	byID map[gitobj.ID]*list.Element // of keptTree
	used list.List                   // last used first
	read map[string][]gitobj.ID      // commits by repository, last read first
}

type keptTree struct {
	id   gitobj.ID
	data []byte
}

// treeOverhead is about what a tree costs beside its bytes.
const treeOverhead = 160

const (
	maxHaves        = 4    // commits told to a server
	maxRepositories = 4096 // whose commits are remembered
)

// get returns a tree's bytes, which are not to be written to. It has the form of
// gitobj.Bases.
func (t *trees) get(id gitobj.ID) (gitobj.Kind, []byte, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byID[id]
	if e == nil {
		return "", nil, false
	}
	t.used.MoveToFront(e)
	return gitobj.TreeKind, e.Value.(keptTree).data, true
}

// add keeps the trees of a pack.
func (t *trees) add(pack *gitobj.Pack) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range pack.IDs(gitobj.TreeKind) {
		_, data, _ := pack.Object(id)
		t.keep(id, data)
	}
}

func (t *trees) keep(id gitobj.ID, data []byte) {
	if t.byID == nil {
		t.byID = map[gitobj.ID]*list.Element{}
	}
	if t.byID[id] == nil {
		t.byID[id] = t.used.PushFront(keptTree{id, data})
		t.size += int64(len(data)) + treeOverhead
	}
	for t.size > t.most {
		last := t.used.Remove(t.used.Back()).(keptTree)
		delete(t.byID, last.id)
		t.size -= int64(len(last.data)) + treeOverhead
	}
}

// haves returns the commits of a repository that were read last.
func (t *trees) haves(repository string) []gitobj.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.read[repository])
}

// note remembers that a commit of a repository was read.
func (t *trees) note(repository string, commit gitobj.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.read == nil || len(t.read) >= maxRepositories && t.read[repository] == nil {
		t.read = map[string][]gitobj.ID{} // begins anew: rare, and costs bytes only
	}
	others := slices.DeleteFunc(t.read[repository], func(id gitobj.ID) bool { return id == commit })
	all := slices.Concat([]gitobj.ID{commit}, others)
	t.read[repository] = all[:min(len(all), maxHaves)]
}
