package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/cratefence/cratefence/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock under which schemas change: "crat" in ASCII.
const migrationLock = 0x63726174

// migrate brings the schema, and the queue's, up to date. Whoever else starts
// meanwhile waits. The lock is held by a connection beside the pool, which may
// be as small as one, and ends with that connection whatever happens.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var encoding string
	if err := conn.QueryRow(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("%w but in %s", ErrEncoding, encoding)
	}
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return err
	}
	if err := migrateTables(ctx, pool); err != nil {
		return err
	}
	return migrateQueue(ctx, pool)
}

func migrateTables(ctx context.Context, pool *pgxpool.Pool) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() // the pool stays open
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
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

func migrateQueue(ctx context.Context, pool *pgxpool.Pool) error {
	queue, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := queue.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	var current int
	if err := pool.QueryRow(ctx, `SELECT max(version) FROM river_migration WHERE line = 'main'`).Scan(&current); err != nil {
		return err
	}
	if all := queue.AllVersions(); current > all[len(all)-1].Version {
		return fmt.Errorf("%w: its queue is version %d, this program knows %d", store.ErrNewer, current, all[len(all)-1].Version)
	}
	return nil
}
