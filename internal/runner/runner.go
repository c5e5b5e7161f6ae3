// Package runner executes a check on a subject and returns a report that is fit
// to be stored and shown, whatever the check does: it bounds time, recovers
// panics, refuses to run a check on an archive that cannot be read, and cuts
// what is too long. The worker and `cratefence check` both use it.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// NewSubject reads a .crate of size bytes into a subject, which keeps nothing of
// src. An archive that is refused is part of the subject, for the checks to
// speak of.
func NewSubject(r crate.Release, src io.ReaderAt, size int64, lim crate.Limits) *check.Subject {
	s := &check.Subject{Release: r, Size: size}
	s.Archive, s.ArchiveErr = crate.ReadFrom(src, size, r, lim)
	return s
}

// Run executes c on s within timeout. The second result is what broke, for the
// log; the report then concludes error and says so without internals.
func Run(ctx context.Context, c *check.Check, s *check.Subject, timeout time.Duration) (check.Report, error) {
	if c.Needs&check.NeedsFiles != 0 && s.Archive == nil {
		return unreadable(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	report, err := execute(ctx, c, s)
	switch {
	case err == nil && report.Conclusion == "":
		err = errors.New("the check returned no conclusion")
	case err == nil:
		return check.Clip(report), nil
	}
	return broken(err, timeout), fmt.Errorf("run check %q on %s: %w", c.Name, s.Release, err)
}

// abandoned counts the checks that ignored their timeout and run on.
var abandoned atomic.Int64

// Abandoned is how many checks have been left behind and still run, each with
// its archive in memory. A caller that sees several takes on nothing new.
func Abandoned() int { return int(abandoned.Load()) }

// A watch says whether a check ended or was left behind: whichever came first.
type watch struct{ decided atomic.Bool }

// ended is called when the check ends.
func (w *watch) ended() {
	if !w.decided.CompareAndSwap(false, true) {
		abandoned.Add(-1)
	}
}

// leave is called when nobody waits for it any longer.
func (w *watch) leave() {
	abandoned.Add(1)
	if !w.decided.CompareAndSwap(false, true) {
		abandoned.Add(-1)
	}
}

// execute runs the check in a goroutine of its own, so that one which ignores
// its context cannot hold up whoever asked: the goroutine is then left behind.
func execute(ctx context.Context, c *check.Check, s *check.Subject) (check.Report, error) {
	type answer struct {
		report check.Report
		err    error
	}
	done := make(chan answer, 1)
	var w watch
	go func() {
		defer w.ended()
		defer func() {
			if p := recover(); p != nil {
				done <- answer{err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
			}
		}()
		report, err := c.Run(ctx, s)
		done <- answer{report, err}
	}()
	select {
	case a := <-done:
		return a.report, a.err
	case <-ctx.Done():
		// The check may have answered in the same instant.
		select {
		case a := <-done:
			return a.report, a.err
		default:
			w.leave()
			return check.Report{}, ctx.Err()
		}
	}
}

func unreadable() check.Report {
	return check.Clip(check.Report{
		Conclusion: check.Inconclusive,
		Title:      "Cannot be known: the archive is refused",
		Summary: "The `.crate` is not one that cargo writes, and tools may read it differently. " +
			"The `archive` check says what is wrong with it; nothing in it was looked at here.",
	})
}

func broken(err error, timeout time.Duration) check.Report {
	r := check.Report{
		Conclusion: check.Error,
		Title:      "The check broke",
		Summary:    "This is our trouble, not the crate's, and says nothing about it.",
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r.Title = fmt.Sprintf("The check did not end within %s", timeout.Round(time.Millisecond))
	case errors.Is(err, context.Canceled):
		r.Title = "The check was interrupted"
	}
	return check.Clip(r)
}
