package policy

import (
	"slices"
	"time"
)

// A wait is how long a release has to wait, and what shortened that.
type wait struct {
	length time.Duration
	full   time.Duration // what it would be otherwise
	why    string        // the rule that shortened it, or ""
}

// coolOff adds what the age of a release says.
func (j *judge) coolOff() {
	w := j.wait()
	end := j.start.Add(w.length)
	if j.clock.Before(end) {
		j.until(j.add(RuleCoolOff, Hold, j.coolOffText(w)), end)
		j.floor(end)
		return
	}
	if full := j.start.Add(w.full); j.now.Before(full) {
		// It passes for now because of what shortened its wait: that is on record
		// for as long as it makes the difference.
		j.until(j.add(w.why, Allow, j.shortenedText(w)), full)
	}
}

// floor holds a release that an exception lets past its cool-off: the exception
// shortens that to the floor. See liftAny.
func (j *judge) floor(end time.Time) {
	if j.exception(RuleCoolOff) == nil {
		return
	}
	if floor := j.start.Add(j.policy.Floor); floor.Before(end) {
		end = floor
	}
	if j.clock.Before(end) {
		j.until(j.add(RuleFloor, Hold, j.floorText()), end)
	}
}

// wait says how long the release waits. Nothing shortens it to less than the
// floor, and nothing makes it longer than its kind's.
func (j *judge) wait() wait {
	full := j.terms.CoolOff.of(j.ev.Kind)
	w := wait{length: full, full: full}
	if j.hasty {
		return w
	}
	if trusted := max(j.terms.CoolOff.Trusted, j.policy.Floor); trusted < w.length && j.trusted() {
		w.length, w.why = trusted, RuleTrusted
	}
	if j.policy.Floor < w.length && j.fixes() != "" && j.clean() {
		w.length, w.why = j.policy.Floor, RuleFix
	}
	return w
}

// trusted reports whether the publisher is one of long standing. Time is counted
// to the publication, so that waiting changes nothing.
func (j *judge) trusted() bool {
	p, t := &j.ev.Publisher, &j.policy.Trust
	switch {
	case p.Name == "", p.Incidents > 0:
		return false
	case t.TwoFactor && p.TwoFactor != nil && !*p.TwoFactor:
		return false
	case j.section != nil && slices.Contains(j.section.Publishers, p.Name):
		return true
	case t.TrustedPublishing && !p.Trusted:
		return false
	}
	return !p.Since.IsZero() && p.Releases >= t.Releases &&
		j.ev.PublishedAt.Sub(p.Since) >= time.Duration(t.Years)*year
}
