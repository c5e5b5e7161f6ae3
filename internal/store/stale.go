package store

import (
	"math"
	"sync"
)

// A Frontier remembers how far down the releases the search for stale ones has
// come, so that a backlog of a million is not walked through from its top for
// every batch. It forgets at the end, and whoever starts anew sees everything:
// it saves time, and nothing depends on it. The zero value is ready.
type Frontier struct {
	mu    sync.Mutex
	below map[CheckRef]ID
}

// Next returns up to limit releases that have no run of a check version, newest
// first, from where the last call ended. It returns none only when a search from
// the very top found none. find searches below an id.
func (f *Frontier) Next(ref CheckRef, limit int, find func(below ID) ([]ID, error)) ([]ID, error) {
	const top ID = math.MaxInt64
	f.mu.Lock()
	below, begun := f.below[ref]
	f.mu.Unlock()
	if !begun {
		below = top
	}
	releases, err := find(below)
	if err == nil && begun && len(releases) == 0 {
		releases, err = find(top)
	}
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(releases) == 0 || len(releases) < limit {
		delete(f.below, ref)
		return releases, nil
	}
	if f.below == nil {
		f.below = map[CheckRef]ID{}
	}
	f.below[ref] = releases[len(releases)-1]
	return releases, nil
}
