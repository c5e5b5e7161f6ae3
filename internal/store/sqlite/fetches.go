package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cratefence/cratefence/internal/store"
)

// RecordFetches appends downloads, and counts them.
func (s *Store) RecordFetches(ctx context.Context, fetches []store.Fetch) error {
	if len(fetches) == 0 {
		return nil
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `
			INSERT INTO fetches (at, actor, policy, key, crate, version, checksum, passed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, f := range fetches {
			f = f.Clean()
			if _, err := insert.ExecContext(ctx, instant(f.At), f.Actor, f.Policy, store.IndexKey(f.Crate), f.Crate, f.Version,
				digest(f.Checksum), f.Passed); err != nil {
				return err
			}
		}
		return addTotals(ctx, tx, store.Totals(fetches))
	})
	if err != nil {
		return fmt.Errorf("record %d fetches: %w", len(fetches), err)
	}
	return nil
}

func addTotals(ctx context.Context, tx *sql.Tx, totals []store.FetchTotal) error {
	add, err := tx.PrepareContext(ctx, `
		INSERT INTO fetch_totals (key, version, checksum, crate, passed, refused, last_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (key, version, checksum) DO UPDATE
		SET passed = passed + excluded.passed, refused = refused + excluded.refused, last_at = max(last_at, excluded.last_at)`)
	if err != nil {
		return err
	}
	defer add.Close()
	for _, t := range totals {
		if _, err := add.ExecContext(ctx, store.IndexKey(t.Crate), t.Version, digest(t.Checksum), t.Crate, t.Passed, t.Refused, instant(t.Last)); err != nil {
			return err
		}
	}
	return nil
}

// Fetches returns downloads, newest first.
func (s *Store) Fetches(ctx context.Context, q store.FetchQuery) ([]store.Fetch, error) {
	var f filter
	f.crate("key", q.Crate)
	f.is("version", q.Version)
	f.is("actor", q.Actor)
	f.before("id", q.Before)
	where, args := f.sql("id", q.Limit)
	rows, err := s.reader.QueryContext(ctx, `SELECT id, at, actor, policy, crate, version, checksum, passed FROM fetches`+where, args...)
	all, err := collect(rows, err, func(row scanner) (f store.Fetch, err error) {
		err = row.Scan(&f.ID, (*instant)(&f.At), &f.Actor, &f.Policy, &f.Crate, &f.Version, (*digest)(&f.Checksum), &f.Passed)
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("read fetches: %w", err)
	}
	return all, nil
}

const totalColumns = `t.crate, t.version, t.checksum, t.passed, t.refused, t.last_at`

func scanTotal(row scanner) (t store.FetchTotal, err error) {
	err = row.Scan(&t.Crate, &t.Version, (*digest)(&t.Checksum), &t.Passed, &t.Refused, (*instant)(&t.Last))
	return t, err
}

// FetchTotals returns how often the releases of a crate were fetched.
func (s *Store) FetchTotals(ctx context.Context, crate string) ([]store.FetchTotal, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT `+totalColumns+` FROM fetch_totals t WHERE t.key = $1
		ORDER BY t.passed + t.refused DESC, t.version`, store.IndexKey(store.Clean(crate)))
	totals, err := collect(rows, err, scanTotal)
	if err != nil {
		return nil, fmt.Errorf("read fetch totals of %q: %w", crate, err)
	}
	return totals, nil
}

// Wanted returns the releases that passed most often of those that nobody ever
// asked to be taken in.
func (s *Store) Wanted(ctx context.Context, limit int) ([]store.FetchTotal, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT `+totalColumns+` FROM fetch_totals t
		WHERE t.passed > 0
		AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.checksum = t.checksum)
		AND NOT EXISTS (SELECT 1 FROM announcements a WHERE a.via = 'request' AND a.message_id = lower(hex(t.checksum)))
		ORDER BY t.passed DESC, t.key, t.version LIMIT $1`, store.Page(limit))
	totals, err := collect(rows, err, scanTotal)
	if err != nil {
		return nil, fmt.Errorf("read wanted releases: %w", err)
	}
	return totals, nil
}
