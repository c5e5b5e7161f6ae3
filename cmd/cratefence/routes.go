package main

import (
	"net/http"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/registry"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/web"
)

// routes puts the ways in behind one handler.
func (s *service) routes(cfg Config, in *intake.Intake, checkRuns *runs.Runs, f *fence, secrets []auth.WebhookSecret, m *metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/api/", m.count("/api/", api.New(api.Deps{
		Crates: s.db, Releases: s.db, Announcements: s.db, Intake: in,
		Auth:    &auth.Auth{Store: s.db, Now: time.Now, Log: s.log},
		Webhook: &auth.Webhook{Secrets: secrets, Now: time.Now},
		Checks:  check.All(),
		Fence: &api.Fence{
			Gate: f.gate, Records: s.db, Traces: s.db, Desk: f.desk, Allowed: f.access.Policies, BaseURL: cfg.BaseURL,
		},
		MaxCrate: cfg.Limits.CrateBytes,
		Log:      s.log,
	})))
	mux.Handle("/", m.count("/", web.New(web.Config{
		Catalogue: s.db, Results: s.db, Checks: check.All(), Visited: checkRuns.Visited,
		Fence: &web.Fence{
			Gate: f.gate, Records: s.db, Traces: s.db, Desk: f.desk, Verify: f.tokens.Verify, Allowed: f.access.Policies,
		},
		Registry: cfg.Upstream.Name, BaseURL: cfg.BaseURL, Now: time.Now, Logger: s.log,
	})))
	s.health.routes(mux, m)
	return registry.Before(m.count("/p/", f.handler), mux)
}
