package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// The rules that every policy has. Those of a check are "check/NAME/WHAT" and
// those of the organisation "rule/NAME".
const (
	RuleUnknown    = "unknown"     // the release was not looked at
	RuleRuling     = "ruling"      // a person decided
	RuleOtherBytes = "other-bytes" // other bytes were offered under its version
	RuleRemoved    = "removed"     // it is gone upstream
	RuleChanged    = "line-changed"
	RuleDeny       = "deny"      // the policy denies the crate
	RuleUnchecked  = "unchecked" // none of the required checks is run
	RuleCoolOff    = "cool-off"
	RuleFloor      = "floor"
	RuleFix        = "security-fix" // why it waited less
	RuleTrusted    = "trusted"      // why it waited less
)

// Decide says what becomes of a release. From the heaviest: a person's
// revocation; other bytes, a removal, a denied crate, a wave of yanks, a check's
// failure and whatever else blocks; what holds; what was waived; and then
// nothing speaks against it.
//
// Exceptions and a person's leave do not lift everything: see lift.
func (p *Policy) Decide(ev Evidence, now time.Time) Decision {
	if ev.unknown() {
		return Decision{State: Unknown, Reasons: []Reason{{Rule: RuleUnknown, Verdict: Hold, Text: "it has not been looked at yet"}}}
	}
	observed := p.Mode == Observe
	if r := ev.Ruling; r != nil && r.Action == ActRevoke {
		return Decision{State: Revoked, Observed: observed, Reasons: []Reason{{Rule: RuleRuling, Verdict: Block, Text: rulingText("withdrawn", r)}}}
	}
	j := judge{policy: p, terms: &p.Terms, ev: &ev, now: now, clock: now}
	j.begin()
	j.blocks()
	j.checks()
	j.rules()
	j.coolOff()
	j.signals()
	j.missing()
	j.lifted()
	d := j.conclude()
	d.Observed = observed
	return d
}

// unknown reports whether a release was never looked at, so that there is
// nothing to decide on.
func (ev *Evidence) unknown() bool {
	return ev.Name == "" || ev.Version == "" || ev.Checksum == crate.Checksum{} || ev.FirstSeenAt.IsZero()
}

// A judge is one decision in the making.
type judge struct {
	policy  *Policy
	terms   *Terms
	section *Section // of the crate, or nil
	ev      *Evidence
	now     time.Time
	// clock is now, or when the fence last heard of new evidence: what would be
	// over since then is not.
	clock time.Time
	start time.Time // of the cool-off
	// old: from before the baseline. No answer of a check is required.
	old   bool
	hasty bool // nothing may be shortened: a signal is there or may be
	// blindTold: a reason says that the fence heard nothing of late.
	blindTold bool
	reasons   []reason
	recheck   time.Time
}

// A reason is one in the making.
type reason struct {
	Reason
	lift    lift
	missing bool // for want of evidence, not because of it
	pending bool // a check that is under way may end it
}

// A lift says what lets a release past a reason.
type lift int

const (
	// liftAny: an exception for the rule, or a person's leave. Neither has to keep
	// to the floor. The floor bounds what shortens a wait by itself, or by many
	// who vouch; an exception for exactly the floor, and a person's leave, are an
	// organisation overriding its own policy by name, on record and with a reason.
	liftAny lift = iota
	// liftPerson: a person's leave. To wave through an answer that is not there
	// would be to wave through whatever it will be.
	liftPerson
	// liftLater: a person's leave that was given in view of it.
	liftLater
	// liftNever: nothing, while it lasts.
	liftNever
)

func (j *judge) begin() {
	ev := j.ev
	if s := j.policy.section(ev.Name); s != nil {
		j.section, j.terms = s, &s.Terms
	}
	if !ev.Blind.IsZero() && ev.Blind.Before(j.now) {
		j.clock = ev.Blind
	}
	j.old = ev.Dated && !ev.PublishedAt.IsZero() && ev.PublishedAt.Before(j.policy.Baseline)
	j.start = ev.FirstSeenAt
	if j.old || ev.PublishedAt.After(j.start) {
		j.start = ev.PublishedAt
	}
	j.hasty = !ev.unhurried()
}

func (j *judge) add(rule string, v Verdict, text string) *reason {
	if j.reasons == nil {
		j.reasons = make([]reason, 0, 8)
	}
	j.reasons = append(j.reasons, reason{Reason: Reason{Rule: rule, Verdict: v, Text: text}})
	return &j.reasons[len(j.reasons)-1]
}

// blocks adds what stops a release whatever its checks say.
func (j *judge) blocks() {
	ev := j.ev
	if r := ev.Ruling; r != nil {
		switch r.Action {
		case ActAllow:
		case ActBlock:
			j.add(RuleRuling, Block, rulingText("blocked", r)).lift = liftNever
		default: // ActKeep, and what a later program may write
			j.add(RuleRuling, Hold, rulingText("looked at and kept back", r)).lift = liftNever
		}
	}
	if ev.OtherBytes || ev.Line == LineOtherBytes {
		j.add(RuleOtherBytes, Block, "other bytes were offered under this version").lift = liftNever
	}
	switch ev.Line {
	case "", LineOtherBytes:
	case LineChanged:
		// The line accepted before is served, so that nothing changes for who uses it.
		j.add(RuleChanged, Allow, "its index line was changed upstream; the line seen first is served").lift = liftNever
	default: // LineRemoved, and what a later program may write
		j.add(RuleRemoved, Block, "it was removed upstream").lift = liftLater
	}
	if j.section != nil && j.section.Deny {
		j.add(RuleDeny, Block, "policy "+j.policy.Name+" denies this crate")
	}
	if Signals[signalWave].present(ev) {
		j.add(Signals[signalWave].Rule, Block, waveText(ev.YanksAround))
	}
}

// rules adds what the organisation's own rules say.
func (j *judge) rules() {
	if len(j.policy.Rules) == 0 {
		return
	}
	f := newFacts(j)
	defer f.free()
	for i := range j.policy.Rules {
		r := &j.policy.Rules[i]
		if r.reads.clock && j.clock.Equal(j.now) {
			j.lookAt(f.hour.Add(time.Hour))
		}
		applies, err := r.eval(f)
		switch {
		case j.old && r.reads.checks && err == errAbsent:
			// No answer is required of it, to a rule's question either.
		case err != nil:
			unknown := j.add(r.rule, Hold, "rule "+r.Name+" cannot be applied: "+err.Error())
			unknown.missing = true
			unknown.pending = r.reads.checks && j.ev.checking()
		case applies:
			j.add(r.rule, r.Verdict, r.Text)
		}
	}
}

// signals adds what the policy makes of how the release came to be.
func (j *judge) signals() {
	if j.old {
		return
	}
	for i := range Signals {
		v := j.terms.Signals[i]
		if v == Allow || i == signalWave {
			continue
		}
		s := &Signals[i]
		switch {
		case i == signalYoung:
			j.youngDependencies(v)
		case s.present(j.ev):
			j.add(s.Rule, v, s.text)
		}
	}
}

// youngDependencies holds until each dependency that was added has waited as
// long as the first version of a new name: it would not be served before.
func (j *judge) youngDependencies(v Verdict) {
	var youngest *NewDependency
	var settled time.Time
	for i := range j.ev.Dependencies {
		d := &j.ev.Dependencies[i]
		at := d.settled(j.terms.CoolOff.FirstVersion)
		if !at.IsZero() && !j.clock.Before(at) {
			continue
		}
		if at.IsZero() {
			youngest, settled = d, at
			break
		}
		if youngest == nil || at.After(settled) {
			youngest, settled = d, at
		}
	}
	if youngest != nil {
		j.until(j.add(Signals[signalYoung].Rule, v, j.dependencyText(youngest)), settled)
	}
}

// until ends a reason by time alone. An end that came while the fence heard
// nothing is not an end, nor known.
func (j *judge) until(r *reason, end time.Time) {
	switch {
	case end.IsZero():
	case end.After(j.now):
		r.Until = end
		j.lookAt(end)
	default:
		r.Text += blindText(j.ev.Blind)
		j.blindTold = true
	}
}

// tellBlind says once of what is kept back that the fence hears nothing: what may
// have lifted it meanwhile is not known here.
func (j *judge) tellBlind() {
	if j.blindTold || !j.clock.Before(j.now) {
		return
	}
	for i := range j.reasons {
		if r := &j.reasons[i]; r.Verdict != Allow {
			r.Text += blindText(j.ev.Blind)
			return
		}
	}
}

// lookAt notes when time alone may change the decision.
func (j *judge) lookAt(at time.Time) {
	if j.recheck.IsZero() || at.Before(j.recheck) {
		j.recheck = at
	}
}

// lifted turns what exceptions and a person's leave let the release past into
// reasons that allow.
func (j *judge) lifted() {
	for i := range j.reasons {
		r := &j.reasons[i]
		if r.Verdict == Allow || r.lift != liftAny {
			continue
		}
		if e := j.exception(r.Rule); e != nil {
			r.Verdict, r.Text, r.Until = Allow, r.Text+exceptText, e.Expires
		}
	}
	leave := j.ev.Ruling
	if leave == nil || leave.Action != ActAllow || !j.held() {
		return
	}
	if j.policy.Impartial && !leave.Impartial {
		j.add(RuleRuling, Hold, "a person allowed it who is not known not to have published it").lift = liftNever
		return
	}
	for i := range j.reasons {
		switch r := &j.reasons[i]; {
		case r.Verdict == Allow, r.lift == liftNever:
		case r.lift == liftLater && (j.ev.LineSince.IsZero() || !leave.At.After(j.ev.LineSince)):
		default:
			r.Verdict = Allow
		}
	}
	j.add(RuleRuling, Allow, rulingText("allowed", leave))
	j.belowFloor()
}

// belowFloor says of a release that a person let through how early that was.
func (j *judge) belowFloor() {
	end := j.start.Add(j.policy.Floor)
	said := slices.ContainsFunc(j.reasons, func(r reason) bool { return r.Rule == RuleFloor })
	if !said && j.clock.Before(end) {
		j.until(j.add(RuleFloor, Allow, "decided below the floor of "+FormatDuration(j.policy.Floor)), end)
	}
}

func (j *judge) held() bool {
	return slices.ContainsFunc(j.reasons, func(r reason) bool { return r.Verdict != Allow })
}

// exception finds the exception in force for a rule, or nil. One without an end
// is none.
func (j *judge) exception(rule string) *Exception {
	for i := range j.ev.Exceptions {
		if e := &j.ev.Exceptions[i]; e.Rule == rule && j.now.Before(e.Expires) {
			j.lookAt(e.Expires)
			return e
		}
	}
	return nil
}

// conclude makes the decision of the reasons found.
func (j *judge) conclude() Decision {
	d := Decision{Recheck: j.recheck}
	if len(j.reasons) == 0 {
		d.State = j.plain()
		return d
	}
	slices.SortStableFunc(j.reasons, func(a, b reason) int { return b.Verdict.weight() - a.Verdict.weight() })
	j.tellBlind()
	d.Reasons = make([]Reason, len(j.reasons))
	d.State, d.Pending = j.plain(), !j.clock.Before(j.now) // of what goes on, a blind fence hears nothing
	missing, waived := true, false
	for i := range j.reasons {
		r := &j.reasons[i]
		d.Reasons[i] = r.Reason
		if r.Verdict == Allow {
			waived = waived || r.waives()
			continue
		}
		missing = missing && r.missing
		d.Pending = d.Pending && r.pending
	}
	switch j.reasons[0].Verdict {
	case Block:
		d.State = Quarantined
	case Allow:
		d.Pending = false
		if waived {
			d.State = Waived
		}
	default:
		d.State = Held
		if missing {
			d.State = Unknown
		}
	}
	return d
}

// waives reports whether a reason that allows says that one was lifted, rather
// than why the release waited less or what else is to be known.
func (r *reason) waives() bool {
	return r.Rule != RuleFix && r.Rule != RuleTrusted && r.Rule != RuleChanged
}

// plain is the state of a release that nothing speaks against.
func (j *judge) plain() State {
	if j.old && !j.answered() {
		return Grandfathered
	}
	return Allowed
}

// fixes returns the first advisory of a reviewed source that the release fixes,
// or "".
func (j *judge) fixes() string {
	for _, id := range j.ev.Fixes {
		source, _, ok := strings.Cut(id, "-")
		if ok && slices.Contains(j.policy.ReviewedAdvisories, source) {
			return id
		}
	}
	return ""
}
