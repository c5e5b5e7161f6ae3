package policy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/cratefence/cratefence/internal/crate"
)

// ErrInvalid is wrapped by every error of Parse.
var ErrInvalid = errors.New("not a policy file")

// Bounds on a policy file.
const (
	maxFile       = 256 << 10 // bytes
	maxPolicies   = 32
	maxRules      = 50   // of one policy
	maxSections   = 1000 // of one policy
	maxChecks     = 100  // of one policy or section
	maxPublishers = 50   // of one section
	maxText       = 200  // bytes of a rule's clause
	maxName       = 64
)

var (
	policyName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	ruleName   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	checkName  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*(/[a-z][a-z0-9]*(-[a-z0-9]+)*)?$`)
	sourceName = regexp.MustCompile(`^[A-Z][A-Z0-9]*$`)
	patternKey = regexp.MustCompile(`^[A-Za-z0-9_*-]{1,64}$`)
)

// Parse reads a policy file. It takes all of it or nothing; the error names the
// line and what is wanted.
func Parse(data []byte) (*Set, error) {
	s, err := parse(bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF")))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return s, nil
}

func parse(data []byte) (*Set, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("it has %d bytes, over the limit of %d", len(data), maxFile)
	}
	if err := guard(data); err != nil {
		return nil, err
	}
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		return nil, explainTOML(err)
	}
	r := &reader{lines: linesOf(data)}
	s := readSet(table{reader: r, values: document}.open())
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

// explainTOML says where a text is not TOML.
func explainTOML(err error) error {
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return err
	}
	row, column := decode.Position()
	return fmt.Errorf("line %d, column %d: %s", row, column, strings.TrimPrefix(decode.Error(), "toml: "))
}

// guard refuses what would cost a recursive parser its stack or its time: no
// honest line has a hundred brackets or dots.
func guard(data []byte) error {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if bytes.Count(line, []byte("[")) > 100 || bytes.Count(line, []byte("{")) > 100 {
			return fmt.Errorf("line %d: more than 100 brackets", number)
		}
		if key, _, _ := bytes.Cut(line, []byte("=")); bytes.Count(key, []byte(".")) > 100 && bytes.IndexByte(key, '#') < 0 {
			return fmt.Errorf("line %d: more than 100 dots", number)
		}
	}
	return nil
}

func readSet(document table) *Set {
	s := &Set{}
	named := document.table("policy", "")
	switch n := len(named.values); {
	case n == 0:
		document.fail("policy", "want a [policy.NAME]")
	case n > maxPolicies:
		document.fail("policy", "%d policies, over the limit of %d", n, maxPolicies)
	}
	for _, name := range slices.Sorted(maps.Keys(named.values)) {
		if !policyName.MatchString(name) {
			named.fail(named.key(name), "a policy's name is at most 32 of a to z, 0 to 9 and hyphens")
		}
		if document.err != nil {
			return nil
		}
		s.policies = append(s.policies, readPolicy(named.table(name, tablePolicy), name))
	}
	return s
}

func readPolicy(t table, name string) *Policy {
	preset := choice(t, "preset", Medium, Low, Medium, High)
	if t.err != nil {
		return nil
	}
	p := presets[preset].policy(name)
	p.Mode = choice(t, "mode", p.Mode, Enforce, Observe)
	p.Impartial = otherwise(t, "impartial", p.Impartial)
	p.Baseline = t.date("baseline")
	p.Floor = t.span("floor", p.Floor)
	if p.Floor < minFloor {
		t.fail(t.key("floor"), "want at least %s: nothing shortens a wait to less", FormatDuration(minFloor))
	}
	p.ReviewedAdvisories = t.texts("reviewed_advisories", p.ReviewedAdvisories)
	for _, source := range p.ReviewedAdvisories {
		if !sourceName.MatchString(source) {
			t.fail(t.key("reviewed_advisories"), "%q is not how the ids of advisories begin, such as RUSTSEC", clip(source, maxName))
		}
	}
	readTrust(t.table("trust", tableTrust), &p.Trust)
	readTerms(t, p.Floor, &p.Terms)
	p.Rules = readRules(t)
	p.Crates = readSections(t, p)
	p.seal()
	return p
}

func readTrust(t table, to *Trust) {
	to.Years = t.number("years", to.Years, 1, 50)
	to.Releases = t.number("releases", to.Releases, 1, 10_000)
	to.TrustedPublishing = otherwise(t, "trusted_publishing", to.TrustedPublishing)
	to.TwoFactor = otherwise(t, "two_factor", to.TwoFactor)
}

// readTerms puts what a table says in place of what the terms are.
func readTerms(t table, floor time.Duration, to *Terms) {
	waits := t.table("cool_off", tableCoolOff)
	for _, w := range []struct {
		name string
		to   *time.Duration
	}{
		{"update", &to.CoolOff.Update},
		{"first_version", &to.CoolOff.FirstVersion},
		{"new_major", &to.CoolOff.NewMajor},
		{"trusted", &to.CoolOff.Trusted},
	} {
		*w.to = waits.span(w.name, max(*w.to, floor))
		switch {
		case *w.to < floor:
			t.fail(waits.key(w.name), "%s is below the floor, %s", FormatDuration(*w.to), FormatDuration(floor))
		case *w.to > year:
			t.fail(waits.key(w.name), "%s: want at most a year", FormatDuration(*w.to))
		}
	}
	signals := t.table("signals", tableSignals)
	for i, s := range Signals {
		if i != signalWave {
			to.Signals[i] = signals.verdict(s.Key, to.Signals[i])
		}
	}
	to.Checks = readChecks(t.table("checks", ""), to.Checks)
}

// readChecks puts what a table says of checks in place of what is asked of them.
func readChecks(t table, base []CheckTerms) []CheckTerms {
	if len(t.values) > maxChecks {
		t.fail(t.path, "%d checks, over the limit of %d", len(t.values), maxChecks)
		return nil
	}
	made := slices.Clone(base)
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		if !checkName.MatchString(name) || len(name) > maxName {
			t.fail(t.key(name), "not the name of a check")
		}
		i := slices.IndexFunc(made, func(c CheckTerms) bool { return c.Check == name })
		if i < 0 {
			i = len(made)
			made = append(made, wanting(name, Hold, Hold))
		}
		readCheck(t.table(name, tableChecks), &made[i])
	}
	slices.SortFunc(made, func(a, b CheckTerms) int { return strings.Compare(a.Check, b.Check) })
	return made
}

func readCheck(t table, c *CheckTerms) {
	c.Named = true
	c.Required = otherwise(t, "required", c.Required)
	if _, set := t.values["required"]; set && !c.Required {
		// Of a check that need not answer, no answer and half an answer are as good.
		c.Missing, c.Inconclusive, c.Error = Allow, Allow, Allow
	}
	if c.Required && c.Missing == Allow {
		c.Missing = Hold
	}
	for _, w := range []struct {
		name string
		to   *Verdict
	}{
		{"failure", &c.Failure}, {"inconclusive", &c.Inconclusive}, {"error", &c.Error}, {"neutral", &c.Neutral},
		{"skipped", &c.Skipped}, {"older", &c.Older}, {"missing", &c.Missing},
	} {
		*w.to = t.verdict(w.name, *w.to)
	}
	if c.Required && c.Missing == Allow {
		t.fail(t.key("missing"), "a required check holds or blocks while it is missing; set required = false to ask for none")
	}
}

func readRules(t table) []Rule {
	var made []Rule
	for _, t := range t.tables("rule", tableRule, maxRules) {
		r := Rule{Name: t.text("name"), When: t.text("when"), Verdict: Verdict(t.text("verdict")), Text: t.text("text")}
		switch {
		case t.err != nil:
			return nil
		case len(r.Name) > maxName || !ruleName.MatchString(r.Name):
			t.want("name")
		case slices.ContainsFunc(made, func(other Rule) bool { return other.Name == r.Name }):
			t.fail(t.key("name"), "there is another rule %q", r.Name)
		case r.Verdict != Hold && r.Verdict != Block:
			t.want("verdict")
		case !clause(r.Text):
			t.want("text")
		case r.When == "":
			t.want("when")
		case len(r.When) > maxExpression:
			t.fail(t.key("when"), "%d bytes, over the limit of %d", len(r.When), maxExpression)
		default:
			if err := r.compile(); err != nil {
				t.fail(t.key("when"), "%s", err)
			}
		}
		made = append(made, r)
	}
	return made
}

// clause reports whether a text can stand in a refusal as it is.
func clause(s string) bool {
	return s != "" && len(s) <= maxText && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func readSections(t table, p *Policy) []Section {
	var made []Section
	names := map[string]bool{}
	for _, t := range t.tables("crate", tableCrate, maxSections) {
		s := Section{
			Name: t.text("name"), Pattern: t.text("pattern"), Deny: otherwise(t, "deny", false),
			Publishers: t.texts("publishers", nil), Terms: p.Terms,
		}
		if len(s.Publishers) > maxPublishers || slices.ContainsFunc(s.Publishers, func(n string) bool { return !clause(n) }) {
			t.fail(t.key("publishers"), "want at most %d names", maxPublishers)
		}
		readTerms(t, p.Floor, &s.Terms)
		checkSubject(t, &s, made, names)
		if t.err != nil {
			return nil
		}
		made = append(made, s)
	}
	return made
}

// checkSubject checks what a section is about. One that an earlier one hides is
// a mistake: what it says would not hold, and it may say deny.
func checkSubject(t table, s *Section, before []Section, names map[string]bool) {
	switch {
	case (s.Name == "") == (s.Pattern == ""):
		t.fail(t.path, "want either a name or a pattern")
	case s.Name != "":
		name := crate.Canonical(s.Name)
		if crate.ValidateName(s.Name) != nil {
			t.want("name")
		} else if names[name] {
			t.fail(t.key("name"), "there is another section for %q", s.Name)
		}
		names[name] = true
	case !patternKey.MatchString(s.Pattern) || strings.Trim(s.Pattern, "*") == "":
		t.want("pattern")
	default:
		for i := range before {
			earlier := &before[i]
			if earlier.Pattern != "" && matches(crate.Canonical(earlier.Pattern), crate.Canonical(s.Pattern)) {
				t.fail(t.key("pattern"), "%q fits whatever %q fits, and stands before it: move this one up", earlier.Pattern, s.Pattern)
			}
		}
	}
}
