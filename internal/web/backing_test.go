package web

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A reason that rests on a check tells what the check found, and leads there;
// whoever published the release learns no more from "concluded failure".
func TestReasonsAreBacked(t *testing.T) {
	s := &site{checks: map[string]*check.Check{
		"provenance": {Name: "provenance", Category: check.CategorySecurity},
		"license":    {Name: "license", Category: check.CategoryInformational},
	}}
	states := []store.CheckState{
		{Check: "provenance", Counts: &store.CheckRun{Report: check.Report{Title: "`src/lib.rs` differs"}}},
		{Check: "license"},
	}
	tests := []struct {
		rule       string
		url, found string
	}{
		{"check/provenance/failure", "/crates/foo/1.0.0/security#check-provenance", "`src/lib.rs` differs"},
		{"check/license/missing", "/crates/foo/1.0.0/checks#check-license", ""}, // it has not answered
		{"check/remote/mine/error", "", ""},                                     // never asked of this release
		{"check/provenance", "", ""},                                            // a rule of the policy's own
		{"cool-off", "", ""},
	}
	for _, tt := range tests {
		c := fenceCard{Reasons: []reason{{Rule: tt.rule}}}
		s.back(&c, store.Release{Crate: "foo", Version: "1.0.0"}, states)
		want := []reason{{Rule: tt.rule, URL: tt.url, Found: tt.found}}
		if diff := cmp.Diff(want, c.Reasons); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.rule, diff)
		}
	}
}

// A page does not advise to name in a manifest what cargo would not get.
func TestAdvisable(t *testing.T) {
	held := fenceCard{Verdict: policy.Hold, Instead: "0.3.9"}
	tests := []struct {
		name   string
		fences []fenceCard
		want   string
	}{
		{"without a fence", nil, "0.3.10"},
		{"allowed", []fenceCard{{Verdict: policy.Allow}}, "0.3.10"},
		{"held", []fenceCard{held}, "0.3.9"},
		{"held, with nothing instead", []fenceCard{{Verdict: policy.Hold}}, ""},
		{"observed", []fenceCard{{Verdict: policy.Block, Observed: true}}, "0.3.10"},
	}
	for _, tt := range tests {
		if got := advisable("0.3.10", tt.fences); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
