package runs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/store"
)

const week = 7 * 24 * time.Hour

// answers keeps one answer, and what was asked to be asked again.
type answers struct {
	answer store.CheckRun
	asked  []any
}

func (a *answers) Answer(_ context.Context, before store.CheckRun) (store.CheckRun, error) {
	if a.answer.ID == 0 {
		return store.CheckRun{}, fmt.Errorf("answer before run %d: %w", before.ID, store.ErrNotFound)
	}
	return a.answer, nil
}

type batch struct {
	Ref  store.CheckRef
	Pace store.Pace
}

func (a *answers) QueueRechecks(_ context.Context, ref store.CheckRef, _ time.Time, pace store.Pace) (int, error) {
	a.asked = append(a.asked, batch{ref, pace})
	return 2, nil
}

type visit struct {
	Ref     store.CheckRef
	Release store.ID
	Age     time.Duration
	Hour    int
}

func (a *answers) Recheck(_ context.Context, ref store.CheckRef, release store.ID, since, now time.Time, hour int) (bool, error) {
	a.asked = append(a.asked, visit{ref, release, now.Sub(since), hour})
	return true, nil
}

// newRechecking has the check probe asked again every week, and daily while it
// is visited, and the check once never.
func newRechecking(f *fake, a *answers) *runs.Runs {
	r := newRuns(f, check.AboutCrate)
	r.Answers, r.RechecksPerHour = a, 90
	r.Checks[0].Recheck, r.Checks[0].RecheckVisited = week, 24*time.Hour
	r.Checks = append(r.Checks, &check.Check{Name: "once", Version: 1})
	return r
}

func TestBeginKnowsWhatWasAnswered(t *testing.T) {
	earlier := store.CheckRun{
		ID: 3, CheckVersion: 2, CompletedAt: start.Add(-week),
		Report: check.Report{Conclusion: check.Success, Facts: json.RawMessage(`{"tag":"v1"}`)},
	}
	tests := []struct {
		name    string
		answer  store.CheckRun
		recheck time.Duration
		want    *check.Previous
	}{
		{"the first run has nothing before it", store.CheckRun{}, week, nil},
		{
			"a later one knows", earlier, week,
			&check.Previous{CheckVersion: 2, Conclusion: check.Success, Facts: json.RawMessage(`{"tag":"v1"}`), At: start.Add(-week)},
		},
		// Its answer cannot change; nor can it read what it does not expect.
		{"a check that asks once is not told", earlier, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRechecking(&fake{run: queued(2)}, &answers{answer: tt.answer})
			r.Checks[0].Recheck, r.Checks[0].RecheckVisited = tt.recheck, 0
			begun, err := r.Begin(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, begun.Previous); diff != "" {
				t.Errorf("previous (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFinishSaysWhenTheAnswerIsOld(t *testing.T) {
	tests := []struct {
		name    string
		report  check.Report
		attempt int
		every   time.Duration // as configured
		want    time.Duration // give or take a tenth
	}{
		{name: "a success, in the check's time", report: check.Report{Conclusion: check.Success}, want: week},
		{name: "in the configured time", report: check.Report{Conclusion: check.Success}, every: time.Hour, want: time.Hour},
		// The author may push the tag that was asked for.
		{name: "what could not be known", report: check.Report{Conclusion: check.Inconclusive}, want: week},
		{name: "what does not apply never will", report: check.Report{Conclusion: check.Skipped}},
		{name: "what is tried again has no answer yet", report: check.Report{Conclusion: check.Error}},
		{name: "our trouble, after the last try", report: check.Report{Conclusion: check.Error}, attempt: 40, want: week},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{run: queued(max(1, tt.attempt))}
			r := newRechecking(f, &answers{})
			r.RecheckEvery = tt.every
			begun, err := r.Begin(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Finish(t.Context(), begun, tt.report); err != nil {
				t.Fatal(err)
			}
			due := f.finished[0].Recheck
			if tt.want == 0 {
				if !due.IsZero() {
					t.Errorf("old at %v, want never", due)
				}
				return
			}
			if got := due.Sub(start); got < tt.want*9/10 || got > tt.want*11/10 {
				t.Errorf("old after %v, want about %v", got, tt.want)
			}
		})
	}
}

// What was answered in a burst is not asked again in one.
func TestRechecksAreSpread(t *testing.T) {
	const burst, hours = 1000, 34 // a fifth of a week
	perHour := map[int]int{}
	for id := range burst {
		run := queued(1)
		run.ID = 7
		f := &fake{run: run}
		r := newRechecking(f, &answers{})
		begun, err := r.Begin(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		begun.Run.ID = store.ID(id + 1)
		if err := r.Finish(t.Context(), begun, check.Report{Conclusion: check.Success}); err != nil {
			t.Fatal(err)
		}
		perHour[int(f.finished[0].Recheck.Sub(start)/time.Hour)]++
	}
	for hour, n := range perHour {
		if n > 2*burst/hours {
			t.Errorf("%d of %d are due in hour %d, want about %d in each", n, burst, hour, burst/hours)
		}
	}
}

func TestQueueRechecks(t *testing.T) {
	probe := store.CheckRef{Name: "probe", Version: 3}
	tests := []struct {
		name    string
		perHour int
		want    []any
	}{
		{"checks that ask again, a minute's worth", 90, []any{batch{probe, store.Pace{Batch: 2, Hour: 90}}}},
		{"few an hour are not none", 1, []any{batch{probe, store.Pace{Batch: 1, Hour: 1}}}},
		{"none where none is allowed", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &answers{}
			r := newRechecking(&fake{}, a)
			r.RechecksPerHour = tt.perHour
			if _, err := r.QueueRechecks(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, a.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVisited(t *testing.T) {
	tests := []struct {
		check string
		want  []any
	}{
		{"probe", []any{visit{store.CheckRef{Name: "probe", Version: 3}, 5, 24 * time.Hour, 45}}},
		{"once", nil},
		{"unknown", nil},
	}
	for _, tt := range tests {
		a := &answers{}
		if err := newRechecking(&fake{}, a).Visited(t.Context(), tt.check, 5); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, a.asked); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", tt.check, diff)
		}
	}
}
