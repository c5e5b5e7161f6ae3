package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A retry that is put off is nothing to wait for, until it runs.
func TestGateChecksPending(t *testing.T) {
	queued := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		run   CheckRun
		after time.Duration
		want  bool
	}{
		{"at once", CheckRun{Status: Queued}, 0, true},
		{"after a pause", CheckRun{Status: Queued}, 5 * time.Second, true},
		{"after hours", CheckRun{Status: Queued}, 4 * time.Hour, false},
		{"in progress, after hours", CheckRun{Status: InProgress}, 4 * time.Hour, true},
	}
	for _, tt := range tests {
		run := tt.run
		run.ReleaseID, run.Check, run.QueuedAt = 7, "archive", queued
		if tt.after > 0 {
			run.RunAfter = queued.Add(tt.after)
		}
		want := map[ID][]GateCheck{7: {{Check: "archive", Pending: tt.want, NotBefore: run.RunAfter}}}
		if diff := cmp.Diff(want, GateChecks([]CheckRun{run})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
