package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/cratefence/cratefence/internal/store"
)

func (s *Store) queueIntake(ctx context.Context, tx pgx.Tx, id store.ID, priority int) error {
	_, err := s.jobs.InsertTx(ctx, tx, store.IntakeJob{Announcement: id}, &river.InsertOpts{
		Queue:       store.IntakeQueue,
		Priority:    priority,
		MaxAttempts: store.IntakeTries,
	})
	return err
}

// queueRuns queues the jobs of runs that were just inserted. The queue "" is
// store.CheckQueue, and the zero time at once.
func (s *Store) queueRuns(ctx context.Context, tx pgx.Tx, queue string, ids []store.ID, priority int, after time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	queue = cmp.Or(queue, store.CheckQueue)
	jobs := make([]river.InsertManyParams, 0, len(ids))
	for _, id := range ids {
		jobs = append(jobs, river.InsertManyParams{
			Args: store.RunJob{Run: id},
			InsertOpts: &river.InsertOpts{
				Queue:       queue,
				MaxAttempts: store.RunTries,
				Priority:    priority,
				ScheduledAt: after,
			},
		})
	}
	_, err := s.jobs.InsertManyFastTx(ctx, tx, jobs)
	return err
}
