package policy

import (
	"fmt"
	"strings"
	"time"
)

// A Chapter of an explained policy.
type Chapter struct {
	Title  string  `json:"title"`
	Points []Point `json:"points"`
}

// A Point is one thing that a policy does, in plain text.
type Point struct {
	Term string `json:"term"` // what it is about; "" for a sentence by itself
	Text string `json:"text"`
	Code string `json:"code,omitempty"` // an expression
}

// Explain tells what a policy does, for those who have to live with it.
func Explain(p *Policy) []Chapter {
	chapters := []Chapter{
		{Title: "What it is", Points: p.whatItIs()},
		{Title: "What it stops", Points: sentences(presets[p.Preset].Stops)},
		{Title: "What it does not stop", Points: sentences(presets[p.Preset].Misses)},
		{Title: "How long releases wait", Points: p.explainCoolOff()},
		{Title: "What checks have to say", Points: explainChecks(p.Checks)},
		{Title: "What it makes of signals", Points: p.explainSignals()},
	}
	if len(p.Rules) > 0 {
		chapters = append(chapters, Chapter{Title: "Rules of the organisation", Points: p.explainRules()})
	}
	if len(p.Crates) > 0 {
		chapters = append(chapters, Chapter{Title: "Crates with terms of their own", Points: p.explainCrates()})
	}
	return append(chapters, Chapter{Title: "Who may let a release through", Points: p.explainPeople()})
}

func sentences(list []string) []Point {
	points := make([]Point, len(list))
	for i, s := range list {
		points[i].Text = s
	}
	return points
}

func (p *Policy) whatItIs() []Point {
	points := []Point{{Term: "Preset", Text: p.Preset + ". " + presets[p.Preset].For}}
	if p.Mode == Observe {
		points = append(points, Point{Term: "Mode", Text: "Observe. Nothing is kept back; what would have been is recorded."})
	} else {
		points = append(points, Point{Term: "Mode", Text: "Enforce. A release that is held or blocked is marked as yanked in the index, and its download is refused with the reasons."})
	}
	baseline := "None. Every release waits from when this fence first saw it, however old it is. `cratefence import-index` records one."
	if !p.Baseline.IsZero() {
		baseline = fmt.Sprintf("%s. Releases that the index had, published before, are taken as they are: no check has to have run on them. A failure found later applies.", p.Baseline.UTC().Format(time.DateOnly))
	}
	return append(points, Point{Term: "Baseline", Text: baseline})
}

func (p *Policy) explainCoolOff() []Point {
	c := p.CoolOff
	points := []Point{
		{Term: "An update", Text: FormatDuration(c.Update) + "."},
		{Term: "The first version of a new name", Text: FormatDuration(c.FirstVersion) + "."},
		{Term: "The first of a new major version", Text: FormatDuration(c.NewMajor) + "."},
		{Term: "The clock", Text: "starts at the later of the registry's date and this fence's first sight of the bytes."},
		{Term: "A publisher of long standing", Text: fmt.Sprintf("%s, where no signal speaks against it: %s.", FormatDuration(max(c.Trusted, p.Floor)), p.explainTrust())},
	}
	if len(p.ReviewedAdvisories) > 0 {
		points = append(points, Point{Term: "A security fix", Text: fmt.Sprintf("%s, where an advisory of %s names an allowed version, every required check concluded success or neutral, and no signal speaks against it.",
			FormatDuration(p.Floor), strings.Join(p.ReviewedAdvisories, " or "))})
	}
	return append(points, Point{Term: "The floor", Text: FormatDuration(p.Floor) + ". Nothing shortens a wait to less; a person's leave, and an exception for the floor by name, override it and are marked so."})
}

func (p *Policy) explainTrust() string {
	text := fmt.Sprintf("a known publisher without incidents, who first published the crate %s before and %s of it since", count(p.Trust.Years, "year"), count(p.Trust.Releases, "release"))
	if p.Trust.TrustedPublishing {
		text += ", by trusted publishing"
	}
	if p.Trust.TwoFactor {
		text += ", and not where the registry tells that the account has no second factor"
	}
	return text
}

func explainChecks(terms []CheckTerms) []Point {
	points := make([]Point, 0, len(terms)+1)
	for i := range terms {
		points = append(points, Point{Term: terms[i].Check, Text: terms[i].explain()})
	}
	if len(points) == 0 {
		return []Point{{Text: "No check is asked for."}}
	}
	return points
}

func (c *CheckTerms) explain() string {
	by := map[Verdict][]string{}
	for _, w := range []struct {
		what string
		v    Verdict
	}{
		{"failure", c.Failure}, {"error", c.Error}, {"inconclusive", c.Inconclusive}, {"neutral", c.Neutral},
		{"skipped", c.Skipped}, {"no answer", c.Missing}, {"an older version's answer", c.Older},
	} {
		by[w.v] = append(by[w.v], w.what)
	}
	text := "Not required."
	if c.Required {
		text = "Required."
	}
	for _, v := range []struct {
		v    Verdict
		verb string
	}{{Block, "Blocks"}, {Hold, "Holds"}, {Allow, "Lets pass"}} {
		if what := by[v.v]; len(what) > 0 {
			text += fmt.Sprintf(" %s: %s.", v.verb, strings.Join(what, ", "))
		}
	}
	return text
}

func (p *Policy) explainSignals() []Point {
	points := []Point{{Text: "Any signal ends every shortening of a wait."}}
	for i, s := range Signals {
		verb := map[Verdict]string{Block: "Blocks.", Hold: "Holds."}[p.Signals[i]]
		if verb == "" {
			verb = "Does no more than that."
		}
		points = append(points, Point{Term: s.Key, Text: s.Doc + " " + verb})
	}
	return points
}

func (p *Policy) explainRules() []Point {
	points := make([]Point, len(p.Rules))
	for i, r := range p.Rules {
		points[i] = Point{Term: r.Name, Text: map[Verdict]string{Block: "Blocks: ", Hold: "Holds: "}[r.Verdict] + r.Text + ".", Code: r.When}
	}
	return points
}

func (p *Policy) explainCrates() []Point {
	points := make([]Point, len(p.Crates))
	for i := range p.Crates {
		points[i] = Point{Term: p.Crates[i].Subject(), Text: p.explainCrate(&p.Crates[i])}
	}
	return points
}

// explainCrate tells what is otherwise for the crates of a section.
func (p *Policy) explainCrate(s *Section) string {
	if s.Deny {
		return "Denied: no release passes."
	}
	var parts []string
	if len(s.Publishers) > 0 {
		parts = append(parts, "trusted publishers: "+strings.Join(s.Publishers, ", "))
	}
	for _, w := range []struct {
		name           string
		here, anywhere time.Duration
	}{
		{"updates wait", s.CoolOff.Update, p.CoolOff.Update},
		{"first versions wait", s.CoolOff.FirstVersion, p.CoolOff.FirstVersion},
		{"new majors wait", s.CoolOff.NewMajor, p.CoolOff.NewMajor},
		{"trusted publishers wait", s.CoolOff.Trusted, p.CoolOff.Trusted},
	} {
		if w.here != w.anywhere {
			parts = append(parts, w.name+" "+FormatDuration(w.here))
		}
	}
	for i := range s.Checks {
		c := &s.Checks[i]
		if base := p.check(c.Check); base == nil || *base != *c {
			parts = append(parts, c.Check+": "+strings.TrimSuffix(c.explain(), "."))
		}
	}
	for i, v := range s.Signals {
		if v != p.Signals[i] {
			parts = append(parts, Signals[i].Key+": "+string(v))
		}
	}
	if len(parts) == 0 {
		return "As everywhere."
	}
	return upperFirst(strings.Join(parts, "; ")) + "."
}

func (p *Policy) check(name string) *CheckTerms {
	for i := range p.Checks {
		if p.Checks[i].Check == name {
			return &p.Checks[i]
		}
	}
	return nil
}

func (p *Policy) explainPeople() []Point {
	points := []Point{
		{Text: "A person with the right to decide: by a decision on the release, which only a later decision undoes, or by an exception for one rule, which ends by itself."},
		{Text: "Nobody decides on a release that they published."},
		{Text: "No exception lifts other bytes than those first seen, a removal, a check that has not answered, or a person's decision."},
	}
	if p.Impartial {
		points = append(points, Point{Text: "A person's leave counts only where it is known that they did not publish the release."})
	}
	return points
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
