package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/mirror"
	"github.com/cratefence/cratefence/internal/registry"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/store/postgres"
	"github.com/cratefence/cratefence/internal/store/sqlite"
	"github.com/cratefence/cratefence/internal/web"
	"github.com/cratefence/cratefence/internal/worker"
)

// database is what this program asks of either store: what its parts declare,
// put together.
type database interface {
	intake.Store
	runs.Store
	runs.Answers
	auth.Store
	worker.Releases
	api.Crates
	api.Releases
	web.Results
	fenceStore

	AuditLog(ctx context.Context, before store.ID, limit int) ([]store.AuditEntry, error)
	Counts(ctx context.Context) (store.Counts, error)
	Ping(ctx context.Context) error
	Close() error
}

// fenceStore is what the fence asks of either store.
type fenceStore interface {
	gate.Store
	mirror.ImportStore
	ruling.Store
	ruling.Lines
	registry.FetchStore
	intake.Fetches
	web.Records
	web.Traces
	api.Traces

	EndImport(ctx context.Context, baselines []store.Baseline, audit store.AuditEntry) error
	CloseExpired(ctx context.Context, now time.Time) ([]store.Exception, error)
	PruneGateEvents(ctx context.Context, before time.Time) error
}

// stopper is a running worker.
type stopper interface {
	Stop(ctx context.Context) error
}

// opened is a store, and how to work on its queue.
type opened struct {
	database
	work func(context.Context, worker.Config) (stopper, error)
}

// openDatabase opens the store that the configuration names, making it first
// where it is SQLite in the data folder.
func openDatabase(ctx context.Context, cfg Config) (opened, error) {
	dsn, err := cfg.databaseURL()
	if err != nil {
		return opened{}, err
	}
	if dsn != "" {
		db, err := postgres.Open(ctx, dsn)
		if err != nil {
			return opened{}, err
		}
		return opened{db, func(ctx context.Context, wc worker.Config) (stopper, error) {
			return worker.Start(ctx, wc, db.River)
		}}, nil
	}
	if err := makeDataFolder(cfg.Data); err != nil {
		return opened{}, err
	}
	db, err := sqlite.Open(ctx, cfg.databasePath())
	if err != nil {
		return opened{}, err
	}
	return opened{db, func(ctx context.Context, wc worker.Config) (stopper, error) {
		return worker.Start(ctx, wc, db.River)
	}}, nil
}

// errNoDatabase: the data folder holds none.
var errNoDatabase = errors.New("no database")

// openExisting is openDatabase for commands that read or change what is there:
// it makes nothing.
func openExisting(ctx context.Context, cfg Config) (opened, error) {
	if cfg.Database == "" && cfg.DatabaseFile == "" {
		if _, err := os.Stat(cfg.databasePath()); errors.Is(err, fs.ErrNotExist) {
			return opened{}, fmt.Errorf("%w in %q: name the service's folder with --data, or its --config", errNoDatabase, cfg.Data)
		}
	}
	return openDatabase(ctx, cfg)
}

// makeDataFolder makes the folder for its owner alone, and refuses one that
// others may read: it holds secrets.
func makeDataFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("data folder %q may be read by others: run chmod 700 on it", dir)
	}
	return nil
}

// withDatabase opens the store that the configuration names, which is there.
func withDatabase(ctx context.Context, cli *cli, do func(Config, database) error) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(cfg, db)
}
