package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A fakeGate says what a test wants.
type fakeGate struct {
	mu       sync.Mutex
	notReady error
	files    map[string]gate.Served     // by policy and crate, "default/tidy-int"
	admits   map[string]*gate.Admission // by policy, crate and version, "default/tidy-int/0.2.0"
	asked    []string
}

func (g *fakeGate) Ready() error       { return g.notReady }
func (g *fakeGate) Policies() []string { return []string{"default", "open", "strict"} }

func (g *fakeGate) Index(policy, key string) (gate.Served, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.Policies(), policy) {
		return gate.Served{}, gate.ErrPolicy
	}
	served, ok := g.files[policy+"/"+key]
	if !ok {
		return gate.Served{}, fmt.Errorf("crate %q: %w", key, gate.ErrUnknown)
	}
	return served, nil
}

func (g *fakeGate) Admit(_ context.Context, policy, name, version string, sum crate.Checksum) (gate.Admission, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.Policies(), policy) {
		return gate.Admission{}, gate.ErrPolicy
	}
	id := policy + "/" + name + "/" + version
	g.asked = append(g.asked, id)
	a, ok := g.admits[id]
	if !ok {
		return gate.Admission{}, fmt.Errorf("crate %q: %w", name, gate.ErrUnknown)
	}
	return *a, nil
}

func (g *fakeGate) admit(id string, a gate.Admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.admits[id] = &a
}

// serve has a policy serve text as a crate's file.
func (g *fakeGate) serve(id, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.files[id] = gate.Served{
		Gzip: index.Pack([]byte(text)), Size: len(text), Modified: noon,
		ETag: fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(id+text)))[:18] + `"`,
	}
}

// A fakeMirror does what a test wants when it is asked.
type fakeMirror struct {
	refresh func(name string) error
	asked   []string
}

func (m *fakeMirror) Refresh(_ context.Context, name string) error {
	m.asked = append(m.asked, name)
	if m.refresh == nil {
		return nil
	}
	return m.refresh(name)
}

// fakeCrates are blobs, or an upstream.
type fakeCrates struct {
	byName map[string][]byte // "tidy-int-0.2.0"
	bySum  map[crate.Checksum][]byte
	open   func() (io.ReadCloser, int64, error) // instead of all that
	asked  atomic.Int64
	silent bool // tells no size
	away   bool // tells no address
}

type fakeUpstream struct{ *fakeCrates }

func (u fakeUpstream) Open(_ context.Context, name, version string, _ crate.Checksum) (io.ReadCloser, int64, error) {
	u.asked.Add(1)
	if u.open != nil {
		return u.open()
	}
	data, ok := u.byName[name+"-"+version]
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("secret place: %w", ErrMissing)
	case u.silent:
		return io.NopCloser(bytes.NewReader(data)), -1, nil
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

func (u fakeUpstream) URL(_ context.Context, name, version string, _ crate.Checksum) (string, error) {
	if u.away {
		return "", errors.New("dial 10.0.0.1")
	}
	return "https://static.example/crates/" + name + "/" + name + "-" + version + ".crate", nil
}

func (c *fakeCrates) Open(_ context.Context, sum crate.Checksum) (io.ReadCloser, int64, error) {
	if c.open != nil {
		return c.open()
	}
	data, ok := c.bySum[sum]
	if !ok {
		return nil, 0, fmt.Errorf("blob %q: %w", sum, ErrMissing)
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

type fakeIntake struct {
	wanted []string
	err    error
}

func (i *fakeIntake) Want(_ context.Context, name, version string, _ crate.Checksum, _ int) error {
	i.wanted = append(i.wanted, name+"@"+version)
	return i.err
}

type fakeFetches struct {
	mu   sync.Mutex
	seen []store.Fetch
}

func (f *fakeFetches) Record(fetch store.Fetch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, fetch)
}

// fakeTokens knows tokens by their secret.
type fakeTokens map[string]auth.Identity

func (t fakeTokens) Verify(_ context.Context, secret string) (auth.Identity, error) {
	if secret == "store-down" {
		return auth.Identity{}, fmt.Errorf("disk gone at /var/lib")
	}
	id, ok := t[secret]
	if !ok {
		return auth.Identity{}, fmt.Errorf("%w: the token is not known here", auth.ErrUnauthenticated)
	}
	return id, nil
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A world is a fence and all that it needs, made for a test.
type world struct {
	deps     Deps
	gate     *fakeGate
	mirror   *fakeMirror
	blobs    *fakeCrates
	upstream *fakeCrates
	intake   *fakeIntake
	fetches  *fakeFetches
	log      *bytes.Buffer
	other    []crate.Release // of which other bytes came
}

func newWorld() *world {
	w := &world{
		gate:   &fakeGate{files: map[string]gate.Served{}, admits: map[string]*gate.Admission{}},
		mirror: &fakeMirror{}, intake: &fakeIntake{}, fetches: &fakeFetches{}, log: &bytes.Buffer{},
		blobs:    &fakeCrates{bySum: map[crate.Checksum][]byte{}},
		upstream: &fakeCrates{byName: map[string][]byte{}},
	}
	w.deps = Deps{
		Gate: w.gate, Mirror: w.mirror, Blobs: w.blobs, Upstream: fakeUpstream{w.upstream},
		Intake: w.intake, Fetches: w.fetches,
		Tokens: fakeTokens{
			"ci-secret":    {Token: "ci", Scopes: []string{auth.ScopeFetch}},
			"laptop":       {Token: "laptop", Scopes: []string{auth.ScopeFetch}},
			"other-secret": {Token: "other", Scopes: []string{auth.ScopePublish}},
		},
		Access:   Access{Anonymous: []string{"default", "open"}, Tokens: map[string][]string{"ci": {"strict"}}},
		MaxCrate: 1 << 20, Now: func() time.Time { return noon },
		OtherBytes: func(_ context.Context, r crate.Release, _ crate.Checksum) { w.other = append(w.other, r) },
		Log:        slog.New(slog.NewTextHandler(w.log, nil)),
	}
	return w
}

// release puts a release behind the fence, whose gate says state of it.
func (w *world) release(policyName, name, version string, data []byte, state policy.State) string {
	w.upstream.byName[name+"-"+version] = data
	w.gate.admit(policyName+"/"+name+"/"+version, gate.Admission{
		Decision: policy.Decision{State: state, Reasons: []policy.Reason{
			{Rule: "cool-off", Verdict: state.Verdict(), Text: "published 9 minutes ago (cool-off 7d)", Until: noon.Add(time.Hour)},
		}},
		Listed: true, TakenIn: true, Code: "8f3k",
	})
	return "/p/" + policyName + "/dl/" + name + "/" + version + "/" + crate.Sum(data).String()
}

// get answers a request as cargo would send it, with a token if that is not "".
func (w *world) get(t testing.TB, path, token string, more ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://fence.example"+path, nil)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	answer := httptest.NewRecorder()
	New(w.deps).ServeHTTP(answer, r)
	return answer
}
