package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/pgtest"
	"github.com/cratefence/cratefence/internal/store"
)

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name string
		make string
		want error
	}{
		{"of a newer program", `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`, store.ErrNewer},
		{"a queue of a newer program", `INSERT INTO river_migration (line, version) VALUES ('main', 999)`, store.ErrNewer},
	}
	for _, tt := range tests {
		dsn := pgtest.Database(t)
		s, err := Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.pool.Exec(t.Context(), tt.make); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if s, err := Open(t.Context(), dsn); !errors.Is(err, tt.want) {
			t.Errorf("%s: Open = %v, want %v", tt.name, err, tt.want)
			if err == nil {
				s.Close()
			}
		}
	}
}

// No error shows a password.
func TestOpenHidesPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=1",
		"postgres://user:hunter2@127.0.0.1:1/db?pool_max_conns=x",
		"host=127.0.0.1 port=1 user=user password=hunter2 dbname=db sslmode=odd",
		"postgres://user:hunter2@[::1/db",
		"postgres://user:hunter2@127.0.0.1:port/db",
	} {
		s, err := Open(t.Context(), dsn)
		if err == nil {
			s.Close()
			t.Errorf("Open(%q) succeeded", dsn)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) = %q: it shows the password", dsn, err)
		}
	}
}

// Several programs may start on a new database at once, be their pools as small
// as one connection.
func TestOpenAtOnce(t *testing.T) {
	dsn := pgtest.Database(t)
	switch { // a list of words, or a URL
	case !strings.Contains(dsn, "://"):
		dsn += " pool_max_conns=1"
	case strings.Contains(dsn, "?"):
		dsn += "&pool_max_conns=1"
	default:
		dsn += "?pool_max_conns=1"
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := Open(t.Context(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Counts(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpenEncoding(t *testing.T) {
	ctx := t.Context()
	dsn := pgtest.Database(t)
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	latin := conn.Config().Database + "_latin"
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+latin+` ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), `DROP DATABASE `+latin+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(ctx, strings.ReplaceAll(dsn, conn.Config().Database, latin))
	if !errors.Is(err, ErrEncoding) {
		t.Errorf("Open = %v, want ErrEncoding", err)
	}
	if err == nil {
		s.Close()
	}
}
