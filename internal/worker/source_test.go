package worker

import (
	"context"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// Repositories that hang hold up no check that needs none.
func TestHangingRepositoriesHoldUpNoOtherCheck(t *testing.T) {
	release := make(chan struct{})
	cfg, db := newConfig(t, func(context.Context, *check.Subject) (check.Report, error) {
		return check.Report{Conclusion: check.Success}, nil
	})
	hangs := &check.Check{
		Name: "asks", Version: 1, About: check.AboutRelease, Needs: check.NeedsSource, Timeout: time.Minute,
		Run: func(context.Context, *check.Subject) (check.Report, error) {
			<-release
			return check.Report{Conclusion: check.Success}, nil
		},
	}
	checks := []*check.Check{hangs, cfg.Runs.Checks[0]}
	cfg.Intake.Checks, cfg.Runs.Checks = checks, checks
	done := make(chan string, 100)
	cfg.Observe = func(name string, _ check.Conclusion, _ time.Duration) { done <- name }
	const releases = 5 // more than there are workers
	for i := range releases {
		r := store.Release{Crate: "tin", Version: "1.0." + string(rune('0'+i))}
		if _, _, err := cfg.Intake.Submit(t.Context(), r, []byte{byte(i)}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	w, err := Start(t.Context(), cfg, db.River)
	if err != nil {
		t.Fatal(err)
	}
	for range releases {
		if name := <-done; name != "probe" {
			t.Errorf("%q ended, want probe while the others hang", name)
		}
	}
	close(release)
	for range releases {
		if name := <-done; name != "asks" {
			t.Errorf("%q ended, want those that hung", name)
		}
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
