package runs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/store"
)

var start = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

// fake keeps one run, as a store would, and what it was asked to finish.
type fake struct {
	run      store.CheckRun
	finished []store.Finish
	overdue  []store.CheckRun
}

func (f *fake) Run(_ context.Context, id store.ID) (store.CheckRun, error) {
	if id != f.run.ID {
		return store.CheckRun{}, fmt.Errorf("run %d: %w", id, store.ErrNotFound)
	}
	return f.run, nil
}

func (f *fake) StartRun(_ context.Context, id store.ID, lease string, at, deadline time.Time) (store.CheckRun, error) {
	if f.run.Status != store.Queued {
		return store.CheckRun{}, fmt.Errorf("start run %d: %w", id, store.ErrConflict)
	}
	f.run.Status, f.run.Lease, f.run.StartedAt, f.run.Deadline = store.InProgress, lease, at, deadline
	return f.run, nil
}

func (f *fake) FinishRun(_ context.Context, fin store.Finish) error {
	if f.run.Status != store.InProgress || f.run.Lease != fin.Lease {
		return fmt.Errorf("finish run %d: %w", fin.Run, store.ErrConflict)
	}
	f.run.Status = store.Completed
	f.finished = append(f.finished, fin)
	return nil
}

func (f *fake) OverdueRuns(context.Context, time.Time, int) ([]store.CheckRun, error) {
	return f.overdue, nil
}

func (f *fake) QueueStale(context.Context, store.CheckRef, time.Time, int) (int, error) {
	return 2, nil
}

func newRuns(f *fake, about check.About) *runs.Runs {
	return &runs.Runs{
		Store:  f,
		Checks: []*check.Check{{Name: "probe", Version: 3, About: about, Timeout: time.Minute}},
		Now:    func() time.Time { return start },
	}
}

func queued(attempt int) store.CheckRun {
	return store.CheckRun{ID: 7, Check: "probe", CheckVersion: 3, Attempt: attempt, Status: store.Queued}
}

func TestBegin(t *testing.T) {
	t.Run("claims a queued run until its deadline", func(t *testing.T) {
		f := &fake{run: queued(1)}
		got, err := newRuns(f, check.AboutRelease).Begin(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		if got.Run.Lease == "" || !got.Run.Deadline.After(start.Add(got.Timeout)) {
			t.Errorf("lease %q, deadline %v: want a lease and time to write the report after %v", got.Run.Lease, got.Run.Deadline, got.Timeout)
		}
	})
	t.Run("a cap shortens the timeout", func(t *testing.T) {
		r := newRuns(&fake{run: queued(1)}, check.AboutRelease)
		r.MaxTimeout = time.Second
		got, err := r.Begin(t.Context(), 7)
		if err != nil || got.Timeout != time.Second {
			t.Errorf("timeout %v, error %v; want 1s", got.Timeout, err)
		}
	})
	unrunnable := []struct {
		name string
		run  store.CheckRun
	}{
		{"gone", store.CheckRun{ID: 8}},
		{"begun by another", store.CheckRun{ID: 7, Check: "probe", CheckVersion: 3, Status: store.InProgress}},
		{"completed", store.CheckRun{ID: 7, Check: "probe", CheckVersion: 3, Status: store.Completed}},
	}
	for _, tt := range unrunnable {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := newRuns(&fake{run: tt.run}, check.AboutRelease).Begin(t.Context(), 7); !errors.Is(err, runs.ErrNotRunnable) {
				t.Errorf("Begin() error = %v, want ErrNotRunnable", err)
			}
		})
	}
	newer := []struct {
		name string
		run  store.CheckRun
	}{
		// While servers are brought up to date, an old one meets what a new one queued.
		{"of a newer check version", store.CheckRun{ID: 7, Check: "probe", CheckVersion: 4, Attempt: 1, Status: store.Queued}},
		{"of a check that is not here", store.CheckRun{ID: 7, Check: "later", CheckVersion: 1, Attempt: 1, Status: store.Queued}},
	}
	for _, tt := range newer {
		t.Run(tt.name+" is left to another server", func(t *testing.T) {
			f := &fake{run: tt.run}
			if _, err := newRuns(f, check.AboutRelease).Begin(t.Context(), 7); !errors.Is(err, runs.ErrNotRunnable) {
				t.Errorf("Begin() error = %v, want ErrNotRunnable", err)
			}
			if len(f.finished) != 1 || !f.finished[0].Retry.After(start) {
				t.Errorf("finished %+v, want one that is tried again", f.finished)
			}
		})
	}
	t.Run("of an older check version is closed, not left queued", func(t *testing.T) {
		old := queued(1)
		old.CheckVersion = 2
		f := &fake{run: old}
		if _, err := newRuns(f, check.AboutRelease).Begin(t.Context(), 7); !errors.Is(err, runs.ErrNotRunnable) {
			t.Errorf("Begin() error = %v, want ErrNotRunnable", err)
		}
		if len(f.finished) != 1 || f.finished[0].Report.Conclusion != check.Error || !f.finished[0].Retry.IsZero() {
			t.Errorf("finished %+v, want one error that is not tried again", f.finished)
		}
	})
}

func TestFinish(t *testing.T) {
	tests := []struct {
		name      string
		attempt   int
		about     check.About
		report    check.Report
		wantRetry time.Duration // 0 means none
		wantFacts bool
	}{
		{name: "success is the end", attempt: 1, report: check.Report{Conclusion: check.Success}},
		{name: "failure is the end", attempt: 1, report: check.Report{Conclusion: check.Failure}},
		{name: "error is tried again", attempt: 1, report: check.Report{Conclusion: check.Error}, wantRetry: 5 * time.Second},
		{name: "and then more slowly", attempt: 3, report: check.Report{Conclusion: check.Error}, wantRetry: 30 * time.Minute},
		{name: "but not for ever", attempt: 5, report: check.Report{Conclusion: check.Error}},
		{name: "inconclusive alone is the end", attempt: 1, report: check.Report{Conclusion: check.Inconclusive}},
		{
			name: "inconclusive with a time is tried then", attempt: 1, wantRetry: 10 * time.Minute,
			report: check.Report{Conclusion: check.Inconclusive, RetryAt: start.Add(10 * time.Minute)},
		},
		{
			// A check that asks for the past would otherwise spin.
			name: "a time in the past is not a busy loop", attempt: 2, wantRetry: 2 * time.Minute,
			report: check.Report{Conclusion: check.Inconclusive, RetryAt: start.Add(-time.Hour)},
		},
		{
			name: "a time far away is bounded", attempt: 1, wantRetry: 7 * 24 * time.Hour,
			report: check.Report{Conclusion: check.Inconclusive, RetryAt: start.AddDate(9, 0, 0)},
		},
		{
			name: "a success that names a time is still the end", attempt: 1,
			report: check.Report{Conclusion: check.Success, RetryAt: start.Add(time.Hour)},
		},
		{name: "facts about the crate are kept", attempt: 1, about: check.AboutCrate, report: check.Report{Conclusion: check.Neutral}, wantFacts: true},
		{name: "unless nothing was learned", attempt: 1, about: check.AboutCrate, report: check.Report{Conclusion: check.Inconclusive}},
		{name: "facts about a release stay with its run", attempt: 1, about: check.AboutRelease, report: check.Report{Conclusion: check.Success}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{run: queued(tt.attempt)}
			r := newRuns(f, tt.about)
			begun, err := r.Begin(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Finish(t.Context(), begun, tt.report); err != nil {
				t.Fatal(err)
			}
			got := f.finished[0]
			var retry time.Duration
			if !got.Retry.IsZero() {
				retry = got.Retry.Sub(start)
			}
			if diff := cmp.Diff(tt.wantRetry, retry); diff != "" {
				t.Errorf("next try (-want +got):\n%s", diff)
			}
			if got.KeepFacts != tt.wantFacts {
				t.Errorf("facts kept: %v, want %v", got.KeepFacts, tt.wantFacts)
			}
		})
	}
}

func TestLateReportIsDropped(t *testing.T) {
	f := &fake{run: queued(1)}
	r := newRuns(f, check.AboutRelease)
	begun, err := r.Begin(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	f.overdue = []store.CheckRun{f.run}
	if n, err := r.Rescue(t.Context()); n != 1 || err != nil {
		t.Fatalf("Rescue() = %d, %v; want 1 run", n, err)
	}
	if got := f.finished[0]; got.Report.Conclusion != check.Error || got.Retry.IsZero() {
		t.Errorf("rescued as %+v, want an error with a next attempt", got)
	}
	if err := r.Finish(t.Context(), begun, check.Report{Conclusion: check.Success}); err != nil {
		t.Errorf("Finish() after rescue = %v, want it dropped in silence", err)
	}
	if len(f.finished) != 1 {
		t.Errorf("the run was completed %d times, want once", len(f.finished))
	}
	// Somebody else may have rescued it in between: not an error, and not counted.
	if n, err := r.Rescue(t.Context()); n != 0 || err != nil {
		t.Errorf("second Rescue() = %d, %v; want 0 and no error", n, err)
	}
}
