// Package postgres is the store in a PostgreSQL database, for many machines. Its
// SQL is PostgreSQL's own; what it must do is the suite in store/storetest.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/cratefence/cratefence/internal/store"
)

// ErrEncoding says that a database cannot hold every text.
var ErrEncoding = errors.New("the database is not in UTF-8")

// A Store is a database. It is safe for concurrent use.
type Store struct {
	pool *pgxpool.Pool
	jobs *river.Client[pgx.Tx] // inserts only

	frontier store.Frontier
	herald   *herald
}

// Open connects to the database that dsn names, a URL or a list of key=value,
// and brings its schema up to date. The error wraps ErrEncoding or
// store.ErrNewer where that is why; it does not show the password.
func Open(ctx context.Context, dsn string) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "cratefence"
	}
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database %q on %q: %w", cfg.ConnConfig.Database, cfg.ConnConfig.Host, err)
	}
	return s, nil
}

func open(ctx context.Context, cfg *pgxpool.Config) (_ *Store, err error) {
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			pool.Close()
		}
	}()
	if err := migrate(ctx, pool); err != nil {
		return nil, err
	}
	s := &Store{pool: pool}
	if s.jobs, err = s.River(&river.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	s.herald = newHerald(pool)
	return s, nil
}

// Close closes all connections.
func (s *Store) Close() error {
	s.herald.close()
	s.pool.Close()
	return nil
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// River returns a client of the job queue in this database. The caller stops it
// before Close.
func (s *Store) River(cfg *river.Config) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(s.pool), cfg)
}

// write runs fn in a transaction, and has other servers look whether it told them
// anything.
func (s *Store) write(ctx context.Context, fn func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, fn)
	if err == nil {
		s.herald.tell()
	}
	return err
}

// read runs fn on one state of the database.
func (s *Store) read(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, fn)
}

// found turns the absence of a row into store.ErrNotFound.
func found(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// collect reads all rows of a query.
func collect[T any](rows pgx.Rows, err error, scan func(pgx.Row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	all, err := pgx.AppendRows([]T(nil), rows, func(row pgx.CollectableRow) (T, error) { return scan(row) })
	if err != nil {
		return nil, err
	}
	return all, nil
}

// each yields the rows of a query, one at a time.
func each[T any](rows pgx.Rows, scan func(pgx.Row) (T, error), yield func(T) error) error {
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

// swapped turns an update that met no row into store.ErrConflict.
func swapped(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() == 0 {
		return store.ErrConflict
	}
	return err
}
