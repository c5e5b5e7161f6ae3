package runs

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// Answers are what checks once knew, and when that has grown old. Each method is
// one durable transaction.
type Answers interface {
	// Answer returns the first run of the same check on the same release, before
	// the given one, whose conclusion is Known: of the same version of the check,
	// else of the newest that has one. It wraps store.ErrNotFound when none has.
	Answer(ctx context.Context, before store.CheckRun) (store.CheckRun, error)
	// QueueRechecks queues runs of a check version whose answers have grown old by
	// now (store.Finish.Recheck), the oldest first, and says how many.
	QueueRechecks(ctx context.Context, ref store.CheckRef, now time.Time, pace store.Pace) (int, error)
	// Recheck queues one run of a check version on a release, unless one is on its
	// way, the newest was completed after since, or so many were queued within the
	// hour. It reports whether it did.
	Recheck(ctx context.Context, ref store.CheckRef, release store.ID, since, now time.Time, hour int) (bool, error)
}

// previous is what the check answered before, nil when it never did or does not
// ask again.
func (r *Runs) previous(ctx context.Context, c *check.Check, run store.CheckRun) (*check.Previous, error) {
	if r.Answers == nil || c.Recheck == 0 && c.RecheckVisited == 0 {
		return nil, nil
	}
	before, err := r.Answers.Answer(ctx, run)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("begin check run %d: %w", run.ID, err)
	}
	return &check.Previous{
		CheckVersion: before.CheckVersion,
		Conclusion:   before.Report.Conclusion,
		Facts:        before.Report.Facts,
		At:           before.CompletedAt,
	}, nil
}

// nextRecheck says when the answer of a run grows old; zero for never. What does
// not apply to a release never will. What could not be known is asked again like
// any other: its author may have put it right.
func (r *Runs) nextRecheck(c *check.Check, run store.CheckRun, report check.Report, now time.Time) time.Time {
	every := c.Recheck
	if every > 0 && r.RecheckEvery > 0 {
		every = r.RecheckEvery
	}
	if every <= 0 || report.Conclusion == check.Skipped {
		return time.Time{}
	}
	return now.Add(spread(every, run.ID))
}

// spread returns every, give or take a tenth by the run's id: what was asked in
// one burst, such as after a check's version was raised, is not asked again in
// one.
func spread(every time.Duration, id store.ID) time.Duration {
	const golden = 0x9E3779B97F4A7C15 // neighbours land far from each other
	tenth := uint64(every / 10)
	part, _ := bits.Mul64(uint64(id)*golden, 2*tenth)
	return every - time.Duration(tenth) + time.Duration(part)
}

// QueueRechecks queues runs whose answers have grown old, as many as a minute
// may have, and says how many. Callers repeat it about every minute.
func (r *Runs) QueueRechecks(ctx context.Context) (int, error) {
	if r.Answers == nil || r.RechecksPerHour <= 0 {
		return 0, nil
	}
	pace := store.Pace{Batch: (r.RechecksPerHour + 59) / 60, Hour: r.RechecksPerHour}
	total := 0
	for _, c := range r.Checks {
		if c.Recheck == 0 {
			continue
		}
		n, err := r.Answers.QueueRechecks(ctx, store.RefOf(c), r.Now(), pace)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// Visited says that somebody looks at the answer of a check about a crate. It is
// asked again when it has stood for the check's RecheckVisited.
func (r *Runs) Visited(ctx context.Context, checkName string, release store.ID) error {
	c := r.check(checkName)
	if c == nil || c.RecheckVisited == 0 || r.Answers == nil || r.RechecksPerHour <= 0 {
		return nil
	}
	now := r.Now()
	// Half the hour at most: whoever walks through all pages does not keep the
	// rest from being asked.
	hour := (r.RechecksPerHour + 1) / 2
	_, err := r.Answers.Recheck(ctx, store.RefOf(c), release, now.Add(-c.RecheckVisited), now, hour)
	return err
}
