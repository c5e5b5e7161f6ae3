package gate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// The evidence on app 1.0.2, which was published an hour ago after 1.0.0 and
// 1.0.1 of last year.
func TestEvidence(t *testing.T) {
	var (
		old    = day.AddDate(-1, 0, 0)
		young  = day.Add(-time.Hour)
		seen   = day.Add(-30 * time.Minute)
		sum    = sumOf("app", "1.0.2")
		yes    = true
		notYet = []policy.CheckResult{{Check: "archive", Current: 1, Pending: true}}
	)
	record := store.LineRecord{Key: "app", Version: "1.0.2", Checksum: sum, PublishedAt: young, FirstSeenAt: seen}
	release := func(version, publisher string, at time.Time) store.GateRelease {
		return store.GateRelease{Release: store.Release{
			Crate: "app", Version: version, Checksum: sumOf("app", version), Publisher: publisher, PublishedAt: at, FirstSeenAt: day,
		}}
	}
	base := func(change func(ev *policy.Evidence)) policy.Evidence {
		ev := policy.Evidence{
			Name: "app", Version: "1.0.2", Checksum: sum, PublishedAt: young, FirstSeenAt: seen,
			Kind: policy.Update, Previous: "1.0.1", Silence: young.Sub(old.Add(time.Hour)), Checks: notYet,
		}
		if change != nil {
			change(&ev)
		}
		return ev
	}
	tests := []struct {
		name  string
		deps  []string
		state func(s *store.CrateState)
		want  policy.Evidence
	}{
		{name: "the line alone", want: base(nil)},
		{ // lib came with its first look a year ago; new was seen a minute after its date
			name: "dependencies", deps: []string{"lib", "new", "nowhere"},
			want: base(func(ev *policy.Evidence) {
				ev.FirstDependencies = true
				ev.Dependencies = []policy.NewDependency{
					{Name: "lib", Kind: "normal", Known: true, FirstPublished: old},
					{Name: "new", Kind: "normal", Known: true, FirstPublished: young.Add(time.Minute)},
					{Name: "nowhere", Kind: "normal"},
				}
			}),
		},
		{ // the webhook was faster than the index
			name: "taken in before its line was seen",
			state: func(s *store.CrateState) {
				s.Releases = []store.GateRelease{release("1.0.2", "", young)}
				s.Releases[0].Release.FirstSeenAt = young.Add(time.Second)
			},
			want: base(func(ev *policy.Evidence) {
				ev.FirstSeenAt = young.Add(time.Second)
				ev.Checks = []policy.CheckResult{{Check: "archive", Current: 1}}
			}),
		},
		{
			name: "checks that ran, one of them not ours",
			state: func(s *store.CrateState) {
				s.Releases = []store.GateRelease{release("1.0.2", "", young)}
				s.Releases[0].Checks = []store.GateCheck{
					{Check: "acme/scan", Version: 7, Conclusion: "failure", Metrics: map[string]float64{"hits": 2}},
					{Check: "archive", Pending: true},
				}
			},
			want: base(func(ev *policy.Evidence) {
				ev.Checks = []policy.CheckResult{
					{Check: "acme/scan", Version: 7, Conclusion: "failure", Metrics: map[string]float64{"hits": 2}},
					{Check: "archive", Current: 1, Pending: true},
				}
			}),
		},
		{ // neither the index nor the webhook is believed
			name: "announced with other bytes",
			state: func(s *store.CrateState) {
				s.Releases = []store.GateRelease{release("1.0.2", "", young)}
				s.Releases[0].Release.Checksum = crate.Checksum{1}
			},
			want: base(func(ev *policy.Evidence) {
				ev.Line, ev.LineSince, ev.OtherBytes = policy.LineOtherBytes, day, true
			}),
		},
		{
			name: "a publisher of some standing, and what the one before had",
			state: func(s *store.CrateState) {
				s.Releases = []store.GateRelease{release("1.0.0", "ann", old), release("1.0.1", "bob", old.Add(time.Hour)), release("1.0.2", "ann", young)}
				s.Releases[0].Incidents = 2
				s.Releases[1].Facts = store.PublishFacts{VCS: true, Trusted: true, TrustedKnown: true}
				s.Releases[2].Facts = store.PublishFacts{BuildScript: true, TwoFactor: &yes}
			},
			want: base(func(ev *policy.Evidence) {
				ev.Checks = []policy.CheckResult{{Check: "archive", Current: 1}}
				ev.Publisher = policy.Publisher{Name: "ann", Since: old, Releases: 1, Incidents: 2, TwoFactor: &yes}
				ev.Compared, ev.LostVCS, ev.LostTrust, ev.NewBuildScript = true, true, true, true
			}),
		},
		{ // who brings the bytes may say that anybody published them, and since when
			name: "a publisher that only the submitter names",
			state: func(s *store.CrateState) {
				s.Releases = []store.GateRelease{release("1.0.0", "ann", old), release("1.0.2", "ann", young)}
				for i := range s.Releases {
					s.Releases[i].Release.Via = store.ViaSubmit
				}
			},
			want: base(func(ev *policy.Evidence) {
				ev.Checks = []policy.CheckResult{{Check: "archive", Current: 1}}
			}),
		},
		{ // the publication's own yank is none around it, nor is one that was always there
			name: "yanks around",
			state: func(s *store.CrateState) {
				s.Records = append(s.Records,
					store.LineRecord{Version: "1.0.0", Checksum: sumOf("app", "1.0.0"), PublishedAt: old, FirstSeenAt: old, Dated: true, YankedAt: young.Add(-23 * time.Hour)},
					store.LineRecord{Version: "1.0.1", Checksum: sumOf("app", "1.0.1"), PublishedAt: old.Add(time.Hour), FirstSeenAt: old, Dated: true, YankedAt: young.Add(-26 * time.Hour)},
				)
				s.Records[0].Yanked, s.Records[0].YankedAt = true, day
			},
			want: base(func(ev *policy.Evidence) { ev.YanksAround = 1 }),
		},
		{ // who yanked them to get this one through can unyank them
			name:  "yanks around that were taken back",
			state: func(s *store.CrateState) { s.Records[0].Wave = 3 },
			want:  base(func(ev *policy.Evidence) { ev.YanksAround = 3 }),
		},
		{ // upstream changed its mind about the bytes
			name: "trouble",
			state: func(s *store.CrateState) {
				s.Records[0].Trouble, s.Records[0].TroubleAt = policy.LineOtherBytes, day
			},
			want: base(func(ev *policy.Evidence) { ev.Line, ev.LineSince, ev.OtherBytes = policy.LineOtherBytes, day, true }),
		},
		{
			name: "people, and whom they meant",
			state: func(s *store.CrateState) {
				x := store.Exception{ID: 1, Policy: "default", Version: "1.0.2", Checksum: sum, Rule: "cool-off", Author: "ann", Reason: "why", ExpiresAt: day}
				for _, change := range []func(x *store.Exception){
					func(x *store.Exception) {}, func(x *store.Exception) { x.Policy = "strict" }, func(x *store.Exception) { x.EndedAt = day },
					func(x *store.Exception) { x.Checksum = crate.Checksum{1} }, func(x *store.Exception) { x.Version = "1.0.1" },
				} {
					another := x
					change(&another)
					s.Exceptions = append(s.Exceptions, another)
				}
				r := store.Ruling{ID: 9, Policy: "default", Version: "1.0.2", Checksum: sum, Action: policy.ActAllow, Author: "ann", At: day, Impartial: true}
				earlier, elsewhere := r, r
				earlier.ID, earlier.Action = 8, policy.ActBlock
				elsewhere.ID, elsewhere.Policy = 10, "strict"
				s.Rulings = []store.Ruling{r, earlier, elsewhere}
			},
			want: base(func(ev *policy.Evidence) {
				ev.Exceptions = []policy.Exception{{ID: 1, Rule: "cool-off", Author: "ann", Reason: "why", Expires: day}}
				ev.Ruling = &policy.Ruling{Action: policy.ActAllow, Author: "ann", At: day, Impartial: true}
			}),
		},
		{ // stopped by a person, 1.0.1 is no measure any more
			name: "measured by what is sound",
			state: func(s *store.CrateState) {
				s.Rulings = []store.Ruling{{ID: 1, Policy: "default", Version: "1.0.1", Checksum: sumOf("app", "1.0.1"), Action: policy.ActRevoke}}
			},
			want: base(func(ev *policy.Evidence) { ev.Previous = "1.0.0" }),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeStore()
			f.put("lib", day.AddDate(-1, 0, 1), line("lib", "0.1.0", old), line("lib", "0.2.0", young))
			f.put("new", young.Add(time.Minute), line("new", "0.1.0", time.Time{}))
			f.put("app", day, line("app", "1.0.0", old), line("app", "1.0.1", old.Add(time.Hour)), line("app", "1.0.2", young, tt.deps...))
			f.state("app").Records = []store.LineRecord{record}
			if tt.state != nil {
				tt.state(f.state("app"))
			}
			g, _ := open(t, f)
			q, err := g.inquire(g.all()[0], g.crates.get("app").entry.Load(), day)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, q.evidence(2), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A dependency of another registry is not one of this index, whatever its name.
func TestDependencyElsewhere(t *testing.T) {
	f := newFakeStore()
	f.put("lib", day, line("lib", "0.1.0", day.AddDate(-1, 0, 0)))
	f.put("app", day, strings.Replace(line("app", "1.0.0", day, "lib"), `"kind":"normal"`, `"kind":"normal","registry":"https://example.com/index"`, 1))
	g, _ := open(t, f)
	view, err := g.Crate("default", "app")
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.NewDependency{{Name: "lib", Kind: "normal"}}
	if diff := cmp.Diff(want, view.Versions[0].Evidence.Dependencies); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A line may name ten thousand crates that there are not. Only so many are looked
// for, and the release waits as for one of which nothing is known.
func TestDependenciesWithoutEnd(t *testing.T) {
	deps := make([]string, 2*maxAdded)
	for i := range deps {
		deps[i] = fmt.Sprintf("lib%d", i)
	}
	f := newFakeStore()
	for _, name := range deps[:maxAdded+1] {
		f.put(name, day, line(name, "0.1.0", day.AddDate(-1, 0, 0)))
	}
	f.put("app", day, line("app", "1.0.0", day, deps...))
	g, _ := open(t, f)
	view, err := g.Crate("default", "app")
	if err != nil {
		t.Fatal(err)
	}
	got := view.Versions[0].Evidence.Dependencies
	if len(got) != maxAdded+1 || !got[maxAdded-1].Known || got[maxAdded].Known {
		t.Errorf("%d dependencies are told, want %d of which the last is not known", len(got), maxAdded+1)
	}
	if g.crates.get(deps[2*maxAdded-1]) != nil {
		t.Error("every name that a line makes up is kept in memory")
	}
}

// A crate that comes into the index changes what depends on it.
func TestDependencyComes(t *testing.T) {
	f := newFakeStore()
	f.put("app", day, line("app", "1.0.0", day.AddDate(0, 0, -20)), line("app", "1.0.1", day, "lib"))
	g, _ := open(t, f)
	text := func() string {
		if _, err := g.Index("default", "app"); err != nil {
			t.Fatal(err)
		}
		view, err := g.Crate("default", "app")
		if err != nil {
			t.Fatal(err)
		}
		return policy.Words(view.Versions[1].Decision, policy.Notice{Name: "app", Version: "1.0.1"})
	}
	if got := text(); !strings.Contains(got, "lib, which is not in the index") {
		t.Errorf("before it comes: %q", got)
	}
	f.put("lib", day, line("lib", "0.1.0", day.Add(-time.Minute)))
	if err := g.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(); strings.Contains(got, "not in the index") {
		t.Errorf("when it is there: %q", got)
	}
	p := g.all()[0].panes.get("app")
	if p.view.Load().stands(g, day) != true {
		t.Error("the view was not made anew by the request")
	}
}

func TestRecorder(t *testing.T) {
	decision := func(version string, state policy.State) store.DecisionRecord {
		return store.DecisionRecord{Policy: "default", Crate: "app", Version: version, Decision: policy.Decision{State: state}}
	}
	var rec recorder
	rec.init()
	rec.add(decision("1.0.0", policy.Held))
	rec.add(decision("1.0.0", policy.Held)) // no change
	rec.add(decision("1.0.1", policy.Held))
	first := rec.take()
	if len(first) != 2 {
		t.Fatalf("%d decisions wait, want 2", len(first))
	}
	// The store is down, and meanwhile one of them changes, twice.
	rec.add(decision("1.0.1", policy.Allowed))
	rec.add(decision("1.0.1", policy.Quarantined))
	rec.giveBack(first)
	want := []store.DecisionRecord{
		decision("1.0.0", policy.Held), decision("1.0.1", policy.Held), decision("1.0.1", policy.Allowed), decision("1.0.1", policy.Quarantined),
	}
	if diff := cmp.Diff(want, rec.take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What there is no room for is taken at the next try.
	for i := range maxWaiting + 1 {
		d := decision("1.0.0", policy.Held)
		d.Crate = strings.Repeat("a", 1+i%64) + strings.Repeat("b", i/64)
		rec.add(d)
	}
	if waiting, lost := rec.count(); waiting != maxWaiting || lost != 1 {
		t.Errorf("%d wait and %d are lost, want %d and 1", waiting, lost, maxWaiting)
	}
}
