package registry

import (
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// How long, and of how many, it is remembered that a release was asked for.
const (
	recentTime = time.Minute
	maxRecent  = 4 << 10
)

// recent remembers what was asked for a short while ago, so that a client that
// tries again and again costs the store nothing.
type recent struct {
	mu sync.Mutex
	at map[crate.Checksum]time.Time
}

// first reports whether sum was not asked for within the last minute.
func (r *recent) first(sum crate.Checksum, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.at[sum]; ok && now.Sub(at) < recentTime {
		return false
	}
	if r.at == nil || len(r.at) >= maxRecent {
		r.at = map[crate.Checksum]time.Time{}
	}
	r.at[sum] = now
	return true
}
