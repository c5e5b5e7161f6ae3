package policy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
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
	maxPath       = 4096 // bytes of keys within keys
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
	var f file
	if err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&f); err != nil {
		return nil, explainTOML(err)
	}
	b := builder{lines: linesOf(data)}
	s := b.set(&f)
	if b.err != nil {
		return nil, b.err
	}
	return s, nil
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

// A builder makes policies of a file, and keeps the first thing that is wrong.
type builder struct {
	lines map[string]int
	err   error
}

// fail notes what is wrong with a key, and where.
func (b *builder) fail(path, why string, args ...any) {
	if b.err != nil {
		return
	}
	b.err = fmt.Errorf("%q: %s", clip(path, maxText), fmt.Sprintf(why, args...))
	for at := path; at != ""; at = at[:max(strings.LastIndexByte(at, '.'), 0)] {
		if line := b.lines[at]; line > 0 {
			b.err = fmt.Errorf("line %d: %w", line, b.err)
			return
		}
	}
}

func (b *builder) set(f *file) *Set {
	s := &Set{}
	switch n := len(f.Policy); {
	case n == 0:
		b.fail("policy", "the file has no [policy.NAME]")
	case n > maxPolicies:
		b.fail("policy", "%d policies, over the limit of %d", n, maxPolicies)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Policy)) {
		if b.err != nil {
			return nil
		}
		if !policyName.MatchString(name) {
			b.fail("policy."+name, "a policy's name is at most 32 of a to z, 0 to 9 and hyphens")
			return nil
		}
		s.policies = append(s.policies, b.policy("policy."+name, name, f.Policy[name]))
	}
	return s
}

func (b *builder) policy(at, name string, f *filePolicy) *Policy {
	p := presets[string(value(f.Preset, Medium))].policy(name)
	p.Mode = Mode(value(f.Mode, modeName(p.Mode)))
	p.Impartial = value(f.Impartial, p.Impartial)
	if f.Baseline != nil {
		p.Baseline = f.Baseline.AsTime(time.UTC)
	}
	p.Floor = value(f.Floor, span{p.Floor}).Duration
	if p.Floor < minFloor {
		b.fail(at+".floor", "want at least %s: nothing shortens a wait to less", formatDuration(minFloor))
	}
	if f.Advisories != nil {
		p.ReviewedAdvisories = *f.Advisories
	}
	for _, source := range p.ReviewedAdvisories {
		if !sourceName.MatchString(source) {
			b.fail(at+".reviewed_advisories", "%q is not how the ids of advisories begin, such as RUSTSEC", source)
		}
	}
	b.trust(at+".trust", &p.Trust, f.Trust)
	b.terms(at, p.Floor, &p.Terms, f.CoolOff, f.Signals, f.Checks)
	p.Rules = b.rules(at+".rule", f.Rules)
	p.Crates = b.sections(at+".crate", p, f.Crates)
	p.seal()
	return p
}

func (b *builder) trust(at string, t *Trust, f fileTrust) {
	t.Years = value(f.Years, t.Years)
	t.Releases = value(f.Releases, t.Releases)
	t.TrustedPublishing = value(f.TrustedPublishing, t.TrustedPublishing)
	t.TwoFactor = value(f.TwoFactor, t.TwoFactor)
	if t.Years < 1 || t.Years > 50 {
		b.fail(at+".years", "want 1 to 50")
	}
	if t.Releases < 1 || t.Releases > 10_000 {
		b.fail(at+".releases", "want 1 to 10000")
	}
}

// terms puts what a file says in place of what the terms are.
func (b *builder) terms(at string, floor time.Duration, t *Terms, c fileCoolOff, s fileSignals, checks map[string]fileCheck) {
	for _, w := range []struct {
		name string
		to   *time.Duration
		set  *span
	}{
		{"update", &t.CoolOff.Update, c.Update},
		{"first_version", &t.CoolOff.FirstVersion, c.FirstVersion},
		{"new_major", &t.CoolOff.NewMajor, c.NewMajor},
		{"trusted", &t.CoolOff.Trusted, c.Trusted},
	} {
		*w.to = value(w.set, span{max(*w.to, floor)}).Duration
		switch {
		case *w.to < floor:
			b.fail(at+".cool_off."+w.name, "%s is below the floor, %s", formatDuration(*w.to), formatDuration(floor))
		case *w.to > year:
			b.fail(at+".cool_off."+w.name, "%s: want at most a year", formatDuration(*w.to))
		}
	}
	for i, set := range map[int]*action{
		signalYoung: s.YoungDependency, signalFirst: s.FirstDependency, signalVCS: s.LostVCS,
		signalTrust: s.LostTrustedPublishing, signalBuild: s.NewBuildScript, signalSilence: s.Silence,
	} {
		t.Signals[i] = Verdict(value(set, action(t.Signals[i])))
	}
	t.Checks = b.checks(at+".checks", t.Checks, checks)
}

// checks puts what a file says of checks in place of what is asked of them.
func (b *builder) checks(at string, base []CheckTerms, set map[string]fileCheck) []CheckTerms {
	if len(set) > maxChecks {
		b.fail(at, "%d checks, over the limit of %d", len(set), maxChecks)
		return nil
	}
	made := slices.Clone(base)
	for _, name := range slices.Sorted(maps.Keys(set)) {
		f := set[name]
		if !checkName.MatchString(name) || len(name) > maxName {
			b.fail(at+"."+name, "not the name of a check")
			continue
		}
		i := slices.IndexFunc(made, func(c CheckTerms) bool { return c.Check == name })
		if i < 0 {
			i = len(made)
			made = append(made, wanting(name, Hold, Hold))
		}
		b.check(at+"."+name, &made[i], f)
	}
	slices.SortFunc(made, func(a, b CheckTerms) int { return strings.Compare(a.Check, b.Check) })
	return made
}

func (b *builder) check(at string, c *CheckTerms, f fileCheck) {
	c.Named = true
	c.Required = value(f.Required, c.Required)
	if !c.Required && f.Required != nil {
		// Of a check that need not answer, no answer and half an answer are as good.
		c.Missing, c.Inconclusive, c.Error = Allow, Allow, Allow
	}
	for _, w := range []struct {
		to  *Verdict
		set *action
	}{
		{&c.Failure, f.Failure}, {&c.Inconclusive, f.Inconclusive}, {&c.Error, f.Error},
		{&c.Neutral, f.Neutral}, {&c.Skipped, f.Skipped}, {&c.Older, f.Older}, {&c.Missing, f.Missing},
	} {
		*w.to = Verdict(value(w.set, action(*w.to)))
	}
	if c.Required && c.Missing == Allow {
		b.fail(at+".missing", "a required check holds or blocks while it is missing; set required = false to ask for none")
	}
}

func (b *builder) rules(at string, list []fileRule) []Rule {
	if len(list) > maxRules {
		b.fail(at, "%d rules, over the limit of %d", len(list), maxRules)
		return nil
	}
	made := make([]Rule, 0, len(list))
	for i, f := range list {
		if b.err != nil {
			return nil
		}
		r := Rule{Name: f.Name, When: f.When, Verdict: Verdict(value(f.Verdict, action(""))), Text: f.Text}
		at := at + "." + strconv.Itoa(i)
		switch {
		case len(r.Name) > maxName || !ruleName.MatchString(r.Name):
			b.fail(at+".name", "want lower-case words joined by hyphens, not %q", clip(r.Name, maxName))
		case slices.ContainsFunc(made, func(other Rule) bool { return other.Name == r.Name }):
			b.fail(at+".name", "there is another rule %q", r.Name)
		case r.Verdict != Hold && r.Verdict != Block:
			b.fail(at+".verdict", "want hold or block")
		case !clause(r.Text):
			b.fail(at+".text", "want a printable clause of 1 to %d bytes: who is kept waiting reads it", maxText)
		case r.When == "":
			b.fail(at+".when", "want %s", wanted([]string{"policy", "NAME", "rule", "when"}))
		case len(r.When) > maxExpression:
			b.fail(at+".when", "%d bytes, over the limit of %d", len(r.When), maxExpression)
		default:
			if err := r.compile(); err != nil {
				b.fail(at+".when", "%s", err)
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

func (b *builder) sections(at string, p *Policy, list []fileSection) []Section {
	if len(list) > maxSections {
		b.fail(at, "%d sections, over the limit of %d", len(list), maxSections)
		return nil
	}
	made := make([]Section, 0, len(list))
	names := map[string]bool{}
	for i, f := range list {
		if b.err != nil {
			return nil
		}
		at := at + "." + strconv.Itoa(i)
		s := Section{Name: f.Name, Pattern: f.Pattern, Deny: f.Deny, Publishers: f.Publishers, Terms: p.Terms}
		b.subject(at, &s, made, names)
		if len(s.Publishers) > maxPublishers || slices.ContainsFunc(s.Publishers, func(n string) bool { return !clause(n) }) {
			b.fail(at+".publishers", "want at most %d names", maxPublishers)
		}
		b.terms(at, p.Floor, &s.Terms, f.CoolOff, f.Signals, f.Checks)
		made = append(made, s)
	}
	return made
}

// subject checks what a section is about. One that an earlier one hides is a
// mistake: what it says would not hold, and it may say deny.
func (b *builder) subject(at string, s *Section, before []Section, names map[string]bool) {
	switch {
	case (s.Name == "") == (s.Pattern == ""):
		b.fail(at, "want either a name or a pattern")
	case s.Name != "":
		name := crate.Canonical(s.Name)
		if crate.ValidateName(s.Name) != nil {
			b.fail(at+".name", "%q is not the name of a crate", clip(s.Name, maxName))
		} else if names[name] {
			b.fail(at+".name", "there is another section for %q", s.Name)
		}
		names[name] = true
	case !patternKey.MatchString(s.Pattern) || strings.Trim(s.Pattern, "*") == "":
		b.fail(at+".pattern", "%q: want part of a name, with * for any characters", clip(s.Pattern, maxName))
	default:
		for i := range before {
			earlier := &before[i]
			if earlier.Pattern != "" && matches(crate.Canonical(earlier.Pattern), crate.Canonical(s.Pattern)) {
				b.fail(at+".pattern", "%q fits whatever %q fits, and stands before it: move this one up", earlier.Pattern, s.Pattern)
			}
		}
	}
}

// value is what a key is set to, or else what it is.
func value[T any](set *T, otherwise T) T {
	if set != nil {
		return *set
	}
	return otherwise
}
