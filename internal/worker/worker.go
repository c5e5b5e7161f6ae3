// Package worker takes jobs from the queue and does them: it fetches what was
// announced and executes check runs. River keeps the queue; what a run's life is
// stands in package runs, how a check is executed in package runner.
package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/runner"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/store"
)

// Blobs gives crates back by checksum, their bytes verified.
type Blobs interface {
	Get(ctx context.Context, sum crate.Checksum, limit int64) ([]byte, error)
}

// Releases gives the release that a run is about.
type Releases interface {
	ReleaseByID(ctx context.Context, id store.ID) (store.Release, error)
}

// Observer is told of every executed run, for metrics. Safe for concurrent use.
type Observer func(checkName string, conclusion check.Conclusion, took time.Duration)

// Config is what a worker works with.
type Config struct {
	Intake   *intake.Intake
	Runs     *runs.Runs
	Releases Releases
	Blobs    Blobs
	Source   check.Source
	Registry check.Registry // nil: none to ask
	Limits   crate.Limits
	Observe  Observer
	Log      *slog.Logger

	// Checks and Fetches bound how many runs and downloads go on at once; of runs
	// that need a repository, as many again.
	Checks, Fetches int
	// FetchTimeout bounds one download.
	FetchTimeout time.Duration
	// RescueEvery is the pace of looking for lost runs, RefillEvery that of
	// queueing stale ones and those whose answers have grown old.
	RescueEvery, RefillEvery time.Duration
}

// refillBatch is how many stale runs of a check are queued at a time: enough to
// keep workers busy, few enough that fresh releases never queue behind a backlog.
const refillBatch = 200

// grace is what the queue gives a job beyond the longest timeout, to read and to
// store, before it takes the job for lost.
const grace = 30 * time.Second

// Beyond maxAbandoned checks that ignore their timeout nothing new is begun:
// each may hold a whole archive in memory.
const (
	maxAbandoned  = 4
	abandonedWait = 15 * time.Second
)

// A Worker runs until stopped.
type Worker[TTx any] struct {
	client *river.Client[TTx]
	stop   context.CancelFunc
	done   chan struct{}
}

// Start begins to work. newClient makes the queue's client: a store's own River
// method.
func Start[TTx any](ctx context.Context, cfg Config, newClient func(*river.Config) (*river.Client[TTx], error)) (*Worker[TTx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &runWorker{cfg: cfg})
	river.AddWorker(workers, &intakeWorker{cfg: cfg})
	client, err := newClient(&river.Config{
		Logger: slog.New(warnings{cfg.Log.Handler()}).With("part", "queue"),
		Queues: map[string]river.QueueConfig{
			store.CheckQueue:  {MaxWorkers: cfg.Checks},
			store.SourceQueue: {MaxWorkers: cfg.Checks},
			store.IntakeQueue: {MaxWorkers: cfg.Fetches},
		},
		Workers: workers,
		// The queue's own pause between fetches would leave eight workers at a
		// tenth of what the store can do.
		FetchCooldown: 5 * time.Millisecond,
		// A run's own deadline rescues it (see tend); this frees the job that
		// was lost with it, and re-fetches announcements whose worker died.
		JobTimeout:           cfg.longest() + grace,
		RescueStuckJobsAfter: cfg.longest() + grace,
	})
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	// The queue lives until Stop, not until the caller's context ends: stopping
	// in order lets running checks write their reports.
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start queue: %w", err)
	}
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Worker[TTx]{client: client, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.tend(loops, &cfg)
	}()
	return w, nil
}

// Stop takes no more jobs, waits for those under way until ctx ends, then
// interrupts them: their runs are finished as errors and tried again.
func (w *Worker[TTx]) Stop(ctx context.Context) error {
	w.stop()
	<-w.done
	if err := w.client.Stop(ctx); err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return w.client.StopAndCancel(hard)
	}
	return nil
}

func (cfg *Config) longest() time.Duration {
	longest := cfg.FetchTimeout
	for _, c := range cfg.Runs.Checks {
		longest = max(longest, cfg.Runs.Timeout(c))
	}
	return longest
}

// tend rescues lost runs, settles what the queue has given up and queues stale
// runs until ctx ends.
func (w *Worker[TTx]) tend(ctx context.Context, cfg *Config) {
	rescue, refill := time.NewTicker(cfg.RescueEvery), time.NewTicker(cfg.RefillEvery)
	defer rescue.Stop()
	defer refill.Stop()
	cfg.rescue(ctx)
	w.salvage(ctx, cfg)
	cfg.refill(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-rescue.C:
			cfg.rescue(ctx)
		case <-refill.C:
			w.salvage(ctx, cfg)
			cfg.refill(ctx)
		}
	}
}

func (cfg *Config) rescue(ctx context.Context) {
	n, err := cfg.Runs.Rescue(ctx)
	if err != nil && ctx.Err() == nil {
		cfg.Log.ErrorContext(ctx, "rescue lost check runs", "err", err)
	}
	if n > 0 {
		cfg.Log.WarnContext(ctx, "rescued check runs whose worker was lost", "runs", n)
	}
}

func (cfg *Config) refill(ctx context.Context) {
	n, err := cfg.Runs.QueueStale(ctx, refillBatch)
	if err != nil && ctx.Err() == nil {
		cfg.Log.ErrorContext(ctx, "queue stale check runs", "err", err)
	}
	if n > 0 {
		cfg.Log.InfoContext(ctx, "queued check runs of newer check versions", "runs", n)
	}
	n, err = cfg.Runs.QueueRechecks(ctx)
	if err != nil && ctx.Err() == nil {
		cfg.Log.ErrorContext(ctx, "queue check runs again", "err", err)
	}
	if n > 0 {
		cfg.Log.InfoContext(ctx, "queued check runs whose answers had grown old", "runs", n)
	}
}

// A runWorker leaves its jobs the queue's timeout, which is beyond any check's
// own: package runner keeps that one.
type runWorker struct {
	river.WorkerDefaults[store.RunJob]
	cfg Config
}

// Work executes one run. It returns an error only when the store did not answer:
// then the queue tries again. Everything else ends in the run's report.
func (w *runWorker) Work(ctx context.Context, job *river.Job[store.RunJob]) error {
	if n := runner.Abandoned(); n >= maxAbandoned {
		w.cfg.Log.WarnContext(ctx, "checks that ignore their timeout are still running; waiting for them", "checks", n)
		return river.JobSnooze(abandonedWait)
	}
	begun, err := w.cfg.Runs.Begin(ctx, job.Args.Run)
	if errors.Is(err, runs.ErrNotRunnable) {
		return nil
	}
	if err != nil {
		return err
	}
	start := time.Now()
	report, broke := w.execute(ctx, begun)
	if broke != nil {
		w.cfg.Log.ErrorContext(ctx, "check run broke", "run", begun.Run.ID, "check", begun.Check.Name,
			"crate", begun.Run.Crate, "version", begun.Run.Version, "err", broke)
	}
	if w.cfg.Observe != nil {
		w.cfg.Observe(begun.Check.Name, report.Conclusion, time.Since(start))
	}
	// The report is written even when the server is stopping.
	return w.cfg.Runs.Finish(context.WithoutCancel(ctx), begun, report)
}

func (w *runWorker) execute(ctx context.Context, begun runs.Begun) (check.Report, error) {
	release, err := w.cfg.Releases.ReleaseByID(ctx, begun.Run.ReleaseID)
	if err != nil {
		return unavailable(), err
	}
	data, err := w.cfg.Blobs.Get(ctx, begun.Run.Checksum, w.cfg.Limits.Packed)
	if err != nil {
		return unavailable(), err
	}
	ctx, cancel := context.WithTimeout(ctx, begun.Timeout)
	defer cancel()
	subject := runner.NewSubject(crate.Release{Name: release.Crate, Version: release.Version, Checksum: release.Checksum}, bytes.NewReader(data), int64(len(data)), w.cfg.Limits)
	subject.PublishedAt = release.PublishedAt
	subject.Source = w.cfg.Source
	subject.Attempt, subject.Previous = begun.Run.Attempt, begun.Previous
	if begun.Check.Needs&check.NeedsRegistry != 0 && w.cfg.Registry != nil {
		subject.Registry = w.cfg.Registry
		subject.Index, subject.IndexErr = w.line(ctx, begun)
	}
	return runner.Run(ctx, begun.Check, subject, begun.Timeout)
}

// line asks the registry, for a part of the run's own time. Without an answer the
// check decides what that means for it.
func (w *runWorker) line(ctx context.Context, begun runs.Begun) (*index.Line, error) {
	ctx, cancel := context.WithTimeout(ctx, begun.Timeout/4)
	defer cancel()
	line, err := w.cfg.Registry.Line(ctx, begun.Run.Crate, begun.Run.Version)
	if err != nil {
		return nil, err
	}
	return &line, nil
}

// unavailable is the report when we do not have what we stored.
func unavailable() check.Report {
	return check.Clip(check.Report{
		Conclusion: check.Error,
		Title:      "The stored crate could not be read",
		Summary:    "This is our trouble, not the crate's, and says nothing about it.",
	})
}

type intakeWorker struct {
	river.WorkerDefaults[store.IntakeJob]
	cfg Config
}

// Timeout bounds one download, which has a timeout of its own, and the storing
// of it: what has arrived at the last moment is not thrown away.
func (w *intakeWorker) Timeout(*river.Job[store.IntakeJob]) time.Duration {
	return w.cfg.FetchTimeout + grace
}

// Work fetches what was announced. The queue tries again, with back-off; after
// the last try the announcement is settled as refused, with the reason.
func (w *intakeWorker) Work(ctx context.Context, job *river.Job[store.IntakeJob]) error {
	err := w.cfg.Intake.Fetch(ctx, job.Args.Announcement)
	if err == nil {
		return nil
	}
	w.cfg.Log.WarnContext(ctx, "announced release not taken in", "announcement", job.Args.Announcement,
		"try", job.Attempt, "of", job.MaxAttempts, "err", err)
	if !lastTry(job.JobRow) {
		return err
	}
	why := err
	if errors.Is(err, intake.ErrTrouble) {
		why = intake.ErrTrouble // the rest is in the log
	}
	reason := fmt.Sprintf("given up after %d tries: %v", job.Attempt, why)
	return w.cfg.Intake.GiveUp(context.WithoutCancel(ctx), job.Args.Announcement, reason)
}

func lastTry(job *rivertype.JobRow) bool { return job.Attempt >= job.MaxAttempts }

// warnings passes on what a person should look at. The queue says much else.
type warnings struct{ slog.Handler }

func (h warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{h.Handler.WithAttrs(attrs)}
}

func (h warnings) WithGroup(name string) slog.Handler { return warnings{h.Handler.WithGroup(name)} }
