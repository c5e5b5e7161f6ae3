package registry

import (
	"context"
	"net"
	"sync"
	"time"
)

// Downloads that are being sent at once, and to one address of them: who reads
// slowly on purpose has to come from many.
const (
	maxStreams = 512
	maxOfOne   = 256
	slotTime   = 5 * time.Second // how long a download waits for its turn
)

// turns say whose download is sent. They are made by newTurns.
type turns struct {
	all slots

	mu  sync.Mutex
	one map[string]*share // by address, of those who have a turn or wait for one
}

type share struct {
	slots slots
	users int
}

func newTurns() *turns { return &turns{all: make(slots, maxStreams), one: map[string]*share{}} }

// take waits for a turn, which done ends.
func (t *turns) take(ctx context.Context, remote string) (done func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, slotTime)
	defer cancel()
	mine, part := t.join(remote)
	if !mine.wait(ctx) {
		part()
		return nil, false
	}
	if !t.all.wait(ctx) {
		mine.leave()
		part()
		return nil, false
	}
	return func() {
		t.all.leave()
		mine.leave()
		part()
	}, true
}

// join returns the share of an address, until part.
func (t *turns) join(remote string) (_ slots, part func()) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.one[host]
	if s == nil {
		s = &share{slots: make(slots, maxOfOne)}
		t.one[host] = s
	}
	s.users++
	return s.slots, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if s.users--; s.users == 0 {
			delete(t.one, host)
		}
	}
}
