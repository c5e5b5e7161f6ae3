package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// RunQueue has the queue of a database work: what is published by several at
// once is done by several at once, each run by one worker.
func RunQueue[TTx any](t *testing.T, db Store, newClient func(*river.Config) (*river.Client[TTx], error)) {
	const releases = 20
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := startWorkers(t, db, newClient)
	var next atomic.Int32
	atOnce(func(int) {
		for {
			n := next.Add(1)
			if n > releases {
				return
			}
			if _, _, err := db.Publish(ctx, publication(fmt.Sprint("crate", n), "1.0.0", twoChecks...)); err != nil {
				t.Error(err)
			}
		}
	})
	for range releases * len(twoChecks) {
		select {
		case err := <-w.done:
			if err != nil {
				t.Error(err)
			}
		case <-ctx.Done():
			t.Fatal("runs are left undone")
		}
	}
	n := must(db.Counts(ctx))(t)
	same(t, "runs", map[store.Status]int{store.Queued: 0, store.InProgress: 0, store.Completed: releases * len(twoChecks)}, n.Runs)
}

// workers execute runs by finding nothing, and tell of each.
type workers struct {
	river.WorkerDefaults[store.RunJob]
	store Store
	done  chan error
}

// startWorkers begins to work, until the test ends.
func startWorkers[TTx any](t testing.TB, db Store, newClient func(*river.Config) (*river.Client[TTx], error)) *workers {
	t.Helper()
	w := &workers{store: db, done: make(chan error, 1<<16)}
	registry := river.NewWorkers()
	river.AddWorker(registry, w)
	client := must(newClient(&river.Config{
		Logger:  slog.New(slog.DiscardHandler),
		Queues:  map[string]river.QueueConfig{store.CheckQueue: {MaxWorkers: 8}},
		Workers: registry,
		// Its default lets the queue be asked ten times a second: with eight workers
		// that is 80 runs a second, whatever the store can do.
		FetchCooldown: 5 * time.Millisecond,
	}))(t)
	if err := client.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Work executes a run.
func (w *workers) Work(ctx context.Context, job *river.Job[store.RunJob]) error {
	err := w.execute(ctx, job.Args.Run)
	if job.Attempt > 1 {
		err = errors.Join(err, fmt.Errorf("job of run %d is at attempt %d", job.Args.Run, job.Attempt))
	}
	w.done <- err
	return err
}

func (w *workers) execute(ctx context.Context, id store.ID) error {
	now := time.Now()
	run, err := w.store.StartRun(ctx, id, fmt.Sprint("lease of ", id), now, now.Add(time.Minute))
	if err != nil {
		return err
	}
	if _, err := w.store.ReleaseByID(ctx, run.ReleaseID); err != nil {
		return err
	}
	return w.store.FinishRun(ctx, store.Finish{Run: id, Lease: run.Lease, Report: report(check.Success), At: now})
}
