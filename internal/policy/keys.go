package policy

import "slices"

// A Key is one that a policy file may have.
type Key struct {
	// Table is where it stands, as in "policy.NAME.cool_off"; "[]" follows the
	// name of a table that may stand there several times.
	Table string `json:"table"`
	Name  string `json:"name"`
	Want  string `json:"want"` // what its value is
	Doc   string `json:"doc"`
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
	wantTable  = "a table"
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
	{tableRule, "text", "a printable clause of at most 200 bytes", "What whoever is kept waiting reads."},

	{tableCrate, "name", "the name of a crate", "The crate that the section is about. It goes before every pattern."},
	{tableCrate, "pattern", `a pattern such as "myorg-*"`, "The crates that the section is about, instead of a name. The first pattern that fits counts."},
	{tableCrate, "deny", wantBool, "No release of the crate passes."},
	{tableCrate, "publishers", "a list of names", "Publishers that are trusted with the crate, however short their standing. Anybody may publish under a name that fits a pattern; these are who may do so sooner."},
}

// subtables are the tables that stand in others.
var subtables = map[string][]string{
	"":          {"policy"},
	tablePolicy: {"cool_off", "trust", "signals", "checks", "rule", "crate"},
	tableCrate:  {"cool_off", "signals", "checks"},
}

// keyNames lists what may stand in a table.
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
func wanted(table, name string) string {
	for _, k := range keys {
		if k.Table == table && k.Name == name {
			return k.Want
		}
	}
	return wantTable
}
