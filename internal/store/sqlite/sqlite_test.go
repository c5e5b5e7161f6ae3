package sqlite

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/riverqueue/river"

	"github.com/cratefence/cratefence/internal/store/storetest"
)

func TestStore(t *testing.T) { storetest.Run(t, openTest) }

func TestQueue(t *testing.T) {
	s := openStore(t)
	storetest.RunQueue(t, s, s.River)
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, openTest) }

func BenchmarkQueue(b *testing.B) {
	s := openStore(b)
	storetest.BenchQueue(b, s, s.River)
}

func openStore(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "cratefence.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openTest(t testing.TB) storetest.Database {
	t.Helper()
	s := openStore(t)
	queue, err := s.River(&river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Database{Store: s, Queue: queue, Exec: func(ctx context.Context, sql string) error {
		_, err := s.writer.ExecContext(ctx, sql)
		return err
	}}
}
