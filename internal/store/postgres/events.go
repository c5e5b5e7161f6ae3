package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

// Telling is the last thing that a transaction does: see the trigger that puts
// events in order.

// tell adds an event for each crate whose gate entry changes, by key.
func tell(ctx context.Context, tx pgx.Tx, keys ...string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO gate_events (what, key) SELECT DISTINCT 'crate', k.key FROM unnest($1::text[]) AS k (key)`, keys)
	return err
}

// tellOf adds an event for each crate that one of the releases is of.
func tellOf(ctx context.Context, tx pgx.Tx, releases []store.ID) error {
	if len(releases) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO gate_events (what, key)
		SELECT DISTINCT 'crate', lower(c.name COLLATE "C") FROM releases r JOIN crates c ON c.id = r.crate_id
		WHERE r.id = ANY ($1)`, releases)
	return err
}

// tellAll adds an event that is about no crate in particular.
func tellAll(ctx context.Context, tx pgx.Tx, what store.GateChange) error {
	_, err := tx.Exec(ctx, `INSERT INTO gate_events (what, key) VALUES ($1, '')`, what)
	return err
}

// GateEvents returns events after a sequence number, oldest first.
func (s *Store) GateEvents(ctx context.Context, after int64) ([]store.GateEvent, error) {
	events, err := s.gateEvents(ctx, after)
	if err != nil {
		return nil, fmt.Errorf("read gate events after %d: %w", after, err)
	}
	return events, nil
}

func (s *Store) gateEvents(ctx context.Context, after int64) ([]store.GateEvent, error) {
	var first, last int64
	if err := s.pool.QueryRow(ctx, `
		SELECT coalesce((SELECT min(seq) FROM gate_events), 0), coalesce((SELECT max(seq) FROM gate_events), 0)`).Scan(&first, &last); err != nil {
		return nil, err
	}
	switch {
	case after == last:
		return nil, nil
	case store.Missed(after, first, last):
		return []store.GateEvent{{Seq: last, What: store.GateAll}}, nil
	}
	rows, err := s.pool.Query(ctx, `
		SELECT seq, what, key FROM gate_events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, store.MaxGateEvents)
	return collect(rows, err, func(row pgx.Row) (e store.GateEvent, err error) {
		err = row.Scan(&e.Seq, &e.What, &e.Key)
		return e, err
	})
}

// LastGateEvent returns the newest event's number.
func (s *Store) LastGateEvent(ctx context.Context) (seq int64, err error) {
	if err := s.pool.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM gate_events`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read last gate event: %w", err)
	}
	return seq, nil
}

// PruneGateEvents forgets events older than a time, but for the newest.
func (s *Store) PruneGateEvents(ctx context.Context, before time.Time) error {
	_, err := s.pool.Exec(ctx, `
		DELETE FROM gate_events WHERE at < $1 AND seq < (SELECT max(seq) FROM gate_events)`, instant(before))
	if err != nil {
		return fmt.Errorf("prune gate events: %w", err)
	}
	return nil
}

// wakeAtAll is how often Wake signals without having heard anything, and how long
// it waits before it listens anew.
const wakeAtAll = time.Second

// Wake signals when there may be new events. It listens on a connection beside
// the pool, which may be as small as one; while it has none it signals each
// second all the same.
func (s *Store) Wake(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{}, 1)
	signal := func() {
		select {
		case wake <- struct{}{}:
		default: // the last one has not been taken yet
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			s.listen(ctx, signal)
			pause(ctx, wakeAtAll)
		}
	})
	both.Go(func() {
		for pause(ctx, wakeAtAll) {
			signal()
		}
	})
	go func() {
		both.Wait()
		close(wake)
	}()
	return wake
}

// listen signals for each notification until the connection is lost. That it
// could not be made, or why it was lost, is nobody's concern here: the caller
// asks for events each second, and hears what is wrong.
func (s *Store) listen(ctx context.Context, signal func()) {
	conn, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is lost, or no longer needed
	if _, err := conn.Exec(ctx, `LISTEN cratefence_gate`); err != nil {
		return
	}
	for {
		signal() // the first time for what was missed before
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return
		}
	}
}

// pause waits, and reports whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
