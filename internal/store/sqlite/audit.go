package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/cratefence/cratefence/internal/store"
)

// record appends to the audit log, as part of the write that it speaks of.
func record(ctx context.Context, tx *sql.Tx, e store.AuditEntry) error {
	e = e.Clean()
	_, err := tx.ExecContext(ctx, `
		INSERT INTO audit_log (at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5)`,
		instant(e.At), e.Actor, e.Action, e.Object, raw(e.Detail))
	return err
}

func scanAudit(row scanner) (e store.AuditEntry, err error) {
	err = row.Scan(&e.ID, (*instant)(&e.At), &e.Actor, &e.Action, &e.Object, (*raw)(&e.Detail))
	return e, err
}

// AuditLog returns entries, newest first; before 0 starts at the newest.
func (s *Store) AuditLog(ctx context.Context, before store.ID, limit int) ([]store.AuditEntry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.reader.QueryContext(ctx, `
		SELECT id, at, actor, action, object, detail FROM audit_log
		WHERE id < $1 ORDER BY id DESC LIMIT $2`, before, max(0, limit))
	entries, err := collect(rows, err, scanAudit)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return entries, nil
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	var all []T
	err = each(rows, scan, func(one T) error {
		all = append(all, one)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// each yields the rows of a query, one at a time.
func each[T any](rows *sql.Rows, scan func(scanner) (T, error), yield func(T) error) error {
	defer rows.Close()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return err
		}
		if err := yield(one); err != nil {
			return err
		}
	}
	return rows.Err()
}
