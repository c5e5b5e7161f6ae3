package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

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
	first, last, err := s.numbered(ctx)
	if err != nil {
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

// numbered gives numbers to events that have none, and returns the first number
// and the last.
func (s *Store) numbered(ctx context.Context) (first, last int64, err error) {
	const bounds = `
		SELECT EXISTS (SELECT 1 FROM gate_events WHERE seq IS NULL),
			coalesce((SELECT min(seq) FROM gate_events), 0), coalesce((SELECT max(seq) FROM gate_events), 0)`
	var fresh bool
	if err := s.pool.QueryRow(ctx, bounds).Scan(&fresh, &first, &last); err != nil || !fresh {
		return first, last, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// Under the lock until all can see them: numbers do appear in their order.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, numberLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE gate_events e SET seq = nextval('gate_event_numbers')
			FROM (SELECT id FROM gate_events WHERE seq IS NULL ORDER BY id) AS fresh WHERE e.id = fresh.id`); err != nil {
			return err
		}
		return tx.QueryRow(ctx, bounds).Scan(&fresh, &first, &last)
	})
	return first, last, err
}

// LastGateEvent returns the newest event's number.
func (s *Store) LastGateEvent(ctx context.Context) (seq int64, err error) {
	if _, seq, err = s.numbered(ctx); err != nil {
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

// numberLock is the advisory lock under which events are numbered.
const numberLock = migrationLock + 1
