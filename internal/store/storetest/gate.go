package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

func testCrateState(t *testing.T, db Database) {
	ctx := t.Context()
	same(t, "nothing", store.CrateState{Key: "serde"}, must(db.CrateState(ctx, "serde"))(t))

	p := publication("Serde", "1.0.0", twoChecks...)
	p.Release.Publisher, p.Release.PublishedAt = "dtolnay", noon.Add(-time.Hour)
	p.Release.About.Description = "left out"
	p.Facts = store.PublishFacts{VCS: true, BuildScript: true}
	first := publish(t, db, p)
	finish(t, db, start(t, db, first.ID, "archive"), func(f *store.Finish) {
		f.Report = report(check.Neutral)
		f.Report.Metrics = map[string]float64{"files": 12, "ratio": 0.5}
	})
	other := publication("Serde", "1.0.0")
	for range 2 {
		other.Release.Checksum[0]++
		_, _, _ = db.Publish(ctx, other) // makes an incident
	}
	second := publish(t, db, publication("Serde", "1.0.1"))
	twoFactor := true
	facts := store.PublishFacts{VCS: true, Trusted: true, TrustedKnown: true, TwoFactor: &twoFactor, PublisherSince: noon.Add(-time.Hour).UTC().Truncate(time.Millisecond), PublisherReleases: 7}
	if err := db.SetPublishFacts(ctx, second.ID, facts); err != nil {
		t.Fatal(err)
	}
	if err := db.SetPublishFacts(ctx, 999, facts); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SetPublishFacts of no release = %v, want ErrNotFound", err)
	}
	save(t, db, store.IndexSave{File: indexFile(t, "Serde", "1.0.0"), Records: []store.LineRecord{lineRecord("serde", "1.0.0")}})

	open := must(db.AddException(ctx, exceptionFor("serde", "1.0.0"), announceAudit()))(t)
	ended := must(db.AddException(ctx, exceptionFor("serde", "1.0.1"), announceAudit()))(t)
	must(db.EndException(ctx, ended.ID, "token:ada", noon, announceAudit()))(t)
	undone := must(db.AddRuling(ctx, rulingOn("Serde", "1.0.0", 0), announceAudit()))(t)
	newest := must(db.AddRuling(ctx, rulingOn("serde", "1.0.0", undone.ID), announceAudit()))(t)
	elsewhere := rulingOn("serde", "1.0.0", 0)
	elsewhere.Policy = "high"
	high := must(db.AddRuling(ctx, elsewhere, announceAudit()))(t)
	// Others are not its.
	publish(t, db, publication("serde_json", "1.0.0", twoChecks...))
	must(db.AddException(ctx, exceptionFor("serde-json", "1.0.0"), announceAudit()))(t)

	first.About = store.About{}
	want := store.CrateState{
		Key:     "serde",
		Records: []store.LineRecord{keptRecord(lineRecord("serde", "1.0.0"))},
		Releases: []store.GateRelease{
			{
				Release: first, Incidents: 2, Facts: p.Facts,
				Checks: []store.GateCheck{
					{Check: "archive", Version: 1, Conclusion: "neutral", Metrics: map[string]float64{"files": 12, "ratio": 0.5}},
					{Check: "provenance", Pending: true},
				},
			},
			{Release: second, Facts: facts},
		},
		Exceptions: []store.Exception{open},
		Rulings:    []store.Ruling{newest, high},
	}
	same(t, "state", want, must(db.CrateState(ctx, "SERDE"))(t))
	// An index may hold names that differ in - and _ alone; intake knows one of them.
	if got := must(db.CrateState(ctx, "serde-json"))(t); len(got.Releases) != 0 || len(got.Exceptions) != 1 {
		t.Errorf("state of serde-json = %+v, want its exception, and no release of serde_json", got)
	}
	if got := must(db.CrateState(ctx, "serde_json"))(t); len(got.Releases) != 1 || len(got.Exceptions) != 0 {
		t.Errorf("state of serde_json = %+v, want its release alone", got)
	}
}

// What is streamed is what is read one by one, of every crate that has anything.
func testCrateStates(t *testing.T, db Database) {
	ctx := t.Context()
	var want []string
	for i := range store.StatesAtOnce/4 + 3 { // four kinds of crates: more than are read at once
		name := func(kind string) string {
			name := fmt.Sprintf("%s%d", kind, i)
			want = append(want, name)
			return name
		}
		publish(t, db, publication(name("released"), "1.0.0", twoChecks[0]))
		recorded := name("recorded")
		save(t, db, store.IndexSave{File: indexFile(t, recorded, "1.0.0"), Records: []store.LineRecord{lineRecord(recorded, "1.0.0")}})
		must(db.AddException(ctx, exceptionFor(name("excepted"), "1.0.0"), announceAudit()))(t)
		must(db.AddRuling(ctx, rulingOn(name("ruled"), "1.0.0", 0), announceAudit()))(t)
	}
	save(t, db, store.IndexSave{File: indexFile(t, "plain", "1.0.0")})
	over := must(db.AddException(ctx, exceptionFor("over", "1.0.0"), announceAudit()))(t)
	must(db.EndException(ctx, over.ID, "token:ada", noon, announceAudit()))(t)

	slices.Sort(want)
	var got []string
	if err := db.CrateStates(ctx, func(s store.CrateState) error {
		got = append(got, s.Key)
		if len(got)%50 == 0 {
			same(t, s.Key, must(db.CrateState(ctx, s.Key))(t), s)
		}
		if len(s.Records)+len(s.Releases)+len(s.Exceptions)+len(s.Rulings) != 1 {
			t.Errorf("state of %q has not one part: %+v", s.Key, s)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	same(t, "crates, by key", want, got)
	stop := errors.New("enough")
	if err := db.CrateStates(ctx, func(store.CrateState) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("CrateStates stopped by its caller = %v, want the caller's error", err)
	}
}

// Which run counts for a gate.
func testGateChecks(t *testing.T, db Database) {
	type step struct {
		version    int              // of the check; queued where it is new
		conclusion check.Conclusion // "" leaves the run queued
	}
	const late = time.Hour
	tests := []struct {
		name  string
		steps []step
		want  store.GateCheck
	}{
		{"none completed", []step{{1, ""}}, store.GateCheck{Pending: true}},
		{"one completed", []step{{1, check.Failure}}, store.GateCheck{Version: 1, Conclusion: "failure"}},
		{"one to be tried again in a while", []step{{1, check.Error}, {1, ""}}, store.GateCheck{Version: 1, Conclusion: "error", NotBefore: kept(noon.Add(late))}},
		{"the newest known", []step{{1, check.Failure}, {1, check.Success}}, store.GateCheck{Version: 1, Conclusion: "success"}},
		// Our trouble takes nothing back.
		{"known before our trouble", []step{{1, check.Success}, {1, check.Error}, {1, check.Error}}, store.GateCheck{Version: 1, Conclusion: "success"}},
		{"never known", []step{{1, check.Error}, {1, check.Inconclusive}}, store.GateCheck{Version: 1, Conclusion: "inconclusive"}},
		// The answer of an older version counts, as that, until the newer one's is here.
		{"a newer version queued", []step{{1, check.Success}, {2, ""}}, store.GateCheck{Version: 1, Conclusion: "success", Pending: true}},
		{"a newer version in trouble", []step{{1, check.Success}, {2, check.Error}}, store.GateCheck{Version: 2, Conclusion: "error"}},
		{"a newer version skips", []step{{1, check.Failure}, {3, check.Skipped}}, store.GateCheck{Version: 3, Conclusion: "skipped"}},
	}
	for i, tt := range tests {
		name := fmt.Sprint("crate", i)
		r := publish(t, db, publication(name, "1.0.0", store.CheckRef{Name: "archive", Version: tt.steps[0].version}))
		for j, s := range tt.steps {
			if j > 0 && s.version != tt.steps[j-1].version {
				must(db.QueueStale(t.Context(), store.CheckRef{Name: "archive", Version: s.version}, noon, 1000))(t)
			}
			if s.conclusion == "" {
				continue
			}
			finish(t, db, start(t, db, r.ID, "archive"), func(f *store.Finish) {
				f.Report = report(s.conclusion)
				f.Report.Metrics = map[string]float64{"step": float64(j)}
				if j+1 < len(tt.steps) && tt.steps[j+1].version == s.version {
					f.Retry = noon.Add(late)
				}
			})
		}
		state := must(db.CrateState(t.Context(), name))(t)
		got := state.Releases[0].Checks
		all := must(db.CheckRuns(t.Context(), r.ID))(t)
		slices.SortFunc(all, func(a, b store.CheckRun) int {
			return cmp.Or(cmp.Compare(a.CheckVersion, b.CheckVersion), cmp.Compare(a.Attempt, b.Attempt))
		})
		same(t, tt.name+": as from all runs", store.GateChecks(all)[r.ID], got)
		if len(got) != 1 {
			t.Errorf("%s: %d checks, want 1", tt.name, len(got))
			continue
		}
		got[0].Metrics = nil
		tt.want.Check = "archive"
		same(t, tt.name, tt.want, got[0])
	}
}
