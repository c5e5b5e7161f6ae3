package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

const rulingColumns = `id, policy, crate, version, checksum, action, reason, author, impartial, previous, at`

func scanRuling(row pgx.Row) (r store.Ruling, err error) {
	err = row.Scan(&r.ID, &r.Policy, &r.Crate, &r.Version, (*digest)(&r.Checksum), &r.Action, &r.Reason, &r.Author,
		&r.Impartial, &r.After, (*instant)(&r.At))
	return r, found(err)
}

// AddRuling stores a person's decision, unless another was made since the one
// that they had before them.
func (s *Store) AddRuling(ctx context.Context, r store.Ruling, audit store.AuditEntry) (store.Ruling, error) {
	r = r.Clean()
	key := store.IndexKey(r.Crate)
	err := s.write(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO rulings (policy, key, crate, version, checksum, action, reason, author, impartial, previous, at)
			SELECT $1::text, $2::text, $3::text, $4::text, $5::bytea, $6::text, $7::text, $8::text, $9::boolean, $10::bigint, $11::timestamptz
			WHERE $10 = coalesce((
				SELECT max(id) FROM rulings WHERE policy = $1 AND key = $2 AND version = $4 AND checksum = $5), 0)
			ON CONFLICT (key, version, checksum, policy, previous) DO NOTHING
			RETURNING id`,
			r.Policy, key, r.Crate, r.Version, digest(r.Checksum), r.Action, r.Reason, r.Author, r.Impartial, r.After, instant(r.At)).Scan(&r.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrConflict
		}
		if err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tell(ctx, tx, key)
	})
	if err != nil {
		return store.Ruling{}, fmt.Errorf("rule on %q %q: %w", r.Crate, r.Version, err)
	}
	return r, nil
}

// Rulings returns rulings, newest first.
func (s *Store) Rulings(ctx context.Context, q store.RulingQuery) ([]store.Ruling, error) {
	var f filter
	f.is("policy", q.Policy)
	f.crate("key", q.Crate)
	f.is("version", q.Version)
	f.before("id", q.Before)
	where, args := f.sql("id", q.Limit)
	rows, err := s.pool.Query(ctx, `SELECT `+rulingColumns+` FROM rulings`+where, args...)
	all, err := collect(rows, err, scanRuling)
	if err != nil {
		return nil, fmt.Errorf("read rulings: %w", err)
	}
	return all, nil
}

const reviewColumns = `id, policy, crate, version, checksum, actor, reason, at`

func scanReview(row pgx.Row) (r store.ReviewRequest, err error) {
	err = row.Scan(&r.ID, &r.Policy, &r.Crate, &r.Version, (*digest)(&r.Checksum), &r.Actor, &r.Reason, (*instant)(&r.At))
	return r, found(err)
}

// AddReviewRequest stores a wish for a review, the first of its actor.
func (s *Store) AddReviewRequest(ctx context.Context, r store.ReviewRequest, audit store.AuditEntry) (kept store.ReviewRequest, created bool, err error) {
	r = r.Clean()
	key := store.IndexKey(r.Crate)
	err = s.write(ctx, func(tx pgx.Tx) error {
		kept, err = scanReview(tx.QueryRow(ctx, `
			INSERT INTO review_requests (policy, key, crate, version, checksum, actor, reason, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (key, version, checksum, policy, actor) DO NOTHING
			RETURNING `+reviewColumns,
			r.Policy, key, r.Crate, r.Version, digest(r.Checksum), r.Actor, r.Reason, instant(r.At)))
		if errors.Is(err, store.ErrNotFound) {
			kept, err = scanReview(tx.QueryRow(ctx, `
				SELECT `+reviewColumns+` FROM review_requests
				WHERE key = $1 AND version = $2 AND checksum = $3 AND policy = $4 AND actor = $5`,
				key, r.Version, digest(r.Checksum), r.Policy, r.Actor))
			return err
		}
		if err != nil {
			return err
		}
		created = true
		return record(ctx, tx, audit)
	})
	if err != nil {
		return store.ReviewRequest{}, false, fmt.Errorf("ask for a review of %q %q: %w", r.Crate, r.Version, err)
	}
	return kept, created, nil
}

// ReviewRequests returns review requests, newest first.
func (s *Store) ReviewRequests(ctx context.Context, q store.ReviewQuery) ([]store.ReviewRequest, error) {
	var f filter
	f.is("policy", q.Policy)
	f.crate("key", q.Crate)
	f.is("version", q.Version)
	f.before("id", q.Before)
	where, args := f.sql("id", q.Limit)
	rows, err := s.pool.Query(ctx, `SELECT `+reviewColumns+` FROM review_requests`+where, args...)
	all, err := collect(rows, err, scanReview)
	if err != nil {
		return nil, fmt.Errorf("read review requests: %w", err)
	}
	return all, nil
}
