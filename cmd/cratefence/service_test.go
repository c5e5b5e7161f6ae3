package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/pgtest"
	"github.com/cratefence/cratefence/internal/store"
)

// TestServicesShareOnePostgres runs two whole services on one database, both
// told of every release, and expects each release once and each check answered
// once.
func TestServicesShareOnePostgres(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	w, err := startWorld(t.Context(), filepath.Join(t.TempDir(), "world"))
	skipWithoutGit(t, err)
	t.Cleanup(func() { w.close() })
	cfg := defaultConfig()
	cfg.Listen, cfg.Database = "127.0.0.1:0", dsn
	cfg.Data = filepath.Join(t.TempDir(), "data") // both find the crates here
	cfg.Upstream.Index = cratetest.IndexURL(w.registry.URL)
	cfg.Egress.Allow = []string{"upstream=" + hostPort(w.registry), "git=" + hostPort(w.git)}

	var services []*service
	for range 2 {
		s, err := startService(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		services = append(services, s)
	}
	secrets, err := webhookSecrets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		if err := w.announce(t.Context(), s.url, secrets[0]); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), demoTimeout)
	defer cancel()
	if err := waitChecked(ctx, services[0].db, newProgress(t.Output()), w.releases); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.releases {
		release, err := services[1].db.Release(t.Context(), r.Name, r.Version)
		if err != nil {
			t.Fatal(err)
		}
		runs, err := services[1].db.CheckRuns(t.Context(), release.ID)
		if err != nil {
			t.Fatal(err)
		}
		completed := 0
		for _, run := range runs {
			if run.Status == store.Completed {
				completed++
			}
		}
		if completed != len(check.All()) {
			t.Errorf("%s: %d completed runs, want one for each of %d checks", release.Crate, completed, len(check.All()))
		}
	}
}
