package gitsource

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Several checks look at one release within moments. They share a snapshot, so
// that a forge is asked once.
const (
	maxRecent = 8
	recentFor = 5 * time.Minute
	// maxRecentKept is the bytes of files up to which a snapshot is shared.
	maxRecentKept = 8 << 20
)

// recent holds the snapshots opened last, and lets one caller at a time open
// each. Only what was opened is kept: an answer that could be better in a moment
// is asked for again.
type recent struct {
	mu    sync.Mutex
	opens map[string]chan struct{} // closed when whoever opens is done
	kept  []recentSnapshot         // oldest first
}

type recentSnapshot struct {
	key      string
	snapshot *snapshot
	until    time.Time
}

// open returns the snapshot kept under key, or opens it. It waits for another
// caller who is opening the same.
func (r *recent) open(ctx context.Context, key string, open func() (*snapshot, error)) (*snapshot, error) {
	for {
		r.mu.Lock()
		if snap := r.find(key, time.Now()); snap != nil {
			r.mu.Unlock()
			return snap, nil
		}
		busy, ok := r.opens[key]
		if !ok {
			break
		}
		r.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r.opens == nil {
		r.opens = map[string]chan struct{}{}
	}
	done := make(chan struct{})
	r.opens[key] = done
	r.mu.Unlock()

	snap, err := open()

	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.opens, key)
	close(done)
	if err == nil && snap.kept <= maxRecentKept {
		r.kept = append(r.kept, recentSnapshot{key, snap, time.Now().Add(recentFor)})
		r.kept = r.kept[max(0, len(r.kept)-maxRecent):]
	}
	return snap, err
}

// find drops what is too old and returns what is left under key.
func (r *recent) find(key string, now time.Time) *snapshot {
	r.kept = slices.DeleteFunc(r.kept, func(k recentSnapshot) bool { return now.After(k.until) })
	for _, k := range r.kept {
		if k.key == key {
			return k.snapshot
		}
	}
	return nil
}
