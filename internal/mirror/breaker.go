package mirror

import (
	"log/slog"
	"sync"
	"time"
)

// A breaker keeps callers from waiting, one by one, for a registry that does not
// answer: after a silence one look in a while tries again, and the others do
// without. The zero value lets all pass.
type breaker struct {
	log *slog.Logger

	mu      sync.Mutex
	failed  int       // looks without an answer since the last one with
	tryAt   time.Time // when the next one may, once tripped
	probing bool
}

// The breaker trips after so many silent looks in a row, and then lets one pass
// every so often.
const (
	tripsAfter = 3
	triesEvery = 5 * time.Second
)

// pass reports whether a look may ask. If it may, answered, silent or unasked is
// to follow.
func (b *breaker) pass(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < tripsAfter {
		return true
	}
	if b.probing || now.Before(b.tryAt) {
		return false
	}
	b.probing = true
	return true
}

// answered notes that upstream is there, whatever it said.
func (b *breaker) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed >= tripsAfter {
		b.log.Info("upstream answers again")
	}
	b.failed, b.probing = 0, false
}

// silent notes that upstream did not answer.
func (b *breaker) silent(err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed++; b.failed == tripsAfter {
		b.log.Warn("upstream does not answer; index files are served as they were", "err", err)
	}
	b.probing, b.tryAt = false, now.Add(triesEvery)
}

// unasked notes that a look ended before it asked.
func (b *breaker) unasked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
