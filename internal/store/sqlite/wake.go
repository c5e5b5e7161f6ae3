package sqlite

import (
	"context"
	"database/sql"
	"math"
	"time"
)

const (
	// wakeEvery is how often the file is asked whether anything was committed to it,
	// by another process too: a question to memory that both share.
	wakeEvery = 50 * time.Millisecond
	wakeAtAll = time.Second
)

// Wake signals when there may be new events.
func (s *Store) Wake(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{}, 1)
	go func() {
		defer close(wake)
		s.watch(ctx, wake)
	}()
	return wake
}

func (s *Store) watch(ctx context.Context, wake chan<- struct{}) {
	tick := time.NewTicker(wakeEvery)
	defer tick.Stop()
	var w watcher
	defer w.close()
	var signalled time.Time
	for {
		var now time.Time
		select {
		case <-ctx.Done():
			return
		case now = <-tick.C:
		}
		if !w.changed(ctx, s.reader) && now.Sub(signalled) < wakeAtAll {
			continue
		}
		signalled = now
		select {
		case wake <- struct{}{}:
		default: // the last one has not been taken yet
		}
	}
}

// A watcher sees whether others committed to the file. SQLite counts that for
// each connection, so it keeps one.
type watcher struct {
	conn *sql.Conn
	seen int64
}

// changed reports whether something was committed since it was last asked, or
// cannot be told.
func (w *watcher) changed(ctx context.Context, db *sql.DB) bool {
	if w.conn == nil {
		conn, err := db.Conn(ctx)
		if err != nil {
			return true
		}
		w.conn, w.seen = conn, math.MinInt64
	}
	var version int64
	if err := w.conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version); err != nil {
		w.close()
		return true
	}
	if version == w.seen {
		return false
	}
	w.seen = version
	return true
}

func (w *watcher) close() {
	if w.conn != nil {
		w.conn.Close() //nolint:errcheck // it goes back to its pool
		w.conn = nil
	}
}
