package storetest

import (
	"context"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/store"
)

// Store is all that a store does: what its users declare, put together. It
// stands here for the suite alone; no program depends on it.
type Store interface {
	intake.Store
	runs.Store
	runs.Answers
	auth.Store
	Reader
	Fence

	AuditLog(ctx context.Context, before store.ID, limit int) ([]store.AuditEntry, error) // newest first; before 0 starts at the newest
	Counts(ctx context.Context) (store.Counts, error)
	Ping(ctx context.Context) error
	Close() error
}

// Reader is what pages and the API read.
type Reader interface {
	Crate(ctx context.Context, name string) (store.Crate, error) // by name, ignoring case and - against _; wraps store.ErrNotFound
	Crates(ctx context.Context, q store.CrateQuery) (store.CratePage, error)
	Release(ctx context.Context, name, version string) (store.Release, error)                       // wraps store.ErrNotFound
	ReleaseByID(ctx context.Context, id store.ID) (store.Release, error)                            // wraps store.ErrNotFound
	Releases(ctx context.Context, crate store.ID) ([]store.Release, error)                          // newest version first
	LatestReleases(ctx context.Context, limit int) ([]store.Release, error)                         // newest sight first
	CheckStates(ctx context.Context, releases ...store.ID) (map[store.ID][]store.CheckState, error) // by check name; newest check version only
	CheckRuns(ctx context.Context, release store.ID) ([]store.CheckRun, error)                      // every attempt, newest first
	History(ctx context.Context, release store.ID, limit int) ([]store.CheckRun, error)             // completed, newest first, limit of each check; reports cut to title and conclusion
	CrateFacts(ctx context.Context, crate store.ID, check string) (store.CrateFacts, error)         // wraps store.ErrNotFound
	Incidents(ctx context.Context, crate store.ID, limit int) ([]store.Incident, error)             // newest first; crate 0 means all
	Announcements(ctx context.Context, limit int) ([]store.Announcement, error)                     // newest first
}
