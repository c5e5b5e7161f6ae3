package gate

import (
	"context"

	"github.com/cratefence/cratefence/internal/store"
)

// Store is what the gate needs of the store.
type Store interface {
	Snapshots
	Crates
	Events
	Decisions
}

// Snapshots are read once, when the gate opens.
type Snapshots interface {
	// IndexFiles yields every index file. Their Lines are the caller's to keep.
	IndexFiles(ctx context.Context, yield func(store.IndexFile) error) error
	// CrateStates yields the state of every crate that has any.
	CrateStates(ctx context.Context, yield func(store.CrateState) error) error
	Baselines(ctx context.Context) ([]store.Baseline, error)
}

// Crates are read one by one, when something happened to them.
type Crates interface {
	// IndexFile wraps store.ErrNotFound for a crate without one.
	IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error)
	// CrateState returns an empty state for a crate that has none.
	CrateState(ctx context.Context, key string) (store.CrateState, error)
}

// Decisions are kept as they are made.
type Decisions interface {
	// Decisions returns those in force, newest first, from below q.Before.
	Decisions(ctx context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error)
	// RecordDecisions keeps each decision that differs from the one before it on
	// the same release under the same policy.
	RecordDecisions(ctx context.Context, decisions []store.DecisionRecord) ([]store.DecisionRecord, error)
}

// Events tell what changed. They are numbered in the order of their commits.
type Events interface {
	LastGateEvent(ctx context.Context) (int64, error)
	// GateEvents returns the oldest after a number, not necessarily all.
	GateEvents(ctx context.Context, after int64) ([]store.GateEvent, error)
	// Wake signals when there may be new events, and at least once a second.
	Wake(ctx context.Context) <-chan struct{}
}

// Advisories know the vulnerable versions of crates. They answer from memory.
type Advisories interface {
	// Affecting returns the advisories that name a version as vulnerable.
	Affecting(name, version string) []Advisory
	// Fixing returns those in whose patched range a version stands.
	Fixing(name, version string) []Advisory
}

// An Advisory is a known vulnerability of a crate.
type Advisory struct {
	ID string // begins with who issued it, as in "RUSTSEC-2024-0001"
	// Vulnerability is false for what is merely worth knowing, as that a crate is
	// unmaintained.
	Vulnerability bool
}
