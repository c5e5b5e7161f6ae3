package gate

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

// A slot is where a crate's entry stands. An entry never changes; another takes
// its place.
type slot struct {
	entry atomic.Pointer[entry] // nil for a crate that is waited for

	mu   sync.Mutex    // held while an entry is read from the store and put in place
	next chan struct{} // closed when another entry comes; nil while nobody waits
	asOf int64         // the entry was read after this event
}

// An entry is what is known of a crate at one time.
type entry struct {
	key, name string
	body      []byte // the accepted lines, gzip-compressed; upstream's bytes
	size      int    // of the lines, unpacked
	revision  int
	firstSeen time.Time
	goneSince time.Time
	bad       int                           // lines that the mirror left out
	state     *store.CrateState             // nil where nothing but the lines is known
	records   map[string]*store.LineRecord  // of the state, by version without build metadata
	releases  map[string]*store.GateRelease // likewise

	lines atomic.Pointer[lines] // unpacked for a while
	born  atomic.Int64          // when its first version was published, in Unix seconds; 0 is not looked up
}

func newEntry(f store.IndexFile, state *store.CrateState) *entry {
	e := &entry{
		key: f.Key, name: f.Name,
		body: slices.Clip(f.Lines), size: f.Size, revision: f.Revision,
		firstSeen: f.FirstSeenAt, goneSince: f.GoneSince, bad: f.Bad,
	}
	if e.name == e.key {
		e.name = e.key // most are: one string is enough
	}
	if e.firstSeen.IsZero() {
		e.firstSeen = f.Imported
	}
	e.learn(state)
	return e
}

// learn gives an entry in the making its state.
func (e *entry) learn(state *store.CrateState) {
	if state == nil || empty(state) {
		return
	}
	e.state = state
	e.records = make(map[string]*store.LineRecord, len(state.Records))
	for i := range state.Records {
		e.records[index.VersionKey(state.Records[i].Version)] = &state.Records[i]
	}
	e.releases = make(map[string]*store.GateRelease, len(state.Releases))
	for i := range state.Releases {
		e.releases[index.VersionKey(state.Releases[i].Release.Version)] = &state.Releases[i]
	}
}

// record returns what is remembered of a line, or nil.
func (e *entry) record(line *index.Entry) *store.LineRecord { return e.records[line.Key()] }

// taken returns the release of a version that was taken in, or nil.
func (e *entry) taken(version string) *store.GateRelease {
	return e.releases[index.VersionKey(version)]
}

// release returns the release of a line that was taken in, or nil.
func (e *entry) release(line *index.Entry) *store.GateRelease { return e.releases[line.Key()] }

func empty(s *store.CrateState) bool {
	return len(s.Records) == 0 && len(s.Releases) == 0 && len(s.Exceptions) == 0 && len(s.Rulings) == 0
}

// bring makes e the slot's entry, if it brings anything new, and wakes who waits
// for that. The slot is locked.
func (s *slot) bring(e *entry) {
	old := s.entry.Load()
	if old != nil && old.revision == e.revision && reflect.DeepEqual(old.state, e.state) {
		return
	}
	s.entry.Store(e)
	if s.next != nil {
		close(s.next)
		s.next = nil
	}
}

// after returns a channel that is closed when another entry than e is there.
func (s *slot) after(e *entry) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = make(chan struct{})
	}
	next := s.next
	if s.entry.Load() != e {
		close(next)
		s.next = nil
	}
	return next
}

// load reads the whole snapshot and puts what is new of it in place. The files
// are read before the states, so that no state is older than the file beside it:
// a line that has a record is never taken for one that has none, which would be
// believed as old as it says.
func (g *Gate) load(ctx context.Context) error {
	last, err := g.Store.LastGateEvent(ctx)
	if err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	files, err := g.readFiles(ctx)
	if err != nil {
		return fmt.Errorf("read index files: %w", err)
	}
	err = g.Store.CrateStates(ctx, func(state store.CrateState) error {
		if e := files[state.Key]; e != nil {
			e.learn(&state)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read crate states: %w", err)
	}
	for key, e := range files {
		g.install(key, e, last)
	}
	if err := g.readBaselines(ctx); err != nil {
		return err
	}
	g.read = last
	return nil
}

// readFiles makes an entry without a state of each file. The body of a file that
// is in place already is shared.
func (g *Gate) readFiles(ctx context.Context) (map[string]*entry, error) {
	files := map[string]*entry{}
	err := g.Store.IndexFiles(ctx, func(f store.IndexFile) error {
		if s := g.crates.get(f.Key); s != nil {
			if e := s.entry.Load(); e != nil && e.revision == f.Revision {
				f.Key, f.Name, f.Lines = e.key, e.name, e.body
			}
		}
		files[f.Key] = newEntry(f, nil)
		return nil
	})
	return files, err
}

// install puts an entry that was read after an event in place, unless one that is
// there was read after a later one.
func (g *Gate) install(key string, e *entry, asOf int64) {
	s := g.crates.put(key, &slot{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asOf <= asOf {
		s.asOf = asOf
		s.bring(e)
	}
}

// reread reads one crate from the store, unless that was done after the last of
// the events that the store has. Readings of a crate come one after the other, so
// that the entry in place is never older than the last reading.
func (g *Gate) reread(ctx context.Context, key string, last int64) error {
	s := g.crates.put(key, &slot{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asOf >= last {
		return nil
	}
	file, _, err := g.Store.IndexFile(ctx, key) // before the state: see load
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read index file of %q: %w", key, err)
	}
	state, err := g.Store.CrateState(ctx, key)
	if err != nil {
		return fmt.Errorf("read state of %q: %w", key, err)
	}
	s.asOf = last
	s.bring(newEntry(file, &state))
	return nil
}
