package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cratefence/cratefence/internal/store"
)

// A fake is a store in memory, filled by the tests.
type fake struct {
	mu        sync.Mutex
	crates    []store.Crate
	releases  []store.Release // newest first within a crate
	states    map[store.ID][]store.CheckState
	facts     map[store.ID]store.CrateFacts
	past      map[store.ID][]store.CheckRun // of the release, newest first
	incidents []store.Incident
	query     store.CrateQuery // the last that was asked
	err       error            // answers everything, when set
}

func (f *fake) Crate(_ context.Context, name string) (store.Crate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.crates {
		if sameName(c.Name, name) {
			return c, f.err
		}
	}
	return store.Crate{}, cmp.Or(f.err, fmt.Errorf("find crate %q: %w", name, store.ErrNotFound))
}

func (f *fake) Crates(ctx context.Context, q store.CrateQuery) (store.CratePage, error) {
	f.query = q
	var page store.CratePage
	for _, c := range f.crates {
		if c.Name <= q.After || !strings.Contains(strings.ToLower(c.Name), strings.ToLower(q.Text)) {
			continue
		}
		if len(page.Crates) == q.Limit {
			page.Next = page.Crates[len(page.Crates)-1].Crate.Name
			break
		}
		r, err := f.ReleaseByID(ctx, c.Default)
		if err != nil {
			return store.CratePage{}, err
		}
		page.Crates = append(page.Crates, store.CrateSummary{Crate: c, Default: r})
	}
	return page, f.err
}

func (f *fake) Release(_ context.Context, name, version string) (store.Release, error) {
	return f.release(func(r store.Release) bool { return r.Crate == name && r.Version == version })
}

func (f *fake) ReleaseByID(_ context.Context, id store.ID) (store.Release, error) {
	return f.release(func(r store.Release) bool { return r.ID == id })
}

func (f *fake) release(is func(store.Release) bool) (store.Release, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.IndexFunc(f.releases, is); i >= 0 {
		return f.releases[i], f.err
	}
	return store.Release{}, cmp.Or(f.err, fmt.Errorf("find release: %w", store.ErrNotFound))
}

func (f *fake) Releases(_ context.Context, crate store.ID) ([]store.Release, error) {
	var all []store.Release
	for _, r := range f.releases {
		if r.CrateID == crate {
			all = append(all, r)
		}
	}
	return all, f.err
}

func (f *fake) LatestReleases(_ context.Context, limit int) ([]store.Release, error) {
	latest := slices.Clone(f.releases)
	slices.SortStableFunc(latest, func(a, b store.Release) int { return b.FirstSeenAt.Compare(a.FirstSeenAt) })
	return latest[:min(limit, len(latest))], f.err
}

func (f *fake) CheckStates(_ context.Context, releases ...store.ID) (map[store.ID][]store.CheckState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := map[store.ID][]store.CheckState{}
	for _, id := range releases {
		states[id] = slices.Clone(f.states[id])
	}
	return states, f.err
}

func (f *fake) CrateFacts(_ context.Context, crate store.ID, _ string) (store.CrateFacts, error) {
	if facts, ok := f.facts[crate]; ok {
		return facts, f.err
	}
	return store.CrateFacts{}, cmp.Or(f.err, fmt.Errorf("find facts: %w", store.ErrNotFound))
}

func (f *fake) Incidents(ctx context.Context, crate store.ID, limit int) ([]store.Incident, error) {
	var all []store.Incident
	for _, i := range f.incidents {
		if r, err := f.ReleaseByID(ctx, i.ReleaseID); err == nil && (crate == 0 || r.CrateID == crate) {
			all = append(all, i)
		}
	}
	return all[:min(limit, len(all))], f.err
}

// add puts a crate into the store; its first release speaks for it.
func (f *fake) add(name string, releases ...store.Release) []store.Release {
	id := store.ID(len(f.crates) + 1)
	for i := range releases {
		r := &releases[i]
		r.ID, r.CrateID, r.Crate = store.ID(len(f.releases)+1), id, name
		f.releases = append(f.releases, *r)
	}
	f.crates = append(f.crates, store.Crate{ID: id, Name: name, Default: releases[0].ID})
	slices.SortFunc(f.crates, func(a, b store.Crate) int { return strings.Compare(a.Name, b.Name) })
	return releases
}

// set says where a release's checks stand.
func (f *fake) set(release store.ID, states ...store.CheckState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.states == nil {
		f.states = map[store.ID][]store.CheckState{}
	}
	slices.SortFunc(states, func(a, b store.CheckState) int { return strings.Compare(a.Check, b.Check) })
	f.states[release] = states
}

func (f *fake) History(_ context.Context, release store.ID, limit int) ([]store.CheckRun, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.past[release], f.err
}
