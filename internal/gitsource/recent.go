package gitsource

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Several checks look at one release within moments, and releases of one
// workspace come together. They share what was opened, so that a forge is asked
// once.
const (
	recentFor       = 5 * time.Minute
	recentSnapshots = 8
	recentRemotes   = 64
	// maxRecentKept is the bytes of files up to which a snapshot is shared.
	maxRecentKept = 8 << 20
)

// recent holds the things opened last, and lets one caller at a time open each.
// Only what was opened is kept: an answer that could be better in a moment is
// asked for again.
type recent[T any] struct {
	most int          // things kept
	keep func(T) bool // nil keeps all

	mu    sync.Mutex
	opens map[string]chan struct{} // closed when whoever opens is done
	kept  []recentThing[T]         // oldest first
}

type recentThing[T any] struct {
	key   string
	thing T
	until time.Time
}

// open returns the thing kept under key, or opens it. It waits for another
// caller who is opening the same.
func (r *recent[T]) open(ctx context.Context, key string, open func() (T, error)) (T, error) {
	for {
		r.mu.Lock()
		if thing, ok := r.find(key, time.Now()); ok {
			r.mu.Unlock()
			return thing, nil
		}
		busy, ok := r.opens[key]
		if !ok {
			break
		}
		r.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
	if r.opens == nil {
		r.opens = map[string]chan struct{}{}
	}
	done := make(chan struct{})
	r.opens[key] = done
	r.mu.Unlock()

	thing, err := open()

	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.opens, key)
	close(done)
	if err == nil && (r.keep == nil || r.keep(thing)) {
		r.kept = append(r.kept, recentThing[T]{key, thing, time.Now().Add(recentFor)})
		r.kept = slices.Delete(r.kept, 0, max(0, len(r.kept)-r.most))
	}
	return thing, err
}

// find drops what is too old and returns what is left under key.
func (r *recent[T]) find(key string, now time.Time) (thing T, ok bool) {
	r.kept = slices.DeleteFunc(r.kept, func(k recentThing[T]) bool { return now.After(k.until) })
	for _, k := range r.kept {
		if k.key == key {
			return k.thing, true
		}
	}
	return thing, false
}
