package gate

import (
	"hash/maphash"
	"sync"
)

// A shelf holds a T for each crate. It is cut into parts so that the requests of
// many do not wait for one another: a lock is held for a look into a map and
// nothing else.
type shelf[T any] struct {
	seed  maphash.Seed
	parts [64]struct {
		sync.RWMutex
		byKey map[string]*T
	}
}

func (s *shelf[T]) init() {
	s.seed = maphash.MakeSeed()
	for i := range s.parts {
		s.parts[i].byKey = map[string]*T{}
	}
}

func (s *shelf[T]) part(key string) int {
	return int(maphash.String(s.seed, key) % uint64(len(s.parts)))
}

// get returns what is there, or nil.
func (s *shelf[T]) get(key string) *T {
	p := &s.parts[s.part(key)]
	p.RLock()
	defer p.RUnlock()
	return p.byKey[key]
}

// put adds t, unless there is something already, and returns what is there.
func (s *shelf[T]) put(key string, t *T) *T {
	p := &s.parts[s.part(key)]
	p.Lock()
	defer p.Unlock()
	if there := p.byKey[key]; there != nil {
		return there
	}
	p.byKey[key] = t
	return t
}

// each calls do for everything, under the lock of a part: do is quick.
func (s *shelf[T]) each(do func(key string, t *T)) {
	for i := range s.parts {
		p := &s.parts[i]
		p.RLock()
		for key, t := range p.byKey {
			do(key, t)
		}
		p.RUnlock()
	}
}
