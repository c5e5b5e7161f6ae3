package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/cratefence/cratefence/internal/blob"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/runs"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/store/sqlite"
)

// away is a registry that does not answer.
type away struct{}

func (away) Download(context.Context, string, string, string, crate.Checksum) ([]byte, error) {
	return nil, errors.New("no route to the registry")
}

// newConfig wires a worker on a store and blobs of its own. Its checks answer
// with what run does.
func newConfig(t *testing.T, run func(context.Context, *check.Subject) (check.Report, error)) (Config, *sqlite.Store) {
	t.Helper()
	return newConfigAt(t, filepath.Join(t.TempDir(), "worker.db"), run)
}

// newConfigAt is newConfig with the database at path.
func newConfigAt(t *testing.T, path string, run func(context.Context, *check.Subject) (check.Report, error)) (Config, *sqlite.Store) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs, err := blob.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	checks := []*check.Check{{Name: "probe", Version: 1, About: check.AboutRelease, Timeout: time.Minute, Run: run}}
	return Config{
		Intake: &intake.Intake{
			Store: db, Blobs: blobs, Upstream: away{}, Checks: checks, Limits: crate.DefaultLimits, Now: time.Now,
		},
		Runs:     &runs.Runs{Store: db, Checks: checks, Now: time.Now},
		Releases: db, Blobs: blobs, Limits: crate.DefaultLimits,
		Log:    slog.New(slog.DiscardHandler),
		Checks: 2, Fetches: 1,
		FetchTimeout: time.Minute, RescueEvery: time.Hour, RefillEvery: time.Hour,
	}, db
}

func submit(t *testing.T, cfg Config) store.Release {
	t.Helper()
	r, _, err := cfg.Intake.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, []byte("no gzip"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIntakeGivesUpAfterTheLastTry(t *testing.T) {
	cfg, db := newConfig(t, nil)
	a, _, err := cfg.Intake.Announce(t.Context(), store.Announcement{
		Via: store.ViaWebhook, MessageID: "m", Crate: "tin", Version: "1.0.0", Checksum: crate.Sum([]byte("x")),
	}, "webhook")
	if err != nil {
		t.Fatal(err)
	}
	w := &intakeWorker{cfg: cfg}
	for attempt := 1; attempt <= 3; attempt++ {
		err := w.Work(t.Context(), &river.Job[store.IntakeJob]{
			JobRow: &rivertype.JobRow{Attempt: attempt, MaxAttempts: 3},
			Args:   store.IntakeJob{Announcement: a.ID},
		})
		got, readErr := db.Announcement(t.Context(), a.ID)
		if readErr != nil {
			t.Fatal(readErr)
		}
		last := attempt == 3
		if (err == nil) != last || (got.Status == store.AnnouncementRefused) != last {
			t.Errorf("try %d: error %v, announcement %s; want it given up at the last alone", attempt, err, got.Status)
		}
		if !strings.Contains(got.Reason, "no route to the registry") {
			t.Errorf("try %d: reason %q does not say why", attempt, got.Reason)
		}
	}
}

func TestWorkerExecutesWhatIsQueued(t *testing.T) {
	looked := make(chan crate.Release, 1)
	cfg, db := newConfig(t, func(_ context.Context, s *check.Subject) (check.Report, error) {
		looked <- s.Release
		return check.Report{Conclusion: check.Success, Title: "looked"}, nil
	})
	done := make(chan check.Conclusion, 1)
	cfg.Observe = func(_ string, c check.Conclusion, _ time.Duration) { done <- c }
	release := submit(t, cfg)
	w, err := Start(t.Context(), cfg, db.River)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-looked; got.Checksum != release.Checksum || got.Name != "tin" {
		t.Errorf("the check looked at %v, want tin with %s", got, release.Checksum)
	}
	if got := <-done; got != check.Success {
		t.Errorf("concluded %s, want success", got)
	}
	// Stopping waits for the report to be written.
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	states, err := db.CheckStates(t.Context(), release.ID)
	if err != nil {
		t.Fatal(err)
	}
	if s := states[release.ID]; len(s) != 1 || s[0].Counts == nil || s[0].Counts.Report.Title != "looked" {
		t.Errorf("stored states %+v, want the report", s)
	}
}

// A check that is under way when the server must stop is interrupted after the
// time given, and tried again: it neither holds up the stop nor is it lost.
func TestStopInterruptsAndKeeps(t *testing.T) {
	began := make(chan struct{})
	cfg, db := newConfig(t, func(ctx context.Context, _ *check.Subject) (check.Report, error) {
		close(began)
		<-ctx.Done()
		return check.Report{}, ctx.Err()
	})
	release := submit(t, cfg)
	w, err := Start(t.Context(), cfg, db.River)
	if err != nil {
		t.Fatal(err)
	}
	<-began
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Stop(impatient); err != nil {
		t.Fatal(err)
	}
	states, err := db.CheckStates(t.Context(), release.ID)
	if err != nil {
		t.Fatal(err)
	}
	s := states[release.ID][0]
	if s.Counts == nil || s.Counts.Report.Conclusion != check.Error || s.Pending == nil {
		t.Errorf("state %+v, want an error and a next attempt queued", s)
	}
}

func TestMissingBlobIsOurTrouble(t *testing.T) {
	cfg, db := newConfig(t, func(context.Context, *check.Subject) (check.Report, error) {
		return check.Report{Conclusion: check.Success}, nil
	})
	empty, err := blob.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Blobs = empty
	release := submit(t, cfg)
	states, err := db.CheckStates(t.Context(), release.ID)
	if err != nil {
		t.Fatal(err)
	}
	job := &river.Job[store.RunJob]{JobRow: &rivertype.JobRow{}, Args: store.RunJob{Run: states[release.ID][0].Pending.ID}}
	if err := (&runWorker{cfg: cfg}).Work(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	run, err := db.Run(t.Context(), job.Args.Run)
	if err != nil {
		t.Fatal(err)
	}
	if run.Report.Conclusion != check.Error {
		t.Errorf("concluded %s without the crate's bytes, want error", run.Report.Conclusion)
	}
	// The queue may deliver twice; the run is complete and stays as it is.
	if err := (&runWorker{cfg: cfg}).Work(t.Context(), job); err != nil {
		t.Errorf("second delivery: %v, want nothing to do", err)
	}
}

// registry states lines, or fails with err.
type registry struct{ err error }

func (r registry) Lines(context.Context, string) ([]index.Line, error) { return nil, r.err }

func (r registry) Line(_ context.Context, name, version string) (index.Line, error) {
	return index.Line{Name: name, Vers: version}, r.err
}

func (r registry) Before(context.Context, string, string) (string, *crate.Archive, error) {
	return "", nil, check.ErrNotInRegistry
}

func TestSubjectHasWhatTheCheckNeeds(t *testing.T) {
	type seen struct {
		Line     bool
		Err      error
		Attempt  int
		Previous bool
	}
	away := fmt.Errorf("%w: no route", check.ErrRegistryUnreachable)
	tests := []struct {
		name  string
		needs check.Needs
		index check.Registry
		want  []seen // by attempt
	}{
		{"the index line", check.NeedsRegistry, registry{}, []seen{{Line: true, Attempt: 1}, {Line: true, Attempt: 2, Previous: true}}},
		{"why there is none", check.NeedsRegistry, registry{away}, []seen{{Err: away, Attempt: 1}, {Err: away, Attempt: 2, Previous: true}}},
		{"no registry to ask", check.NeedsRegistry, nil, []seen{{Attempt: 1}, {Attempt: 2, Previous: true}}},
		// A registry is not asked for what nobody looks at.
		{"none that is not needed", 0, registry{away}, []seen{{Attempt: 1}, {Attempt: 2, Previous: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []seen
			cfg, db := newConfig(t, func(_ context.Context, s *check.Subject) (check.Report, error) {
				got = append(got, seen{s.Index != nil, s.IndexErr, s.Attempt, s.Previous != nil})
				return check.Report{Conclusion: check.Success}, nil
			})
			probe := cfg.Runs.Checks[0]
			probe.Needs, probe.Recheck = tt.needs, time.Nanosecond
			cfg.Registry, cfg.Runs.Answers, cfg.Runs.RechecksPerHour = tt.index, db, 10
			release := submit(t, cfg)
			for range 2 {
				states, err := db.CheckStates(t.Context(), release.ID)
				if err != nil {
					t.Fatal(err)
				}
				job := &river.Job[store.RunJob]{JobRow: &rivertype.JobRow{}, Args: store.RunJob{Run: states[release.ID][0].Pending.ID}}
				if err := (&runWorker{cfg: cfg}).Work(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				cfg.refill(t.Context())
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateErrors()); diff != "" {
				t.Errorf("subjects (-want +got):\n%s", diff)
			}
		})
	}
}
