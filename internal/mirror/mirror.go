// Package mirror keeps upstream's index files: it asks again when they have
// grown old, notices what changed, and remembers what was first seen. It
// decides nothing.
//
// Of each crate the accepted lines are kept, in upstream's bytes: see merge for
// what is accepted at once and what waits for a person. Whatever upstream does
// or fails to do, what is kept stays until something better is known.
package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Sentinel errors of Refresh and of an Upstream.
var (
	// ErrNotFound: upstream has no such crate. Where it had one, its lines are kept.
	ErrNotFound = errors.New("upstream has no such crate")
	// ErrTrouble: what upstream says now is not known. What is kept stands.
	ErrTrouble = errors.New("upstream gives no news")
	// ErrUnreachable: upstream did not answer, or said "later".
	ErrUnreachable = errors.New("upstream does not answer")
)

// Upstream is the registry whose index files are kept.
type Upstream interface {
	// IndexFile asks for a crate's index file, unless it is as it was when the
	// validators were given. The error wraps ErrNotFound only where the registry
	// says that there is no such crate, and ErrUnreachable where it said nothing.
	IndexFile(ctx context.Context, name, etag, lastModified string) (Answer, error)
}

// An Answer is what upstream says of an index file.
type Answer struct {
	Body               []byte // nil when NotModified
	ETag, LastModified string // "" where upstream gives none
	NotModified        bool
}

// Store keeps the files.
type Store interface {
	// IndexFile wraps store.ErrNotFound when there is none.
	IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error)
	// SaveIndex stores a file whose Revision is still the one that was read (0 for a
	// new one), or wraps store.ErrConflict.
	SaveIndex(ctx context.Context, save store.IndexSave) error
	// TouchIndex notes that files are as they were, unless they have another
	// revision by now.
	TouchIndex(ctx context.Context, touches []store.IndexTouch) error
}

// A Sight is a version that was not known before.
type Sight struct {
	Name     string
	Version  string
	Checksum crate.Checksum
}

// A Mirror refreshes index files. Its fields are set before first use. It is safe
// for concurrent use.
type Mirror struct {
	Store    Store
	Upstream Upstream
	Now      func() time.Time
	Log      *slog.Logger
	// TTL is how long an answer of upstream stands.
	TTL time.Duration
	// Wait bounds how long a caller of Refresh waits; 5 s where zero. The look goes
	// on without it.
	Wait time.Duration
	// Seen is told of new versions that are to be taken in, before their lines are
	// stored: should this process die between the two, it is told again. The lines
	// are stored even if it fails: no version may keep the fence from hearing of
	// the others.
	Seen func(ctx context.Context, sights []Sight) error
	// Changed is told of a crate whose file or records were stored anew, before
	// Refresh returns.
	Changed func(ctx context.Context, key string)

	setup   sync.Once
	looks   recent
	flights flights
	breaker breaker
}

// How much a mirror does at once.
const (
	maxFlights = 4096 // looks under way or waiting for their turn
	maxAsking  = 32   // questions to upstream about known crates, and as many about others
	lookTime   = 30 * time.Second
)

func (m *Mirror) init() {
	m.setup.Do(func() {
		m.flights.known, m.flights.strange = make(chan struct{}, maxAsking), make(chan struct{}, maxAsking)
		m.breaker.log = m.Log
	})
}

// Refresh has the store, and whoever Changed tells, know what upstream says of a
// crate, unless it was asked within TTL. Calls for one crate share a look. The
// error says why nothing new is known; it wraps ErrNotFound or ErrTrouble, or is
// the caller's own.
func (m *Mirror) Refresh(ctx context.Context, name string) error {
	m.init()
	if err := crate.ValidateName(name); err != nil {
		return fmt.Errorf("refresh index file: %w: %w", ErrNotFound, err)
	}
	key := store.IndexKey(name)
	if err, fresh := m.looks.find(key, m.Now()); fresh {
		return err
	}
	f, err := m.begin(key, true)
	if err != nil {
		return err
	}
	timer := time.NewTimer(cmp.Or(m.Wait, 5*time.Second))
	defer timer.Stop()
	select {
	case <-f.done:
		return f.err
	case <-timer.C:
		return fmt.Errorf("refresh index file of %q: %w: it takes long to answer", key, ErrTrouble)
	case <-ctx.Done():
		return fmt.Errorf("refresh index file of %q: %w", key, ctx.Err())
	}
}

// begin starts a look at a crate, or joins the one under way. wide: new versions'
// dependencies are looked at, too.
func (m *Mirror) begin(key string, wide bool) (*flight, error) {
	f, mine, err := m.flights.board(key)
	if err != nil || !mine {
		return f, err
	}
	if !m.breaker.pass(m.Now()) {
		m.flights.land(key, f, fmt.Errorf("refresh index file of %q: %w: it was unreachable a moment ago", key, ErrTrouble))
		return f, nil
	}
	// The look is for everybody who will wait for it: it does not end with the
	// first caller.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		defer cancel()
		err := m.fly(ctx, key, wide)
		m.looks.note(key, err, m.Now(), m.TTL)
		m.flights.land(key, f, err)
	}()
	return f, nil
}
