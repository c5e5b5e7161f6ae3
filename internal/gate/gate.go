// Package gate is the only code that lets a release through or stops it. It
// holds in memory what the store knows of every crate, puts the evidence on a
// release together, lets the policy decide at the time of the request, and makes
// the index files that cargo is served.
//
// Nothing on the way of a request waits for the store. Two rules keep that safe:
// what the gate does not know holds, and when it has heard nothing from the store
// for too long it allows nothing that was not allowed then.
//
// How it hangs together:
//
//	store ──events──▶ slot ▸ entry            what is known of a crate; never changes, another takes its place
//	                    │
//	regime ▸ pane ▸ view ◀── judgement        a policy in force ▸ a crate under it ▸ the file as served, and until when
//	                            ▲
//	              inquiry ▸ policy.Evidence   put together from entries (its own, and those it leans on)
//
// Index serves the view, and has another made when it no longer stands. Admit
// makes an inquiry of its own each time. The agenda has views made anew when time
// alone may change them; the recorder keeps what was decided, behind the answers.
//
// It fetches nothing: upstream's files are kept by the mirror, releases are taken
// in by intake, and both tell the gate through the store's events.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
)

// Sentinel errors.
var (
	// ErrPolicy: no policy of that name is in force.
	ErrPolicy = errors.New("no such policy")
	// ErrUnknown: no index file of the crate is known.
	ErrUnknown = errors.New("no such crate")
	// ErrNotReady: the first snapshot is not complete.
	ErrNotReady = errors.New("not ready")
	// ErrUnreadable: what is stored of the crate cannot be read; nothing of it is served.
	ErrUnreadable = errors.New("unreadable")
)

// DefaultMaxStale is how old the newest word of the store may be, where Config
// does not say.
const DefaultMaxStale = 15 * time.Minute

// Config is what a gate is made of.
type Config struct {
	Store    Store
	Policies *policy.Set
	// Checks are the checks that this fence runs, with their versions.
	Checks     map[string]int
	Advisories Advisories // nil knows of none
	// MaxStale is how long nothing may be heard from the store before nothing is
	// newly allowed.
	MaxStale time.Duration
	// CodeKey makes the codes of decisions hard to guess. All replicas have the same.
	CodeKey []byte
	// TokensChanged is called when a token may have been made or revoked, for the
	// gate is who hears the store's events. It may be nil.
	TokensChanged func()
	Now           func() time.Time
	Log           *slog.Logger
}

// A Gate decides what is served. Its methods may be called by many at once.
type Gate struct {
	Config
	crates shelf[slot]
	// regimes are the policies in force. They are replaced together, and with them
	// every view made under them.
	regimes atomic.Pointer[map[string]*regime]
	pages   unpacked
	records recorder
	notYet  []policy.CheckResult // of a release that was never taken in

	ready  atomic.Bool
	heard  atomic.Int64  // when the store last answered, in Unix milliseconds
	read   int64         // the last event read; only Open and Follow use it
	sweep  chan struct{} // a wish that every crate with a state be judged anew
	agenda agenda

	reload    sync.Mutex // one change of regimes at a time
	policies  *policy.Set
	baselines map[string]time.Time
}

// Open returns a gate that is ready.
func Open(ctx context.Context, c Config) (*Gate, error) {
	g := New(c)
	if err := g.Load(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// New returns a gate that knows nothing yet: it answers ErrNotReady until Load
// has returned.
func New(c Config) *Gate {
	c = c.withDefaults()
	g := &Gate{Config: c, policies: c.Policies, notYet: notTakenIn(c.Checks), sweep: make(chan struct{}, 1)}
	g.regimes.Store(&map[string]*regime{})
	g.crates.init()
	g.records.init()
	return g
}

// Load reads the whole snapshot. What happens in the store meanwhile is found by
// Run.
func (g *Gate) Load(ctx context.Context) error {
	start := g.Now()
	if err := g.load(ctx); err != nil {
		return fmt.Errorf("open gate: %w", err)
	}
	g.heard.Store(start.UnixMilli())
	g.ready.Store(true)
	g.askSweep()
	return nil
}

// Ready returns nil once the first snapshot is complete, else ErrNotReady.
func (g *Gate) Ready() error {
	if !g.ready.Load() {
		return ErrNotReady
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.MaxStale <= 0 {
		c.MaxStale = DefaultMaxStale
	}
	if c.TokensChanged == nil {
		c.TokensChanged = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Health is how a gate fares.
type Health struct {
	Crates int
	// Heard is when the store last answered.
	Heard time.Time
	// Blind: that is longer ago than MaxStale, and nothing is newly allowed.
	Blind      bool
	Unrecorded int // decisions that wait to be recorded
	Lost       int // decisions that were not recorded, for want of room
}

// Health tells how the gate fares, for metrics, logs and pages.
func (g *Gate) Health() Health {
	waiting, lost := g.records.count()
	crates := 0
	g.crates.each(func(_ string, s *slot) {
		if s.entry.Load() != nil {
			crates++
		}
	})
	return Health{
		Crates:     crates,
		Heard:      time.UnixMilli(g.heard.Load()).UTC(),
		Blind:      !g.blind(g.Now()).IsZero(),
		Unrecorded: waiting,
		Lost:       lost,
	}
}

// blind is when the store was last heard of if that is too long ago, else zero.
func (g *Gate) blind(now time.Time) time.Time {
	heard := g.heard.Load()
	if now.UnixMilli()-heard <= g.MaxStale.Milliseconds() {
		return time.Time{}
	}
	return time.UnixMilli(heard).UTC()
}

// Policies returns the names of the policies in force, in order.
func (g *Gate) Policies() []string {
	return slices.Sorted(maps.Keys(*g.regimes.Load()))
}

// Policy returns a policy in force, with its baseline.
func (g *Gate) Policy(name string) (*policy.Policy, bool) {
	r, ok := (*g.regimes.Load())[name]
	if !ok {
		return nil, false
	}
	return r.Policy, true
}
