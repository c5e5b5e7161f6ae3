package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/cratefence/cratefence/internal/blob"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitsource"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/worker"
)

// How long an orderly stop may take: first the requests, then the checks.
const (
	drainRequests = 10 * time.Second
	drainChecks   = 20 * time.Second
)

// service is everything that `cratefence serve` runs.
type service struct {
	url    string
	log    *slog.Logger
	db     opened
	worker stopper
	fence  *fence
	front  *front
	health *health
	failed chan error // the server's, once
}

// startService opens, wires and starts all parts. Nothing is left running or
// open when it returns an error.
func startService(ctx context.Context, cfg Config, log *slog.Logger) (_ *service, err error) {
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &service{log: log, db: db, health: &health{db: db}, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()

	parts, err := s.assemble(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.fence = parts.fence
	front, err := newFront(frontConfig{
		Handler: parts.handler, Certificate: cfg.TLS.Certificate, Key: cfg.TLS.Key, H2C: cfg.TLS.H2C, Log: log,
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w; --listen names another address", err)
	}
	s.url = front.Scheme() + "://" + listener.Addr().String()
	working, err := db.work(ctx, parts.worker)
	if err != nil {
		listener.Close()
		return nil, err
	}
	s.worker = working
	s.fence.run(ctx)
	s.front = front
	go func() { s.failed <- front.Serve(listener) }()
	log.InfoContext(ctx, "serving", "url", s.url, "data", cfg.Data, "postgres", cfg.Database != "" || cfg.DatabaseFile != "")
	return s, nil
}

// parts are what assemble makes: the handler of all ways in, the worker and the
// fence.
type parts struct {
	handler http.Handler
	worker  worker.Config
	fence   *fence
}

func (s *service) assemble(ctx context.Context, cfg Config) (parts, error) {
	if err := makeDataFolder(cfg.Data); err != nil {
		return parts{}, err
	}
	out, err := newEgress(cfg.Egress.Proxy, cfg.Egress.Allow)
	if err != nil {
		return parts{}, err
	}
	registry, err := newUpstream(cfg, out)
	if err != nil {
		return parts{}, err
	}
	blobs, err := blob.New(cfg.inData("crates"))
	if err != nil {
		return parts{}, err
	}
	secrets, err := webhookSecrets(cfg)
	if err != nil {
		return parts{}, err
	}
	m := newMetrics(s.db)
	checkRuns := &runs.Runs{
		Store: s.db, Answers: s.db, Checks: check.All(), Now: time.Now,
		MaxTimeout:      time.Duration(cfg.Worker.MaxCheckTimeout),
		RecheckEvery:    time.Duration(cfg.Worker.RecheckEvery),
		RechecksPerHour: cfg.Worker.RechecksPerHour,
	}
	in := &intake.Intake{
		Store: s.db, Blobs: blobs, Upstream: downloads{registry},
		Checks: check.All(), Limits: cfg.crateLimits(), Now: time.Now,
	}
	fence, err := newFence(ctx, cfg, s, in, registry, blobs)
	if err != nil {
		return parts{}, err
	}
	m.watch(fence)
	return parts{
		fence:   fence,
		handler: s.routes(cfg, in, checkRuns, fence, secrets, m),
		worker: worker.Config{
			Intake:   in,
			Runs:     checkRuns,
			Releases: s.db, Blobs: blobs, Source: gitsource.New(out, gitLimits(cfg)), Registry: registryView{registry, cfg.crateLimits()}, Limits: cfg.crateLimits(),
			Observe: m.observe, Log: s.log,
			Checks: cfg.Worker.Checks, Fetches: cfg.Worker.Fetches,
			FetchTimeout: time.Duration(cfg.Worker.FetchTimeout),
			RescueEvery:  time.Duration(cfg.Worker.RescueEvery),
			RefillEvery:  time.Duration(cfg.Worker.RefillEvery),
		},
	}, nil
}

// treeBytes bounds the trees of repositories that are kept on disk.
const treeBytes = 512 << 20

// gitLimits has the trees of repositories kept in the data folder, so that the next
// release of a repository costs what changed since, also after a restart and for
// other workers on the folder.
func gitLimits(cfg Config) gitsource.Limits {
	limits := gitsource.DefaultLimits
	limits.Shelf = gitsource.Shelf{Folder: cfg.inData("trees"), Bytes: treeBytes}
	return limits
}

// wait runs until ctx ends or the server fails, then stops in order.
func (s *service) wait(ctx context.Context) error {
	var failed error
	select {
	case <-ctx.Done():
		s.log.InfoContext(ctx, "stopping")
	case failed = <-s.failed:
	}
	return errors.Join(failed, s.close(context.WithoutCancel(ctx)))
}

// close stops taking requests, lets those under way end, then the checks, and
// closes the store last. What does not end in time is tried again at the next
// start: nothing is lost.
func (s *service) close(ctx context.Context) error {
	s.health.stopping.Store(true)
	var errs []error
	if s.front != nil {
		drain, cancel := context.WithTimeout(ctx, drainRequests)
		if err := s.front.Shutdown(drain); err != nil {
			errs = append(errs, s.front.Close())
		}
		cancel()
	}
	if s.worker != nil {
		drain, cancel := context.WithTimeout(ctx, drainChecks)
		errs = append(errs, s.worker.Stop(drain))
		cancel()
	}
	if s.fence != nil {
		s.fence.close()
	}
	return errors.Join(append(errs, s.db.Close())...)
}
