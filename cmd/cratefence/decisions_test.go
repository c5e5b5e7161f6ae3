package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

func TestDecisionAtTheTerminal(t *testing.T) {
	at := time.Date(2026, 8, 20, 12, 40, 0, 0, time.UTC)
	tests := []struct {
		name     string
		decision policy.Decision
		want     string
	}{
		{
			name: "held",
			decision: policy.Decision{State: policy.Held, Reasons: []policy.Reason{
				{Rule: "cool-off", Verdict: policy.Hold, Text: "published 9 minutes ago (cool-off 7d)", Until: at.AddDate(0, 0, 7)},
				{Rule: "young-dependency", Verdict: policy.Hold, Text: "adds its first dependency, proc-macro1, which is 6 hours old", Until: at.AddDate(0, 0, 6)},
			}},
			want: `‖ held  arrayref 0.3.10, under policy default, until 2026-08-27 12:40 UTC
    published 9 minutes ago (cool-off 7d) [cool-off]
    adds its first dependency, proc-macro1, which is 6 hours old
    [young-dependency]
    decided 2026-08-20 12:40 UTC
`,
		},
		{
			name:     "observed, without an end",
			decision: policy.Decision{State: policy.Quarantined, Observed: true, Reasons: []policy.Reason{{Rule: "yank-wave", Verdict: policy.Block, Text: "5 versions were yanked"}}},
			want: `✕ would be quarantined  arrayref 0.3.10, under policy default
    5 versions were yanked [yank-wave]
    decided 2026-08-20 12:40 UTC
`,
		},
		{ // of a newer program, or steering the terminal
			name:     "a state that is not known",
			decision: policy.Decision{State: "new", Reasons: []policy.Reason{{Rule: "x", Text: "\x1b[2Jgone"}}},
			want:     "? unknown  arrayref 0.3.10, under policy default\n    \uFFFD[2Jgone [x]\n    decided 2026-08-20 12:40 UTC\n",
		},
	}
	for _, tt := range tests {
		var out strings.Builder
		newReporter(&out).decision(store.DecisionRecord{Policy: "default", Crate: "arrayref", Version: "0.3.10", Decision: tt.decision, At: at})
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(line)); n > 81 {
				t.Errorf("%s: a line of %d columns: %s", tt.name, n-1, line)
			}
		}
	}
}
