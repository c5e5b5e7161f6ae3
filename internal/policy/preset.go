package policy

import (
	"slices"
	"time"
)

// A Preset is a policy to start from, and what it is good for.
type Preset struct {
	Name string
	// For says who is well served by it.
	For string
	// Stops and Misses are what it does and does not hold against, one plain
	// sentence each.
	Stops, Misses []string

	coolOff   CoolOff
	trust     Trust
	impartial bool
	checks    []CheckTerms
	signals   map[string]Verdict // by key; those not named allow
}

// The presets.
const (
	Low    = "low"
	Medium = "medium"
	High   = "high"
)

// wanting is a check that a preset asks for where this fence runs it. An answer
// of an older version of the check counts until the new one is there: else each
// new version would keep back, for as long as the checks take to catch up, every
// release that is in use.
func wanting(name string, failure, inconclusive Verdict) CheckTerms {
	return CheckTerms{
		Check: name, Required: true,
		Failure: failure, Inconclusive: inconclusive, Error: Hold, Neutral: Allow, Skipped: Allow,
		Older: Allow, Missing: Hold,
	}
}

var presets = map[string]*Preset{
	Low: {
		Name: Low,
		For:  "Teams that want the loud attacks stopped and next to nothing else to change.",
		Stops: []string{
			"An attack that is found within its first day; most are found within hours.",
			"Archives that are not read by everybody in the same way.",
			"A release with files that are not in the commit it names, where the check can tell.",
			"A release on a crate that is itself days old, and one that comes with a wave of yanks.",
		},
		Misses: []string{
			"An attack that lies low for more than a day.",
			"A release that names no commit, or whose repository is gone.",
			"A maintainer who turns, or code that was bad in the repository already.",
		},
		coolOff: CoolOff{Update: day, FirstVersion: 3 * day, NewMajor: day, Trusted: day},
		trust:   Trust{Years: 1, Releases: 5, TwoFactor: true},
		checks: []CheckTerms{
			wanting("archive", Block, Allow),
			wanting("dependencies", Hold, Allow),
			wanting("provenance", Block, Allow),
		},
		signals: map[string]Verdict{"young_dependency": Hold},
	},
	Medium: {
		Name: Medium,
		For:  "Most organisations. It is the default.",
		Stops: []string{
			"What low stops, and an attack that is found within its first week.",
			"New names: typing errors and invented crates wait two weeks, and so does what depends on them.",
			"A release that is published by other means than the one before: no commit recorded any more, or not by the project's automation any more.",
		},
		Misses: []string{
			"An attack that lies low for more than a week; for a publisher of long standing, two days.",
			"A release of a crate that never named a commit, or whose repository is gone.",
			"A maintainer who turns, or code that was bad in the repository already.",
		},
		coolOff: CoolOff{Update: 7 * day, FirstVersion: 14 * day, NewMajor: 14 * day, Trusted: 2 * day},
		trust:   Trust{Years: 2, Releases: 10, TwoFactor: true},
		checks: []CheckTerms{
			wanting("archive", Block, Allow),
			wanting("dependencies", Hold, Allow),
			wanting("provenance", Block, Allow),
		},
		signals: map[string]Verdict{"young_dependency": Hold, "lost_vcs": Hold, "lost_trusted_publishing": Hold},
	},
	High: {
		Name: High,
		For:  "Builds whose signing keys, money or users are worth a patient attack, with people who look at what is held.",
		Stops: []string{
			"What medium stops, and an attack that is found within two weeks; a month for new names and new majors.",
			"Whatever cannot be known: a release that names no commit, or whose repository is gone, waits for a person.",
			"Changes of habit: a first dependency, a new build script, a version after a year of silence wait for a person.",
			"Self-approval: a person's leave counts only where it is known that they did not publish the release.",
		},
		Misses: []string{
			"An attack that lies low for longer, with a history and habits that look right.",
			"A maintainer who turns, or code that was bad in the repository already.",
		},
		coolOff:   CoolOff{Update: 14 * day, FirstVersion: 30 * day, NewMajor: 30 * day, Trusted: 7 * day},
		trust:     Trust{Years: 3, Releases: 20, TrustedPublishing: true, TwoFactor: true},
		impartial: true,
		checks: []CheckTerms{
			wanting("archive", Block, Hold),
			wanting("dependencies", Block, Hold),
			wanting("provenance", Block, Hold),
		},
		signals: map[string]Verdict{
			"young_dependency": Hold, "first_dependency": Hold, "lost_vcs": Hold,
			"lost_trusted_publishing": Hold, "new_build_script": Hold, "silence": Hold,
		},
	},
}

// Presets returns them, the mildest first.
func Presets() []*Preset { return []*Preset{presets[Low], presets[Medium], presets[High]} }

// Policy returns the preset as a policy of that name.
func (p *Preset) Policy() *Policy {
	made := p.policy(p.Name)
	made.seal()
	return made
}

func (p *Preset) policy(name string) *Policy {
	made := &Policy{
		Name: name, Preset: p.Name, Mode: Enforce, Floor: minFloor, Impartial: p.impartial, Trust: p.trust,
		ReviewedAdvisories: []string{"RUSTSEC"},
		Terms:              Terms{CoolOff: p.coolOff, Checks: slices.Clone(p.checks)},
	}
	for i, s := range Signals {
		made.Signals[i] = Allow
		if v, ok := p.signals[s.Key]; ok {
			made.Signals[i] = v
		}
	}
	made.Signals[signalWave] = Block
	return made
}

// minFloor is the least that a policy may set as its floor. Approvals, trust and
// the security-fix path shorten a cool-off to the floor and not below; a policy
// in mode observe shows what it would do when enforced, and keeps to it too.
const minFloor time.Duration = day
