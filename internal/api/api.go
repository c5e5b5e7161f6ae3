// Package api is the JSON API, version 1: what is known of crates, releases and
// their check runs, and the two ways by which a registry or a person brings
// releases in. Its OpenAPI document is generated from the code and served beside
// it.
//
// It reads from the store and the gate, and calls intake and ruling; it decides
// nothing. The wire types are also what the command line prints as JSON.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Crates reads crates. Names are matched ignoring case and - against _.
type Crates interface {
	// Crate wraps store.ErrNotFound when there is none.
	Crate(ctx context.Context, name string) (store.Crate, error)
	// Crates wraps store.ErrNotFound when After is no page's Next.
	Crates(ctx context.Context, q store.CrateQuery) (store.CratePage, error)
	// Releases returns the newest version first.
	Releases(ctx context.Context, crate store.ID) ([]store.Release, error)
	// CrateFacts wraps store.ErrNotFound when none are kept.
	CrateFacts(ctx context.Context, crate store.ID, check string) (store.CrateFacts, error)
	// Incidents returns the newest first.
	Incidents(ctx context.Context, crate store.ID, limit int) ([]store.Incident, error)
}

// Releases reads releases and their check runs. What is asked for by name or id
// and is not there wraps store.ErrNotFound.
type Releases interface {
	Release(ctx context.Context, name, version string) (store.Release, error)
	ReleaseByID(ctx context.Context, id store.ID) (store.Release, error)
	// CheckStates returns states by check name, of the newest check version only.
	CheckStates(ctx context.Context, releases ...store.ID) (map[store.ID][]store.CheckState, error)
	// CheckRuns returns every attempt, newest first.
	CheckRuns(ctx context.Context, release store.ID) ([]store.CheckRun, error)
	Run(ctx context.Context, id store.ID) (store.CheckRun, error)
}

// Announcements reads announcements.
type Announcements interface {
	// Announcement wraps store.ErrNotFound when there is none.
	Announcement(ctx context.Context, id store.ID) (store.Announcement, error)
}

// Intake is the one way a release enters. What it returns without an error is
// stored durably.
type Intake interface {
	Announce(ctx context.Context, a store.Announcement, actor string) (_ store.Announcement, created bool, err error)
	Submit(ctx context.Context, r store.Release, data []byte, actor string) (_ store.Release, created bool, err error)
}

// Deps are what the API is made of.
type Deps struct {
	Crates        Crates
	Releases      Releases
	Announcements Announcements
	Intake        Intake
	Auth          *auth.Auth
	Webhook       *auth.Webhook  // nil: no publish webhook is taken
	Checks        []*check.Check // that this server runs, by name
	Fence         *Fence         // nil: this server runs none
	MaxCrate      int64          // bytes of a submitted .crate; 0 is crate.DefaultLimits
	Log           *slog.Logger
}

type server struct {
	Deps
	submits chan struct{} // a slot for each crate that is being submitted
}

// timeLimit bounds the work on a request, once its body has arrived.
const timeLimit = 30 * time.Second

// New returns the handler of everything under /api/.
func New(d Deps) http.Handler {
	if d.MaxCrate == 0 {
		d.MaxCrate = crate.DefaultLimits.Packed
	}
	s := &server{Deps: d, submits: make(chan struct{}, maxSubmits)}
	mux := http.NewServeMux()
	spec := document(s.routes(mux))
	mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(spec)
	})
	return &front{mux: mux, next: d.Auth.Middleware(conditional(mux)), log: d.Log}
}

// routes registers every operation.
func (s *server) routes(mux *http.ServeMux) huma.API {
	routes := humago.New(mux, config())
	routes.UseMiddleware(jsonOnly)
	s.crateRoutes(routes)
	s.checkRoutes(routes)
	s.publishRoutes(routes)
	s.policyRoutes(routes)
	s.decisionRoutes(routes)
	s.rulingRoutes(routes)
	s.exceptionRoutes(routes)
	s.traceRoutes(routes)
	return routes
}

// register adds an operation whose handler's errors go through problem.
func register[I, O any](s *server, routes huma.API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	describe(routes, &op)
	huma.Register(routes, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, timeLimit)
		defer cancel()
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}

// jsonOnly keeps the Accept header from huma, whose reader of it panics on
// "application/json;q". The front has answered for it.
func jsonOnly(ctx huma.Context, next func(huma.Context)) { next(jsonContext{ctx}) }

type (
	humaContext = huma.Context // a name for the field that is not its method's
	jsonContext struct{ humaContext }
)

func (c jsonContext) Header(name string) string {
	if http.CanonicalHeaderKey(name) == "Accept" {
		return ""
	}
	return c.humaContext.Header(name)
}

// Unwrap lets humago.Unwrap find the request.
func (c jsonContext) Unwrap() huma.Context { return c.humaContext }
