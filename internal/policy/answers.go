package policy

import (
	"slices"

	"github.com/cratefence/cratefence/internal/check"
)

// checks adds what the answers of checks come to.
func (j *judge) checks() {
	for i := range j.terms.Checks {
		terms := &j.terms.Checks[i]
		result := j.ev.check(terms.Check)
		if result == nil || result.Conclusion == "" {
			continue
		}
		v := terms.of(result.Conclusion)
		if v != Allow && (!j.old || result.Conclusion == check.Failure) {
			j.add(checkRule(terms.Check, string(result.Conclusion)), v, terms.Check+" concluded "+conclusionText(result.Conclusion))
		}
		if terms.Older != Allow && result.Version < result.Current && !j.old {
			j.add(checkRule(terms.Check, "older"), terms.Older, terms.Check+" was answered by an older version of the check").pending = result.Pending
		}
	}
}

// missing adds the checks that have not answered.
func (j *judge) missing() {
	if j.old {
		return
	}
	required, asked := false, false
	for i := range j.terms.Checks {
		terms := &j.terms.Checks[i]
		result := j.ev.check(terms.Check)
		required = required || terms.Required
		asked = asked || terms.Required && terms.asked(result)
		if terms.Missing == Allow || !terms.asked(result) || result != nil && result.Conclusion != "" {
			continue
		}
		text := "has not finished"
		switch {
		case result == nil || result.Current == 0:
			text = "is required, and is not run here"
		case !result.Pending:
			text = "has not run"
		}
		r := j.add(checkRule(terms.Check, "missing"), terms.Missing, "check "+terms.Check+" "+text)
		r.lift, r.missing, r.pending = liftPerson, true, result != nil && result.Pending
	}
	if required && !asked {
		r := j.add(RuleUnchecked, Hold, "no check has looked at it")
		r.lift, r.missing = liftPerson, true
	}
}

// check finds the result of a check, or nil.
func (ev *Evidence) check(name string) *CheckResult {
	for i := range ev.Checks {
		if ev.Checks[i].Check == name {
			return &ev.Checks[i]
		}
	}
	return nil
}

// checking reports whether a check is under way.
func (ev *Evidence) checking() bool {
	return slices.ContainsFunc(ev.Checks, func(r CheckResult) bool { return r.Pending })
}

// answered reports whether each check that is asked of the release, and at least
// one, has concluded success or neutral, or that it does not apply.
func (j *judge) answered() bool {
	some := false
	for i := range j.terms.Checks {
		terms := &j.terms.Checks[i]
		result := j.ev.check(terms.Check)
		if !terms.Required || !terms.asked(result) {
			continue
		}
		if result == nil || result.Conclusion != check.Success && result.Conclusion != check.Neutral && result.Conclusion != check.Skipped {
			return false
		}
		some = true
	}
	return some
}

// clean reports whether every required check, and at least one, concluded
// success or neutral.
func (j *judge) clean() bool {
	some := false
	for i := range j.terms.Checks {
		terms := &j.terms.Checks[i]
		result := j.ev.check(terms.Check)
		if !terms.Required || !terms.asked(result) {
			continue
		}
		if result == nil || result.Conclusion != check.Success && result.Conclusion != check.Neutral {
			return false
		}
		some = true
	}
	return some
}
