package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"another program's database", func(t *testing.T, path string) {
			execFile(t, path, `CREATE TABLE recipes (name text)`)
		}, ErrForeign},
		{"an empty database of another program", func(t *testing.T, path string) {
			execFile(t, path, `PRAGMA application_id = 7`)
		}, ErrForeign},
		{"no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("Dear diary\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign},
		{"of a newer program", func(t *testing.T, path string) {
			openFile(t, path).Close()
			execFile(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
		}, store.ErrNewer},
		{"a queue of a newer program", func(t *testing.T, path string) {
			openFile(t, path).Close()
			execFile(t, path, `INSERT INTO river_migration (line, version) VALUES ('main', 999)`)
		}, store.ErrNewer},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "file.db")
		tt.make(t, path)
		before, _ := os.ReadFile(path)
		s, err := Open(t.Context(), path)
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", tt.name)
			continue
		}
		if tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "open database") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if after, _ := os.ReadFile(path); tt.want == ErrForeign && string(after) != string(before) {
			t.Errorf("%s: the file was written to", tt.name)
		}
	}
}

func openFile(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// execFile runs SQL on a file as another program would.
func execFile(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// What is in a path is a path, not a parameter of the connection.
func TestOpenPaths(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "odd?mode=memory&x#frag%41é'.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := openFile(t, path)
		if _, err := s.CreateToken(t.Context(), store.Token{Name: "ci", CreatedAt: time.Now()}, store.AuditEntry{At: time.Now()}); err != nil {
			t.Error(err)
		}
		for _, file := range []string{path, path + "-wal"} {
			info, err := os.Stat(file)
			if err != nil {
				t.Errorf("%q: %v", name, err)
			} else if info.Mode() != 0o600 {
				t.Errorf("%q has mode %v, want -rw-------: the database holds who may write", file, info.Mode())
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = openFile(t, path)
		if tokens, err := s.Tokens(t.Context()); err != nil || len(tokens) != 1 {
			t.Errorf("%q opened again: %d tokens, %v", name, len(tokens), err)
		}
		s.Close()
	}
}

// Several programs may start on a new file at once, and then write to it at once.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cratefence.db")
	const programs, each = 6, 10
	var wg sync.WaitGroup
	for i := range programs {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for j := range each {
				name := string([]byte{'a' + byte(i), 'a' + byte(j)})
				_, _, err := s.Publish(t.Context(), store.Publication{
					Release: store.Release{Crate: name, Version: "1.0.0", Checksum: crate.Sum([]byte(name)), FirstSeenAt: time.Now()},
					Checks:  []store.CheckRef{{Name: "archive", Version: 1}},
					Audit:   store.AuditEntry{At: time.Now()},
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s := openFile(t, path)
	defer s.Close()
	if n, err := s.Counts(t.Context()); err != nil || n.Releases != programs*each {
		t.Errorf("%d releases, %v; want %d", n.Releases, err, programs*each)
	}
}

// What every connection must have is there, whichever pool it is of.
func TestPragmas(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "cratefence.db"))
	defer s.Close()
	tests := []struct {
		pragma string
		writer int
		reader int
	}{
		{"synchronous", 2, 2}, // full: what is committed outlives a loss of power
		{"foreign_keys", 1, 1},
		{"busy_timeout", 10_000, 10_000},
		{"trusted_schema", 0, 0},
		{"query_only", 0, 1},
	}
	for _, tt := range tests {
		for _, pool := range []struct {
			db   *sql.DB
			want int
		}{{s.writer, tt.writer}, {s.reader, tt.reader}} {
			var got int
			if err := pool.db.QueryRowContext(t.Context(), `PRAGMA `+tt.pragma).Scan(&got); err != nil || got != pool.want {
				t.Errorf("%s = %d, %v; want %d", tt.pragma, got, err, pool.want)
			}
		}
	}
	var mode string
	if err := s.reader.QueryRowContext(t.Context(), `PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode = %q, %v; want wal", mode, err)
	}
}

// A long read does not hold up a write, nor a write that waits a read.
func TestReadersDoNotBlock(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "cratefence.db"))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	read, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Rollback()
	var n int
	if err := read.QueryRowContext(ctx, `SELECT count(*) FROM releases`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		if err := record(ctx, tx, store.AuditEntry{At: time.Now(), Action: "test.write"}); err != nil {
			return err
		}
		_, err := s.LatestReleases(ctx, 10) // while the write lock is held
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
