package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

const tokenColumns = `id, name, hash, scopes, created_at, expires_at, revoked_at, used_at`

func scanToken(row scanner) (t store.Token, err error) {
	err = row.Scan(&t.ID, &t.Name, (*digest)(&t.Hash), document{&t.Scopes},
		(*instant)(&t.CreatedAt), (*instant)(&t.ExpiresAt), (*instant)(&t.RevokedAt), (*instant)(&t.UsedAt))
	return t, found(err)
}

// inForce finds the token of a name that is in force at a time.
func inForce(ctx context.Context, tx *sql.Tx, name string, at time.Time) (store.Token, error) {
	return scanToken(tx.QueryRowContext(ctx, `
		SELECT `+tokenColumns+` FROM tokens
		WHERE name = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)`, name, instant(at)))
}

// CreateToken stores a token whose name no other in force has.
func (s *Store) CreateToken(ctx context.Context, t store.Token, audit store.AuditEntry) (store.Token, error) {
	t = t.Clean()
	t.RevokedAt, t.UsedAt = time.Time{}, time.Time{}
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := inForce(ctx, tx, t.Name, t.CreatedAt)
		if err == nil {
			return store.ErrConflict
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.QueryRowContext(ctx, `
			INSERT INTO tokens (name, hash, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
			RETURNING id`,
			t.Name, digest(t.Hash), document{t.Scopes}, instant(t.CreatedAt), instant(t.ExpiresAt)).Scan(&t.ID); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tellAll(ctx, tx, store.GateToken)
	})
	if err != nil {
		return store.Token{}, fmt.Errorf("create token %q: %w", t.Name, err)
	}
	return t, nil
}

// Tokens returns all tokens, newest first.
func (s *Store) Tokens(ctx context.Context) ([]store.Token, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+tokenColumns+` FROM tokens ORDER BY id DESC`)
	tokens, err := collect(rows, err, scanToken)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return tokens, nil
}

// TokenByHash returns the token of a secret.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (store.Token, error) {
	t, err := scanToken(s.reader.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE hash = $1`, digest(hash)))
	if err != nil {
		return store.Token{}, fmt.Errorf("read token %q: %w", crate.Checksum(hash), err)
	}
	return t, nil
}

// RevokeToken revokes the token of that name that is in force.
func (s *Store) RevokeToken(ctx context.Context, name string, at time.Time, audit store.AuditEntry) (t store.Token, err error) {
	name, at = store.Clean(name), store.Instant(at)
	err = s.write(ctx, func(tx *sql.Tx) error {
		if t, err = inForce(ctx, tx, name, at); err != nil {
			return err
		}
		t.RevokedAt = at
		if _, err := tx.ExecContext(ctx, `UPDATE tokens SET revoked_at = $2 WHERE id = $1`, t.ID, instant(at)); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tellAll(ctx, tx, store.GateToken)
	})
	if err != nil {
		return store.Token{}, fmt.Errorf("revoke token %q: %w", name, err)
	}
	return t, nil
}

// TouchToken notes that a token was used, unless that was noted within the last
// minute: several servers may have the same token before them.
func (s *Store) TouchToken(ctx context.Context, id store.ID, at time.Time) error {
	at = store.Instant(at)
	_, err := s.writer.ExecContext(ctx, `
		UPDATE tokens SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at <= $3)`,
		id, instant(at), instant(at.Add(-time.Minute)))
	if err != nil {
		return fmt.Errorf("touch token %d: %w", id, err)
	}
	return nil
}
