package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

func TestServe(t *testing.T) {
	old, young := day.AddDate(-1, 0, 0), day.Add(-time.Hour)
	f := newFakeStore()
	f.put("Old", day, line("Old", "1.0.0", old), yanked(line("Old", "1.1.0", old)))
	f.put("mixed", day, line("mixed", "1.0.0", old), line("mixed", "1.0.1", young))
	g, _ := open(t, f)

	upstream, err := g.Index("default", "old")
	if err != nil {
		t.Fatal(err)
	}
	if want := f.files["old"].Lines; &upstream.Gzip[0] != &want[0] {
		t.Error("a file in which nothing differs is not upstream's own bytes")
	}
	mixed, err := g.Index("default", "mixed")
	if err != nil {
		t.Fatal(err)
	}
	want := line("mixed", "1.0.0", old) + "\n" + yanked(line("mixed", "1.0.1", young)) + "\n"
	if got := unzip(t, mixed); got != want {
		t.Errorf("served\n%s\nwant\n%s", got, want)
	}
	for version, want := range map[string]bool{"1.0.0": true, "1.0.1": false, "1.0.2": false} {
		a, err := g.Admit(t.Context(), "default", "mixed", version, sumOf("mixed", version))
		if err != nil || a.Decision.Passes() != want {
			t.Errorf("Admit mixed %s passes = %t, %v, want %t; %+v", version, a.Decision.Passes(), err, want, a.Decision)
		}
	}
}

// states tells how each version of a crate is served: its state, and whether it
// stands in the index as yanked.
func states(t *testing.T, g *Gate, name string) []string {
	t.Helper()
	view, err := g.Crate("default", name)
	if err != nil {
		t.Fatal(err)
	}
	served, err := g.Index("default", store.IndexKey(name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(unzip(t, served), "\n"), "\n")
	var list []string
	for i, v := range view.Versions {
		text := fmt.Sprintf("%s %s", v.Version, v.Decision.State)
		if v.Yanked {
			text += " yanked"
		}
		if v.Yanked != strings.Contains(lines[i], `"yanked":true`) {
			t.Errorf("%s %s: the page says that it is yanked: %t, the index has %s", name, v.Version, v.Yanked, lines[i])
		}
		a, err := g.Admit(t.Context(), "default", name, v.Version, sumOf(name, v.Version))
		if err != nil || a.Decision.Passes() != v.Served || a.Code != v.Code {
			t.Errorf("%s %s: the page says that it is served: %t, a download gets %+v, %v", name, v.Version, v.Served, a, err)
		}
		list = append(list, text)
	}
	return list
}

// What happened to arrayref on 2026-08-20: whoever took over the account yanked
// the good versions, and published one with a dependency that was minutes old.
func TestArrayref(t *testing.T) {
	old := day.AddDate(-2, 0, 0)
	f := newFakeStore()
	var good []string
	for patch := 5; patch <= 9; patch++ {
		good = append(good, line("arrayref", fmt.Sprintf("0.3.%d", patch), old))
	}
	f.put("arrayref", day, good...)
	g, clock := open(t, f)
	before, err := g.Index("default", "arrayref")
	if err != nil {
		t.Fatal(err)
	}

	clock.add(time.Hour)
	f.put("proc-macro1", clock.Now(), line("proc-macro1", "1.0.107", clock.Now()))
	clock.add(4 * time.Minute)
	published := clock.Now()
	var lines []string
	for _, l := range good {
		lines = append(lines, yanked(l))
	}
	f.put("arrayref", day, append(lines, line("arrayref", "0.3.10", published, "proc-macro1"))...)
	f.change("arrayref", func(s *store.CrateState) {
		for patch := 5; patch <= 9; patch++ {
			version := fmt.Sprintf("0.3.%d", patch)
			s.Records = append(s.Records, store.LineRecord{
				Key: "arrayref", Version: version, Checksum: sumOf("arrayref", version), PublishedAt: old, FirstSeenAt: day, Dated: true,
				Yanked: true, YankedAt: published.Add(-time.Minute),
			})
		}
		s.Records = append(s.Records, store.LineRecord{
			Key: "arrayref", Version: "0.3.10", Checksum: sumOf("arrayref", "0.3.10"), PublishedAt: published, FirstSeenAt: published,
		})
	})
	if err := g.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0.3.5 grandfathered yanked", "0.3.6 grandfathered yanked", "0.3.7 grandfathered yanked", "0.3.8 grandfathered yanked",
		"0.3.9 grandfathered", "0.3.10 quarantined yanked",
	}
	if diff := cmp.Diff(want, states(t, g, "arrayref")); diff != "" {
		t.Errorf("during the attack (-want +got):\n%s", diff)
	}
	a, err := g.Admit(t.Context(), "default", "arrayref", "0.3.10", sumOf("arrayref", "0.3.10"))
	if err != nil {
		t.Fatal(err)
	}
	text := policy.Words(a.Decision, policy.Notice{Name: "arrayref", Version: "0.3.10"})
	if !strings.Contains(text, "proc-macro1, which is 4 minutes old") || !strings.Contains(text, "5 versions") {
		t.Errorf("the refusal reads %q, want it to name the dependency and the yanks", text)
	}

	// The guard is over after three days, and the release stays where it is.
	clock.add(73 * time.Hour)
	if err := g.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	want[4] += " yanked"
	if diff := cmp.Diff(want, states(t, g, "arrayref")); diff != "" {
		t.Errorf("three days later (-want +got):\n%s", diff)
	}
	after, err := g.Index("default", "arrayref")
	if err != nil || after.ETag == before.ETag || !after.Modified.After(before.Modified) {
		t.Errorf("tags %s and %s, modified %s and %s; %v", before.ETag, after.ETag, before.Modified, after.Modified, err)
	}
}

// A decision is served when Apply returns, and who waits for one is woken.
func TestApply(t *testing.T) {
	f := newFakeStore()
	f.put("app", day.AddDate(0, 0, -9), line("app", "1.0.0", day.AddDate(-1, 0, 0)), line("app", "1.0.1", day.AddDate(0, 0, -9)))
	g, _ := open(t, f)
	want := []string{"1.0.0 grandfathered", "1.0.1 unknown yanked"} // its cool-off is over, its checks were never run
	if diff := cmp.Diff(want, states(t, g, "app")); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	a, err := g.Admit(t.Context(), "default", "app", "1.0.1", sumOf("app", "1.0.1"))
	if err != nil || a.Wait == nil || a.TakenIn {
		t.Fatalf("Admit = %+v, %v, want something to wait for", a, err)
	}

	f.change("app", func(s *store.CrateState) {
		s.Releases = []store.GateRelease{{
			Release: store.Release{Crate: "app", Version: "1.0.1", Checksum: sumOf("app", "1.0.1"), FirstSeenAt: day},
			Checks:  []store.GateCheck{{Check: "archive", Version: 1, Conclusion: "success"}},
		}}
		s.Rulings = []store.Ruling{{
			ID: 1, Policy: "default", Crate: "app", Version: "1.0.0", Checksum: sumOf("app", "1.0.0"), Action: policy.ActRevoke, Author: "ann", At: day,
		}}
	})
	if err := g.Apply(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.Wait:
	default:
		t.Error("who waited was not woken")
	}
	want = []string{"1.0.0 revoked yanked", "1.0.1 allowed"}
	if diff := cmp.Diff(want, states(t, g, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The event of a change that was applied already costs no reading.
func TestApplyIsNotRepeated(t *testing.T) {
	f := newFakeStore()
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)))
	g, _ := open(t, f)
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)), line("app", "1.0.1", day))
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error { return g.Apply(ctx, "app") }, g.Follow, func(ctx context.Context) error { return g.Apply(ctx, "app") },
	} {
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f.reads != 1 {
			t.Fatalf("read %d times, want once", f.reads)
		}
	}
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)))
	if err := g.Follow(t.Context()); err != nil || f.reads != 2 {
		t.Fatalf("read %d times, %v, want twice", f.reads, err)
	}
}

// Whoever remembers tokens is told when one may be worth something else.
func TestTokensChanged(t *testing.T) {
	f := newFakeStore()
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)))
	g, _ := open(t, f)
	told := 0
	g.TokensChanged = func() { told++ }
	for _, step := range []struct {
		what store.GateChange
		key  string
		want int
	}{
		{what: store.GateCrate, key: "app", want: 0},
		{what: store.GateBaseline, want: 0},
		{what: store.GateToken, want: 1},
		{what: store.GateAll, want: 2},
		{what: "something new", want: 3},
	} {
		f.event(step.what, step.key)
		if err := g.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if told != step.want {
			t.Errorf("after %q told %d times, want %d", step.what, told, step.want)
		}
	}
}

// Without word from the store what was allowed stays, and nothing is newly so.
func TestBlind(t *testing.T) {
	f := newFakeStore()
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)), line("app", "1.0.1", day.AddDate(0, 0, -11).Add(-24*time.Hour)))
	f.put("new", day, line("new", "1.0.0", day.AddDate(0, 0, -13)))
	g, clock := open(t, f)
	before := states(t, g, "app")
	if diff := cmp.Diff([]string{"1.0.0 held yanked"}, states(t, g, "new")); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}

	f.down = true
	clock.add(48 * time.Hour) // its fortnight is over
	if err := g.Follow(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("Follow: %v", err)
	}
	if !g.Health().Blind {
		t.Error("nobody is told")
	}
	if diff := cmp.Diff(before, states(t, g, "app")); diff != "" {
		t.Errorf("what was allowed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1.0.0 held yanked"}, states(t, g, "new")); diff != "" {
		t.Errorf("what was held (-want +got):\n%s", diff)
	}

	f.down = false
	if err := g.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0.0 grandfathered"}, states(t, g, "new")); diff != "" || g.Health().Blind {
		t.Errorf("when the store is back (-want +got):\n%s", diff)
	}
}

// Lines that should not be there cost their own version and no other.
func TestHostileLines(t *testing.T) {
	old := day.AddDate(-1, 0, 0)
	first := line("app", "1.0.0", old)
	long := strings.Replace(line("app", "1.0.3", old), `"features":{}`, `"features":{"x":["`+strings.Repeat("y", 300_000)+`"]}`, 1)
	f := newFakeStore()
	f.put("app", day,
		first,
		strings.Replace(line("app", "1.0.1", old), `"yanked":false`, `"yanked":true,"yanked":false`, 1),
		line("other", "1.0.2", old),
		"not JSON",
		strings.Replace(first, "1.0.0", "1.0.0+again", 1), // to cargo the same version
		long,
	)
	g, _ := open(t, f)
	served, err := g.Index("default", "app")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := unzip(t, served), first+"\n"+long+"\n"; got != want {
		t.Errorf("served %d bytes, want the first and the long line", len(got))
	}
	for _, version := range []string{"1.0.1", "1.0.2", "1.0.0+again"} {
		a, err := g.Admit(t.Context(), "default", "app", version, sumOf("app", version))
		if err != nil || a.Listed || a.Decision.Passes() {
			t.Errorf("Admit %s = %+v, %v, want that it is not listed", version, a, err)
		}
	}
	if view, err := g.Crate("default", "APP"); err != nil || view.Bad != 4 {
		t.Errorf("%d lines are told to be left out, %v, want 4", view.Bad, err)
	}
}

// What is stored and cannot be read is not served, and stops nothing else.
func TestUnreadable(t *testing.T) {
	f := newFakeStore()
	for name, spoil := range map[string]func(*store.IndexFile){
		"cut":    func(f *store.IndexFile) { f.Lines = f.Lines[:len(f.Lines)/2] },
		"longer": func(f *store.IndexFile) { f.Size-- },
		"huge":   func(f *store.IndexFile) { f.Size = 1 << 40 },
		"plain":  func(f *store.IndexFile) { f.Lines = []byte("plain") },
	} {
		f.put(name, day, line(name, "1.0.0", day.AddDate(-1, 0, 0)))
		file := f.files[name]
		spoil(&file)
		f.files[name] = file
	}
	f.put("good", day, line("good", "1.0.0", day.AddDate(-1, 0, 0)))
	g, _ := open(t, f)
	for name := range f.files {
		_, err := g.Index("default", name)
		_, errAdmit := g.Admit(t.Context(), "default", name, "1.0.0", sumOf(name, "1.0.0"))
		if want := name != "good"; errors.Is(err, ErrUnreadable) != want || errors.Is(errAdmit, ErrUnreadable) != want {
			t.Errorf("%s: Index: %v, Admit: %v", name, err, errAdmit)
		}
	}
}

func TestNotReady(t *testing.T) {
	g := New(Config{Store: newFakeStore(), Policies: policy.Default()})
	_, err := g.Index("default", "app")
	_, errAdmit := g.Admit(t.Context(), "default", "app", "1.0.0", sumOf("app", "1.0.0"))
	_, errCrate := g.Crate("default", "app")
	for _, err := range []error{err, errAdmit, errCrate, g.Ready()} {
		if !errors.Is(err, ErrNotReady) {
			t.Errorf("before the first snapshot: %v", err)
		}
	}
	if err := g.Load(t.Context()); err != nil || g.Ready() != nil {
		t.Fatal(err, g.Ready())
	}
	if _, err := g.Index("strict", "app"); !errors.Is(err, ErrPolicy) {
		t.Errorf("Index under no policy: %v", err)
	}
}

// A policy that is put in force counts from the next request on.
func TestReload(t *testing.T) {
	f := newFakeStore()
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)))
	g, _ := open(t, f)
	if diff := cmp.Diff([]string{"1.0.0 grandfathered"}, states(t, g, "app")); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	set, err := policy.Parse([]byte("[policy.default]\npreset = \"low\"\n[[policy.default.crate]]\nname = \"app\"\ndeny = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	g.Reload(set)
	if diff := cmp.Diff([]string{"1.0.0 quarantined yanked"}, states(t, g, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// hastyStore has something happen while the snapshot is read.
type hastyStore struct {
	*fakeStore
	meanwhile func()
}

func (s *hastyStore) CrateStates(ctx context.Context, yield func(store.CrateState) error) error {
	var states []store.CrateState
	if err := s.fakeStore.CrateStates(ctx, func(state store.CrateState) error {
		states = append(states, state)
		return nil
	}); err != nil {
		return err
	}
	s.meanwhile()
	for _, state := range states {
		if err := yield(state); err != nil {
			return err
		}
	}
	return nil
}

// A crate that is read by itself while everything is read again is not set back.
func TestLoadSetsNothingBack(t *testing.T) {
	f := newFakeStore()
	f.put("app", day, line("app", "1.0.0", day.AddDate(-1, 0, 0)))
	g, _ := open(t, f)
	g.Store = &hastyStore{f, func() {
		f.change("app", func(s *store.CrateState) {
			s.Rulings = []store.Ruling{{
				ID: 1, Policy: "default", Crate: "app", Version: "1.0.0", Checksum: sumOf("app", "1.0.0"), Action: policy.ActRevoke, Author: "ann", At: day,
			}}
		})
		if err := g.Apply(t.Context(), "app"); err != nil {
			t.Error(err)
		}
	}}
	if err := g.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0.0 revoked yanked"}, states(t, g, "app")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// betweenStore has something happen after the first of the two readings that make
// an entry.
type betweenStore struct {
	*fakeStore
	meanwhile func()
}

func (s *betweenStore) between() {
	if do := s.meanwhile; do != nil {
		s.meanwhile = nil
		do()
	}
}

func (s *betweenStore) IndexFiles(ctx context.Context, yield func(store.IndexFile) error) error {
	defer s.between()
	return s.fakeStore.IndexFiles(ctx, yield)
}

func (s *betweenStore) CrateStates(ctx context.Context, yield func(store.CrateState) error) error {
	defer s.between()
	return s.fakeStore.CrateStates(ctx, yield)
}

func (s *betweenStore) IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	defer s.between()
	return s.fakeStore.IndexFile(ctx, key)
}

func (s *betweenStore) CrateState(ctx context.Context, key string) (store.CrateState, error) {
	defer s.between()
	return s.fakeStore.CrateState(ctx, key)
}

// A line that comes with a date of last year, while its crate is being read, is
// never believed: without its record it would be.
func TestLateLine(t *testing.T) {
	old := day.AddDate(-1, 0, 0)
	for name, read := range map[string]func(g *Gate) error{
		"all": func(g *Gate) error { return g.load(t.Context()) },
		"one": func(g *Gate) error { return g.apply(t.Context(), "app", 99) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeStore()
			f.put("app", day, line("app", "1.0.0", old))
			g, _ := open(t, f)
			g.Store = &betweenStore{f, func() {
				f.put("app", day, line("app", "1.0.0", old), line("app", "1.0.1", old))
				f.change("app", func(s *store.CrateState) {
					s.Records = []store.LineRecord{{Key: "app", Version: "1.0.1", Checksum: sumOf("app", "1.0.1"), PublishedAt: old, FirstSeenAt: day}}
				})
			}}
			if err := read(g); err != nil {
				t.Fatal(err)
			}
			a, err := g.Admit(t.Context(), "default", "app", "1.0.1", sumOf("app", "1.0.1"))
			if err != nil || a.Decision.Passes() {
				t.Errorf("Admit = %+v, %v, want a refusal", a, err)
			}
		})
	}
}

// Many ask while things change; the race detector looks on.
func TestMany(t *testing.T) {
	f := newFakeStore()
	for _, name := range []string{"app", "lib"} {
		f.put(name, day, line(name, "1.0.0", day.AddDate(-1, 0, 0)), line(name, "1.0.1", day.Add(-time.Hour), "app", "lib"))
	}
	g, clock := open(t, f)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { g.Run(ctx) })
	for n := range 4 {
		group.Go(func() {
			for range 300 {
				name := []string{"app", "lib"}[n%2]
				if _, err := g.Index("default", name); err != nil {
					t.Error(err)
				}
				if _, err := g.Admit(ctx, "default", name, "1.0.1", sumOf(name, "1.0.1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 50 {
		f.change("lib", func(s *store.CrateState) {
			s.Rulings = append(s.Rulings, store.Ruling{
				ID: store.ID(n + 1), Policy: "default", Version: "1.0.0", Checksum: sumOf("lib", "1.0.0"), Action: policy.ActKeep, At: clock.Now(),
			})
		})
		if err := g.Apply(ctx, "lib"); err != nil {
			t.Error(err)
		}
		clock.add(time.Minute)
		g.AdvisoriesChanged()
	}
	stop()
	group.Wait()
}

// What was in force for a moment is on record, in the order in which it was: by
// it something may have been let through.
func TestRecordsWhatWasOvertaken(t *testing.T) {
	f := newFakeStore()
	f.put("app", day.AddDate(0, 0, -20), line("app", "1.0.0", day.AddDate(-1, 0, 0)), line("app", "1.0.1", day))
	f.change("app", func(s *store.CrateState) {
		s.Records = []store.LineRecord{{Key: "app", Version: "1.0.1", Checksum: sumOf("app", "1.0.1"), PublishedAt: day, FirstSeenAt: day}}
	})
	g, _ := open(t, f)
	var log strings.Builder
	g.Log = slog.New(slog.NewTextHandler(&log, nil))
	if err := g.sweepAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, action := range []policy.Action{policy.ActAllow, policy.ActBlock} {
		f.change("app", func(s *store.CrateState) {
			s.Rulings = []store.Ruling{{ID: store.ID(i + 1), Policy: "default", Version: "1.0.1", Checksum: sumOf("app", "1.0.1"), Action: action}}
		})
		if err := g.Apply(t.Context(), "app"); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []policy.State
	for _, d := range f.decisions {
		got = append(got, d.Decision.State)
	}
	if diff := cmp.Diff([]policy.State{policy.Held, policy.Waived, policy.Quarantined}, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	if n := strings.Count(log.String(), "msg=decided policy=default crate=app version=1.0.1"); n != len(got) {
		t.Errorf("%d decisions are logged, want %d:\n%s", n, len(got), &log)
	}
}
