package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/cratefence/cratefence/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a database file as ours: "crat" in ASCII.
const applicationID = 0x63726174

// migrate brings the schema, and the queue's, up to date.
//
// Each step is a transaction of its own, so that a crash leaves whole steps
// behind and the next start goes on from there. Two processes may open a new
// file at once: the one that comes second to a step finds it taken, fails, and
// looks again. It loses at most once per step.
func (s *Store) migrate(ctx context.Context) error {
	if err := s.claim(ctx); err != nil {
		return err
	}
	const tries = 32
	var err error
	for range tries {
		if err = s.migrateOnce(ctx); err == nil || errors.Is(err, store.ErrNewer) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func (s *Store) migrateOnce(ctx context.Context) error {
	// The file remembers its mode. It is not set by the connection, which is made
	// before we know whether the file is ours.
	var mode string
	if err := s.writer.QueryRowContext(ctx, `PRAGMA journal_mode = wal`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("write-ahead log: the file stays in mode %q: is it on a network file system?", mode)
	}
	if err := s.migrateTables(ctx); err != nil {
		return err
	}
	return s.migrateQueue(ctx)
}

func (s *Store) migrateTables(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.writer, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	current, known, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > known {
		return fmt.Errorf("%w: its schema is version %d, this program knows %d", store.ErrNewer, current, known)
	}
	_, err = provider.Up(ctx)
	return err
}

func (s *Store) migrateQueue(ctx context.Context) error {
	queue, err := rivermigrate.New(riversqlite.New(s.writer), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := queue.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	var current int
	if err := s.writer.QueryRowContext(ctx, `SELECT max(version) FROM river_migration WHERE line = 'main'`).Scan(&current); err != nil {
		return err
	}
	if all := queue.AllVersions(); current > all[len(all)-1].Version {
		return fmt.Errorf("%w: its queue is version %d, this program knows %d", store.ErrNewer, current, all[len(all)-1].Version)
	}
	return nil
}

// claim marks an empty file as ours, and refuses one that is somebody else's.
func (s *Store) claim(ctx context.Context) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		var id, tables int
		if err := tx.QueryRowContext(ctx, `SELECT application_id FROM pragma_application_id`).Scan(&id); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
			return err
		}
		switch {
		case id == applicationID:
			return nil
		case id != 0 || tables != 0:
			return ErrForeign
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID))
		return err
	})
	if sqliteErr := (*sqlite.Error)(nil); errors.As(err, &sqliteErr) && sqliteErr.Code() == sqlite3.SQLITE_NOTADB {
		return ErrForeign
	}
	return err
}
