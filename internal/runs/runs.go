// Package runs is the life of a check run: queued when a release is published,
// begun and finished by whoever executes it (a worker today, a third party's
// checker later), tried again after our own trouble, rescued when its worker is
// lost, queued anew when a check's version is raised or its answer grows old.
//
// It knows nothing of queues or of how a check is executed.
package runs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// Store keeps check runs. Each method is one durable transaction.
type Store interface {
	// Run wraps store.ErrNotFound when there is none.
	Run(ctx context.Context, id store.ID) (store.CheckRun, error)
	// StartRun moves a queued run to in_progress under a lease, until the
	// deadline. It wraps store.ErrConflict when the run is not queued.
	StartRun(ctx context.Context, id store.ID, lease string, at, deadline time.Time) (store.CheckRun, error)
	// FinishRun completes a run in progress, keeps its crate's facts, notes when
	// its answer grows old and queues the next attempt where asked. It wraps store.ErrConflict when the run is not
	// in progress under that lease: somebody else has finished it.
	FinishRun(ctx context.Context, f store.Finish) error
	// OverdueRuns returns runs in progress whose deadline is before now, oldest first.
	OverdueRuns(ctx context.Context, now time.Time, limit int) ([]store.CheckRun, error)
	// QueueStale queues runs of a check for releases that have none of this
	// version, newest releases first, and says how many.
	QueueStale(ctx context.Context, ref store.CheckRef, at time.Time, limit int) (int, error)
}

// ErrNotRunnable says that a run is not there to be executed: finished, begun by
// another, or of a check or check version that this program does not have.
var ErrNotRunnable = errors.New("run not runnable")

// backoff is the wait before attempt 2, 3, …; after the last there is no more.
// The first is short, for a worker that was merely restarted; the rest are long,
// so that a crate which takes workers down does not keep doing so.
var backoff = []time.Duration{5 * time.Second, 2 * time.Minute, 30 * time.Minute, 4 * time.Hour}

// maxRetryAt bounds how far a check may put off its next try.
const maxRetryAt = 7 * 24 * time.Hour

// margin is given to a run beyond its timeout, to write its report.
const margin = 15 * time.Second

// Runs leads check runs through their life.
type Runs struct {
	Store   Store
	Answers Answers // nil: none is asked for again
	Checks  []*check.Check
	// MaxTimeout caps every check's own timeout; 0 leaves them.
	MaxTimeout time.Duration
	// RecheckEvery replaces the pace of every check that asks again; 0 leaves it.
	RecheckEvery time.Duration
	// RechecksPerHour bounds how often, over all checks, an old answer is asked for
	// again; 0 is never.
	RechecksPerHour int
	Now             func() time.Time
}

// A Begun run is being executed by us.
type Begun struct {
	Run     store.CheckRun
	Check   *check.Check
	Timeout time.Duration
	// Previous is for the check's Subject.
	Previous *check.Previous
}

// Begin claims a queued run. An error that wraps ErrNotRunnable is final: the
// job that led here has nothing left to do.
func (r *Runs) Begin(ctx context.Context, id store.ID) (Begun, error) {
	run, err := r.Store.Run(ctx, id)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return Begun{}, fmt.Errorf("%w: %w", ErrNotRunnable, err)
		}
		return Begun{}, err
	}
	c := r.check(run.Check)
	if c == nil || c.Version != run.CheckVersion {
		return Begun{}, r.abandon(ctx, run)
	}
	previous, err := r.previous(ctx, c, run)
	if err != nil {
		return Begun{}, err
	}
	timeout := r.Timeout(c)
	now := r.Now()
	run, err = r.Store.StartRun(ctx, id, rand.Text(), now, now.Add(timeout+margin))
	if errors.Is(err, store.ErrConflict) {
		return Begun{}, fmt.Errorf("%w: %w", ErrNotRunnable, err)
	}
	if err != nil {
		return Begun{}, err
	}
	return Begun{Run: run, Check: c, Timeout: timeout, Previous: previous}, nil
}

// abandon completes a queued run that we cannot execute. One of an older version
// of its check is over: QueueStale makes the newer version's own. One of a newer
// version, or of a check that is not here, is for a newer program, which may work
// on the same queue while servers are brought up to date: it is tried again.
func (r *Runs) abandon(ctx context.Context, run store.CheckRun) error {
	now := r.Now()
	run, err := r.Store.StartRun(ctx, run.ID, rand.Text(), now, now.Add(margin))
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%w: %w", ErrNotRunnable, err)
	}
	if err != nil {
		return err
	}
	report := check.Report{
		Conclusion: check.Error,
		Title:      fmt.Sprintf("Not run: this server does not have version %d of the check", run.CheckVersion),
	}
	finish := store.Finish{Run: run.ID, Lease: run.Lease, At: now, Report: report}
	if c := r.check(run.Check); c == nil || c.Version < run.CheckVersion {
		finish.Retry = nextTry(run.Attempt, report, now)
	}
	err = r.Store.FinishRun(ctx, finish)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: check %q version %d is not here", ErrNotRunnable, run.Check, run.CheckVersion)
}

// Finish stores a report. A run that was rescued meanwhile keeps what rescue
// wrote, and the late report is dropped: its next attempt will say it again.
func (r *Runs) Finish(ctx context.Context, b Begun, report check.Report) error {
	finish := r.finish(b.Check, b.Run, report)
	finish.KeepFacts = b.Check.About == check.AboutCrate && report.Conclusion.Known()
	err := r.Store.FinishRun(ctx, finish)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// Rescue finishes runs whose worker is lost, as errors with a next attempt, and
// says how many.
func (r *Runs) Rescue(ctx context.Context) (int, error) {
	const batch = 100
	now := r.Now()
	overdue, err := r.Store.OverdueRuns(ctx, now, batch)
	if err != nil {
		return 0, err
	}
	rescued := 0
	for _, run := range overdue {
		report := check.Report{
			Conclusion: check.Error,
			Title:      "The worker that ran this check was lost",
			Summary:    "It began at " + run.StartedAt.Format(time.RFC3339) + " and did not report in time. This says nothing about the crate.",
		}
		err := r.Store.FinishRun(ctx, r.finish(r.check(run.Check), run, report))
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return rescued, err
		}
		rescued++
	}
	return rescued, nil
}

// QueueStale queues runs for releases that the current version of a check has
// not seen, at most limit per check, and says how many. Callers repeat it,
// gently, until it says 0.
func (r *Runs) QueueStale(ctx context.Context, limit int) (int, error) {
	total := 0
	for _, c := range r.Checks {
		n, err := r.Store.QueueStale(ctx, store.RefOf(c), r.Now(), limit)
		if err != nil {
			return total, fmt.Errorf("queue stale runs of %q: %w", c.Name, err)
		}
		total += n
	}
	return total, nil
}

func (r *Runs) check(name string) *check.Check {
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Timeout is how long one run of c may take.
func (r *Runs) Timeout(c *check.Check) time.Duration {
	if r.MaxTimeout > 0 {
		return min(c.Timeout, r.MaxTimeout)
	}
	return c.Timeout
}

// finish completes a run by a check, nil for one that is not here, and says what
// follows it: another try, or in time the same question again.
func (r *Runs) finish(c *check.Check, run store.CheckRun, report check.Report) store.Finish {
	now := r.Now()
	f := store.Finish{
		Run: run.ID, Lease: run.Lease, Report: report, At: now,
		Retry: nextTry(run.Attempt, report, now),
	}
	if c == nil {
		return f
	}
	f.Queue = store.RefOf(c).Queue
	if f.Retry.IsZero() {
		f.Recheck = r.nextRecheck(c, run, report, now)
	}
	return f
}

// nextTry says when the next attempt may start; zero for none.
func nextTry(attempt int, report check.Report, now time.Time) time.Time {
	if attempt > len(backoff) {
		return time.Time{}
	}
	switch {
	case report.Conclusion == check.Error:
		return now.Add(backoff[attempt-1])
	case report.Conclusion == check.Inconclusive && !report.RetryAt.IsZero():
		// A check may ask for patience, not for a busy loop: never sooner than
		// after our own trouble.
		earliest, latest := now.Add(backoff[attempt-1]), now.Add(maxRetryAt)
		if report.RetryAt.Before(earliest) {
			return earliest
		}
		if report.RetryAt.After(latest) {
			return latest
		}
		return report.RetryAt
	}
	return time.Time{}
}
