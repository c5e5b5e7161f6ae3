package storetest

import (
	"context"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// Fence is what a store does for the fence. A method that changes what a gate
// knows adds a GateEvent in its transaction.
//
// A key is a crate's name in lower case (store.IndexKey). Queries match crates by
// it. Lists are newest first and give at most Limit, 1000 where that is 0 or
// more.
type Fence interface {
	IndexStore
	GateStore
	HumanStore
	RecordStore
}

// IndexStore keeps upstream's index files.
type IndexStore interface {
	// IndexFile wraps store.ErrNotFound when there is none. The records are in no
	// particular order.
	IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error)
	// SaveIndex stores a file whose Revision is still the one that was read (0 for a
	// new one), and raises it; else it wraps store.ErrConflict.
	SaveIndex(ctx context.Context, save store.IndexSave) error
	// TouchIndex notes that files are as they were. It is no change: no revision, no
	// event. A file that has another revision by now is passed over.
	TouchIndex(ctx context.Context, touches []store.IndexTouch) error
	// ImportIndex stores files that are new, with their records, as revision 1, and
	// returns the keys of those that were there: they, and their records, are left
	// as they are. It adds no event: see EndImport.
	ImportIndex(ctx context.Context, files []store.IndexFile, records []store.LineRecord) (existing []string, err error)
	// EndImport tells gates that an import ended (GateAll), with the baselines that
	// came of it; nil for none.
	EndImport(ctx context.Context, baselines []store.Baseline, audit store.AuditEntry) error
	// IndexFiles streams all files, by key.
	IndexFiles(ctx context.Context, yield func(store.IndexFile) error) error
	// SetBaseline sets a policy's baseline alone. The newest counts.
	SetBaseline(ctx context.Context, b store.Baseline, audit store.AuditEntry) error
	// Baselines returns the one in force of each policy, by name.
	Baselines(ctx context.Context) ([]store.Baseline, error)
	// LineEvents returns what happened to a crate's lines.
	LineEvents(ctx context.Context, key string, before store.ID, limit int) ([]store.LineEvent, error)
	// AcceptLine puts the line that upstream offers (Trouble is changed) in place of
	// the accepted one. offered is the SHA-256 of the line that the person saw: it
	// wraps store.ErrConflict when there is no trouble of that kind, or another
	// line by now.
	AcceptLine(ctx context.Context, key, version string, offered [32]byte, at time.Time, audit store.AuditEntry) error
	// HonourYank lets a yank stand that a guard keeps back. It wraps
	// store.ErrConflict when the version is not yanked, or the yank honoured.
	HonourYank(ctx context.Context, key, version string, at time.Time, audit store.AuditEntry) error
}

// GateStore is what a gate reads and follows.
type GateStore interface {
	// CrateState of a crate that nothing is known of is empty but for the key.
	CrateState(ctx context.Context, key string) (store.CrateState, error)
	// CrateStates streams the states of all crates that have any record, release,
	// exception not ended or ruling, by key.
	CrateStates(ctx context.Context, yield func(store.CrateState) error) error
	// GateEvents returns events after a sequence number, oldest first, at most
	// 10,000: ask again from the last. When some of them are no longer kept, the
	// first that is returned is a GateAll.
	GateEvents(ctx context.Context, after int64) ([]store.GateEvent, error)
	// LastGateEvent is the newest event's number; 0 before the first.
	LastGateEvent(ctx context.Context) (int64, error)
	// PruneGateEvents forgets events older than a time, but for the newest.
	PruneGateEvents(ctx context.Context, before time.Time) error
	// Wake signals when there may be new events, whichever process added them, and
	// at least once a second. Signals that nobody takes run together. It ends with
	// ctx, and then closes the channel.
	Wake(ctx context.Context) <-chan struct{}
	// SetPublishFacts replaces what is known of how a release came to be.
	SetPublishFacts(ctx context.Context, release store.ID, facts store.PublishFacts) error
}

// HumanStore keeps what people decide.
type HumanStore interface {
	// AddException returns it with its id. It expires after it was created.
	AddException(ctx context.Context, e store.Exception, audit store.AuditEntry) (store.Exception, error)
	// EndException ends one before its time. It wraps store.ErrNotFound, or
	// store.ErrConflict when it has ended.
	EndException(ctx context.Context, id store.ID, by string, at time.Time, audit store.AuditEntry) (store.Exception, error)
	// CloseExpired ends those whose time is over and returns them, each to one caller
	// only. The audit log has it.
	CloseExpired(ctx context.Context, now time.Time) ([]store.Exception, error)
	Exceptions(ctx context.Context, q store.ExceptionQuery) ([]store.Exception, error)
	// AddRuling returns it with its id. It wraps store.ErrConflict unless After is
	// the newest of the same policy, crate, version and checksum.
	AddRuling(ctx context.Context, r store.Ruling, audit store.AuditEntry) (store.Ruling, error)
	Rulings(ctx context.Context, q store.RulingQuery) ([]store.Ruling, error)
	// AddReviewRequest returns the request kept, and whether it is new.
	AddReviewRequest(ctx context.Context, r store.ReviewRequest, audit store.AuditEntry) (store.ReviewRequest, bool, error)
	ReviewRequests(ctx context.Context, q store.ReviewQuery) ([]store.ReviewRequest, error)
}

// RecordStore keeps what was decided and fetched.
type RecordStore interface {
	// RecordDecisions adds those that differ (store.DecisionRecord.Mark) from the one
	// in force, and returns for each the record in force now, with its ID and Code.
	// What echoes an earlier one (store.DecisionRecord.Echoes) is not added again.
	RecordDecisions(ctx context.Context, records []store.DecisionRecord) ([]store.DecisionRecord, error)
	Decisions(ctx context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error)
	// DecisionByCode returns the one in force. It wraps store.ErrNotFound.
	DecisionByCode(ctx context.Context, code string) (store.DecisionRecord, error)
	RecordFetches(ctx context.Context, fetches []store.Fetch) error
	Fetches(ctx context.Context, q store.FetchQuery) ([]store.Fetch, error)
	// FetchTotals returns those of a crate's releases, most fetched first.
	FetchTotals(ctx context.Context, crate string) ([]store.FetchTotal, error)
	// Wanted returns releases that passed most often, of those that were never
	// announced by request nor taken in.
	Wanted(ctx context.Context, limit int) ([]store.FetchTotal, error)
}
