// Package registry is the fence as cargo meets it: a sparse index and the
// downloads behind it, one of each per policy.
//
//	/p/{policy}/index/config.json
//	/p/{policy}/index/{prefix}/{crate}
//	/p/{policy}/dl/{crate}/{version}/{sha256-checksum}
//
// What is let through is the gate's to say, on every request; this package asks
// it, and words what cargo prints. It reads https://doc.rust-lang.org/cargo/reference/registry-index.html
// strictly, and answers in statuses that every cargo understands alike: 200, 302,
// 304, 401, 403, 404 (400 and 405 for what no cargo sends), and 503 for trouble of
// our own.
package registry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// A Mirror keeps upstream's index files.
type Mirror interface {
	// Refresh has the gate know what upstream says of a crate, if what is known
	// has grown old. It asks a bounded number of questions at once and waits for a
	// bounded time. The error says why nothing new is known, and wraps
	// mirror.ErrNotFound where upstream has no such crate.
	Refresh(ctx context.Context, name string) error
}

// Blobs are the crates that were taken in.
type Blobs interface {
	// Open returns the bytes kept under a checksum, and how many. The error wraps
	// ErrMissing when there are none.
	Open(ctx context.Context, sum crate.Checksum) (io.ReadCloser, int64, error)
}

// Upstream is the registry behind the fence.
type Upstream interface {
	// Open begins a download; size is -1 where upstream does not say. The bytes
	// are not verified. The error wraps ErrMissing when upstream has no such file.
	Open(ctx context.Context, name, version string, sum crate.Checksum) (body io.ReadCloser, size int64, err error)
	// URL is where upstream gives the release to everybody.
	URL(ctx context.Context, name, version string, sum crate.Checksum) (string, error)
}

// Intake takes releases in.
type Intake interface {
	// Want has a release taken in that stands in the index, before those of a
	// lower priority (store.PriorityFresh is the first). It waits for no more than
	// the queue.
	Want(ctx context.Context, name, version string, sum crate.Checksum, priority int) error
}

// Fetches keeps who fetched what. Record does not block.
type Fetches interface{ Record(store.Fetch) }

// Tokens verifies secrets. The error wraps auth.ErrUnauthenticated, or is its own
// trouble.
type Tokens interface {
	Verify(ctx context.Context, secret string) (auth.Identity, error)
}

// Deps is what a fence is made of.
type Deps struct {
	Gate     Gate
	Mirror   Mirror
	Blobs    Blobs
	Upstream Upstream
	Intake   Intake
	Fetches  Fetches
	Tokens   Tokens
	Access   Access

	// BaseURL is where clients reach this service, as in "https://fence.example";
	// "" takes it from each request.
	BaseURL string
	// Redirect sends cargo to upstream's own address for what is let through.
	Redirect bool
	// GateWait is how long a download waits for checks that are under way.
	GateWait time.Duration
	// MaxCrate bounds what is streamed from upstream, in bytes.
	MaxCrate int64
	// OtherBytes is told when upstream sends other bytes than the release's. Nothing
	// of them reaches the client as a whole file.
	OtherBytes func(ctx context.Context, r crate.Release, got crate.Checksum)

	Now func() time.Time
	Log *slog.Logger
}

// maxWaiting is how many downloads wait for checks at once.
const maxWaiting = 1024

type fence struct {
	Deps
	turns    *turns
	waiting  slots
	wanted   recent[crate.Checksum]
	refusals recent[refusal]
}

// New returns the handler of everything below /p/. It expects paths as they were
// sent: see Before.
func New(d Deps) http.Handler {
	d.BaseURL = strings.TrimSuffix(d.BaseURL, "/")
	return &fence{Deps: d, turns: newTurns(), waiting: make(slots, maxWaiting)}
}

// Before answers with the fence what is below /p/, and all else with rest. A
// ServeMux would tidy paths up, and redirect to what nobody asked for.
func Before(fence, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, root) {
			fence.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

func (f *fence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f.answer(w, r); err != nil {
		f.refuse(w, r, err)
	}
}

// answer answers a request, unless it returns an error: then nothing is written.
func (f *fence) answer(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return errMethod
	}
	if r.URL.RawQuery != "" || r.URL.ForceQuery || r.URL.User != nil {
		return errQuery
	}
	to, ok := parseRoute(r.URL)
	if !ok {
		return errNoPath
	}
	who, err := f.identify(r, to.policy)
	if err != nil {
		return err
	}
	if err := f.Gate.Ready(); err != nil {
		return err
	}
	switch to.kind {
	case toConfig:
		return f.config(w, r, to.policy)
	case toIndex:
		return f.index(w, r, to)
	default:
		return f.download(w, r, to, who)
	}
}
