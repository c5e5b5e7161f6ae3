package worker

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// A worker that is lost at a job's last try leaves nobody to say so: the queue
// discards the job. What it was about must not wait for ever.
func TestSalvage(t *testing.T) {
	for _, state := range []string{"discarded", "cancelled"} {
		t.Run(state, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "worker.db")
			done := make(chan check.Conclusion, 1)
			cfg, db := newConfigAt(t, path, func(context.Context, *check.Subject) (check.Report, error) {
				return check.Report{Conclusion: check.Success}, nil
			})
			cfg.Observe = func(_ string, c check.Conclusion, _ time.Duration) { done <- c }
			cfg.RefillEvery = 10 * time.Millisecond
			a, _, err := cfg.Intake.Announce(t.Context(), store.Announcement{
				Via: store.ViaWebhook, MessageID: "m", Crate: "tin", Version: "2.0.0", Checksum: crate.Sum([]byte("x")),
			}, "webhook")
			if err != nil {
				t.Fatal(err)
			}
			submit(t, cfg)
			giveUpJobs(t, path, state)

			w, err := Start(t.Context(), cfg, db.River)
			if err != nil {
				t.Fatal(err)
			}
			// The run's job is tried anew after the announcement's was settled: jobs
			// are looked at in order.
			if got := <-done; got != check.Success {
				t.Errorf("the run concluded %s, want success", got)
			}
			if err := w.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, err := db.Announcement(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != store.AnnouncementRefused || !strings.Contains(got.Reason, "given up after 8 tries") {
				t.Errorf("announcement %s (%q), want it refused with a reason", got.Status, got.Reason)
			}
		})
	}
}

// here is a registry that has what was announced.
type here []byte

func (h here) Download(context.Context, string, string, string, crate.Checksum) ([]byte, error) {
	return h, nil
}

// full is a folder on a disk that is.
type full struct{}

func (full) Put(context.Context, crate.Checksum, []byte) error {
	return errors.New("write /srv/secret/crates: no space left on device")
}

// Who reads an announcement learns that we gave up, not how this server is made;
// who runs it finds that in the log, of every try.
func TestOwnTroubleIsForTheLog(t *testing.T) {
	cfg, db := newConfig(t, nil)
	var log bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	data := []byte("x")
	cfg.Intake.Upstream, cfg.Intake.Blobs = here(data), full{}
	a, _, err := cfg.Intake.Announce(t.Context(), store.Announcement{
		Via: store.ViaWebhook, MessageID: "m", Crate: "tin", Version: "1.0.0", Checksum: crate.Sum(data),
	}, "webhook")
	if err != nil {
		t.Fatal(err)
	}
	job := &river.Job[store.IntakeJob]{
		JobRow: &rivertype.JobRow{Attempt: 3, MaxAttempts: 3},
		Args:   store.IntakeJob{Announcement: a.ID},
	}
	w := &intakeWorker{cfg: cfg}
	if err := w.Work(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	got, err := db.Announcement(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != store.AnnouncementRefused || strings.Contains(got.Reason, "/srv") {
		t.Errorf("announcement %s (%q), want it given up without our paths", got.Status, got.Reason)
	}
	if !strings.Contains(log.String(), "/srv/secret") || !strings.Contains(log.String(), "try=3") {
		t.Errorf("log %q does not say what is wrong", log.String())
	}
	if w.Timeout(job) <= cfg.FetchTimeout {
		t.Errorf("the job has %v, a download alone %v: no time is left to store it", w.Timeout(job), cfg.FetchTimeout)
	}
}

// giveUpJobs leaves all jobs as the queue leaves those whose worker was lost at
// the last try.
func giveUpJobs(t *testing.T, path, state string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `
		UPDATE river_job SET state = $1, attempt = max_attempts, finalized_at = datetime('now')`, state); err != nil {
		t.Fatal(err)
	}
}
