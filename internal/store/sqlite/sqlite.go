// Package sqlite is the store in one SQLite file, for one machine. Its SQL is
// SQLite's own; what it must do is the suite in store/storetest.
//
// All writes go through one connection, the queue's too: they wait for each
// other in order of arrival rather than in SQLite's busy handler. Reads have a
// pool of their own and never wait for a write. Another process, such as
// `cratefence token create`, may write to the same file.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // registers the driver

	"github.com/cratefence/cratefence/internal/store"
)

// ErrForeign says that a file is not a database of ours.
var ErrForeign = errors.New("not a cratefence database")

// A Store is a database file. It is safe for concurrent use.
type Store struct {
	writer *sql.DB // one connection
	reader *sql.DB
	jobs   *river.Client[*sql.Tx] // inserts only

	frontier store.Frontier
}

// Open opens the database at path, making it where there is none, and brings its
// schema up to date. The error wraps ErrForeign or store.ErrNewer where that is why.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open database %q: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string) (_ *Store, err error) {
	if err := create(path); err != nil {
		return nil, err
	}
	var s Store
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.writer, err = pool(path, 1, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"synchronous(full)", "fullfsync(1)", "journal_size_limit(67108864)"},
	}); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		return nil, err
	}
	if s.reader, err = pool(path, max(4, runtime.NumCPU()), url.Values{"_query_only": {"1"}}); err != nil {
		return nil, err
	}
	s.jobs, err = s.River(&river.Config{Logger: slog.New(slog.DiscardHandler)})
	return &s, err
}

// create makes an empty file that only its owner reads: the database holds who
// may write. SQLite gives the files beside it the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// pool opens up to n connections with the given parameters and those that every
// connection has.
func pool(path string, n int, params url.Values) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	params.Set("_busy_timeout", "10000")
	params.Set("_foreign_keys", "1")
	params.Add("_pragma", "trusted_schema(0)")
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: params.Encode()}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// Close closes the database.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} { // the writer last: it clears the log away
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.reader.QueryRowContext(ctx, `SELECT 1 FROM sqlite_schema LIMIT 1`).Scan(&one); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// River returns a client of the job queue in this database. It shares the
// writing connection with the store. The caller stops it before Close.
func (s *Store) River(cfg *river.Config) (*river.Client[*sql.Tx], error) {
	return river.NewClient(riversqlite.New(s.writer), cfg)
}

// write runs fn in a transaction that holds the write lock from its beginning.
// When it returns nil, the write is on the disk.
func (s *Store) write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// read runs fn on one state of the database.
func (s *Store) read(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return fn(tx)
}

// found turns the absence of a row into store.ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}
