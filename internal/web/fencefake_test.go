package web

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A fakeFence is a gate and what people and it decided, filled by the tests.
type fakeFence struct {
	policies   map[string]*policy.Policy
	views      map[string]gate.CrateView // by policy/crate
	records    []store.DecisionRecord    // newest first, as are the others
	exceptions []store.Exception
	rulings    []store.Ruling
	requests   []store.ReviewRequest
	events     []store.LineEvent
	files      map[string]store.IndexFile
	lines      map[string][]store.LineRecord
	fetches    []store.Fetch
	audits     []store.AuditEntry
	tokens     map[string]auth.Identity // by secret
	err        error
}

func (f *fakeFence) Policies() []string { return slices.Sorted(maps.Keys(f.policies)) }

func (f *fakeFence) Policy(name string) (*policy.Policy, bool) {
	p, ok := f.policies[name]
	return p, ok
}

func (f *fakeFence) Crate(policyName, name string) (gate.CrateView, error) {
	view, ok := f.views[policyName+"/"+store.IndexKey(name)]
	if !ok {
		return gate.CrateView{}, gate.ErrUnknown
	}
	return view, nil
}

func (f *fakeFence) Decisions(_ context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error) {
	var found []store.DecisionRecord
	seen := map[string]bool{}
	for _, r := range f.records {
		release := r.Policy + "/" + r.Crate + "@" + r.Version
		inForce := !seen[release]
		seen[release] = true
		if matches(q.Policy, r.Policy) && matches(store.IndexKey(q.Crate), store.IndexKey(r.Crate)) && matches(q.Version, r.Version) && (inForce || q.History) &&
			matches(q.Verdict, r.Decision.Verdict()) && matches(q.State, r.Decision.State) && (q.Before == 0 || r.ID < q.Before) {
			found = append(found, r)
		}
	}
	return found[:min(q.Limit, len(found))], f.err
}

func matches[T comparable](want, got T) bool {
	var any T
	return want == any || want == got
}

func (f *fakeFence) DecisionByCode(_ context.Context, code string) (store.DecisionRecord, error) {
	for _, r := range f.records {
		if r.Code == code {
			return r, f.err
		}
	}
	return store.DecisionRecord{}, cmp.Or(f.err, fmt.Errorf("decision: %w", store.ErrNotFound))
}

func (f *fakeFence) Exceptions(_ context.Context, q store.ExceptionQuery) (found []store.Exception, _ error) {
	for _, e := range f.exceptions {
		if matches(q.Policy, e.Policy) && matches(q.Crate, e.Crate) && matches(q.Version, e.Version) {
			found = append(found, e)
		}
	}
	return found, f.err
}

func (f *fakeFence) Rulings(_ context.Context, q store.RulingQuery) (found []store.Ruling, _ error) {
	for _, r := range f.rulings {
		if matches(q.Policy, r.Policy) && matches(q.Crate, r.Crate) && matches(q.Version, r.Version) {
			found = append(found, r)
		}
	}
	return found, f.err
}

func (f *fakeFence) ReviewRequests(_ context.Context, q store.ReviewQuery) (found []store.ReviewRequest, _ error) {
	for _, r := range f.requests {
		if matches(q.Policy, r.Policy) && matches(q.Crate, r.Crate) && matches(q.Version, r.Version) {
			found = append(found, r)
		}
	}
	return found, f.err
}

func (f *fakeFence) IndexFile(_ context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	if file, ok := f.files[key]; ok {
		return file, f.lines[key], f.err
	}
	return store.IndexFile{}, nil, cmp.Or(f.err, store.ErrNotFound)
}

func (f *fakeFence) LineEvents(_ context.Context, key string, _ store.ID, _ int) (found []store.LineEvent, _ error) {
	for _, e := range f.events {
		if e.Key == key {
			found = append(found, e)
		}
	}
	return found, f.err
}

func (f *fakeFence) Fetches(_ context.Context, q store.FetchQuery) (found []store.Fetch, _ error) {
	for _, one := range f.fetches {
		if one.Crate == q.Crate && one.Version == q.Version {
			found = append(found, one)
		}
	}
	return found, f.err
}

func (f *fakeFence) AddRuling(_ context.Context, r store.Ruling, audit store.AuditEntry) (store.Ruling, error) {
	standing, _ := f.Rulings(context.Background(), store.RulingQuery{Policy: r.Policy, Crate: r.Crate, Version: r.Version})
	if len(standing) > 0 && standing[0].ID != r.After || len(standing) == 0 && r.After != 0 {
		return store.Ruling{}, store.ErrConflict
	}
	r.ID = store.ID(len(f.rulings) + 1)
	f.rulings, f.audits = append([]store.Ruling{r}, f.rulings...), append(f.audits, audit)
	return r, f.err
}

func (f *fakeFence) AddException(_ context.Context, e store.Exception, audit store.AuditEntry) (store.Exception, error) {
	e.ID = store.ID(len(f.exceptions) + 1)
	f.exceptions, f.audits = append([]store.Exception{e}, f.exceptions...), append(f.audits, audit)
	return e, f.err
}

func (f *fakeFence) EndException(_ context.Context, id store.ID, by string, at time.Time, audit store.AuditEntry) (store.Exception, error) {
	for i := range f.exceptions {
		if e := &f.exceptions[i]; e.ID == id {
			if !e.EndedAt.IsZero() {
				return *e, store.ErrConflict
			}
			e.EndedAt, e.EndedBy = at, by
			f.audits = append(f.audits, audit)
			return *e, nil
		}
	}
	return store.Exception{}, store.ErrNotFound
}

func (f *fakeFence) AddReviewRequest(_ context.Context, r store.ReviewRequest, audit store.AuditEntry) (store.ReviewRequest, bool, error) {
	f.requests, f.audits = append([]store.ReviewRequest{r}, f.requests...), append(f.audits, audit)
	return r, true, f.err
}

func (f *fakeFence) AcceptLine(_ context.Context, key, version string, offered [32]byte, _ time.Time, audit store.AuditEntry) error {
	for i := range f.lines[key] {
		if l := &f.lines[key][i]; l.Version == version && ruling.LineDigest(l.Offered) == offered {
			l.Trouble, l.Offered = "", nil
			f.audits = append(f.audits, audit)
			return nil
		}
	}
	return store.ErrConflict
}

func (f *fakeFence) HonourYank(_ context.Context, key, version string, at time.Time, audit store.AuditEntry) error {
	for i := range f.lines[key] {
		if l := &f.lines[key][i]; l.Version == version && l.Yanked {
			l.HonouredAt = at
			f.audits = append(f.audits, audit)
			return nil
		}
	}
	return store.ErrConflict
}

func (f *fakeFence) Verify(_ context.Context, secret string) (auth.Identity, error) {
	if id, ok := f.tokens[secret]; ok {
		return id, nil
	}
	return auth.Identity{}, cmp.Or(f.err, fmt.Errorf("%w: the token is not known here", auth.ErrUnauthenticated))
}

// fence is the configuration of pages before it.
func (f *fakeFence) fence(catalogue *fake) *Fence {
	return &Fence{
		Gate: f, Records: f, Traces: f, Verify: f.Verify,
		Allowed: func(token string) []string {
			if token == "" {
				return []string{"default", "strict"}
			}
			return f.Policies()
		},
		Desk: &ruling.Desk{
			Store: f, Releases: catalogue, Lines: f, Policies: f, Now: func() time.Time { return now },
			People: ruling.People{{Name: "Alice", Actors: []string{"token:alice"}, Publishers: []string{"github:alice"}}},
		},
	}
}

func packed(name string, lines ...string) store.IndexFile {
	text := strings.Join(lines, "\n") + "\n"
	return store.IndexFile{Key: name, Name: name, Lines: index.Pack([]byte(text)), Size: len(text)}
}

// decide puts a version before the gate, and records what it decided.
func (f *fakeFence) decide(policyName, name string, v gate.VersionView) {
	key := policyName + "/" + store.IndexKey(name)
	view := f.views[key]
	view.Name, view.Key = name, store.IndexKey(name)
	v.Served = v.Decision.Passes()
	view.Versions = append(view.Versions, v)
	f.views[key] = view
	if v.Decision.State != policy.Grandfathered {
		f.records = append([]store.DecisionRecord{{
			ID: store.ID(len(f.records) + 1), Code: fmt.Sprintf("c0de%d", len(f.records)+1), Policy: policyName, Crate: name, Version: v.Version,
			Checksum: crate.Sum([]byte(v.Version)), Decision: v.Decision, At: ago(8 * time.Minute),
		}}, f.records...)
	}
}

// policyFile has a policy for everybody, one that observes, and one that is for
// some alone.
const policyFile = `
[policy.default]
preset = "medium"
baseline = 2026-11-01

[[policy.default.rule]]
name = "night"
when = 'release.kind == "new-major" && yanks_around > 0'
verdict = "hold"
text = "a new major version amid yanks"

[[policy.default.crate]]
pattern = "acme-*"
publishers = ["github:acme"]

[policy.strict]
preset = "high"
mode = "observe"

[policy.secret]
preset = "high"
`

// fenced is everything, behind a fence: held, quarantined, waived, observed,
// an edited line, a yank that is kept back.
func fenced() (*fake, *fakeFence) {
	catalogue := everything()
	f := &fakeFence{
		policies: map[string]*policy.Policy{},
		views:    map[string]gate.CrateView{}, files: map[string]store.IndexFile{}, lines: map[string][]store.LineRecord{},
		tokens: map[string]auth.Identity{
			"alices": {Token: "alice", Scopes: []string{auth.ScopeRead, auth.ScopeDecide}},
			"cis":    {Token: "ci", Scopes: []string{auth.ScopeFetch}},
			"roots":  {Token: "root", Scopes: []string{auth.ScopeAdmin}},
			"bobs":   {Token: "bob", Scopes: []string{auth.ScopeDecide}},
		},
	}
	set, err := policy.Parse([]byte(policyFile))
	if err != nil {
		panic(err)
	}
	for _, p := range set.Policies() {
		f.policies[p.Name] = p
	}
	until := now.Add(7*24*time.Hour - 9*time.Minute)
	f.decide("default", "arrayview", gate.VersionView{Version: "0.3.10", TakenIn: true, Yanked: true, Decision: policy.Decision{
		State: policy.Quarantined, Reasons: []policy.Reason{
			{Rule: "yank-wave", Verdict: policy.Block, Text: "5 versions of the crate were yanked within a day of its publication"},
			{Rule: "cool-off", Verdict: policy.Hold, Text: "published 9 minutes ago (cool-off 7d)", Until: until},
			{Rule: "young-dependency", Verdict: policy.Hold, Text: "adds its first dependency, slice-macro1, which is 6 hours old", Until: now.Add(14 * 24 * time.Hour)},
		},
	}})
	f.decide("default", "arrayview", gate.VersionView{Version: "0.3.9", TakenIn: true, YankedUpstream: true, YankedAt: ago(11 * time.Minute),
		Decision: policy.Decision{State: policy.Grandfathered}, Guard: &gate.GuardNote{
			Version: "0.3.9", Range: "0.3", YankedAt: ago(11 * time.Minute), Kept: true, Until: now.Add(72 * time.Hour), Wave: true,
		}})
	f.decide("strict", "arrayview", gate.VersionView{Version: "0.3.10", TakenIn: true, Decision: policy.Decision{
		State: policy.Held, Observed: true, Reasons: []policy.Reason{{Rule: "cool-off", Verdict: policy.Hold, Text: "published 9 minutes ago (cool-off 14d)", Until: until}},
	}})
	f.decide("default", "quiet-crate", gate.VersionView{Version: "1.59.0", Decision: policy.Decision{State: policy.Grandfathered}})
	f.decide("default", "quiet-crate", gate.VersionView{Version: "1.60.0", Decision: policy.Decision{
		State: policy.Waived, Reasons: []policy.Reason{{Rule: "cool-off", Verdict: policy.Allow, Text: "published 20 hours ago (cool-off 7d), excepted", Until: now.Add(48 * time.Hour)}},
	}})
	f.decide("default", "fresh", gate.VersionView{Version: "1.0.0-rc.1", Decision: policy.Decision{
		State: policy.Held, Pending: true, Reasons: []policy.Reason{{Rule: "check/archive/missing", Verdict: policy.Hold, Text: "check archive has not finished"}},
	}})
	f.decide("default", "never-came", gate.VersionView{Version: "2.0.0", Decision: policy.Decision{
		State: policy.Held, Reasons: []policy.Reason{{Rule: "cool-off", Verdict: policy.Hold, Text: "first seen here 3 hours ago (cool-off 7d)", Until: until}},
	}})
	f.decide("secret", "never-came", gate.VersionView{Version: "2.0.0", Decision: policy.Decision{State: policy.Revoked}})
	accepted := `{"name":"arrayview","vers":"0.3.9","deps":[],"cksum":"` + crate.Sum([]byte("0.3.9")).String() + `","features":{},"yanked":false}`
	newest := strings.ReplaceAll(accepted, "0.3.9", "0.3.10")
	f.files["arrayview"] = packed("arrayview", accepted, newest)
	f.lines["arrayview"] = []store.LineRecord{
		{Key: "arrayview", Version: "0.3.9", Checksum: crate.Sum([]byte("0.3.9")), Yanked: true, YankedAt: ago(11 * time.Minute)},
		{Key: "arrayview", Version: "0.3.10", Checksum: crate.Sum([]byte("0.3.10")), Trouble: policy.LineChanged, Offered: []byte(strings.Replace(newest, "[]", `[{"name":"slice-macro1"}]`, 1))},
	}
	f.files["never-came"] = packed("never-came", `{"name":"never-came","vers":"2.0.0","deps":[],"cksum":"`+crate.Sum([]byte("2.0.0")).String()+`","features":{},"yanked":false}`)
	f.events = []store.LineEvent{
		{ID: 3, Key: "arrayview", Version: "0.3.10", What: store.LineEdited, At: ago(2 * time.Minute), Detail: "adds slice-macro1"},
		{ID: 2, Key: "arrayview", Version: "0.3.10", What: store.LinePublished, At: ago(9 * time.Minute)},
		{ID: 1, Key: "arrayview", Version: "0.3.9", What: store.LineYanked, At: ago(11 * time.Minute)},
	}
	f.exceptions = []store.Exception{
		{ID: 2, Policy: "default", Crate: "quiet-crate", Version: "1.60.0", Rule: "cool-off", Reason: "We wrote it ourselves.", Author: "token:bob", CreatedAt: ago(time.Hour), ExpiresAt: now.Add(48 * time.Hour)},
		{ID: 1, Policy: "default", Crate: "silent", Version: "2.0.0", Rule: "check/provenance/inconclusive", Reason: "Its forge was down.", Author: "token:alice", CreatedAt: ago(40 * 24 * time.Hour), ExpiresAt: ago(10 * 24 * time.Hour), EndedAt: ago(10 * 24 * time.Hour), EndedBy: store.SystemActor},
	}
	f.rulings = []store.Ruling{{ID: 1, Policy: "default", Crate: "arrayview", Version: "0.3.10", Checksum: crate.Sum([]byte("0.3.10")), Action: policy.ActKeep, Reason: "Asked its owner.\nNo answer yet.", Author: "token:bob", At: ago(3 * time.Minute)}}
	f.requests = []store.ReviewRequest{
		{ID: 2, Policy: "default", Crate: "never-came", Version: "2.0.0", Actor: "anonymous", Reason: "It fixes a panic that we run into (Carol, ext. 42)", At: ago(time.Hour)},
		{ID: 1, Policy: "default", Crate: "arrayview", Version: "0.3.10", Actor: "token:ci", Reason: "The build is red.", At: ago(5 * time.Minute)},
	}
	f.fetches = []store.Fetch{
		{ID: 2, At: ago(time.Minute), Actor: "token:laptop", Policy: "default", Crate: "arrayview", Version: "0.3.10"},
		{ID: 1, At: ago(time.Hour), Actor: "token:observer", Policy: "strict", Crate: "arrayview", Version: "0.3.10", Passed: true},
	}
	return catalogue, f
}
