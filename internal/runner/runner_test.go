package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/runner"
)

func TestRun(t *testing.T) {
	answers := func(r check.Report, err error) func(context.Context, *check.Subject) (check.Report, error) {
		return func(context.Context, *check.Subject) (check.Report, error) { return r, err }
	}
	readable := &check.Subject{Archive: &crate.Archive{}}
	refused := &check.Subject{ArchiveErr: errors.New("two members")}
	tests := []struct {
		name      string
		needs     check.Needs
		subject   *check.Subject
		run       func(context.Context, *check.Subject) (check.Report, error)
		want      check.Conclusion
		title     string // is held in the report's
		wantBroke string // is held in the error; "" means none
	}{
		{
			name: "an answer is passed on", subject: readable,
			run:  answers(check.Report{Conclusion: check.Failure, Title: "found"}, nil),
			want: check.Failure, title: "found",
		},
		{
			name: "a refused archive is not looked into", subject: refused, needs: check.NeedsFiles,
			run:  func(_ context.Context, s *check.Subject) (check.Report, error) { panic(s.Archive.Files) },
			want: check.Inconclusive, title: "the archive is refused",
		},
		{
			name: "a check that needs no files sees a refused archive", subject: refused,
			run:  answers(check.Report{Conclusion: check.Failure, Title: "refused"}, nil),
			want: check.Failure, title: "refused",
		},
		{
			name: "our trouble is an error, without internals", subject: readable,
			run:  answers(check.Report{Conclusion: check.Success}, errors.New("disk /secret on fire")),
			want: check.Error, title: "The check broke", wantBroke: "on fire",
		},
		{
			name: "a panic is an error", subject: readable,
			run:  func(context.Context, *check.Subject) (check.Report, error) { panic("index out of range") },
			want: check.Error, title: "The check broke", wantBroke: "index out of range",
		},
		{
			name: "no conclusion is an error", subject: readable,
			run:  answers(check.Report{Title: "?"}, nil),
			want: check.Error, title: "The check broke", wantBroke: "no conclusion",
		},
		{
			// One that minds its context and one that does not must both end in time.
			name: "a check that ignores its timeout is left behind", subject: readable,
			run: func(context.Context, *check.Subject) (check.Report, error) {
				time.Sleep(time.Hour)
				return check.Report{Conclusion: check.Success}, nil
			},
			want: check.Error, title: "did not end within 1m0s", wantBroke: "deadline exceeded",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &check.Check{Name: "probe", Needs: tt.needs, Run: tt.run}
				got, err := runner.Run(t.Context(), c, tt.subject, time.Minute)
				if got.Conclusion != tt.want || !strings.Contains(got.Title, tt.title) {
					t.Errorf("Run() = %q %q, want %q and a title with %q", got.Conclusion, got.Title, tt.want, tt.title)
				}
				if strings.Contains(got.Title+got.Summary, "/secret") {
					t.Errorf("report shows internals: %q", got.Title+got.Summary)
				}
				if got.Findings == nil || got.Metrics == nil {
					t.Error("findings or metrics are nil, and would be null in JSON")
				}
				time.Sleep(2 * time.Hour) // of the bubble's clock: what was left behind ends
				if (err != nil) != (tt.wantBroke != "") || err != nil && !strings.Contains(err.Error(), tt.wantBroke) {
					t.Errorf("Run() error = %v, want one with %q", err, tt.wantBroke)
				}
			})
		})
	}
}

// Those left behind are counted for as long as they run.
func TestAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runner.Abandoned()
		c := &check.Check{Name: "probe", Run: func(context.Context, *check.Subject) (check.Report, error) {
			time.Sleep(time.Hour)
			return check.Report{Conclusion: check.Success}, nil
		}}
		for range 3 {
			if _, err := runner.Run(t.Context(), c, &check.Subject{}, time.Second); err == nil {
				t.Error("Run() = nil, want that it did not end")
			}
		}
		if got := runner.Abandoned() - before; got != 3 {
			t.Errorf("%d left behind, want 3", got)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := runner.Abandoned() - before; got != 0 {
			t.Errorf("%d left behind after they ended, want none", got)
		}
	})
}

func TestRunGivesTheCheckItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &check.Check{Name: "probe", Run: func(ctx context.Context, _ *check.Subject) (check.Report, error) {
			<-ctx.Done()
			return check.Report{}, ctx.Err()
		}}
		start := time.Now()
		got, _ := runner.Run(t.Context(), c, &check.Subject{}, 3*time.Second)
		if diff := cmp.Diff(3*time.Second, time.Since(start)); diff != "" {
			t.Errorf("time until it ended (-want +got):\n%s", diff)
		}
		if got.Conclusion != check.Error {
			t.Errorf("conclusion %q, want error", got.Conclusion)
		}
	})
}
