package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/cratefence/cratefence/internal/store"
)

// salvageBatch is how many given-up jobs are looked at in one round.
const salvageBatch = 100

// salvage looks after jobs that the queue itself has given up: their worker was
// lost, or broke, at the last try, so that no code of ours saw the end. Their
// announcement would stay received, and their check run queued, for ever.
//
// The queue forgets such a job after a week, long after every server has looked.
func (w *Worker[TTx]) salvage(ctx context.Context, cfg *Config) {
	jobs, err := w.client.JobList(ctx, river.NewJobListParams().
		Kinds(store.IntakeJob{}.Kind(), store.RunJob{}.Kind()).
		States(rivertype.JobStateDiscarded, rivertype.JobStateCancelled).
		OrderBy(river.JobListOrderByID, river.SortOrderAsc).First(salvageBatch))
	if err != nil {
		if ctx.Err() == nil {
			cfg.Log.ErrorContext(ctx, "look for jobs given up", "err", err)
		}
		return
	}
	for _, job := range jobs.Jobs {
		err := w.salvageJob(ctx, cfg, job)
		// Another server may be quicker.
		if err != nil && !errors.Is(err, rivertype.ErrNotFound) && ctx.Err() == nil {
			cfg.Log.ErrorContext(ctx, "salvage job given up", "job", job.ID, "kind", job.Kind, "err", err)
		}
	}
}

// salvageJob settles the announcement of an intake job, and takes the job away
// after it: a crash in between has it settled again, which changes nothing. A
// run's job is tried anew, and ends at once where the run is over.
func (w *Worker[TTx]) salvageJob(ctx context.Context, cfg *Config, job *rivertype.JobRow) error {
	if job.Kind == (store.RunJob{}).Kind() {
		_, err := w.client.JobRetry(ctx, job.ID)
		return err
	}
	var args store.IntakeJob
	if err := json.Unmarshal(job.EncodedArgs, &args); err != nil {
		return err
	}
	reason := fmt.Sprintf("given up after %d tries: the last did not come to an end; announce it again", job.Attempt)
	if err := cfg.Intake.GiveUp(ctx, args.Announcement, reason); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, err := w.client.JobDelete(ctx, job.ID)
	return err
}
