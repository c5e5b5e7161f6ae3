// Package policy decides: evidence in, decision with reasons out. It reads an
// organisation's policy file, knows the presets and what each stops, and says
// in a clause why a release waits and until when.
//
// It is pure: no clock, no network, no log. What it does not know holds.
package policy

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// A Policy is an organisation's rules. It is made by Parse or Default and never
// changes afterwards.
type Policy struct {
	Name   string
	Preset string
	Mode   Mode
	// Baseline is the date before which releases are taken as they are; zero for
	// none. See WithBaseline.
	Baseline time.Time
	// Floor is the shortest wait, whatever shortens a cool-off. It is at least a
	// day.
	Floor time.Duration
	// Impartial: a person's leave counts only where it is known that they did not
	// publish the release themselves.
	Impartial bool
	// ReviewedAdvisories are the sources whose advisories may hasten a fix, each as
	// the ids of its advisories begin: "RUSTSEC".
	ReviewedAdvisories []string
	Trust              Trust
	Terms              // of every crate that has no section of its own
	Rules              []Rule
	Crates             []Section

	digest [sha256.Size]byte
	exact  map[string]int // sections by canonical name
}

// Mode says whether a policy keeps anything back.
type Mode string

// The modes.
const (
	Enforce Mode = "enforce"
	Observe Mode = "observe" // decides and records, and keeps nothing back
)

// Terms are what a policy asks of a release.
type Terms struct {
	CoolOff CoolOff
	// Checks by name. Of a check that is not among them nothing is asked.
	Checks []CheckTerms
	// Signals has what each of Signals does, by position.
	Signals [signalCount]Verdict
}

// CoolOff is how long releases wait, by kind.
type CoolOff struct {
	Update, FirstVersion, NewMajor time.Duration
	// Trusted is for those of a publisher of long standing.
	Trusted time.Duration
}

// of returns how long a kind waits; an unknown one waits the longest.
func (c CoolOff) of(k Kind) time.Duration {
	switch k {
	case Update:
		return c.Update
	case FirstVersion:
		return c.FirstVersion
	case NewMajor:
		return c.NewMajor
	default:
		return max(c.Update, c.FirstVersion, c.NewMajor)
	}
}

// CheckTerms are what a policy makes of one check.
type CheckTerms struct {
	Check string
	// Required: a release waits until the check has answered.
	Required bool
	// Named: the organisation's own file asks for it. What only a preset asks for
	// is asked for where it is run; a check that a file names holds where it is
	// not, for somebody counts on it.
	Named bool
	// What each answer does.
	Failure, Inconclusive, Error, Neutral, Skipped Verdict
	// Older is for an answer that an older version of the check gave, beside what
	// the answer itself does; Missing is for none.
	Older, Missing Verdict
}

// asked reports whether an answer is waited for, given how the check stands.
func (c *CheckTerms) asked(result *CheckResult) bool {
	return c.Named || result != nil && result.Current > 0
}

// of returns what a conclusion does. An unknown one does as an error does.
func (c *CheckTerms) of(conclusion check.Conclusion) Verdict {
	switch conclusion {
	case check.Success:
		return Allow
	case check.Failure:
		return c.Failure
	case check.Inconclusive:
		return c.Inconclusive
	case check.Neutral:
		return c.Neutral
	case check.Skipped:
		return c.Skipped
	case "":
		return c.Missing
	default:
		return c.Error
	}
}

// Trust is what makes a publisher one of long standing for a crate.
type Trust struct {
	Years    int // since they first published it
	Releases int // of it, before this one
	// TrustedPublishing: the release has to come from the project's own automation.
	TrustedPublishing bool
	// TwoFactor: not where the registry tells that the account has no second factor.
	TwoFactor bool
}

// A Section has the terms of some crates.
type Section struct {
	Name    string // of one crate, or "" where Pattern is set
	Pattern string // as in "myorg-*"
	// Deny blocks every release.
	Deny bool
	// Publishers are trusted with these crates, however short their standing.
	Publishers []string
	Terms
}

// Subject is what the section is about, as the file writes it.
func (s *Section) Subject() string { return s.Name + s.Pattern }

// Digest tells policies apart that may decide otherwise. It holds from one start
// to the next.
func (p *Policy) Digest() [sha256.Size]byte { return p.digest }

// WithBaseline returns the policy with a baseline that was recorded for it,
// unless its file sets one.
func (p *Policy) WithBaseline(at time.Time) *Policy {
	if !p.Baseline.IsZero() || at.IsZero() {
		return p
	}
	q := *p
	q.Baseline = at.UTC()
	q.seal()
	return &q
}

// decisionVersion is raised when the same policy would decide otherwise than
// the program before did.
const decisionVersion = 1

// seal makes what is derived from the rest.
func (p *Policy) seal() {
	p.exact = map[string]int{}
	for i, s := range p.Crates {
		if s.Pattern == "" {
			p.exact[crate.Canonical(s.Name)] = i
		}
	}
	text, err := json.Marshal(struct {
		Version int
		Policy  *Policy
	}{decisionVersion, p})
	if err != nil {
		panic(err) // a policy is plain data
	}
	p.digest = sha256.Sum256(text)
}

// section finds the section of a crate: the one that names it, or else the first
// whose pattern it matches.
func (p *Policy) section(name string) *Section {
	if len(p.Crates) == 0 {
		return nil
	}
	name = crate.Canonical(name)
	if i, ok := p.exact[name]; ok {
		return &p.Crates[i]
	}
	for i := range p.Crates {
		if s := &p.Crates[i]; s.Pattern != "" && matches(crate.Canonical(s.Pattern), name) {
			return s
		}
	}
	return nil
}

// matches reports whether a name fits a pattern, in which "*" stands for any
// number of characters. A "*" in the name is fitted by a "*" alone, so that
// patterns can be compared as well.
func matches(pattern, name string) bool {
	star, resume := -1, 0
	i := 0
	for j := 0; j < len(name); {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, resume = i, j
			i++
		case i < len(pattern) && pattern[i] == name[j]:
			i, j = i+1, j+1
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// A Set is the policies of one file.
type Set struct {
	policies []*Policy // by name
}

// Default is the set that holds without a file: one policy, "default", which is
// the preset medium.
func Default() *Set {
	p := presets[Medium].policy("default")
	p.seal()
	return &Set{policies: []*Policy{p}}
}

// Policies returns them by name.
func (s *Set) Policies() []*Policy { return slices.Clone(s.policies) }

// Policy returns the policy of that name, or nil.
func (s *Set) Policy(name string) *Policy {
	i, ok := slices.BinarySearchFunc(s.policies, name, func(p *Policy, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return nil
	}
	return s.policies[i]
}
