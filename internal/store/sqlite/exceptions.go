package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

const exceptionColumns = `id, policy, crate, version, checksum, rule, reason, author, created_at, expires_at, ended_at, ended_by`

func scanException(row scanner) (e store.Exception, err error) {
	err = row.Scan(&e.ID, &e.Policy, &e.Crate, &e.Version, (*digest)(&e.Checksum), &e.Rule, &e.Reason, &e.Author,
		(*instant)(&e.CreatedAt), (*instant)(&e.ExpiresAt), (*instant)(&e.EndedAt), &e.EndedBy)
	return e, found(err)
}

// AddException stores an exception.
func (s *Store) AddException(ctx context.Context, e store.Exception, audit store.AuditEntry) (store.Exception, error) {
	e = e.Clean()
	e.EndedAt, e.EndedBy = time.Time{}, ""
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `
			INSERT INTO exceptions (policy, key, crate, version, checksum, rule, reason, author, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			RETURNING id`,
			e.Policy, store.IndexKey(e.Crate), e.Crate, e.Version, digest(e.Checksum), e.Rule, e.Reason, e.Author,
			instant(e.CreatedAt), instant(e.ExpiresAt)).Scan(&e.ID); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tell(ctx, tx, store.IndexKey(e.Crate))
	})
	if err != nil {
		return store.Exception{}, fmt.Errorf("add exception for %q %q: %w", e.Crate, e.Version, err)
	}
	return e, nil
}

// EndException ends an exception before its time.
func (s *Store) EndException(ctx context.Context, id store.ID, by string, at time.Time, audit store.AuditEntry) (e store.Exception, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		if e, err = scanException(tx.QueryRowContext(ctx, `SELECT `+exceptionColumns+` FROM exceptions WHERE id = $1`, id)); err != nil {
			return err
		}
		if !e.EndedAt.IsZero() {
			return store.ErrConflict
		}
		e.EndedAt, e.EndedBy = store.Instant(at), store.Clean(by)
		if _, err := tx.ExecContext(ctx, `
			UPDATE exceptions SET ended_at = $2, ended_by = $3 WHERE id = $1`, id, instant(e.EndedAt), e.EndedBy); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tell(ctx, tx, store.IndexKey(e.Crate))
	})
	if err != nil {
		return store.Exception{}, fmt.Errorf("end exception %d: %w", id, err)
	}
	return e, nil
}

// CloseExpired ends the exceptions whose time is over, and returns them.
func (s *Store) CloseExpired(ctx context.Context, now time.Time) ([]store.Exception, error) {
	closed, err := s.closeExpired(ctx, store.Instant(now))
	if err != nil {
		return nil, fmt.Errorf("close expired exceptions: %w", err)
	}
	return closed, nil
}

func (s *Store) closeExpired(ctx context.Context, now time.Time) (closed []store.Exception, err error) {
	// The write lock is not taken to find nothing.
	var due bool
	if err := s.reader.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM exceptions WHERE ended_at IS NULL AND expires_at <= $1)`, instant(now)).Scan(&due); err != nil || !due {
		return nil, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			UPDATE exceptions SET ended_at = $1, ended_by = $2 WHERE ended_at IS NULL AND expires_at <= $1
			RETURNING `+exceptionColumns, instant(now), store.SystemActor)
		if closed, err = collect(rows, err, scanException); err != nil {
			return err
		}
		keys := make([]string, 0, len(closed))
		for _, e := range closed {
			if err := record(ctx, tx, e.Expiry()); err != nil {
				return err
			}
			keys = append(keys, store.IndexKey(e.Crate))
		}
		return tell(ctx, tx, keys...)
	})
	return closed, err
}

// Exceptions returns exceptions, newest first.
func (s *Store) Exceptions(ctx context.Context, q store.ExceptionQuery) ([]store.Exception, error) {
	var f filter
	f.is("policy", q.Policy)
	f.crate("key", q.Crate)
	f.is("version", q.Version)
	f.before("id", q.Before)
	if q.Open {
		f.where = append(f.where, "ended_at IS NULL")
	}
	where, args := f.sql("id", q.Limit)
	rows, err := s.reader.QueryContext(ctx, `SELECT `+exceptionColumns+` FROM exceptions`+where, args...)
	all, err := collect(rows, err, scanException)
	if err != nil {
		return nil, fmt.Errorf("read exceptions: %w", err)
	}
	return all, nil
}
