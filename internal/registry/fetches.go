package registry

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// FetchStore keeps fetches for good.
type FetchStore interface {
	// RecordFetches keeps all of them in one durable transaction, or none.
	RecordFetches(ctx context.Context, fetches []store.Fetch) error
}

// How fetches are written.
const (
	maxUnwritten = 16 << 10 // that wait in memory
	fetchBatch   = 500
	fetchEvery   = time.Second
	fetchTime    = 10 * time.Second // for one transaction
)

// A FetchLog writes fetches to a store in batches, behind the answers. What a
// crash or a full queue costs is the record of some fetches, never an answer.
type FetchLog struct {
	store   FetchStore
	log     *slog.Logger
	queue   chan store.Fetch
	dropped atomic.Int64
}

// NewFetchLog returns a FetchLog, which writes while Run runs.
func NewFetchLog(s FetchStore, log *slog.Logger) *FetchLog {
	return &FetchLog{store: s, log: log, queue: make(chan store.Fetch, maxUnwritten)}
}

// Record queues a fetch, or counts it as dropped when the store is too far
// behind.
func (l *FetchLog) Record(f store.Fetch) {
	select {
	case l.queue <- f:
	default:
		l.dropped.Add(1)
	}
}

// Dropped is how many fetches were not recorded, for want of room.
func (l *FetchLog) Dropped() int64 { return l.dropped.Load() }

// Run writes until ctx ends, and then what is left.
func (l *FetchLog) Run(ctx context.Context) {
	tick := time.NewTicker(fetchEvery)
	defer tick.Stop()
	for batch := []store.Fetch(nil); ; {
		queue := l.queue
		if len(batch) >= fetchBatch {
			queue = nil // the store has to take these first
		}
		select {
		case f := <-queue:
			if batch = append(batch, f); len(batch) < fetchBatch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			l.flush(context.WithoutCancel(ctx), batch)
			return
		}
		batch = l.write(ctx, batch)
	}
}

// flush writes a last time, with what is queued still.
func (l *FetchLog) flush(ctx context.Context, batch []store.Fetch) {
	for len(l.queue) > 0 {
		batch = append(batch, <-l.queue)
	}
	if left := l.write(ctx, batch); len(left) > 0 {
		l.log.ErrorContext(ctx, "fetches not recorded", "count", len(left))
	}
}

// write writes a batch and returns what is still to be written: while the store
// does not answer, the batch waits, and behind it the queue.
func (l *FetchLog) write(ctx context.Context, batch []store.Fetch) []store.Fetch {
	if len(batch) == 0 {
		return batch
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	if err := l.store.RecordFetches(ctx, batch); err != nil {
		l.log.WarnContext(ctx, "fetches not recorded yet", "count", len(batch), "error", err)
		return batch
	}
	return batch[:0]
}
