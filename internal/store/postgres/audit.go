package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

// record appends to the audit log, as part of the write that it speaks of.
func record(ctx context.Context, tx pgx.Tx, e store.AuditEntry) error {
	e = e.Clean()
	_, err := tx.Exec(ctx, `
		INSERT INTO audit_log (at, actor, action, object, detail) VALUES ($1, $2, $3, $4, $5)`,
		instant(e.At), e.Actor, e.Action, e.Object, raw(e.Detail))
	return err
}

func scanAudit(row pgx.Row) (e store.AuditEntry, err error) {
	err = row.Scan(&e.ID, (*instant)(&e.At), &e.Actor, &e.Action, &e.Object, (*raw)(&e.Detail))
	return e, err
}

// AuditLog returns entries, newest first; before 0 starts at the newest.
func (s *Store) AuditLog(ctx context.Context, before store.ID, limit int) ([]store.AuditEntry, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := s.pool.Query(ctx, `
		SELECT id, at, actor, action, object, detail FROM audit_log
		WHERE id < $1 ORDER BY id DESC LIMIT $2`, before, max(0, limit))
	entries, err := collect(rows, err, scanAudit)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return entries, nil
}
