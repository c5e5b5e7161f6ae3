package policy

import (
	"strings"

	"github.com/cratefence/cratefence/internal/check"
)

// Exceptable reports whether an exception for a rule lets a release past it.
func Exceptable(rule string) bool {
	switch rule {
	case RuleUnknown, RuleRuling, RuleOtherBytes, RuleRemoved, RuleChanged, RuleUnchecked, RuleFix, RuleTrusted:
		return false
	}
	return !strings.HasPrefix(rule, "check/") || !strings.HasSuffix(rule, "/missing")
}

// RulesOf lists the rules by which the policy may keep back a release of a crate,
// as far as an exception is for them.
func (p *Policy) RulesOf(name string) []string {
	terms, section := &p.Terms, p.section(name)
	if section != nil {
		terms = &section.Terms
	}
	rules := []string{RuleCoolOff, RuleFloor}
	if section != nil && section.Deny {
		rules = append(rules, RuleDeny)
	}
	for i, v := range terms.Signals {
		if v != Allow {
			rules = append(rules, Signals[i].Rule)
		}
	}
	for i := range terms.Checks {
		rules = append(rules, terms.Checks[i].rules()...)
	}
	for i := range p.Rules {
		rules = append(rules, p.Rules[i].rule)
	}
	return rules
}

// rules are those by which the answers of a check keep a release back.
func (c *CheckTerms) rules() (rules []string) {
	for _, conclusion := range check.Conclusions {
		if c.of(conclusion) != Allow {
			rules = append(rules, checkRule(c.Check, string(conclusion)))
		}
	}
	if c.Older != Allow {
		rules = append(rules, checkRule(c.Check, "older"))
	}
	return rules
}
