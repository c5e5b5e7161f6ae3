package policy

import "time"

// A Verdict is what becomes of a release. The zero value and any unknown one
// hold.
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow"
	Hold  Verdict = "hold"
	Block Verdict = "block"
)

// A State says why a release has its verdict, in one word.
type State string

// The states, and what each comes to: see State.Verdict.
const (
	Allowed       State = "allowed"       // the policy is satisfied
	Waived        State = "waived"        // a person's exception or decision lets it through
	Grandfathered State = "grandfathered" // older than the policy's baseline; nothing was required of it
	Held          State = "held"          // waits for something that is named
	Unknown       State = "unknown"       // not yet looked at, or the evidence is missing
	Quarantined   State = "quarantined"   // blocked until a person decides
	Revoked       State = "revoked"       // withdrawn by a person; it stays as a tombstone
)

// weight orders verdicts by how much they keep back. An unknown one weighs as
// Hold does.
func (v Verdict) weight() int {
	switch v {
	case Allow:
		return 0
	case Block:
		return 2
	default:
		return 1
	}
}

// Verdict returns what a state comes to. An unknown state holds.
func (s State) Verdict() Verdict {
	switch s {
	case Allowed, Waived, Grandfathered:
		return Allow
	case Quarantined, Revoked:
		return Block
	default:
		return Hold
	}
}

// A Reason is one thing that a decision rests on, in words a person can act on.
// Text holds nothing that a publisher wrote but crate names and versions.
type Reason struct {
	Rule    string    `json:"rule"`
	Verdict Verdict   `json:"verdict"`
	Text    string    `json:"text"` // a clause without a full stop
	Until   time.Time `json:"until,omitzero"`
}

// A Decision is what a policy says of a release. Deciding is pure: the same
// policy, evidence and time give the same decision. The zero value holds.
type Decision struct {
	State   State
	Reasons []Reason // the heaviest first
	// Recheck is when time alone may change the decision; zero is never.
	Recheck time.Time
	// Pending: a check that is queued or under way may change the decision
	// shortly, so that waiting a few seconds is worth while.
	Pending bool
	// Observed: the policy is in mode observe. State is what would be, and
	// nothing is kept back. It is never set for a release that was not looked at:
	// that passes in no mode.
	Observed bool
}

// Verdict is what the state comes to, enforced or not.
func (d Decision) Verdict() Verdict { return d.State.Verdict() }

// Passes reports whether the release may be served.
func (d Decision) Passes() bool { return d.Observed || d.Verdict() == Allow }

// Until is when a hold ends if nothing else comes: the latest end of the reasons
// that hold; zero when any of them has none.
func (d Decision) Until() time.Time {
	var until time.Time
	for _, r := range d.Reasons {
		switch {
		case r.Verdict == Allow:
		case r.Until.IsZero():
			return time.Time{}
		case r.Until.After(until):
			until = r.Until
		}
	}
	return until
}
