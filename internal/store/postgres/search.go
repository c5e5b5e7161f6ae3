package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

// Crates lists or searches crates.
func (s *Store) Crates(ctx context.Context, q store.CrateQuery) (store.CratePage, error) {
	find, err := q.Search()
	if err != nil {
		return store.CratePage{}, fmt.Errorf("find crates: %w", err)
	}
	query := s.search
	if find.Text == "" {
		query = s.list
	}
	hits, err := query(ctx, find)
	if err != nil {
		return store.CratePage{}, fmt.Errorf("find crates: %w", err)
	}
	return find.Page(hits), nil
}

func (s *Store) list(ctx context.Context, find store.Search) ([]store.Hit, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT 0, c.key, `+crateColumns+`, `+releaseColumns+`
		FROM crates c JOIN releases r ON r.id = c.default_release
		WHERE c.key > $1
		ORDER BY c.key LIMIT $2`, find.AfterKey, find.Limit+1)
	return collect(rows, err, scanHit)
}

// search looks for text by plain comparison of folded text: there are no
// wildcards to be escaped.
func (s *Store) search(ctx context.Context, find store.Search) ([]store.Hit, error) {
	rows, err := s.pool.Query(ctx, `
		WITH hits AS (
			SELECT id, CASE
				WHEN key = $1            THEN 0
				WHEN strpos(key, $1) = 1  THEN 1
				WHEN strpos(key, $1) > 1  THEN 2
				ELSE 3 END AS rank
			FROM crates WHERE strpos(key, $1) > 0 OR strpos(search, $1) > 0)
		SELECT hits.rank, c.key, `+crateColumns+`, `+releaseColumns+`
		FROM hits JOIN crates c ON c.id = hits.id JOIN releases r ON r.id = c.default_release
		WHERE (hits.rank, c.key) > ($2, $3)
		ORDER BY hits.rank, c.key LIMIT $4`, find.Text, find.AfterRank, find.AfterKey, find.Limit+1)
	return collect(rows, err, scanHit)
}

func scanHit(row pgx.Row) (h store.Hit, err error) {
	fields := []any{&h.Rank, &h.Key}
	fields = append(fields, crateFields(&h.Crate)...)
	fields = append(fields, releaseFields(&h.Default)...)
	return h, row.Scan(fields...)
}
