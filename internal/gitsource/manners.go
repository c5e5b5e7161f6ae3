package gitsource

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cratefence/cratefence/internal/check"
)

// Manners bound what one host is asked by one process: most crates live on one
// forge, which must not notice us.
type Manners struct {
	AtOnce int     // questions, each of a few requests one after another
	Rate   float64 // requests a second
	Burst  int     // requests before Rate counts
}

// maxPause bounds how long a host that asks for a pause is believed.
const maxPause = 15 * time.Minute

// maxHosts is how many hosts are remembered; those at rest are forgotten.
const maxHosts = 1000

// hosts keeps the manners towards each host.
type hosts struct {
	manners Manners

	mu     sync.Mutex
	byName map[string]*host
}

type host struct {
	places   chan struct{} // nil: as many as there are
	requests *rate.Limiter // nil: as many as there are

	mu    sync.Mutex
	pause time.Time // nothing is asked before
}

// at returns what is remembered of a host.
func (h *hosts) at(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at := h.byName[name]; at != nil {
		return at
	}
	if h.byName == nil {
		h.byName = map[string]*host{}
	}
	if len(h.byName) >= maxHosts {
		maps.DeleteFunc(h.byName, func(_ string, at *host) bool { return at.rested() })
	}
	at := &host{}
	if m := h.manners; m.AtOnce > 0 {
		at.places = make(chan struct{}, m.AtOnce)
		at.requests = rate.NewLimiter(rate.Limit(m.Rate), m.Burst)
	}
	h.byName[name] = at
	return at
}

// enter waits for a place, which whoever got it gives back by leave.
func (h *host) enter(ctx context.Context) (leave func(), err error) {
	if h.places == nil {
		return func() {}, nil
	}
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// rested reports whether nothing would be lost if the host were forgotten.
func (h *host) rested() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().After(h.pause) && len(h.places) == 0 && (h.requests == nil || h.requests.Tokens() >= float64(h.requests.Burst()))
}

// next waits until one more request may be sent. A host that wants a pause is
// not asked, and is as good as down.
func (h *host) next(ctx context.Context) error {
	h.mu.Lock()
	pause := time.Until(h.pause)
	h.mu.Unlock()
	if pause > 0 {
		return fmt.Errorf("%w: the server wants no requests for another %v", check.ErrRepositoryUnreachable, pause.Round(time.Second))
	}
	if h.requests == nil {
		return nil
	}
	if err := h.requests.Wait(ctx); err != nil {
		return fmt.Errorf("%w: no turn in time: %w", check.ErrRepositoryUnreachable, err)
	}
	return nil
}

// heed notes that a host asked for a pause (RFC 9110, section 10.2.3; only
// seconds are read).
func (h *host) heed(resp *http.Response) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds <= 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pause = time.Now().Add(min(time.Duration(min(seconds, 1e6))*time.Second, maxPause))
}
