package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A fakeFence is a gate, and what it and people decided, read and written in
// the open. Lists are newest first.
type fakeFence struct {
	policies   map[string]*policy.Policy
	views      map[string]gate.CrateView // by policy/key
	records    []store.DecisionRecord
	exceptions []store.Exception
	rulings    []store.Ruling
	requests   []store.ReviewRequest
	events     []store.LineEvent
	fetches    []store.Fetch
	written    []string // the audit entries of every write
	err        error    // of every read, when set
}

func (f *fakeFence) Policies() []string { return slices.Sorted(maps.Keys(f.policies)) }

func (f *fakeFence) Policy(name string) (*policy.Policy, bool) {
	p, ok := f.policies[name]
	return p, ok
}

func (f *fakeFence) Crate(policyName, name string) (gate.CrateView, error) {
	if view, ok := f.views[policyName+"/"+store.IndexKey(name)]; ok {
		return view, nil
	}
	return gate.CrateView{}, gate.ErrUnknown
}

// fits reports whether got is what is asked for; the zero value asks for all.
func fits[T comparable](want, got T) bool {
	var all T
	return want == all || want == got
}

func fitsKey(want, got string) bool { return fits(store.IndexKey(want), store.IndexKey(got)) }

// page cuts a list as stores do.
func page[T any](all []T, before store.ID, limit int, id func(T) store.ID) []T {
	if before > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(one T) bool { return id(one) >= before })
	}
	return all[:min(limit, len(all))]
}

func (f *fakeFence) Decisions(_ context.Context, q store.DecisionQuery) (found []store.DecisionRecord, _ error) {
	seen := map[string]bool{}
	for _, r := range f.records {
		release := r.Policy + "/" + r.Crate + "@" + r.Version
		inForce := !seen[release]
		seen[release] = true
		if (inForce || q.History) && fits(q.Policy, r.Policy) && fitsKey(q.Crate, r.Crate) && fits(q.Version, r.Version) &&
			fits(q.Verdict, r.Decision.Verdict()) && fits(q.State, r.Decision.State) {
			found = append(found, r)
		}
	}
	return page(found, q.Before, q.Limit, func(r store.DecisionRecord) store.ID { return r.ID }), f.err
}

func (f *fakeFence) Exceptions(_ context.Context, q store.ExceptionQuery) (found []store.Exception, _ error) {
	for _, e := range f.exceptions {
		if fits(q.Policy, e.Policy) && fitsKey(q.Crate, e.Crate) && fits(q.Version, e.Version) && (!q.Open || e.EndedAt.IsZero()) {
			found = append(found, e)
		}
	}
	return page(found, q.Before, q.Limit, func(e store.Exception) store.ID { return e.ID }), f.err
}

func (f *fakeFence) Rulings(_ context.Context, q store.RulingQuery) (found []store.Ruling, _ error) {
	for _, r := range f.rulings {
		if fits(q.Policy, r.Policy) && fitsKey(q.Crate, r.Crate) && fits(q.Version, r.Version) {
			found = append(found, r)
		}
	}
	return page(found, q.Before, q.Limit, func(r store.Ruling) store.ID { return r.ID }), f.err
}

func (f *fakeFence) ReviewRequests(_ context.Context, q store.ReviewQuery) (found []store.ReviewRequest, _ error) {
	for _, r := range f.requests {
		if fits(q.Policy, r.Policy) && fitsKey(q.Crate, r.Crate) && fits(q.Version, r.Version) {
			found = append(found, r)
		}
	}
	return found, f.err
}

func (f *fakeFence) LineEvents(_ context.Context, key string, before store.ID, limit int) (found []store.LineEvent, _ error) {
	for _, e := range f.events {
		if e.Key == key {
			found = append(found, e)
		}
	}
	return page(found, before, limit, func(e store.LineEvent) store.ID { return e.ID }), f.err
}

func (f *fakeFence) Fetches(_ context.Context, q store.FetchQuery) ([]store.Fetch, error) {
	return page(f.fetches, q.Before, q.Limit, func(one store.Fetch) store.ID { return one.ID }), f.err
}

func (f *fakeFence) IndexFile(context.Context, string) (store.IndexFile, []store.LineRecord, error) {
	return store.IndexFile{}, nil, store.ErrNotFound
}

func (f *fakeFence) write(audit store.AuditEntry) {
	f.written = append(f.written, audit.Actor+" "+audit.Action+" "+audit.Object)
}

func (f *fakeFence) AddRuling(_ context.Context, r store.Ruling, audit store.AuditEntry) (store.Ruling, error) {
	var standing store.ID
	for _, one := range f.rulings {
		if one.Policy == r.Policy && one.Checksum == r.Checksum {
			standing = max(standing, one.ID)
		}
	}
	if r.After != standing {
		return store.Ruling{}, fmt.Errorf("ruling: %w", store.ErrConflict)
	}
	r.ID = store.ID(len(f.rulings) + 1)
	f.rulings = append([]store.Ruling{r}, f.rulings...)
	f.write(audit)
	return r, nil
}

func (f *fakeFence) AddException(_ context.Context, e store.Exception, audit store.AuditEntry) (store.Exception, error) {
	e.ID = store.ID(len(f.exceptions) + 1)
	f.exceptions = append([]store.Exception{e}, f.exceptions...)
	f.write(audit)
	return e, nil
}

func (f *fakeFence) EndException(_ context.Context, id store.ID, by string, at time.Time, audit store.AuditEntry) (store.Exception, error) {
	i := slices.IndexFunc(f.exceptions, func(e store.Exception) bool { return e.ID == id })
	switch {
	case i < 0:
		return store.Exception{}, store.ErrNotFound
	case !f.exceptions[i].EndedAt.IsZero():
		return f.exceptions[i], store.ErrConflict
	}
	f.exceptions[i].EndedAt, f.exceptions[i].EndedBy = at, by
	f.write(audit)
	return f.exceptions[i], nil
}

func (f *fakeFence) AddReviewRequest(_ context.Context, r store.ReviewRequest, audit store.AuditEntry) (store.ReviewRequest, bool, error) {
	f.requests = append([]store.ReviewRequest{r}, f.requests...)
	f.write(audit)
	return r, true, nil
}

func (f *fakeFence) AcceptLine(_ context.Context, key, version string, offered [32]byte, _ time.Time, audit store.AuditEntry) error {
	if offered != [32]byte{1} {
		return store.ErrConflict
	}
	f.write(audit)
	return nil
}

func (f *fakeFence) HonourYank(_ context.Context, key, version string, _ time.Time, audit store.AuditEntry) error {
	if version != "1.0.0" {
		return store.ErrConflict
	}
	f.write(audit)
	return nil
}

// tokens of the fence's tests, by name, with their secrets.
type secrets map[string]string

// fence puts a fence before a world: policies default and strict for everybody,
// secret for those with a token.
func (w *world) fence() (*fakeFence, secrets) {
	f := &fakeFence{
		policies: map[string]*policy.Policy{
			"default": policy.Default().Policy("default"), "strict": policy.Presets()[1].Policy(), "secret": policy.Presets()[0].Policy(),
		},
		views: map[string]gate.CrateView{},
	}
	f.put("default", "Serde-Json", "1.0.0", policy.Decision{State: policy.Held, Recheck: noon.Add(time.Hour), Reasons: []policy.Reason{
		{Rule: "cool-off", Verdict: policy.Hold, Text: "published 1 hour ago (cool-off 7d)", Until: noon.Add(167 * time.Hour)},
		{Rule: "trusted", Verdict: policy.Allow, Text: "of a publisher of long standing"},
	}})
	f.put("strict", "Serde-Json", "1.0.0", policy.Decision{State: "from the future", Observed: true, Reasons: []policy.Reason{{Rule: "new", Verdict: "odd"}}})
	f.put("secret", "Serde-Json", "1.0.0", policy.Decision{State: policy.Revoked, Reasons: []policy.Reason{{Rule: "ruling", Verdict: policy.Block, Text: "withdrawn by a person"}}})
	f.put("default", "never-came", "2.0.0", policy.Decision{State: policy.Quarantined, Reasons: []policy.Reason{{Rule: "yank-wave", Verdict: policy.Block, Text: "5 versions were yanked"}}})
	f.views["default/itoa"] = gate.CrateView{Versions: []gate.VersionView{{Version: "1.0.0", Decision: policy.Decision{State: policy.Grandfathered}}}}
	f.rulings = []store.Ruling{{ID: 1, Policy: "default", Crate: "Serde-Json", Version: "1.0.0", Checksum: crate.Sum(serdeBytes), Action: policy.ActKeep, Reason: "asked its owner", Author: "token:bob", At: noon}}
	f.exceptions = []store.Exception{
		{ID: 2, Policy: "default", Crate: "itoa", Version: "1.0.0", Rule: "cool-off", Reason: "ours", Author: "token:bob", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)},
		{ID: 1, Policy: "secret", Crate: "itoa", Version: "1.0.0", Rule: "cool-off", Reason: "ours", Author: "token:bob", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour), EndedAt: noon, EndedBy: "token:bob"},
	}
	f.events = []store.LineEvent{
		{ID: 2, Key: "serde-json", Version: "1.0.0", What: store.LineYanked, At: noon, Detail: "by its owner"},
		{ID: 1, Key: "serde-json", What: store.FileGone, At: noon.Add(-time.Hour)},
	}
	f.fetches = []store.Fetch{{ID: 9, At: noon, Actor: "token:ci", Policy: "default", Crate: "Serde-Json", Version: "1.0.0", Checksum: crate.Sum(serdeBytes)}}
	f.requests = []store.ReviewRequest{
		{Policy: "default", Crate: "Serde-Json", Version: "1.0.0", Actor: "token:ci", Reason: "the build is red", At: noon},
		{Policy: "secret", Crate: "Serde-Json", Version: "1.0.0", Actor: "token:ci", Reason: "hush", At: noon},
	}
	found := secrets{}
	for name, scopes := range map[string][]string{"alice": {auth.ScopeDecide}, "mallory": {auth.ScopeDecide}, "reader": {auth.ScopeRead}, "root": {auth.ScopeAdmin}} {
		secret, _, err := w.deps.Auth.Create(context.Background(), auth.TokenRequest{Name: name, Scopes: scopes})
		if err != nil {
			panic(err)
		}
		found[name] = secret
	}
	w.deps.Fence = &Fence{
		Gate: f, Records: f, Traces: f, BaseURL: "https://fence.example",
		Allowed: func(token string) []string {
			if token == "" {
				return []string{"default", "strict"}
			}
			return []string{"default", "secret", "strict"}
		},
		Desk: &ruling.Desk{
			Store: f, Releases: w, Lines: f, Policies: f, Now: func() time.Time { return noon },
			People: ruling.People{
				{Name: "Alice", Actors: []string{"token:alice"}, Publishers: []string{"github:alice"}},
				{Name: "Mallory", Actors: []string{"token:mallory"}, Publishers: []string{"github:serde-rs"}},
			},
		},
	}
	w.handler = New(w.deps)
	return f, found
}

// put shows a version at the gate, and what was decided on it in the records.
func (f *fakeFence) put(policyName, name, version string, d policy.Decision) {
	id := store.ID(len(f.records) + 1)
	code := fmt.Sprintf("code%d", id)
	f.views[policyName+"/"+strings.ToLower(name)] = gate.CrateView{Name: name, Versions: []gate.VersionView{{Version: version, Decision: d, Code: code}}}
	f.records = append([]store.DecisionRecord{{
		ID: id, Code: code, Policy: policyName, Crate: name, Version: version, Checksum: crate.Sum(serdeBytes), Decision: d, At: noon.Add(time.Duration(id) * time.Minute),
	}}, f.records...)
}

var errStore = errors.New("no such table: secrets at /var/lib/db")
