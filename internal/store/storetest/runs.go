package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

func testRunLife(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	queued := must(db.CheckRuns(ctx, r.ID))(t)[0]
	same(t, "queued", queued, must(db.Run(ctx, queued.ID))(t))

	want := queued
	want.Status, want.Lease = store.InProgress, "lease"
	want.StartedAt, want.Deadline = kept(noon), kept(noon.Add(time.Minute))
	got := must(db.StartRun(ctx, queued.ID, "lease", noon, noon.Add(time.Minute)))(t)
	same(t, "started", want, got)
	same(t, "read while in progress", want, must(db.Run(ctx, queued.ID))(t))

	full := check.Report{
		Conclusion: check.Failure, Title: "Found <it>", Summary: "Looked & **found**", Text: "# Detail",
		Findings: []check.Finding{{
			Rule: "modified", Level: check.LevelError, Message: "differs", Path: "src/lib.rs",
			StartLine: 3, EndLine: 5, Snippet: "fn main() {}\n", Help: "ask the author",
		}},
		Metrics: map[string]float64{"bytes_compared": 1 << 40, "ratio": 0.125},
		Facts:   json.RawMessage(`{"a":"<b>","escaped":"\u0000","n":1e400}`),
		RetryAt: kept(noon),
	}
	if err := db.FinishRun(ctx, store.Finish{Run: want.ID, Lease: "lease", Report: full, At: noon.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	want.Status, want.Lease, want.Deadline = store.Completed, "", time.Time{}
	want.CompletedAt, want.Report = kept(noon.Add(time.Second)), full
	same(t, "completed", want, must(db.Run(ctx, want.ID))(t))
	if jobs := db.jobs(t); len(jobs) != len(twoChecks) {
		t.Errorf("%d jobs after a finish without retry, want %d", len(jobs), len(twoChecks))
	}
}

// Every move of a run is a compare-and-swap.
func testRunConflicts(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	run := start(t, db, r.ID, "archive")
	queued := must(db.CheckRuns(ctx, r.ID))(t)[0]
	finishing := func(id store.ID, lease string) error {
		return db.FinishRun(ctx, store.Finish{Run: id, Lease: lease, At: noon, Report: report(check.Success), Retry: noon})
	}
	starting := func(id store.ID, lease string) error {
		_, err := db.StartRun(ctx, id, lease, noon, noon.Add(time.Minute))
		return err
	}
	tests := []struct {
		name string
		err  error
		want error
	}{
		{"start a run in progress", starting(run.ID, "other"), store.ErrConflict},
		{"start a run in progress again", starting(run.ID, run.Lease), store.ErrConflict},
		{"start no run", starting(999, "lease"), store.ErrNotFound},
		{"finish under another lease", finishing(run.ID, "other"), store.ErrConflict},
		{"finish under no lease", finishing(run.ID, ""), store.ErrConflict},
		{"finish a queued run", finishing(queued.ID, ""), store.ErrConflict},
		{"finish no run", finishing(999, "lease"), store.ErrNotFound},
		{"finish", finishing(run.ID, run.Lease), nil},
		{"finish again", finishing(run.ID, run.Lease), store.ErrConflict},
		{"finish again under no lease", finishing(run.ID, ""), store.ErrConflict},
		{"start a completed run", starting(run.ID, "lease"), store.ErrConflict},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.err, tt.want)
		}
	}
	if starting(queued.ID, "") == nil {
		t.Error("a run was started under no lease: anybody could finish it")
	}
	if got := must(db.CheckRuns(ctx, r.ID))(t); len(got) != 3 {
		t.Errorf("%d runs, want 3: refused finishes queue no attempts", len(got))
	}
}

func testStartAtOnce(t *testing.T, db Database) {
	r := publish(t, db, publication("serde", "1.0.0", twoChecks[0]))
	run := must(db.CheckRuns(t.Context(), r.ID))(t)[0]
	var holder atomic.Value
	atOnce(func(i int) {
		lease := fmt.Sprint("lease", i)
		_, err := db.StartRun(t.Context(), run.ID, lease, noon, noon.Add(time.Minute))
		if err == nil && !holder.CompareAndSwap(nil, lease) {
			t.Error("a run was started twice")
		}
		if err != nil && !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	})
	if got := must(db.Run(t.Context(), run.ID))(t); got.Lease != holder.Load() {
		t.Errorf("lease %q, want that of the winner, %v", got.Lease, holder.Load())
	}
	var finished atomic.Int32
	atOnce(func(int) {
		lease, _ := holder.Load().(string)
		err := db.FinishRun(t.Context(), store.Finish{Run: run.ID, Lease: lease, At: noon, Report: report(check.Error), Retry: noon.Add(time.Hour)})
		if err == nil {
			finished.Add(1)
		} else if !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	})
	if n := finished.Load(); n != 1 {
		t.Errorf("finished %d times, want 1", n)
	}
	if jobs := db.jobs(t); len(jobs) != 2 {
		t.Errorf("%d jobs, want the first and one retry", len(jobs))
	}
}

func testRetry(t *testing.T, db Database) {
	ctx := t.Context()
	r := publish(t, db, publication("serde", "1.0.0", twoChecks[1]))
	again := noon.Add(30 * time.Second)
	for range 2 {
		run := start(t, db, r.ID, "provenance")
		finish(t, db, run, func(f *store.Finish) { f.Report, f.Retry = report(check.Error), again })
	}
	runs := must(db.CheckRuns(ctx, r.ID))(t)
	if len(runs) != 3 {
		t.Fatalf("%d runs, want 3", len(runs))
	}
	same(t, "third attempt", store.CheckRun{
		ID: runs[0].ID, ReleaseID: r.ID, Crate: "serde", Version: "1.0.0", Checksum: r.Checksum,
		Check: "provenance", CheckVersion: 2, Attempt: 3, Status: store.Queued,
		QueuedAt: kept(noon.Add(time.Second)), RunAfter: kept(again),
	}, runs[0])
	same(t, "jobs", []job{
		runJob(runs[2].ID, store.PriorityFresh, time.Time{}),
		runJob(runs[1].ID, store.PriorityRetry, kept(again)),
		runJob(runs[0].ID, store.PriorityRetry, kept(again)),
	}, db.jobs(t))
}

func testOverdueRuns(t *testing.T, db Database) {
	ctx := t.Context()
	var started []store.CheckRun
	for i, version := range []string{"1.0.0", "2.0.0", "3.0.0"} {
		r := publish(t, db, publication("serde", version, twoChecks...))
		run := must(db.CheckRuns(ctx, r.ID))(t)[0]
		deadline := noon.Add(-time.Duration(i) * time.Minute)
		started = append(started, must(db.StartRun(ctx, run.ID, "lease", noon.Add(-time.Hour), deadline))(t))
	}
	tests := []struct {
		now   time.Time
		limit int
		want  []store.CheckRun // oldest first
	}{
		{noon.Add(time.Minute), 10, []store.CheckRun{started[2], started[1], started[0]}},
		{noon.Add(time.Minute), 2, []store.CheckRun{started[2], started[1]}},
		{noon, 10, []store.CheckRun{started[2], started[1]}}, // at its deadline a run is not yet overdue
		{noon.Add(-time.Hour), 10, nil},
		{noon.Add(time.Minute), 0, nil},
	}
	for _, tt := range tests {
		same(t, fmt.Sprint("overdue at ", tt.now), tt.want, must(db.OverdueRuns(ctx, tt.now, tt.limit))(t))
	}
	finish(t, db, started[2], nil)
	same(t, "overdue after a finish", []store.CheckRun{started[1]}, must(db.OverdueRuns(ctx, noon, 10))(t))
}

func testQueueStale(t *testing.T, db Database) {
	ctx := t.Context()
	var releases []store.Release
	for _, version := range []string{"1.0.0", "2.0.0", "3.0.0"} {
		releases = append(releases, publish(t, db, publication("serde", version, twoChecks[0])))
	}
	finish(t, db, start(t, db, releases[0].ID, "archive"), nil)
	before := len(db.jobs(t))

	tests := []struct {
		name  string
		ref   store.CheckRef
		limit int
		want  []int // releases, by number
	}{
		{"every release has it", store.CheckRef{Name: "archive", Version: 1}, 10, nil},
		{"raised: the newest first", store.CheckRef{Name: "archive", Version: 2}, 2, []int{2, 1}},
		{"raised: the rest", store.CheckRef{Name: "archive", Version: 2}, 2, []int{0}},
		{"raised: nothing is left", store.CheckRef{Name: "archive", Version: 2}, 2, nil},
		{"a new check", store.CheckRef{Name: "licence", Version: 1}, 10, []int{2, 1, 0}},
		{"no limit is none at all", store.CheckRef{Name: "other", Version: 1}, 0, nil},
	}
	for _, tt := range tests {
		n, err := db.QueueStale(ctx, tt.ref, noon, tt.limit)
		if err != nil || n != len(tt.want) {
			t.Errorf("%s: QueueStale = %d, %v; want %d", tt.name, n, err, len(tt.want))
		}
		for _, i := range tt.want {
			run := must(db.CheckRuns(ctx, releases[i].ID))(t)[0]
			same(t, tt.name, store.CheckRun{
				ID: run.ID, ReleaseID: releases[i].ID, Crate: "serde", Version: releases[i].Version, Checksum: releases[i].Checksum,
				Check: tt.ref.Name, CheckVersion: tt.ref.Version, Attempt: 1, Status: store.Queued, QueuedAt: kept(noon),
			}, run)
		}
	}
	jobs := db.jobs(t)[before:]
	if len(jobs) != 6 {
		t.Fatalf("%d jobs, want 6", len(jobs))
	}
	for _, j := range jobs {
		if j.Priority != store.PriorityStale || !j.After.IsZero() {
			t.Errorf("job %+v, want priority %d at once", j, store.PriorityStale)
		}
	}
}

// A backlog is worked off in batches to its end, also what appears above the
// batches meanwhile: a release published by a program that has an older check.
func testQueueStaleBacklog(t *testing.T, db Database) {
	ref := store.CheckRef{Name: "archive", Version: 2}
	for i := range 9 {
		publish(t, db, publication("serde", fmt.Sprintf("1.0.%d", i)))
	}
	var got []int
	for batch := range 6 {
		n := must(db.QueueStale(t.Context(), ref, noon, 3))(t)
		got = append(got, n)
		if batch == 1 {
			publish(t, db, publication("serde", "2.0.0", twoChecks...))
		}
	}
	same(t, "batches", []int{3, 3, 3, 1, 0, 0}, got)
	if n := must(db.Counts(t.Context()))(t).Runs[store.Queued]; n != 10+len(twoChecks) {
		t.Errorf("%d runs, want %d", n, 10+len(twoChecks))
	}
}

func testQueueStaleAtOnce(t *testing.T, db Database) {
	for i := range 20 {
		publish(t, db, publication("serde", fmt.Sprintf("1.0.%d", i)))
	}
	var total atomic.Int32
	atOnce(func(int) {
		n, err := db.QueueStale(t.Context(), store.CheckRef{Name: "archive", Version: 1}, noon, 100)
		if err != nil {
			t.Error(err)
		}
		total.Add(int32(n))
	})
	counts := must(db.Counts(t.Context()))(t)
	if jobs := db.jobs(t); total.Load() != 20 || counts.Runs[store.Queued] != 20 || len(jobs) != 20 {
		t.Errorf("said %d, %d runs, %d jobs; want 20 of each", total.Load(), counts.Runs[store.Queued], len(jobs))
	}
}

func testCheckStates(t *testing.T, db Database) {
	ctx := t.Context()
	a := publish(t, db, publication("a", "1.0.0", twoChecks...))
	b := publish(t, db, publication("b", "1.0.0", twoChecks[0]))
	bare := publish(t, db, publication("c", "1.0.0"))
	states := func() map[store.ID][]store.CheckState {
		return must(db.CheckStates(ctx, a.ID, b.ID, bare.ID, 999))(t)
	}
	runOf := func(release store.ID, checkName string, version, attempt int) *store.CheckRun {
		for _, run := range must(db.CheckRuns(ctx, release))(t) {
			if run.Check == checkName && run.CheckVersion == version && run.Attempt == attempt {
				return &run
			}
		}
		t.Fatalf("no run of %s version %d attempt %d", checkName, version, attempt)
		return nil
	}

	same(t, "all queued", map[store.ID][]store.CheckState{
		a.ID: {{Check: "archive", Pending: runOf(a.ID, "archive", 1, 1)}, {Check: "provenance", Pending: runOf(a.ID, "provenance", 2, 1)}},
		b.ID: {{Check: "archive", Pending: runOf(b.ID, "archive", 1, 1)}},
	}, states())

	finish(t, db, start(t, db, a.ID, "archive"), nil)
	finish(t, db, start(t, db, a.ID, "provenance"), func(f *store.Finish) { f.Report, f.Retry = report(check.Error), noon })
	start(t, db, a.ID, "provenance")
	same(t, "one done, one tried again", []store.CheckState{
		{Check: "archive", Counts: runOf(a.ID, "archive", 1, 1)},
		{Check: "provenance", Counts: runOf(a.ID, "provenance", 2, 1), Pending: runOf(a.ID, "provenance", 2, 2)},
	}, states()[a.ID])

	finish(t, db, *runOf(a.ID, "provenance", 2, 2), nil)
	same(t, "the newest attempt counts", runOf(a.ID, "provenance", 2, 2), states()[a.ID][1].Counts)

	if _, err := db.QueueStale(ctx, store.CheckRef{Name: "archive", Version: 2}, noon, 1); err != nil { // of bare, the newest
		t.Fatal(err)
	}
	if _, err := db.QueueStale(ctx, store.CheckRef{Name: "archive", Version: 2}, noon, 10); err != nil {
		t.Fatal(err)
	}
	same(t, "of a raised version nothing is known", store.CheckState{
		Check: "archive", Pending: runOf(a.ID, "archive", 2, 1),
	}, states()[a.ID][0])
	same(t, "without arguments", map[store.ID][]store.CheckState{}, must(db.CheckStates(ctx))(t))
}

// However a run comes to be queued, its job waits where its check's jobs do.
func testRunsQueueWhereTheirCheckDoes(t *testing.T, db Database) {
	ctx := t.Context()
	slow := store.CheckRef{Name: "provenance", Version: 2, Queue: store.SourceQueue}
	r := publish(t, db, publication("serde", "1.0.0", twoChecks[0], slow))
	finish(t, db, start(t, db, r.ID, "provenance"), func(f *store.Finish) { f.Retry, f.Queue = noon.Add(time.Hour), slow.Queue })
	finish(t, db, start(t, db, r.ID, "provenance"), func(f *store.Finish) { f.Recheck = noon })
	if n := must(db.QueueRechecks(ctx, slow, noon.Add(time.Hour), store.Pace{Batch: 10, Hour: 10}))(t); n != 1 {
		t.Errorf("%d rechecks, want 1", n)
	}
	raised := slow
	raised.Version = 3
	if n := must(db.QueueStale(ctx, raised, noon, 10))(t); n != 1 {
		t.Errorf("%d stale runs, want 1", n)
	}
	got := map[string]int{}
	for _, job := range db.jobs(t) {
		got[job.Queue]++
	}
	// Published, tried again, rechecked and of a raised version; and the one beside.
	same(t, "jobs by queue", map[string]int{store.SourceQueue: 4, store.CheckQueue: 1}, got)
}
