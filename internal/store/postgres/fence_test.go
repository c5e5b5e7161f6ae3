package postgres

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/cratefence/cratefence/internal/pgtest"
	"github.com/cratefence/cratefence/internal/store"
)

func exception(name string) store.Exception {
	return store.Exception{
		Policy: "default", Crate: name, Version: "1.0.0", Rule: "cool-off", Reason: "needed", Author: "cli:root",
		CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
}

// What one server commits, another hears: at once by a notification, and within a
// second when its listening connection was cut.
func TestWakeOfReplicas(t *testing.T) {
	dsn := pgtest.Database(t)
	var servers [2]*Store
	for i := range servers {
		s, err := Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		servers[i] = s
	}
	ctx, cancel := context.WithCancel(t.Context())
	wake := servers[1].Wake(ctx)
	hear := func() time.Duration {
		t.Helper()
		last, err := servers[1].LastGateEvent(ctx)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := servers[0].AddException(ctx, exception("serde"), store.AuditEntry{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		for range wake {
			if heard, err := servers[1].GateEvents(ctx, last); err != nil || len(heard) == 1 {
				break
			}
		}
		return time.Since(begin)
	}
	const events = 10
	var took time.Duration
	for range events {
		took += hear()
	}
	if took > events/2*time.Second {
		t.Errorf("%d events took %v to be heard: each waited for the stroke", events, took)
	}
	for range 3 {
		if _, err := servers[0].pool.Exec(ctx, `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN cratefence%' AND pid <> pg_backend_pid()
				AND datname = current_database()`); err != nil {
			t.Fatal(err)
		}
		if took := hear(); took > 10*time.Second {
			t.Errorf("an event took %v to be heard after the connection was cut, want about a second", took)
		}
	}
	cancel()
	for range wake { // ends
	}
}

// A database from before there was a fence gets what the fence needs of it.
func TestMigrateToFence(t *testing.T) {
	dsn := pgtest.Database(t)
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, insert := range []string{
		`INSERT INTO crates (name, key, created_at, updated_at) VALUES ('Serde', 'serde', now(), now())`,
		`INSERT INTO releases (crate_id, version, version_key, checksum, size, first_seen_at, publisher, via, yanked, about)
			SELECT id, '1.0.0', '1.0.0', decode(repeat('00', 32), 'hex'), 1, now(), '', 'submit', false, '{}' FROM crates`,
		`INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at, started_at, completed_at, conclusion, report)
			SELECT r.id, c.name, 1, 1, 'completed', now(), now(), now(), c.conclusion, c.report::json FROM releases r, (VALUES
				('a', 'success', '{"metrics":{"files":12}}'), ('b', 'failure', '{"metrics":{}}'), ('c', 'error', '{"metrics":null}')
			) AS c (name, conclusion, report)`,
		`INSERT INTO announcements (via, message_id, crate, version, checksum, download_url, publisher, status, reason, received_at)
			SELECT 'webhook', 'm', 'serde', '1.0.0', checksum, '', '', 'received', '', now() FROM releases`,
	} {
		if _, err := pool.Exec(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	state, err := s.CrateState(t.Context(), "serde")
	if err != nil || len(state.Releases) != 1 {
		t.Fatalf("state %+v, error %v; want one release", state, err)
	}
	want := []store.GateCheck{
		{Check: "a", Version: 1, Conclusion: "success", Metrics: map[string]float64{"files": 12}},
		{Check: "b", Version: 1, Conclusion: "failure"},
		{Check: "c", Version: 1, Conclusion: "error"},
	}
	if diff := cmp.Diff(want, state.Releases[0].Checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	announced, err := s.Announcements(t.Context(), 10)
	if err != nil || len(announced) != 1 || announced[0].Priority != store.PriorityFresh {
		t.Errorf("announcements %+v, error %v; want one at the front", announced, err)
	}
}
