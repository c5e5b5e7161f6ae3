package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// A Warning is something that a policy may say, and that is seldom meant.
type Warning struct {
	Policy string `json:"policy"`
	Text   string `json:"text"`
}

// Warnings looks for what is seldom meant. checks are those that this fence
// runs.
func (s *Set) Warnings(checks []string, now time.Time) []Warning {
	var list []Warning
	for _, p := range s.policies {
		warn := func(format string, args ...any) {
			list = append(list, Warning{Policy: p.Name, Text: fmt.Sprintf(format, args...)})
		}
		if p.Baseline.After(now) {
			warn("the baseline, %s, is in the future: no check is required of what the index had until then", p.Baseline.Format(time.DateOnly))
		}
		for _, c := range p.namedChecks() {
			if !slices.Contains(checks, c) {
				warn("check %q is not run by this program: a release waits for it until a checker reports it", c)
			}
		}
		for i := range p.Rules {
			p.Rules[i].warnings(p, warn)
		}
	}
	return list
}

// namedChecks are those that the file requires, whatever the preset does.
func (p *Policy) namedChecks() []string {
	var names []string
	note := func(terms []CheckTerms) {
		for _, c := range terms {
			if c.Named && c.Required && !slices.Contains(names, c.Check) {
				names = append(names, c.Check)
			}
		}
	}
	note(p.Checks)
	for _, s := range p.Crates {
		note(s.Checks)
	}
	slices.Sort(names)
	return names
}

// warnings tries a rule on releases that nobody would stop.
func (r *Rule) warnings(p *Policy, warn func(format string, args ...any)) {
	applied, failed := 0, ""
	samples := samples()
	for _, s := range samples {
		j := judge{policy: p, terms: &p.Terms, ev: &s.Evidence, now: sampleTime, clock: sampleTime}
		j.begin()
		f := newFacts(&j)
		applies, err := r.eval(f)
		f.free()
		if applies {
			applied++
		}
		if err != nil && failed == "" {
			failed = fmt.Sprintf("on %s: %s", s.what, err)
		}
	}
	switch {
	case applied == len(samples):
		warn("rule %q applies to every release that it was tried on, good ones too: nothing would pass", r.Name)
	case failed != "":
		warn("rule %q cannot be applied %s; such a release is held", r.Name, failed)
	}
}

// A sample is evidence to try a rule on.
type sample struct {
	what string
	Evidence
}

var sampleTime = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// samples are everyday releases, of different ages and kinds, that differ in
// what is known of them.
func samples() []sample {
	yes := true
	published := sampleTime.Add(-60 * day)
	known := Evidence{
		Name: "example", Version: "1.2.3", Checksum: crate.Checksum{1}, PublishedAt: published, FirstSeenAt: published, Kind: Update,
		Previous: "1.2.2", Silence: 30 * day, Compared: true,
		Publisher: Publisher{Name: "someone", Since: published.Add(-4 * year), Releases: 30, Trusted: true, TwoFactor: &yes},
	}
	for _, name := range []string{"archive", "dependencies", "provenance", "security-policy"} {
		known.Checks = append(known.Checks, CheckResult{Check: name, Version: 3, Current: 3, Conclusion: check.Success, Metrics: map[string]float64{
			"files": 20, "bytes_packed": 50_000, "bytes_unpacked": 200_000, "files_compared": 20, "unverified_build_files": 0,
		}})
	}
	first := known
	first.Kind, first.Previous, first.Version, first.Silence = FirstVersion, "", "0.1.0", 0
	grown := known
	grown.Dependencies = []NewDependency{{Name: "serde", Known: true, FirstPublished: published.Add(-5 * year), Kind: "normal"}}
	unknown := known
	unknown.Publisher, unknown.Compared = Publisher{}, false
	fresh := known
	fresh.PublishedAt, fresh.FirstSeenAt = sampleTime, sampleTime
	return []sample{
		{"an update", known},
		{"a first version", first},
		{"an update with a new dependency", grown},
		{"an update by an unknown publisher", unknown},
		{"an update of today", fresh},
	}
}
