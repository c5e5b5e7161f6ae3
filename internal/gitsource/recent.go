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
// Who waited for another that failed fails with it; later callers ask again, as the
// answer could be better in a moment.
type recent[T any] struct {
	most int          // things kept
	keep func(T) bool // nil keeps all

	mu    sync.Mutex
	opens map[string]*opening[T]
	kept  []recentThing[T] // oldest first
}

// An opening is under way until it is done; then it has a thing or an error.
type opening[T any] struct {
	done      chan struct{}
	thing     T
	err       error
	calledOff bool // the caller's own end, which says nothing of the thing
}

type recentThing[T any] struct {
	key   string
	thing T
	until time.Time
}

// open returns the thing kept under key, or opens it. It waits for another
// caller who is opening the same; where that one was called off, it opens it itself.
func (r *recent[T]) open(ctx context.Context, key string, open func() (T, error)) (T, error) {
	for {
		r.mu.Lock()
		if thing, ok := r.find(key, time.Now()); ok {
			r.mu.Unlock()
			return thing, nil
		}
		other := r.opens[key]
		if other == nil {
			break
		}
		r.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
		if !other.calledOff {
			return other.thing, other.err
		}
	}
	if r.opens == nil {
		r.opens = map[string]*opening[T]{}
	}
	own := &opening[T]{done: make(chan struct{})}
	r.opens[key] = own
	r.mu.Unlock()

	own.thing, own.err = open()
	own.calledOff = own.err != nil && ctx.Err() != nil

	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.opens, key)
	close(own.done)
	if own.err == nil && (r.keep == nil || r.keep(own.thing)) {
		r.kept = append(r.kept, recentThing[T]{key, own.thing, time.Now().Add(recentFor)})
		r.kept = slices.Delete(r.kept, 0, max(0, len(r.kept)-r.most))
	}
	return own.thing, own.err
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
