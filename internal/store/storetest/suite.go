// Package storetest is the behaviour that every store shows: one suite, run by
// the tests of store/sqlite and store/postgres, and the benchmarks that set them
// side by side.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/riverqueue/river"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// A Database is a store on a database of its own, and two ways past the store.
type Database struct {
	Store
	// Queue is the job queue in the same database.
	Queue interface {
		JobList(ctx context.Context, params *river.JobListParams) (*river.JobListResult, error)
	}
	// Exec runs SQL that both databases understand.
	Exec func(ctx context.Context, sql string) error
}

// Run runs the suite. open opens an empty database for each test of it, and
// closes it when that ends.
func Run(t *testing.T, open func(t testing.TB) Database) {
	tests := []struct {
		name string
		run  func(t *testing.T, db Database)
	}{
		{"Announce", testAnnounce},
		{"AnnounceAtOnce", testAnnounceAtOnce},
		{"SettleAnnouncement", testSettleAnnouncement},
		{"Publish", testPublish},
		{"RunsQueueWhereTheirCheckDoes", testRunsQueueWhereTheirCheckDoes},
		{"PublishSettles", testPublishSettles},
		{"PublishOtherBytes", testPublishOtherBytes},
		{"PublishOtherName", testPublishOtherName},
		{"PublishBuildMetadata", testPublishBuildMetadata},
		{"PublishAtOnce", testPublishAtOnce},
		{"PublishOtherBytesAtOnce", testPublishOtherBytesAtOnce},
		{"Default", testDefault},
		{"Faults", testFaults},
		{"Canceled", testCanceled},
		{"RunLife", testRunLife},
		{"RunConflicts", testRunConflicts},
		{"StartAtOnce", testStartAtOnce},
		{"Retry", testRetry},
		{"OverdueRuns", testOverdueRuns},
		{"QueueStale", testQueueStale},
		{"QueueStaleBacklog", testQueueStaleBacklog},
		{"QueueStaleAtOnce", testQueueStaleAtOnce},
		{"QueueRechecks", testQueueRechecks},
		{"RecheckOnItsWay", testRecheckOnItsWay},
		{"RecheckOnce", testRecheckOnce},
		{"RechecksAtOnce", testRechecksAtOnce},
		{"CheckStates", testCheckStates},
		{"WhatCounts", testWhatCounts},
		{"Answer", testAnswer},
		{"History", testHistory},
		{"Facts", testFacts},
		{"FactsAtOnce", testFactsAtOnce},
		{"LargeReport", testLargeReport},
		{"Text", testText},
		{"Tokens", testTokens},
		{"TokensAtOnce", testTokensAtOnce},
		{"AuditLog", testAuditLog},
		{"Kept", testKept},
		{"Search", testSearch},
		{"SearchPages", testSearchPages},
		{"SearchHostile", testSearchHostile},
		{"Releases", testReleases},
		{"NotFound", testNotFound},
		{"Counts", testCounts},
		{"AnnounceAgain", testAnnounceAgain},
		{"SaveIndex", testSaveIndex},
		{"SaveIndexConflicts", testSaveIndexConflicts},
		{"SaveIndexAtOnce", testSaveIndexAtOnce},
		{"TouchIndex", testTouchIndex},
		{"ImportIndex", testImportIndex},
		{"ImportIndexAtOnce", testImportIndexAtOnce},
		{"Baselines", testBaselines},
		{"AcceptLine", testAcceptLine},
		{"HonourYank", testHonourYank},
		{"Yanks", testYanks},
		{"FenceFaults", testFenceFaults},
		{"FenceText", testFenceText},
		{"CrateState", testCrateState},
		{"CrateStates", testCrateStates},
		{"GateChecks", testGateChecks},
		{"GateEvents", testGateEvents},
		{"GateEventsInOrder", testGateEventsInOrder},
		{"GateEventsForgotten", testGateEventsForgotten},
		{"Wake", testWake},
		{"Exceptions", testExceptions},
		{"CloseExpired", testCloseExpired},
		{"Rulings", testRulings},
		{"RulingsAtOnce", testRulingsAtOnce},
		{"ReviewRequests", testReviewRequests},
		{"Decisions", testDecisions},
		{"DecisionsAtOnce", testDecisionsAtOnce},
		{"DecisionEchoes", testDecisionEchoes},
		{"Fetches", testFetches},
		{"Wanted", testWanted},
		{"FetchesAtOnce", testFetchesAtOnce},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

// noon is when the tests take place: a time with more than milliseconds, in a
// zone, since stores have to see to both.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))

// kept is a time as a store gives it back.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

var twoChecks = []store.CheckRef{{Name: "archive", Version: 1}, {Name: "provenance", Version: 2}}

// publication is of bytes that follow from name and version.
func publication(name, version string, checks ...store.CheckRef) store.Publication {
	return store.Publication{
		Release: store.Release{
			Crate: name, Version: version, Checksum: crate.Sum([]byte(name + version)), Size: 1234,
			FirstSeenAt: noon, Via: store.ViaSubmit,
		},
		Checks: checks,
		Audit:  store.AuditEntry{At: noon, Actor: "token:ci", Action: "release.publish", Object: name + "@" + version},
	}
}

// publish publishes what has to succeed.
func publish(t testing.TB, db Store, p store.Publication) store.Release {
	t.Helper()
	r, created, err := db.Publish(t.Context(), p)
	if err != nil || !created {
		t.Fatalf("Publish(%s %s) = created %t, %v; want created", p.Release.Crate, p.Release.Version, created, err)
	}
	return r
}

// start starts the queued run of a check on a release.
func start(t testing.TB, db Store, release store.ID, checkName string) store.CheckRun {
	t.Helper()
	runs := must(db.CheckRuns(t.Context(), release))(t)
	i := slices.IndexFunc(runs, func(r store.CheckRun) bool { return r.Check == checkName && r.Status == store.Queued })
	if i < 0 {
		t.Fatalf("no run of %q is queued on release %d", checkName, release)
	}
	return must(db.StartRun(t.Context(), runs[i].ID, "lease", noon, noon.Add(time.Minute)))(t)
}

// finish completes a run that start returned.
func finish(t testing.TB, db Store, run store.CheckRun, edit func(*store.Finish)) {
	t.Helper()
	f := store.Finish{Run: run.ID, Lease: run.Lease, At: noon.Add(time.Second), Report: report(check.Success)}
	if edit != nil {
		edit(&f)
	}
	if err := db.FinishRun(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// report is one that comes back as it is.
func report(c check.Conclusion) check.Report {
	return check.Report{Conclusion: c, Title: "Looked", Findings: []check.Finding{}, Metrics: map[string]float64{}}
}

// must lets a call that has to succeed stand in an expression.
func must[T any](value T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// same reports the differences of two values; empty and nil are the same.
func same[T any](t testing.TB, what string, want, got T, options ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, append(options, cmpopts.EquateEmpty())...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A job is what the tests compare of a queued job.
type job struct {
	Kind, Args, Queue string
	Priority, Tries   int
	After             time.Time // of a job that is to wait
}

// jobs returns the queue, in order of insertion.
func (db Database) jobs(t testing.TB) []job {
	t.Helper()
	list := must(db.Queue.JobList(t.Context(), river.NewJobListParams().First(10_000)))(t)
	var jobs []job
	for _, row := range list.Jobs {
		j := job{
			Kind: row.Kind, Args: compact(t, row.EncodedArgs), Queue: row.Queue,
			Priority: row.Priority, Tries: row.MaxAttempts,
		}
		if row.State == "scheduled" {
			j.After = row.ScheduledAt.UTC()
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// compact writes JSON in one way: PostgreSQL's jsonb puts spaces into it.
func compact(t testing.TB, raw []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return string(must(json.Marshal(v))(t))
}

func runJob(run store.ID, priority int, after time.Time) job {
	return job{
		Kind: "check_run", Args: fmt.Sprintf(`{"run":%d}`, run), Queue: store.CheckQueue,
		Priority: priority, Tries: store.RunTries, After: after,
	}
}

// held is all that a database holds, for tests that nothing of a write remains.
type held struct {
	Counts        store.Counts
	Jobs          []job
	Audit         []store.AuditEntry
	Announcements []store.Announcement
	Events        []store.GateEvent
	Baselines     []store.Baseline
	Exceptions    []store.Exception
	Rulings       []store.Ruling
	Reviews       []store.ReviewRequest
	Decisions     []store.DecisionRecord
}

func (db Database) held(t testing.TB) held {
	t.Helper()
	return held{
		Counts:        must(db.Counts(t.Context()))(t),
		Jobs:          db.jobs(t),
		Audit:         must(db.AuditLog(t.Context(), 0, 1000))(t),
		Announcements: must(db.Announcements(t.Context(), 1000))(t),
		Events:        must(db.GateEvents(t.Context(), 0))(t),
		Baselines:     must(db.Baselines(t.Context()))(t),
		Exceptions:    must(db.Exceptions(t.Context(), store.ExceptionQuery{}))(t),
		Rulings:       must(db.Rulings(t.Context(), store.RulingQuery{}))(t),
		Reviews:       must(db.ReviewRequests(t.Context(), store.ReviewQuery{}))(t),
		Decisions:     must(db.Decisions(t.Context(), store.DecisionQuery{History: true}))(t),
	}
}
