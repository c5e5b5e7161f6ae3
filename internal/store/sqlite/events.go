package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// tell adds an event for each crate whose gate entry changes, by key.
func tell(ctx context.Context, tx *sql.Tx, keys ...string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO gate_events (what, key) SELECT DISTINCT 'crate', value FROM json_each($1)`, document{keys})
	return err
}

// tellOf adds an event for each crate that one of the releases is of.
func tellOf(ctx context.Context, tx *sql.Tx, releases []store.ID) error {
	if len(releases) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO gate_events (what, key)
		SELECT DISTINCT 'crate', lower(c.name) FROM releases r JOIN crates c ON c.id = r.crate_id
		WHERE r.id IN (SELECT value FROM json_each($1))`, document{releases})
	return err
}

// tellAll adds an event that is about no crate in particular.
func tellAll(ctx context.Context, tx *sql.Tx, what store.GateChange) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO gate_events (what, key) VALUES ($1, '')`, what)
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
	if err := s.reader.QueryRowContext(ctx, `
		SELECT coalesce((SELECT min(seq) FROM gate_events), 0), coalesce((SELECT max(seq) FROM gate_events), 0)`).Scan(&first, &last); err != nil {
		return nil, err
	}
	switch {
	case after == last:
		return nil, nil
	case store.Missed(after, first, last):
		return []store.GateEvent{{Seq: last, What: store.GateAll}}, nil
	}
	rows, err := s.reader.QueryContext(ctx, `
		SELECT seq, what, key FROM gate_events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, store.MaxGateEvents)
	return collect(rows, err, func(row scanner) (e store.GateEvent, err error) {
		err = row.Scan(&e.Seq, &e.What, &e.Key)
		return e, err
	})
}

// LastGateEvent returns the newest event's number.
func (s *Store) LastGateEvent(ctx context.Context) (seq int64, err error) {
	if err := s.reader.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM gate_events`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read last gate event: %w", err)
	}
	return seq, nil
}

// PruneGateEvents forgets events older than a time, but for the newest.
func (s *Store) PruneGateEvents(ctx context.Context, before time.Time) error {
	_, err := s.writer.ExecContext(ctx, `
		DELETE FROM gate_events WHERE at < $1 AND seq < (SELECT max(seq) FROM gate_events)`, instant(before))
	if err != nil {
		return fmt.Errorf("prune gate events: %w", err)
	}
	return nil
}
