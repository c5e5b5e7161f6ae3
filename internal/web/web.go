// Package web is the pages: what is known of crates and their releases, for
// people. Pages are rendered on the server, need no script to be read, and load
// nothing from elsewhere. Every text of a crate, a check or a publisher is
// taken to be hostile.
//
// It reads the store and the gate, and asks no other host and runs no check. What
// it changes it changes by ruling, in the name of who signed in; and it asks
// that what has grown old be looked at again (Config.Visited).
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/web/markdown"
)

// Catalogue is the crates and releases that pages show. Its methods are safe
// for concurrent use.
type Catalogue interface {
	// Crate finds a crate by name, ignoring case and the difference of - and _.
	// It wraps store.ErrNotFound.
	Crate(ctx context.Context, name string) (store.Crate, error)
	Crates(ctx context.Context, q store.CrateQuery) (store.CratePage, error)
	// Release and ReleaseByID wrap store.ErrNotFound.
	Release(ctx context.Context, name, version string) (store.Release, error)
	ReleaseByID(ctx context.Context, id store.ID) (store.Release, error)
	// Releases are a crate's, newest version first.
	Releases(ctx context.Context, crate store.ID) ([]store.Release, error)
}

// Results is what was found out about them. Its methods are safe for concurrent
// use.
type Results interface {
	// LatestReleases are those seen last, newest sight first.
	LatestReleases(ctx context.Context, limit int) ([]store.Release, error)
	// CheckStates are by check name, of the newest version of each check.
	CheckStates(ctx context.Context, releases ...store.ID) (map[store.ID][]store.CheckState, error)
	// CrateFacts wraps store.ErrNotFound.
	CrateFacts(ctx context.Context, crate store.ID, check string) (store.CrateFacts, error)
	// History is completed runs, newest first, at most limit of each check; of
	// their reports it has conclusion and title alone.
	History(ctx context.Context, release store.ID, limit int) ([]store.CheckRun, error)
	// Incidents are newest first; crate 0 means those of all.
	Incidents(ctx context.Context, crate store.ID, limit int) ([]store.Incident, error)
}

// Config is what the pages are made of.
type Config struct {
	Catalogue Catalogue
	Results   Results
	Checks    []*check.Check
	// Visited is told of checks about a crate whose answer is older than their
	// RecheckVisited while somebody looks at it. It bounds itself. It may be nil.
	Visited  func(ctx context.Context, checkName string, release store.ID) error
	Fence    *Fence // nil: this server runs none
	Registry string // as people call it: "crates.io"
	BaseURL  string // under which the pages are reached, without a slash at the end; "" leaves canonical links out
	Now      func() time.Time
	Logger   *slog.Logger
}

// A site answers requests for pages.
type site struct {
	Config
	checks   map[string]*check.Check
	markdown *markdown.Renderer
	views    views
}

// New returns the pages. It panics when its own templates are broken, which the
// tests would have said.
func New(c Config) http.Handler {
	static, err := loadAssets()
	if err != nil {
		panic(err)
	}
	s := &site{
		Config:   c,
		checks:   map[string]*check.Check{},
		markdown: markdown.New(),
		views:    parseViews(static),
	}
	for _, known := range c.Checks {
		s.checks[known.Name] = known
	}
	mux := http.NewServeMux()
	static.register(mux)
	s.routes(mux)
	if c.Fence == nil {
		return withHeaders(mux)
	}
	s.fenceRoutes(mux)
	return withHeaders(s.known(ownPages(mux)))
}

func (s *site) routes(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /{$}":                                  s.home,
		"GET /crates":                               s.list,
		"GET /crates/{name}":                        s.overview,
		"GET /crates/{name}/versions":               s.versions,
		"GET /crates/{name}/dependencies":           s.dependencies,
		"GET /crates/{name}/security":               s.securityTab,
		"GET /crates/{name}/checks":                 s.checksTab,
		"GET /crates/{name}/{version}":              s.overview,
		"GET /crates/{name}/{version}/dependencies": s.dependencies,
		"GET /crates/{name}/{version}/security":     s.securityTab,
		"GET /crates/{name}/{version}/checks":       s.checksTab,
		"GET /checks":                               s.checkList,
		"GET /checks/{name...}":                     s.checkDoc,
		"GET /incidents":                            s.incidents,
		"GET /":                                     s.nothingHere,
	} {
		mux.HandleFunc(pattern, s.serve(h))
	}
}

func (s *site) now() time.Time { return s.Config.Now() }

func (s *site) clock() clock { return clock(s.now()) }
