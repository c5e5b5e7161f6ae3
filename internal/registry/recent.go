package registry

import (
	"sync"
	"time"
)

// How long, and of how many, it is remembered that something was asked for.
const (
	recentTime = time.Minute
	maxRecent  = 4 << 10
)

// recent remembers what was asked for a short while ago, so that a client that
// tries again and again costs the store nothing. The zero value is ready.
type recent[K comparable] struct {
	mu sync.Mutex
	at map[K]time.Time
}

// first reports whether what was not asked for within the last minute.
func (r *recent[K]) first(what K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.at[what]; ok && now.Sub(at) < recentTime {
		return false
	}
	if r.at == nil || len(r.at) >= maxRecent {
		r.at = map[K]time.Time{}
	}
	r.at[what] = now
	return true
}
