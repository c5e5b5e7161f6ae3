package policy

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// TestMain looks at more than rapid does by itself: it takes a second.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		flag.Set("rapid.checks", "2000")
	}
	m.Run()
}

// fromGood to worse: the order in which conclusions speak against a release.
var fromGood = []check.Conclusion{check.Success, check.Neutral, check.Skipped, check.Inconclusive, check.Error, check.Failure}

// timeRules look at every clock that there is.
const timeRules = `
[[policy.%[1]s.rule]]
name = "age"
when = 'release.age < days(10) && release.version != "1.0.1"'
verdict = "hold"
text = "is younger than 10 days"
[[policy.%[1]s.rule]]
name = "dependencies"
when = 'dependencies.added.exists(d, d.age < days(20)) || now.getHours() == 3'
verdict = "hold"
text = "adds what is younger than 20 days"
[[policy.%[1]s.rule]]
name = "check"
when = 'checks["archive"].conclusion == "neutral"'
verdict = "block"
text = "is neutral"
`

// policies are presets in every mode, with and without rules.
var policies = func() []*Policy {
	var all []*Policy
	for _, preset := range []string{Low, Medium, High} {
		for _, rules := range []string{"", timeRules} {
			text := fmt.Sprintf("[policy.%[1]s]\npreset = %[1]q\nchecks.provenance.older = \"hold\"\n", preset)
			if rules != "" {
				text += fmt.Sprintf(rules, preset)
			}
			set, err := Parse([]byte(text))
			if err != nil {
				panic(err)
			}
			all = append(all, set.policies[0], set.policies[0].WithBaseline(published.Add(day)))
		}
	}
	return all
}()

func drawPolicy(t *rapid.T, rules bool) *Policy {
	return rapid.SampledFrom(slices.DeleteFunc(slices.Clone(policies), func(p *Policy) bool { return !rules && len(p.Rules) > 0 })).Draw(t, "policy")
}

// drawTime is one within two months of the publication, often at one that
// matters to the minute.
func drawTime(t *rapid.T, name string) time.Time {
	switch rapid.IntRange(0, 3).Draw(t, name+" how") {
	case 0:
		return after(time.Duration(rapid.IntRange(-40, 40).Draw(t, name)) * day)
	case 1: // within the waits of those who are trusted
		return after(time.Duration(rapid.IntRange(0, 14*24).Draw(t, name)) * time.Hour)
	}
	return after(time.Duration(rapid.IntRange(-40*24*60, 40*24*60).Draw(t, name)) * time.Minute)
}

func drawMaybeTime(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 4).Draw(t, name+" absent") == 0 {
		return time.Time{}
	}
	return drawTime(t, name)
}

// drawEvidence draws anything, or a good release of a trusted publisher with
// little that is otherwise: else hardly any would pass.
func drawEvidence(t *rapid.T) Evidence {
	if rapid.Bool().Draw(t, "good") {
		ev := good()
		ev.Publisher = veteran()
		ev.Publisher.Since = published.Add(-2*year + time.Duration(rapid.IntRange(-5, 5).Draw(t, "publisher since"))*day)
		ev.FirstSeenAt = after(time.Duration(rapid.IntRange(0, 3).Draw(t, "first seen")) * day)
		ev.Fixes = rapid.SampledFrom([][]string{nil, {"RUSTSEC-2026-0001"}}).Draw(t, "fixes")
		ev.Dated = rapid.Bool().Draw(t, "dated")
		return ev
	}
	ev := Evidence{
		Name: "arrayref", Version: rapid.SampledFrom([]string{"1.0.0", "1.0.1"}).Draw(t, "version"), Checksum: crate.Checksum{1},
		PublishedAt: drawMaybeTime(t, "published"), FirstSeenAt: drawTime(t, "first seen"), Dated: rapid.Bool().Draw(t, "dated"),
		Kind:    rapid.SampledFrom([]Kind{Update, Update, FirstVersion, NewMajor, ""}).Draw(t, "kind"),
		Silence: rapid.SampledFrom([]time.Duration{0, 30 * day, 2 * year}).Draw(t, "silence"), Compared: rapid.Bool().Draw(t, "compared"),
	}
	for _, name := range []string{"archive", "dependencies", "provenance"} {
		ev.Checks = append(ev.Checks, CheckResult{
			Check: name, Version: rapid.IntRange(1, 2).Draw(t, name+" version"), Current: 2, Pending: rapid.Bool().Draw(t, name+" pending"),
			Conclusion: rapid.SampledFrom(append([]check.Conclusion{"", check.Success, check.Success, check.Success}, fromGood...)).Draw(t, name),
		})
	}
	if rapid.Bool().Draw(t, "trusted") {
		ev.Publisher = veteran()
	}
	if rapid.Bool().Draw(t, "dependency") {
		ev.Dependencies = []NewDependency{{Name: "dep", Known: rapid.Bool().Draw(t, "known"), FirstPublished: drawMaybeTime(t, "dependency")}}
	}
	if rapid.Bool().Draw(t, "fix") {
		ev.Fixes = []string{"RUSTSEC-2026-0001"}
	}
	if rapid.IntRange(0, 3).Draw(t, "blind") == 0 {
		ev.Blind = drawTime(t, "blind since")
	}
	for _, rule := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{RuleCoolOff, RuleFloor, "young-dependency", "yank-wave", "lost-vcs", "rule/age"}), rapid.ID).Draw(t, "exceptions") {
		ev.Exceptions = append(ev.Exceptions, Exception{Rule: rule, Expires: drawMaybeTime(t, rule)})
	}
	if rapid.IntRange(0, 4).Draw(t, "ruled") == 0 {
		ev.Ruling = &Ruling{
			Action: rapid.SampledFrom([]Action{ActAllow, ActAllow, ActKeep, ActBlock, ActRevoke, "odd"}).Draw(t, "ruling"),
			At:     drawTime(t, "ruled"), Impartial: rapid.Bool().Draw(t, "impartial"),
		}
	}
	return ev
}

// worsen adds one thing that speaks against a release, or takes one that speaks
// for it.
func worsen(t *rapid.T, ev Evidence, now time.Time) (Evidence, string) {
	ev.Checks = slices.Clone(ev.Checks)
	ways := map[string]func(){
		"a worse conclusion": func() {
			c := &ev.Checks[rapid.IntRange(0, len(ev.Checks)-1).Draw(t, "check")]
			if i := slices.Index(fromGood, c.Conclusion); i >= 0 {
				c.Conclusion = rapid.SampledFrom(fromGood[i:]).Draw(t, "worse")
			}
		},
		"an answer is lost": func() {
			c := &ev.Checks[rapid.IntRange(0, len(ev.Checks)-1).Draw(t, "check")]
			if i := slices.Index(fromGood, c.Conclusion); i >= 0 && i <= slices.Index(fromGood, check.Inconclusive) {
				c.Conclusion = ""
			}
		},
		"an older answer": func() { ev.Checks[2].Version = 1 },
		"seen later": func() {
			ev.FirstSeenAt = ev.FirstSeenAt.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "hours")) * time.Hour)
		},
		"a wave":                func() { ev.YanksAround += waveSize },
		"a first dependency":    func() { ev.FirstDependencies = true },
		"a young dependency":    func() { ev.Dependencies = append(slices.Clone(ev.Dependencies), NewDependency{Name: "young"}) },
		"a long silence":        func() { ev.Silence = 2 * year },
		"no commit":             func() { ev.LostVCS = true },
		"no trusted publishing": func() { ev.LostTrust = true },
		"a build script":        func() { ev.NewBuildScript = true },
		"not compared":          func() { ev.Compared = false },
		"an unknown publisher":  func() { ev.Publisher = Publisher{} },
		"an incident":           func() { ev.Publisher.Incidents++ },
		"no fix":                func() { ev.Fixes = nil },
		"an unknown kind":       func() { ev.Kind = "" },
		"no exception":          func() { ev.Exceptions = nil },
		"other bytes":           func() { ev.OtherBytes = true },
		"removed":               func() { ev.Line, ev.LineSince = LineRemoved, now },
		"changed":               func() { ev.Line = LineChanged },
		"no word since": func() {
			ev.Blind = earlier(ev.Blind, now.Add(-time.Duration(rapid.IntRange(1, 1000).Draw(t, "blind hours"))*time.Hour))
		},
		"revoked":                  func() { ev.Ruling = &Ruling{Action: ActRevoke} },
		"not believed":             func() { ev.Dated = false },
		"dated later":              func() { ev.PublishedAt = later(ev.PublishedAt) },
		"a leave that is not kept": func() { ev.Ruling = withoutLeave(ev.Ruling) },
	}
	names := make([]string, 0, len(ways))
	for name := range ways {
		names = append(names, name)
	}
	slices.Sort(names)
	way := rapid.SampledFrom(names).Draw(t, "way")
	ways[way]()
	return ev, way
}

func earlier(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// later moves a date that is known, but not across a silence or a dependency's
// birth, of which the evidence would then speak otherwise.
func later(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Minute)
}

func withoutLeave(r *Ruling) *Ruling {
	if r != nil && r.Action == ActAllow {
		return nil
	}
	return r
}

// More that speaks against a release never makes its verdict milder.
func TestWorseIsNeverBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, ev, now := drawPolicy(t, false), drawEvidence(t), drawTime(t, "now")
		worse, way := worsen(t, ev, now)
		before, then := p.Decide(ev, now), p.Decide(worse, now)
		if then.Verdict().weight() < before.Verdict().weight() {
			t.Fatalf("%s turns %s %v into %s %v", way, before.State, before.Reasons, then.State, then.Reasons)
		}
	})
}

// Until the time to look again, looking again changes nothing; and what it says
// of the future lies there.
func TestRecheck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, ev, now := drawPolicy(t, true), drawEvidence(t), drawTime(t, "now")
		d := p.Decide(ev, now)
		span := 100 * day
		if !d.Recheck.IsZero() {
			if !d.Recheck.After(now) {
				t.Fatalf("recheck %s is not after %s", d.Recheck, now)
			}
			span = d.Recheck.Sub(now)
		}
		if ev.Blind.After(now) {
			span = min(span, ev.Blind.Sub(now)) // it was not blind at all before
		}
		at := now.Add(time.Duration(rapid.Int64Range(0, int64(span)-1).Draw(t, "span")))
		for _, at := range []time.Time{at, now.Add(span - 1)} {
			if then := p.Decide(ev, at); !same(d, then) {
				t.Fatalf("at %s %s %v\nat %s %s %v\nrecheck %s", now, d.State, d.Reasons, at, then.State, then.Reasons, d.Recheck)
			}
		}
		for _, r := range d.Reasons {
			if !r.Until.IsZero() && (!r.Until.After(now) || d.Recheck.IsZero() || r.Until.Before(d.Recheck)) {
				t.Fatalf("reason %+v at %s, recheck %s", r, now, d.Recheck)
			}
		}
	})
}

// What was never looked at passes under no policy, and what is never lifted
// passes under none that is enforced, whatever else is known.
func TestNeverPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, ev, now := *drawPolicy(t, true), drawEvidence(t), drawTime(t, "now")
		ways := map[string]func(){
			"no name":     func() { ev.Name = "" },
			"no version":  func() { ev.Version = "" },
			"no checksum": func() { ev.Checksum = crate.Checksum{} },
			"never seen":  func() { ev.FirstSeenAt = time.Time{} },
			"other bytes": func() { ev.Line = LineOtherBytes },
			"revoked":     func() { ev.Ruling = &Ruling{Action: ActRevoke} },
		}
		way := rapid.SampledFrom([]string{"no name", "no version", "no checksum", "never seen", "other bytes", "revoked"}).Draw(t, "way")
		ways[way]()
		if way != "other bytes" && way != "revoked" && rapid.Bool().Draw(t, "observe") {
			p.Mode = Observe
		}
		if d := p.Decide(ev, now); d.Passes() {
			t.Fatalf("%s: %+v", way, d)
		}
	})
}

// Deciding changes nothing and gives the same answer again; its words fit.
func TestPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, ev, now := drawPolicy(t, true), drawEvidence(t), drawTime(t, "now")
		before := fmt.Sprintf("%+v", ev)
		d := p.Decide(ev, now)
		if diff := cmp.Diff(d, p.Decide(ev, now)); diff != "" || fmt.Sprintf("%+v", ev) != before {
			t.Fatalf("again:\n%s", diff)
		}
		if n := len(Words(d, Notice{Name: ev.Name, Version: ev.Version, Page: page})); n > MaxWords {
			t.Fatalf("%d bytes", n)
		}
		if slices.ContainsFunc(d.Reasons[min(1, len(d.Reasons)):], func(r Reason) bool { return r.Verdict.weight() > d.Reasons[0].Verdict.weight() }) {
			t.Fatalf("the heaviest is not the first: %v", d.Reasons)
		}
		if d.Verdict() != Allow && (len(d.Reasons) == 0 || d.Reasons[0].Verdict != d.Verdict()) {
			t.Fatalf("%s without a reason: %v", d.State, d.Reasons)
		}
	})
}

// Exceptions for all that keeps a release back leave what no exception is for.
func TestExceptable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, ev, now := drawPolicy(t, true), drawEvidence(t), drawTime(t, "now")
		ev.OtherBytes, ev.Line = rapid.Bool().Draw(t, "offered"), rapid.SampledFrom([]LineTrouble{"", LineChanged, LineRemoved}).Draw(t, "line")
		ev.Exceptions, ev.Ruling = nil, withoutLeave(ev.Ruling)
		want := []string{}
		for _, r := range p.Decide(ev, now).Reasons {
			ev.Exceptions = append(ev.Exceptions, Exception{Rule: r.Rule, Expires: now.Add(1)})
			if r.Verdict != Allow && !Exceptable(r.Rule) {
				want = append(want, r.Rule)
			}
		}
		ev.Exceptions = append(ev.Exceptions, Exception{Rule: RuleFloor, Expires: now.Add(1)})
		got := []string{}
		for _, r := range p.Decide(ev, now).Reasons {
			if r.Verdict != Allow {
				got = append(got, r.Rule)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("kept back by (-want +got):\n%s", diff)
		}
	})
}
