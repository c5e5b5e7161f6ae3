package policy

import (
	"slices"
	"testing"
)

// A policy knows each rule by which it may keep a release back and that an
// exception is for, and no others.
func TestRulesOf(t *testing.T) {
	set, err := Parse([]byte(`
[policy.default]
preset = "medium"
[[policy.default.rule]]
name = "old-style"
when = "release.kind == 'update'"
verdict = "hold"
text = "is an update"
[[policy.default.crate]]
name = "left-pad"
deny = true
`))
	if err != nil {
		t.Fatal(err)
	}
	p := set.Policy("default")
	for _, tt := range []struct {
		crate, rule string
		want        bool
	}{
		{"serde", "cool-off", true},
		{"serde", "floor", true},
		{"serde", "yank-wave", true},
		{"serde", "rule/old-style", true},
		{"serde", "check/archive/failure", true},
		{"serde", "check/archive/success", false}, // keeps nothing back
		{"serde", "check/archive/missing", false}, // no exception is for it
		{"serde", "check/archive", false},
		{"serde", "other-bytes", false},
		{"serde", "deny", false},
		{"Left_Pad", "deny", true},
	} {
		if got := slices.Contains(p.RulesOf(tt.crate), tt.rule); got != tt.want {
			t.Errorf("RulesOf(%q) has %q: %t, want %t", tt.crate, tt.rule, got, tt.want)
		}
	}
	for _, rule := range p.RulesOf("serde") {
		if !Exceptable(rule) {
			t.Errorf("RulesOf has %q, which no exception is for", rule)
		}
	}
}
