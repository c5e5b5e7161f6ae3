package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A memory is a store and an intake that are read and written in the open.
type memory struct {
	auth.Store // of which only TokenByHash and TouchToken are asked

	crates        []store.Crate
	releases      []store.Release
	runs          []store.CheckRun // newest first
	facts         []store.CrateFacts
	incidents     []store.Incident
	announcements []store.Announcement
	tokens        []store.Token
	actors        []string // of every write
	query         store.CrateQuery
	err           error // of every method, when set
	panics        bool
}

func (m *memory) Crate(_ context.Context, name string) (store.Crate, error) {
	if m.panics {
		panic("the store broke")
	}
	for _, c := range m.crates {
		if crate.Canonical(c.Name) == crate.Canonical(name) {
			return c, m.err
		}
	}
	return store.Crate{}, errors.Join(fmt.Errorf("crate %q: %w", name, store.ErrNotFound), m.err)
}

// Crates pages by name, and takes the last name of a page as its cursor.
func (m *memory) Crates(_ context.Context, q store.CrateQuery) (store.CratePage, error) {
	m.query = q
	if q.After == "no cursor" {
		return store.CratePage{}, fmt.Errorf("page: %w", store.ErrNotFound)
	}
	var page store.CratePage
	for _, c := range m.crates {
		if c.Name <= q.After || !strings.Contains(c.Name, q.Text) {
			continue
		}
		if len(page.Crates) == q.Limit {
			page.Next = page.Crates[q.Limit-1].Crate.Name
			break
		}
		def, _ := m.ReleaseByID(context.Background(), c.Default)
		page.Crates = append(page.Crates, store.CrateSummary{Crate: c, Default: def})
	}
	return page, m.err
}

func (m *memory) Releases(_ context.Context, id store.ID) (found []store.Release, _ error) {
	for _, r := range m.releases {
		if r.CrateID == id {
			found = append(found, r)
		}
	}
	return found, m.err
}

func (m *memory) Release(_ context.Context, name, version string) (store.Release, error) {
	for _, r := range m.releases {
		if crate.Canonical(r.Crate) == crate.Canonical(name) && r.Version == version {
			return r, m.err
		}
	}
	return store.Release{}, fmt.Errorf("release: %w", store.ErrNotFound)
}

func (m *memory) ReleaseByID(_ context.Context, id store.ID) (store.Release, error) {
	for _, r := range m.releases {
		if r.ID == id {
			return r, m.err
		}
	}
	return store.Release{}, fmt.Errorf("release: %w", store.ErrNotFound)
}

func (m *memory) CheckStates(_ context.Context, ids ...store.ID) (map[store.ID][]store.CheckState, error) {
	states := map[store.ID][]store.CheckState{}
	for _, id := range ids {
		byCheck := map[string]*store.CheckState{}
		var names []string
		for _, r := range m.runs {
			if r.ReleaseID != id {
				continue
			}
			state := byCheck[r.Check]
			if state == nil {
				state = &store.CheckState{Check: r.Check}
				byCheck[r.Check], names = state, append(names, r.Check)
			}
			switch {
			case r.Status != store.Completed && state.Counts == nil:
				state.Pending = &r
			case r.Status == store.Completed && state.Counts == nil:
				state.Counts = &r
			}
		}
		slices.Sort(names)
		for _, name := range names {
			states[id] = append(states[id], *byCheck[name])
		}
	}
	return states, m.err
}

func (m *memory) CheckRuns(_ context.Context, release store.ID) (found []store.CheckRun, _ error) {
	for _, r := range m.runs {
		if r.ReleaseID == release {
			found = append(found, r)
		}
	}
	return found, m.err
}

func (m *memory) Run(_ context.Context, id store.ID) (store.CheckRun, error) {
	for _, r := range m.runs {
		if r.ID == id {
			return r, m.err
		}
	}
	return store.CheckRun{}, fmt.Errorf("run: %w", store.ErrNotFound)
}

func (m *memory) CrateFacts(_ context.Context, id store.ID, check string) (store.CrateFacts, error) {
	for _, f := range m.facts {
		if f.CrateID == id && f.Check == check {
			return f, m.err
		}
	}
	return store.CrateFacts{}, fmt.Errorf("facts: %w", store.ErrNotFound)
}

func (m *memory) Incidents(context.Context, store.ID, int) ([]store.Incident, error) {
	return m.incidents, m.err
}

func (m *memory) Announcement(_ context.Context, id store.ID) (store.Announcement, error) {
	for _, a := range m.announcements {
		if a.ID == id {
			return a, m.err
		}
	}
	return store.Announcement{}, fmt.Errorf("announcement: %w", store.ErrNotFound)
}

func (m *memory) Announce(_ context.Context, a store.Announcement, actor string) (store.Announcement, bool, error) {
	if m.err != nil {
		return store.Announcement{}, false, m.err
	}
	for _, known := range m.announcements {
		if known.MessageID == a.MessageID {
			return known, false, nil
		}
	}
	a.ID, a.Status, a.ReceivedAt = store.ID(len(m.announcements)+1), store.AnnouncementReceived, noon
	m.announcements, m.actors = append(m.announcements, a), append(m.actors, actor)
	return a, true, nil
}

func (m *memory) Submit(ctx context.Context, r store.Release, data []byte, actor string) (store.Release, bool, error) {
	if m.err != nil {
		return store.Release{}, false, m.err
	}
	if r.Version == "9.9.9" {
		return store.Release{}, false, fmt.Errorf("%w: this version is not to be", intake.ErrInvalid)
	}
	m.actors = append(m.actors, actor)
	known, err := m.Release(ctx, r.Crate, r.Version)
	switch {
	case err != nil:
		r.Checksum, r.Size, r.FirstSeenAt, r.Via = crate.Sum(data), int64(len(data)), noon, store.ViaSubmit
		return r, true, nil
	case known.Crate != r.Crate:
		return store.Release{}, false, store.ErrOtherName
	case known.Checksum != crate.Sum(data):
		return known, false, fmt.Errorf("publish: %w", store.ErrOtherBytes)
	}
	return known, false, nil
}

func (m *memory) TokenByHash(_ context.Context, hash [32]byte) (store.Token, error) {
	for _, t := range m.tokens {
		if t.Hash == hash {
			return t, nil
		}
	}
	return store.Token{}, store.ErrNotFound
}

func (m *memory) CreateToken(_ context.Context, t store.Token, _ store.AuditEntry) (store.Token, error) {
	m.tokens = append(m.tokens, t)
	return t, nil
}

func (m *memory) TouchToken(context.Context, store.ID, time.Time) error { return nil }

// serdeBytes stands for a .crate.
var serdeBytes = []byte("the bytes of serde 1.0.0")

// fixture is two crates, one with everything that can be hard to show.
func fixture() *memory {
	completed := func(id store.ID, name string, attempt int, report check.Report) store.CheckRun {
		return store.CheckRun{
			ID: id, ReleaseID: 1, Crate: "Serde-Json", Version: "1.0.0", Check: name, CheckVersion: 1, Attempt: attempt,
			Status: store.Completed, QueuedAt: noon, StartedAt: noon.Add(time.Second), CompletedAt: noon.Add(2 * time.Second), Report: report,
		}
	}
	return &memory{
		crates: []store.Crate{
			{ID: 1, Name: "Serde-Json", CreatedAt: noon, UpdatedAt: noon, Default: 1},
			{ID: 2, Name: "itoa", CreatedAt: noon, UpdatedAt: noon, Default: 3},
		},
		releases: []store.Release{
			{ID: 2, CrateID: 1, Crate: "Serde-Json", Version: "1.1.0-rc.1+build.5", FirstSeenAt: noon, Yanked: true, Via: store.ViaWebhook},
			{
				ID: 1, CrateID: 1, Crate: "Serde-Json", Version: "1.0.0", Checksum: crate.Sum(serdeBytes), Size: 24,
				PublishedAt: noon.Add(-time.Hour), FirstSeenAt: noon, Publisher: "github:serde-rs", Via: store.ViaWebhook,
				About: store.About{
					Description: "Evil \x00\x1b[31m\xff <script>", License: "MIT", Keywords: []string{"json"},
					Dependencies: []store.Dependency{{Name: "itoa", Req: "^1", Kind: "normal"}},
				},
			},
			{ID: 3, CrateID: 2, Crate: "itoa", Version: "1.0.0", FirstSeenAt: noon, Via: store.ViaSubmit, PublishedAt: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)},
		},
		runs: []store.CheckRun{
			{ID: 14, ReleaseID: 1, Check: "provenance", CheckVersion: 1, Attempt: 3, Status: store.Queued, QueuedAt: noon, RunAfter: noon.Add(time.Minute)},
			completed(13, "provenance", 2, check.Report{
				Conclusion: check.Inconclusive, Title: "The repository did not answer", RetryAt: noon.Add(time.Hour),
				Metrics: map[string]float64{"tries": 2, "broken": math.NaN(), "endless": math.Inf(1)},
				Facts:   json.RawMessage("{\"host\":\"\xff\"}"),
			}),
			completed(12, "provenance", 1, check.Report{Conclusion: check.Error, Title: "The worker was lost"}),
			completed(11, "archive", 1, check.Report{
				Conclusion: check.Failure, Title: "1 entry is strange", Summary: "It *was* read.", Facts: json.RawMessage(`{"cut`),
				Findings: []check.Finding{{
					Rule: "link", Level: check.LevelError, Message: "a link \xc3", Path: "a\x07b", StartLine: 1, EndLine: 2,
					Snippet: "fn main() { a && b < c }\u2028", Help: "Leave it out.",
				}},
			}),
		},
		facts: []store.CrateFacts{{
			CrateID: 1, Check: "security-policy", Version: "1.0.0", RunID: 11,
			Facts: json.RawMessage(`{"source":"SECURITY.md"}`), ReadAt: noon,
		}},
		incidents: []store.Incident{{
			ReleaseID: 1, Version: "1.0.0", Known: crate.Sum(serdeBytes), Offered: crate.Sum([]byte("other")), Size: 5,
			Via: store.ViaSubmit, Detail: "token:ci", SeenAt: noon, LastSeen: noon.Add(time.Hour), Times: 2,
		}},
		announcements: []store.Announcement{{
			ID: 1, Via: store.ViaWebhook, MessageID: "msg_first", Crate: "itoa", Version: "1.0.0", Checksum: crate.Sum([]byte("itoa")),
			DownloadURL: "https://bucket.example/itoa?key=hush", Status: store.AnnouncementRefused, Reason: "download refused: 404",
			ReceivedAt: noon, FinishedAt: noon.Add(time.Second),
		}},
	}
}

// A world is an API with everything it needs.
type world struct {
	*memory
	deps    Deps
	handler http.Handler
	secret  auth.WebhookSecret
	token   string
	log     *bytes.Buffer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: fixture(), log: &bytes.Buffer{}}
	var err error
	if w.secret, err = auth.ParseWebhookSecret(auth.NewWebhookSecret()); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	tokens := &auth.Auth{Store: w.memory, Now: now, Log: log}
	if w.token, _, err = tokens.Create(t.Context(), auth.TokenRequest{Name: "ci", Scopes: []string{auth.ScopePublish}}); err != nil {
		t.Fatal(err)
	}
	w.deps = Deps{
		Crates: w, Releases: w, Announcements: w, Intake: w, Auth: tokens,
		Webhook: &auth.Webhook{Secrets: []auth.WebhookSecret{w.secret}, Now: now},
		Checks: []*check.Check{{
			Name: "archive", Version: 2, Category: check.CategorySecurity, About: check.AboutRelease,
			Doc: "The archive is what cargo would accept\n\nAnd *nothing* more.", Timeout: 1500 * time.Millisecond,
		}},
		MaxCrate: 1000,
		Log:      log,
	}
	w.handler = New(w.deps)
	return w
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
