package gate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// fakeStore is a store in memory. It can be down.
type fakeStore struct {
	mu        sync.Mutex
	down      bool
	files     map[string]store.IndexFile
	states    map[string]*store.CrateState
	baselines []store.Baseline
	events    []store.GateEvent
	decisions []store.DecisionRecord
	reads     int // of single crates
}

var errDown = errors.New("the store is down")

func newFakeStore() *fakeStore {
	return &fakeStore{files: map[string]store.IndexFile{}, states: map[string]*store.CrateState{}}
}

func (f *fakeStore) locked() (func(), error) {
	f.mu.Lock()
	if f.down {
		f.mu.Unlock()
		return nil, errDown
	}
	return f.mu.Unlock, nil
}

func (f *fakeStore) IndexFiles(_ context.Context, yield func(store.IndexFile) error) error {
	unlock, err := f.locked()
	if err != nil {
		return err
	}
	files := slices.Collect(maps.Values(f.files))
	unlock()
	for _, file := range files {
		if err := yield(file); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeStore) CrateStates(_ context.Context, yield func(store.CrateState) error) error {
	unlock, err := f.locked()
	if err != nil {
		return err
	}
	var states []store.CrateState
	for _, state := range f.states {
		states = append(states, clone(state))
	}
	unlock()
	for _, state := range states {
		if err := yield(state); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeStore) Baselines(context.Context) ([]store.Baseline, error) {
	unlock, err := f.locked()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.Clone(f.baselines), nil
}

func (f *fakeStore) IndexFile(_ context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	unlock, err := f.locked()
	if err != nil {
		return store.IndexFile{}, nil, err
	}
	defer unlock()
	f.reads++
	file, ok := f.files[key]
	if !ok {
		return store.IndexFile{}, nil, fmt.Errorf("find index file %q: %w", key, store.ErrNotFound)
	}
	return file, slices.Clone(f.state(key).Records), nil
}

func (f *fakeStore) CrateState(_ context.Context, key string) (store.CrateState, error) {
	unlock, err := f.locked()
	if err != nil {
		return store.CrateState{}, err
	}
	defer unlock()
	return clone(f.state(key)), nil
}

func (f *fakeStore) RecordDecisions(_ context.Context, list []store.DecisionRecord) ([]store.DecisionRecord, error) {
	unlock, err := f.locked()
	if err != nil {
		return nil, err
	}
	defer unlock()
	f.decisions = append(f.decisions, list...)
	return list, nil
}

func (f *fakeStore) Decisions(_ context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error) {
	unlock, err := f.locked()
	if err != nil {
		return nil, err
	}
	defer unlock()
	last := map[subject]store.DecisionRecord{}
	for i, d := range f.decisions {
		d.ID = store.ID(i + 1)
		last[subjectOf(&d)] = d
	}
	var list []store.DecisionRecord
	for _, d := range last {
		if d.Decision.State == q.State && (q.Before == 0 || d.ID < q.Before) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b store.DecisionRecord) int { return cmp.Compare(b.ID, a.ID) })
	return list[:min(len(list), q.Limit)], nil
}

func (f *fakeStore) LastGateEvent(context.Context) (int64, error) {
	unlock, err := f.locked()
	if err != nil {
		return 0, err
	}
	defer unlock()
	return int64(len(f.events)), nil
}

func (f *fakeStore) GateEvents(_ context.Context, after int64) ([]store.GateEvent, error) {
	unlock, err := f.locked()
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.Clone(f.events[after:min(after+3, int64(len(f.events)))]), nil
}

func (f *fakeStore) Wake(ctx context.Context) <-chan struct{} {
	wake := make(chan struct{})
	context.AfterFunc(ctx, func() { close(wake) })
	return wake
}

// state returns a crate's state, and makes it. The store is locked.
func (f *fakeStore) state(key string) *store.CrateState {
	if f.states[key] == nil {
		f.states[key] = &store.CrateState{Key: key}
	}
	return f.states[key]
}

func clone(s *store.CrateState) store.CrateState {
	c := *s
	c.Records, c.Exceptions, c.Rulings = slices.Clone(s.Records), slices.Clone(s.Exceptions), slices.Clone(s.Rulings)
	c.Releases = slices.Clone(s.Releases)
	for i := range c.Releases {
		c.Releases[i].Checks = slices.Clone(c.Releases[i].Checks)
	}
	return c
}

// change changes a crate as one transaction does that leaves an event.
func (f *fakeStore) change(key string, do func(s *store.CrateState)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f.state(key))
	f.event(store.GateCrate, key)
}

func (f *fakeStore) event(what store.GateChange, key string) {
	f.events = append(f.events, store.GateEvent{Seq: int64(len(f.events) + 1), What: what, Key: key})
}

// put stores a crate's file.
func (f *fakeStore) put(name string, seen time.Time, lines ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := store.IndexKey(name)
	file := f.files[key]
	raw := strings.Join(lines, "\n") + "\n"
	file.Key, file.Name, file.Lines, file.Size = key, name, index.Pack([]byte(raw)), len(raw)
	file.FirstSeenAt = cmp.Or(file.FirstSeenAt, seen)
	file.Revision++
	f.files[key] = file
	f.event(store.GateCrate, key)
}

func unzip(t testing.TB, s Served) string {
	t.Helper()
	raw, err := index.Unpack(s.Gzip, s.Size)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// line writes an index line of crate "name version", published at a time, with
// dependencies.
func line(name, version string, at time.Time, deps ...string) string {
	var list []string
	for _, d := range deps {
		list = append(list, fmt.Sprintf(`{"name":%q,"req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}`, d))
	}
	pubtime := ""
	if !at.IsZero() {
		pubtime = fmt.Sprintf(`,"pubtime":%q`, at.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[%s],"cksum":"%s","features":{},"yanked":false%s}`,
		name, version, strings.Join(list, ","), sumOf(name, version), pubtime)
}

func yanked(line string) string { return strings.Replace(line, `"yanked":false`, `"yanked":true`, 1) }

func sumOf(name, version string) crate.Checksum {
	return crate.Checksum(sha256.Sum256([]byte(name + " " + version)))
}

// day is when the tests happen.
var day = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// clock is a clock that is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens a gate on a store at day, under the policy "default" with a
// baseline ten days before.
func open(t testing.TB, f *fakeStore) (*Gate, *clock) {
	t.Helper()
	f.baselines = []store.Baseline{{Policy: "default", At: day.AddDate(0, 0, -10)}}
	c := &clock{now: day}
	g, err := Open(t.Context(), Config{Store: f, Policies: policy.Default(), Checks: map[string]int{"archive": 1}, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}
