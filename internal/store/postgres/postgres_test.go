package postgres

import (
	"context"
	"log/slog"
	"testing"

	"github.com/riverqueue/river"

	"github.com/cratefence/cratefence/internal/pgtest"
	"github.com/cratefence/cratefence/internal/store/storetest"
)

func TestStore(t *testing.T) { storetest.Run(t, openTest) }

func openTest(t testing.TB) storetest.Database {
	t.Helper()
	s, err := Open(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	queue, err := s.River(&river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return storetest.Database{Store: s, Queue: queue, Exec: func(ctx context.Context, sql string) error {
		_, err := s.pool.Exec(ctx, sql)
		return err
	}}
}
