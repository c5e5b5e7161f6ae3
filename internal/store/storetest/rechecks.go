package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

var (
	provenance = store.CheckRef{Name: "provenance", Version: 2}
	unhurried  = store.Pace{Batch: 100, Hour: 1000}
)

// concluded publishes a release whose check provenance has concluded, and whose
// answer is old at due.
func concluded(t *testing.T, db Database, version string, c check.Conclusion, due time.Time) store.Release {
	t.Helper()
	r := publish(t, db, publication("serde", version, provenance))
	finish(t, db, start(t, db, r.ID, "provenance"), func(f *store.Finish) { f.Report, f.Recheck = report(c), due })
	return r
}

func testQueueRechecks(t *testing.T, db Database) {
	ctx := t.Context()
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	late := concluded(t, db, "1.0.0", check.Success, hour(5))
	early := concluded(t, db, "2.0.0", check.Failure, hour(1))
	never := concluded(t, db, "3.0.0", check.Success, time.Time{})
	soon := concluded(t, db, "4.0.0", check.Inconclusive, hour(2))
	tests := []struct {
		name string
		ref  store.CheckRef
		at   time.Time
		pace store.Pace
		want []store.Release // in order of their rechecks
	}{
		{"nothing is old yet", provenance, hour(0), unhurried, nil},
		{"of another check", store.CheckRef{Name: "archive", Version: 1}, hour(9), unhurried, nil},
		{"of another version of the check", store.CheckRef{Name: "provenance", Version: 3}, hour(9), unhurried, nil},
		{"no hour to spend", provenance, hour(3), store.Pace{Batch: 5}, nil},
		{"the oldest first, in batches", provenance, hour(3), store.Pace{Batch: 1, Hour: 1000}, []store.Release{early}},
		{"the hour is spent", provenance, hour(3).Add(59 * time.Minute), store.Pace{Batch: 5, Hour: 1}, nil},
		{"the next hour", provenance, hour(4), store.Pace{Batch: 5, Hour: 1}, []store.Release{soon}},
		{"each once", provenance, hour(9), unhurried, []store.Release{late}},
		{"and that is all", provenance, hour(9), unhurried, nil},
	}
	for _, tt := range tests {
		before := len(db.jobs(t))
		if n, err := db.QueueRechecks(ctx, tt.ref, tt.at, tt.pace); err != nil || n != len(tt.want) {
			t.Errorf("%s: QueueRechecks = %d, %v; want %d", tt.name, n, err, len(tt.want))
		}
		for i, r := range tt.want {
			got := must(db.CheckRuns(ctx, r.ID))(t)[0]
			same(t, tt.name, store.CheckRun{
				ReleaseID: r.ID, Crate: "serde", Version: r.Version, Checksum: r.Checksum, Check: "provenance", CheckVersion: 2,
				Attempt: 2, Again: true, Status: store.Queued, QueuedAt: kept(tt.at),
			}, got, cmpopts.IgnoreFields(store.CheckRun{}, "ID"))
			same(t, tt.name, runJob(got.ID, store.PriorityStale, time.Time{}), db.jobs(t)[before+i])
		}
	}
	if runs := must(db.CheckRuns(ctx, never.ID))(t); len(runs) != 1 {
		t.Errorf("%d runs of an answer that does not grow old, want 1", len(runs))
	}
	// Its end says when the next is due, and the history has every attempt.
	finish(t, db, start(t, db, early.ID, "provenance"), func(f *store.Finish) { f.Recheck = hour(20) })
	if n := must(db.QueueRechecks(ctx, provenance, hour(20), unhurried))(t); n != 1 {
		t.Errorf("%d due after a recheck, want 1", n)
	}
	var attempts []int
	for _, run := range must(db.CheckRuns(ctx, early.ID))(t) {
		attempts = append(attempts, run.Attempt)
	}
	same(t, "attempts", []int{3, 2, 1}, attempts)
}

// A release that is on its way is not asked twice, and a late answer of an older
// version of the check does not undo the newer one's time.
func testRecheckOnItsWay(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", provenance))
	old := start(t, db, r.ID, "provenance")
	raised := store.CheckRef{Name: "provenance", Version: 3}
	must(db.QueueStale(ctx, raised, noon, 10))(t)
	finish(t, db, start(t, db, r.ID, "provenance"), func(f *store.Finish) { f.Recheck = noon })
	finish(t, db, old, func(f *store.Finish) { f.Recheck = noon })
	if n := must(db.QueueRechecks(ctx, provenance, noon, unhurried))(t); n != 0 {
		t.Errorf("%d rechecks by the older version, want none", n)
	}
	if queued := must(db.Recheck(ctx, raised, r.ID, noon.Add(time.Hour), noon, 10))(t); !queued {
		t.Error("a visit queued nothing, want a recheck by the newer version")
	}
	if n := must(db.QueueRechecks(ctx, raised, noon, unhurried))(t); n != 0 {
		t.Errorf("%d rechecks beside the one on its way, want none", n)
	}
	finish(t, db, start(t, db, r.ID, "provenance"), func(f *store.Finish) { f.Recheck = noon })
	if n := must(db.QueueRechecks(ctx, raised, noon, unhurried))(t); n != 1 {
		t.Errorf("%d rechecks after that, want 1", n)
	}
}

func testRecheckOnce(t *testing.T, db Database) {
	ctx := t.Context()
	r := concluded(t, db, "1.0.0", check.Success, time.Time{}) // completed a second past noon
	fresh := publish(t, db, publication("serde", "2.0.0", provenance))
	tests := []struct {
		name    string
		ref     store.CheckRef
		release store.ID
		since   time.Time
		hour    int
		want    bool
	}{
		{"answered since", provenance, r.ID, noon, 10, false},
		{"no hour to spend", provenance, r.ID, noon.Add(time.Hour), 0, false},
		{"never asked", store.CheckRef{Name: "archive", Version: 1}, r.ID, noon.Add(time.Hour), 10, false},
		{"not answered yet", provenance, fresh.ID, noon.Add(time.Hour), 10, false},
		{"no release", provenance, 999, noon.Add(time.Hour), 10, false},
		{"old", provenance, r.ID, noon.Add(time.Hour), 10, true},
		{"on its way", provenance, r.ID, noon.Add(time.Hour), 10, false},
	}
	for _, tt := range tests {
		got, err := db.Recheck(ctx, tt.ref, tt.release, tt.since, noon.Add(2*time.Hour), tt.hour)
		if err != nil || got != tt.want {
			t.Errorf("%s: Recheck = %t, %v; want %t", tt.name, got, err, tt.want)
		}
	}
	if runs := must(db.CheckRuns(ctx, r.ID))(t); len(runs) != 2 || !runs[0].Again || runs[0].Attempt != 2 {
		t.Errorf("runs %+v, want a second attempt alone", runs)
	}
}

// What several workers and visitors ask for at once is asked once.
func testRechecksAtOnce(t *testing.T, db Database) {
	const releases = 20
	var ids []store.ID
	for i := range releases {
		ids = append(ids, concluded(t, db, fmt.Sprintf("1.0.%d", i), check.Success, noon).ID)
	}
	later := noon.Add(time.Hour)
	var total atomic.Int32
	atOnce(func(i int) {
		n, err := db.QueueRechecks(t.Context(), provenance, later, unhurried)
		queued, visitErr := db.Recheck(t.Context(), provenance, ids[i%releases], later, later, 1000)
		if queued {
			n++
		}
		total.Add(int32(n))
		if err := errors.Join(err, visitErr); err != nil {
			t.Error(err)
		}
	})
	n := must(db.Counts(t.Context()))(t).Runs[store.Queued]
	if jobs := len(db.jobs(t)) - releases; total.Load() != releases || n != releases || jobs != releases {
		t.Errorf("said %d, %d runs, %d jobs; want %d of each", total.Load(), n, jobs, releases)
	}
}

// What was once known counts until something else is known.
func testWhatCounts(t *testing.T, db Database) {
	tests := []struct {
		name        string
		conclusions []check.Conclusion // of attempts 1, 2, …
		counts      int
		later       int // 0: none
	}{
		{"a host that is away takes nothing back", []check.Conclusion{check.Success, check.Inconclusive}, 1, 2},
		{"nor does trouble of ours", []check.Conclusion{check.Success, check.Error}, 1, 2},
		{"however often", []check.Conclusion{check.Success, check.Inconclusive, check.Error, check.Inconclusive}, 1, 4},
		{"a failure stays as well", []check.Conclusion{check.Failure, check.Inconclusive}, 1, 2},
		{"what is known anew counts", []check.Conclusion{check.Success, check.Inconclusive, check.Neutral}, 3, 0},
		{"for worse, too", []check.Conclusion{check.Success, check.Failure}, 2, 0},
		{"while nothing is known, the newest", []check.Conclusion{check.Inconclusive, check.Error}, 2, 0},
		{"the first that knew", []check.Conclusion{check.Error, check.Inconclusive, check.Success}, 3, 0},
		{"what does not apply says nothing new", []check.Conclusion{check.Success, check.Skipped}, 1, 2},
	}
	for i, tt := range tests {
		r := publish(t, db, publication("serde", fmt.Sprintf("1.0.%d", i), provenance))
		for _, c := range tt.conclusions {
			finish(t, db, start(t, db, r.ID, "provenance"), func(f *store.Finish) { f.Report, f.Retry = report(c), noon })
		}
		state := must(db.CheckStates(t.Context(), r.ID))(t)[r.ID][0]
		if state.Counts == nil || state.Counts.Attempt != tt.counts {
			t.Errorf("%s: %+v counts, want attempt %d", tt.name, state.Counts, tt.counts)
		}
		later := 0
		if state.Later != nil {
			later = state.Later.Attempt
		}
		if later != tt.later {
			t.Errorf("%s: attempt %d is later, want %d", tt.name, later, tt.later)
		}
		if want := len(tt.conclusions) + 1; state.Pending == nil || state.Pending.Attempt != want {
			t.Errorf("%s: %+v is pending, want attempt %d", tt.name, state.Pending, want)
		}
	}
}

func testAnswer(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	attempt := func(c check.Conclusion, facts string) store.CheckRun {
		run := start(t, db, r.ID, "provenance")
		finish(t, db, run, func(f *store.Finish) {
			f.Report, f.Retry = report(c), noon
			f.Report.Facts = []byte(facts)
		})
		return run
	}
	finish(t, db, start(t, db, r.ID, "archive"), nil)
	first := attempt(check.Error, `{}`)
	if _, err := db.Answer(ctx, first); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("answer before the first: %v, want ErrNotFound", err)
	}
	known := attempt(check.Success, `{"tip":"v1"}`)
	if _, err := db.Answer(ctx, known); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("answer before the first that knew: %v, want ErrNotFound", err)
	}
	want := must(db.Run(ctx, known.ID))(t)
	same(t, "after one that knew", want, must(db.Answer(ctx, attempt(check.Inconclusive, `{}`)))(t))
	same(t, "after one that did not", want, must(db.Answer(ctx, attempt(check.Error, `{}`)))(t))
	attempt(check.Neutral, `{"tip":"none"}`)
	same(t, "after two that knew, the first", want, must(db.Answer(ctx, attempt(check.Success, `{}`)))(t))
	// A raised check sees what its older version answered, and whose it was.
	must(db.QueueStale(ctx, store.CheckRef{Name: "provenance", Version: 3}, noon, 10))(t)
	raised := must(db.CheckRuns(ctx, r.ID))(t)[0]
	same(t, "by a raised check", want, must(db.Answer(ctx, raised))(t))
	raised = must(db.StartRun(ctx, raised.ID, "lease", noon, noon.Add(time.Minute)))(t)
	finish(t, db, raised, func(f *store.Finish) { f.Retry = noon })
	next := must(db.CheckRuns(ctx, r.ID))(t)[0]
	same(t, "its own before any other", must(db.Run(ctx, raised.ID))(t), must(db.Answer(ctx, next))(t))
}

func testHistory(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	other := publish(t, db, publication("serde", "2.0.0", twoChecks...))
	finish(t, db, start(t, db, other.ID, "archive"), nil)
	var want []store.CheckRun
	attempt := func(check string, c check.Conclusion) {
		run := start(t, db, r.ID, check)
		finish(t, db, run, func(f *store.Finish) { f.Report, f.Retry = report(c), noon })
		run = must(db.Run(ctx, run.ID))(t)
		want = append([]store.CheckRun{{
			ID: run.ID, ReleaseID: r.ID, Check: check, CheckVersion: run.CheckVersion, Attempt: run.Attempt, Status: store.Completed,
			CompletedAt: run.CompletedAt, Report: onlyTitle(run.Report),
		}}, want...)
	}
	same(t, "before the first", nil, must(db.History(ctx, r.ID, 10))(t))
	attempt("provenance", check.Error)
	attempt("archive", check.Success)
	attempt("provenance", check.Success)
	attempt("provenance", check.Inconclusive)
	byID := func(a, b store.CheckRun) int { return cmp.Compare(b.ID, a.ID) }
	slices.SortFunc(want, byID)
	same(t, "all", want, must(db.History(ctx, r.ID, 10))(t))
	newest := slices.DeleteFunc(slices.Clone(want), func(run store.CheckRun) bool { return run.Check == "provenance" && run.Attempt == 1 })
	same(t, "two of each check", newest, must(db.History(ctx, r.ID, 2))(t))
	same(t, "none", nil, must(db.History(ctx, r.ID, 0))(t))
}

func onlyTitle(r check.Report) check.Report {
	return check.Report{Conclusion: r.Conclusion, Title: r.Title}
}
