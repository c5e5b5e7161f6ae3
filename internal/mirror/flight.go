package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A flight is a look at one crate that is under way.
type flight struct {
	done chan struct{} // closed when it has landed
	err  error         // then
}

// flights are those under way, one per crate.
type flights struct {
	// As many as may ask upstream at once: about crates that are known, and about
	// others. Whoever asks for a thousand names that there are not, slowly answered,
	// keeps nobody from what there is.
	known, strange chan struct{}

	mu    sync.Mutex
	byKey map[string]*flight
}

// board joins the flight of a key, or begins one that is the caller's to land.
func (f *flights) board(key string) (_ *flight, mine bool, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if under := f.byKey[key]; under != nil {
		return under, false, nil
	}
	if len(f.byKey) >= maxFlights {
		return nil, false, fmt.Errorf("refresh index file of %q: %w: too many are asked for at once", key, ErrTrouble)
	}
	if f.byKey == nil {
		f.byKey = map[string]*flight{}
	}
	begun := &flight{done: make(chan struct{})}
	f.byKey[key] = begun
	return begun, true, nil
}

func (f *flights) land(key string, landed *flight, err error) {
	f.mu.Lock()
	delete(f.byKey, key)
	f.mu.Unlock()
	landed.err = err
	close(landed.done)
}

// turn waits for the right to ask upstream, which done gives back.
func (f *flights) turn(ctx context.Context, known bool) (done func(), err error) {
	asking := f.strange
	if known {
		asking = f.known
	}
	select {
	case asking <- struct{}{}:
		return func() { <-asking }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errNoTurn, ctx.Err())
	}
}

var errNoTurn = errors.New("others are asked about")

// recent remembers for a while what came of looks. The zero value is ready.
type recent struct {
	mu    sync.RWMutex
	until map[string]time.Time // when the answer grows old, by key
	none  map[string]error     // of those, the ones that upstream does not have
	wrong map[string]error     // and those of which it gave no news
}

// maxRecent bounds what is remembered. Who asks for more crates within a TTL has
// some of them looked at again.
const maxRecent = 100_000

// shortly is how long a look without news stands.
const shortly = 5 * time.Second

// find returns what came of the last look at a key, while that stands.
func (r *recent) find(key string, now time.Time) (_ error, fresh bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	until, ok := r.until[key]
	if !ok || !now.Before(until) {
		return nil, false
	}
	if err := r.none[key]; err != nil {
		return err, true
	}
	return r.wrong[key], true
}

func (r *recent) note(key string, err error, now time.Time, ttl time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) >= maxRecent || r.until == nil {
		r.until, r.none, r.wrong = map[string]time.Time{}, map[string]error{}, map[string]error{}
	}
	delete(r.none, key)
	delete(r.wrong, key)
	switch {
	case errors.Is(err, ErrNotFound):
		r.none[key] = err
	case err != nil:
		r.wrong[key] = err
		ttl = min(ttl, shortly)
	}
	r.until[key] = now.Add(ttl)
}

// was reports whether the last look at a key brought no news either.
func (r *recent) was(key string) (wrong bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.wrong[key] != nil
}

// had reports whether the last look at a key found the crate.
func (r *recent) had(key string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, looked := r.until[key]
	return looked && r.none[key] == nil && r.wrong[key] == nil
}
