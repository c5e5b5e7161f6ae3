package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

func exception(name string) store.Exception {
	return store.Exception{
		Policy: "default", Crate: name, Version: "1.0.0", Rule: "cool-off", Reason: "needed", Author: "cli:root",
		CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
}

// What a command line writes to the file of a running service, the service hears.
func TestWakeByAnotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cratefence.db")
	service, program := openFile(t, path), openFile(t, path)
	defer service.Close()
	defer program.Close()
	ctx, cancel := context.WithCancel(t.Context())
	wake := service.Wake(ctx)
	begin := time.Now()
	const events = 10
	for range events {
		last, err := service.LastGateEvent(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := program.AddException(ctx, exception("serde"), store.AuditEntry{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		for {
			<-wake
			if heard, err := service.GateEvents(ctx, last); err != nil || len(heard) == 1 {
				break
			}
		}
	}
	if took := time.Since(begin); took > events/2*time.Second {
		t.Errorf("%d events took %v to be heard: each waited for the stroke", events, took)
	}
	cancel()
	for range wake { // ends
	}
}

// A database from before there was a fence gets what the fence needs of it.
func TestMigrateToFence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cratefence.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `
		PRAGMA application_id = 1668440436;
		INSERT INTO crates (id, name, key, created_at, updated_at) VALUES (1, 'Serde', 'serde', 0, 0);
		INSERT INTO releases (id, crate_id, version, version_key, checksum, size, first_seen_at, publisher, via, yanked, about)
			VALUES (1, 1, '1.0.0', '1.0.0', zeroblob(32), 1, 0, '', 'submit', 0, '{}');
		INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at, started_at, completed_at, conclusion, report) VALUES
			(1, 'a', 1, 1, 'completed', 0, 0, 0, 'success', '{"metrics":{"files":12}}'),
			(1, 'b', 1, 1, 'completed', 0, 0, 0, 'failure', '{"metrics":{}}'),
			(1, 'c', 1, 1, 'completed', 0, 0, 0, 'error', '{"metrics":null}');
		INSERT INTO announcements (via, message_id, crate, version, checksum, download_url, publisher, status, reason, received_at)
			VALUES ('webhook', 'm', 'serde', '1.0.0', zeroblob(32), '', '', 'received', '', 0)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := openFile(t, path)
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
	a, err := s.Announcement(t.Context(), 1)
	if err != nil || a.Priority != store.PriorityFresh || a.Checksum != (crate.Checksum{}) {
		t.Errorf("announcement %+v, error %v; want it at the front", a, err)
	}
}
