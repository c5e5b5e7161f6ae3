package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A file is a policy file as TOML has it. Pointers tell what is set.
type file struct {
	Policy map[string]*filePolicy `toml:"policy"`
}

type filePolicy struct {
	Preset     *presetName          `toml:"preset"`
	Mode       *modeName            `toml:"mode"`
	Baseline   *toml.LocalDate      `toml:"baseline"`
	Floor      *span                `toml:"floor"`
	Impartial  *bool                `toml:"impartial"`
	Advisories *[]string            `toml:"reviewed_advisories"`
	CoolOff    fileCoolOff          `toml:"cool_off"`
	Trust      fileTrust            `toml:"trust"`
	Signals    fileSignals          `toml:"signals"`
	Checks     map[string]fileCheck `toml:"checks"`
	Rules      []fileRule           `toml:"rule"`
	Crates     []fileSection        `toml:"crate"`
}

type fileCoolOff struct {
	Update       *span `toml:"update"`
	FirstVersion *span `toml:"first_version"`
	NewMajor     *span `toml:"new_major"`
	Trusted      *span `toml:"trusted"`
}

type fileTrust struct {
	Years             *int  `toml:"years"`
	Releases          *int  `toml:"releases"`
	TrustedPublishing *bool `toml:"trusted_publishing"`
	TwoFactor         *bool `toml:"two_factor"`
}

type fileSignals struct {
	YoungDependency       *action `toml:"young_dependency"`
	FirstDependency       *action `toml:"first_dependency"`
	LostVCS               *action `toml:"lost_vcs"`
	LostTrustedPublishing *action `toml:"lost_trusted_publishing"`
	NewBuildScript        *action `toml:"new_build_script"`
	Silence               *action `toml:"silence"`
}

type fileCheck struct {
	Required     *bool   `toml:"required"`
	Failure      *action `toml:"failure"`
	Inconclusive *action `toml:"inconclusive"`
	Error        *action `toml:"error"`
	Neutral      *action `toml:"neutral"`
	Skipped      *action `toml:"skipped"`
	Older        *action `toml:"older"`
	Missing      *action `toml:"missing"`
}

type fileRule struct {
	Name    string  `toml:"name"`
	When    string  `toml:"when"`
	Verdict *action `toml:"verdict"`
	Text    string  `toml:"text"`
}

type fileSection struct {
	Name       string               `toml:"name"`
	Pattern    string               `toml:"pattern"`
	Deny       bool                 `toml:"deny"`
	Publishers []string             `toml:"publishers"`
	CoolOff    fileCoolOff          `toml:"cool_off"`
	Signals    fileSignals          `toml:"signals"`
	Checks     map[string]fileCheck `toml:"checks"`
}

// A span is a duration as a policy writes it. It is a struct so that a bare
// number is none.
type span struct{ time.Duration }

func (s *span) UnmarshalText(text []byte) (err error) {
	s.Duration, err = parseDuration(string(text))
	return err
}

type presetName string

func (n *presetName) UnmarshalText(text []byte) error {
	if _, ok := presets[string(text)]; !ok {
		return errors.New("want low, medium or high")
	}
	*n = presetName(text)
	return nil
}

type modeName Mode

func (n *modeName) UnmarshalText(text []byte) error {
	if m := Mode(text); m != Enforce && m != Observe {
		return errors.New("want enforce or observe")
	}
	*n = modeName(text)
	return nil
}

type action Verdict

func (a *action) UnmarshalText(text []byte) error {
	if v := Verdict(text); v != Allow && v != Hold && v != Block {
		return errors.New("want allow, hold or block")
	}
	*a = action(text)
	return nil
}

// A Key is one that a policy file may have.
type Key struct {
	// Table is where it stands, as in "policy.NAME.cool_off"; "[]" follows the
	// name of a table that may stand there several times.
	Table string
	Name  string
	Want  string // what its value is
	Doc   string
}

const (
	tablePolicy  = "policy.NAME"
	tableCoolOff = tablePolicy + ".cool_off"
	tableTrust   = tablePolicy + ".trust"
	tableSignals = tablePolicy + ".signals"
	tableChecks  = tablePolicy + ".checks.CHECK"
	tableRule    = tablePolicy + ".rule[]"
	tableCrate   = tablePolicy + ".crate[]"
)

const (
	wantSpan   = `a duration such as "7d"`
	wantAction = `"allow", "hold" or "block"`
	wantBool   = "true or false"
)

// Keys lists what a policy file may have.
func Keys() []Key { return slices.Clone(keys) }

var keys = []Key{
	{tablePolicy, "preset", `"low", "medium" or "high"`, "What holds where the file says nothing else. Without it: medium."},
	{tablePolicy, "mode", `"enforce" or "observe"`, "In mode observe everything is decided and recorded, and nothing is kept back."},
	{tablePolicy, "baseline", "a date such as 2026-11-22", "Releases that the index had, and that were published before this date, are taken as they are: no check has to have run on them. Without it, the date that `cratefence import-index` recorded."},
	{tablePolicy, "floor", `a duration of at least "24h"`, "The shortest wait. Trust, a security fix and approvals shorten a cool-off to it and not below. A person's leave, and an exception for the rule floor, go below it by name."},
	{tablePolicy, "impartial", wantBool, "A person's leave counts only where it is known that they did not publish the release themselves."},
	{tablePolicy, "reviewed_advisories", `a list such as ["RUSTSEC"]`, "The sources whose advisories may hasten a security fix, as the ids of their advisories begin. A source belongs here when people look at an advisory before it is published."},

	{tableCoolOff, "update", wantSpan, "How long an update of a crate waits."},
	{tableCoolOff, "first_version", wantSpan, "How long the first version of a new name waits, and whatever newly depends on it."},
	{tableCoolOff, "new_major", wantSpan, "How long the first version of a semver-incompatible range waits."},
	{tableCoolOff, "trusted", wantSpan, "How long a release waits that is by a publisher of long standing and that no signal speaks against."},

	{tableTrust, "years", "a number", "How long ago the publisher first published the crate."},
	{tableTrust, "releases", "a number", "How many of its releases they published before."},
	{tableTrust, "trusted_publishing", wantBool, "The release has to come from the project's own automation."},
	{tableTrust, "two_factor", wantBool, "Not where the registry tells that the account has no second factor."},

	{tableSignals, "young_dependency", wantAction, Signals[signalYoung].Doc},
	{tableSignals, "first_dependency", wantAction, Signals[signalFirst].Doc},
	{tableSignals, "lost_vcs", wantAction, Signals[signalVCS].Doc},
	{tableSignals, "lost_trusted_publishing", wantAction, Signals[signalTrust].Doc},
	{tableSignals, "new_build_script", wantAction, Signals[signalBuild].Doc},
	{tableSignals, "silence", wantAction, Signals[signalSilence].Doc},

	{tableChecks, "required", wantBool, "A release waits until the check has answered. True unless said otherwise. A check that this fence does not run then holds."},
	{tableChecks, "failure", wantAction, "What it does that the check found what it looks for."},
	{tableChecks, "inconclusive", wantAction, "What it does that the answer could not be known."},
	{tableChecks, "error", wantAction, "What it does that the check broke."},
	{tableChecks, "neutral", wantAction, "What it does that there is something to read, and nothing to judge."},
	{tableChecks, "skipped", wantAction, "What it does that the check does not apply."},
	{tableChecks, "older", wantAction, "What it does that the answer is by an older version of the check, beside what the answer itself does."},
	{tableChecks, "missing", wantAction, "What it does that there is no answer. Of a required check this is hold or block."},

	{tableRule, "name", "a name such as \"no-new-build-scripts\"", "What reasons, exceptions and pages call the rule: rule/NAME."},
	{tableRule, "when", "a CEL expression that is true or false", "Where it is true the rule applies. Where it cannot be told, the release is held."},
	{tableRule, "verdict", `"hold" or "block"`, "What follows."},
	{tableRule, "text", "a clause of at most 200 bytes", "What whoever is kept waiting reads."},

	{tableCrate, "name", "the name of a crate", "The crate that the section is about. It goes before every pattern."},
	{tableCrate, "pattern", `a pattern such as "myorg-*"`, "The crates that the section is about, instead of a name. The first pattern that fits counts."},
	{tableCrate, "deny", wantBool, "No release of the crate passes."},
	{tableCrate, "publishers", "a list of names", "Publishers that are trusted with the crate, however short their standing. Anybody may publish under a name that fits a pattern; these are who may do so sooner."},
}

// subtables are the tables that stand in others, by where they stand.
var subtables = map[string][]string{
	"":          {"policy"},
	tablePolicy: {"cool_off", "trust", "signals", "checks", "rule", "crate"},
	tableCrate:  {"cool_off", "signals", "checks"},
}

// tableOf returns the documented table that a key's path leads into, and the
// key's name there.
func tableOf(path []string) (table, name string) {
	if len(path) == 0 {
		return "", ""
	}
	name = path[len(path)-1]
	at := path[:len(path)-1]
	switch {
	case len(at) < 2:
		return "", name
	case len(at) == 2:
		return tablePolicy, name
	case at[2] == "crate" && len(at) == 3:
		return tableCrate, name
	case at[2] == "crate":
		return tableOf(append([]string{"policy", "NAME"}, path[3:]...))
	case at[2] == "checks" && len(at) == 4:
		return tableChecks, name
	case at[2] == "rule":
		return tableRule, name
	}
	return tablePolicy + "." + at[2], name
}

func keyNames(table string) []string {
	names := slices.Clone(subtables[table])
	for _, k := range keys {
		if k.Table == table {
			names = append(names, k.Name)
		}
	}
	return names
}

// wanted says what a key's value is.
func wanted(path []string) string {
	table, name := tableOf(path)
	for _, k := range keys {
		if k.Table == table && k.Name == name {
			return k.Want
		}
	}
	return "a table"
}

// explainTOML turns go-toml's errors into one sentence with a line and, for an
// unknown key, the nearest there is.
func explainTOML(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		row, _ := first.Position()
		table, name := tableOf(first.Key())
		near := orNearest(name, keyNames(table), "; there are "+strings.Join(keyNames(table), ", "))
		return fmt.Errorf("line %d: unknown key %q%s", row, dotted(first.Key()), near)
	}
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return err
	}
	row, _ := decode.Position()
	why := strings.TrimPrefix(decode.Error(), "toml: ")
	switch key := decode.Key(); {
	case strings.HasPrefix(why, "cannot decode"), strings.HasPrefix(why, "dates are"):
		return fmt.Errorf("line %d: %q wants %s", row, dotted(key), wanted(key))
	case len(key) > 0 && strings.HasPrefix(why, "want"):
		return fmt.Errorf("line %d: %q: %s", row, dotted(key), why)
	}
	return fmt.Errorf("line %d: %s", row, why)
}

// dotted writes a key's path for a person.
func dotted(path []string) string { return clip(strings.Join(path, "."), 200) }
