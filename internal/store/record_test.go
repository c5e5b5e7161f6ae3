package store

import (
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
)

// What a person would read twice is one decision; what they would not know yet is
// another.
func TestMark(t *testing.T) {
	until := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	decision := func(edit func(*DecisionRecord)) DecisionRecord {
		d := DecisionRecord{Policy: "default", Crate: "serde", Decision: policy.Decision{
			State: policy.Held, Recheck: until,
			Reasons: []policy.Reason{{Rule: "cool-off", Verdict: policy.Hold, Text: "9 minutes old", Until: until}, {Rule: "b", Verdict: policy.Hold}},
		}}
		edit(&d)
		return d
	}
	first := decision(func(*DecisionRecord) {})
	tests := []struct {
		name string
		edit func(*DecisionRecord)
		same bool
	}{
		{"other words", func(d *DecisionRecord) { d.Decision.Reasons[0].Text = "10 minutes old" }, true},
		{"another time to look again", func(d *DecisionRecord) { d.Decision.Recheck = time.Time{} }, true},
		{"a check under way", func(d *DecisionRecord) { d.Decision.Pending = true }, true},
		{"another policy file that says the same", func(d *DecisionRecord) { d.Rules[0]++ }, true},
		{"later", func(d *DecisionRecord) { d.At = until }, true},
		{"another state", func(d *DecisionRecord) { d.Decision.State = policy.Unknown }, false},
		{"enforced no longer", func(d *DecisionRecord) { d.Decision.Observed = true }, false},
		{"another line", func(d *DecisionRecord) { d.Line[0]++ }, false},
		{"another end", func(d *DecisionRecord) { d.Decision.Reasons[0].Until = until.Add(time.Second) }, false},
		{"no end", func(d *DecisionRecord) { d.Decision.Reasons[0].Until = time.Time{} }, false},
		{"another verdict", func(d *DecisionRecord) { d.Decision.Reasons[0].Verdict = policy.Allow }, false},
		{"a reason less", func(d *DecisionRecord) { d.Decision.Reasons = d.Decision.Reasons[:1] }, false},
		{"a rule that runs into its verdict", func(d *DecisionRecord) {
			d.Decision.Reasons[0].Rule, d.Decision.Reasons[0].Verdict = "cool-offh", "old"
		}, false},
	}
	for _, tt := range tests {
		if got := decision(tt.edit).Mark() == first.Mark(); got != tt.same {
			t.Errorf("%s: the same is %t, want %t", tt.name, got, tt.same)
		}
	}
}
