package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
)

// ruled is the preset medium with one rule.
func ruled(t testing.TB, when string) *Policy {
	t.Helper()
	set, err := Parse(fmt.Appendf(nil, "[policy.test]\n[[policy.test.rule]]\nname = \"r\"\nwhen = '''%s'''\nverdict = \"hold\"\ntext = \"because\"\n", when))
	if err != nil {
		t.Fatal(err)
	}
	return set.Policy("test")
}

// Every variable is documented by an example that can be evaluated.
func TestVariables(t *testing.T) {
	yes := true
	ev := good()
	ev.Publisher = veteran()
	ev.Publisher.TwoFactor = &yes
	ev.Dependencies = []NewDependency{{Name: "serde", Known: true, FirstPublished: published.Add(-year), Kind: "normal"}}
	ev.Checks[2].Metrics = map[string]float64{"unverified_build_files": 2}
	for _, v := range Variables() {
		p := ruled(t, v.Example)
		for _, r := range p.Decide(ev, after(8*day)).Reasons {
			if strings.Contains(r.Text, "cannot be applied") {
				t.Errorf("%s: %s: %s", v.Name, v.Example, r.Text)
			}
		}
		if v.Doc == "" || v.Type == "" || strings.Contains(v.Type, "google") {
			t.Errorf("%+v", v)
		}
	}
}

func TestRules(t *testing.T) {
	const at = 8*day + 20*time.Minute // of the publication, at half past twelve
	tests := []struct {
		name string
		when string
		ev   func(*Evidence)
		want string // the rule's reason, or "" where it does not apply
	}{
		{"name", `release.name == "arrayref" && release.version == "0.3.10" && release.previous == "0.3.9"`, nil, "because"},
		{"kind", `release.kind == "first-version"`, nil, ""},
		{"age is never more than it is", `release.age < days(8)`, nil, "because"},
		{"age by the hour", `release.age < duration("191h")`, nil, ""},
		{"dates", `release.published_at == timestamp("2026-08-20T12:31:00Z") && release.first_seen_at == release.published_at`, nil, "because"},
		{"absent date", `release.published_at > timestamp("2026-01-01T00:00:00Z")`, func(ev *Evidence) { ev.PublishedAt = time.Time{}; ev.FirstSeenAt = published }, "rule r cannot be applied: it asks for evidence that is not there"},
		{"has", `!has(release.published_at)`, func(ev *Evidence) { ev.PublishedAt = time.Time{} }, "because"},
		{"dependencies", `dependencies.first && dependencies.added.size() == 1 && dependencies.added[0].name == "proc-macro1" && dependencies.added.exists(d, d.age < days(30) && d.known)`, func(ev *Evidence) { *ev = arrayref() }, "because"},
		{"unknown age is the youngest", `dependencies.added.exists(d, d.age < days(1))`, func(ev *Evidence) { ev.Dependencies = []NewDependency{{Name: "x"}} }, "because"},
		{"check", `checks["provenance"].conclusion == "success" && checks["provenance"].version == 3`, nil, "because"},
		{"check by field", `checks.provenance.conclusion == "failure"`, nil, ""},
		{"some check", `checks.exists(name, checks[name].conclusion == "inconclusive")`, func(ev *Evidence) { conclude(ev, "provenance", check.Inconclusive) }, "because"},
		{"count of checks", `checks.size() == 3 && "archive" in checks && !("unsafe" in checks)`, nil, "because"},
		{"no answer", `checks["unsafe"].conclusion == "failure"`, nil, "rule r cannot be applied: it asks for evidence that is not there"},
		{"no answer yet", `checks["archive"].conclusion == "failure"`, func(ev *Evidence) { conclude(ev, "archive", "") }, "rule r cannot be applied: it asks for evidence that is not there"},
		{"metrics", `checks["provenance"].metrics["unverified_build_files"] > 1`, func(ev *Evidence) { ev.Checks[2].Metrics = map[string]float64{"unverified_build_files": 2} }, "because"},
		{"no such metric", `checks["provenance"].metrics["odd"] > 1.0`, nil, "rule r cannot be applied: it asks for evidence that is not there"},
		{"publisher", `publisher.name == "" && publisher.releases == 0`, nil, "because"},
		{"two factors not told", `publisher.two_factor`, nil, "rule r cannot be applied: it asks for evidence that is not there"},
		{"advisories", `advisories.affected.exists(id, id.startsWith("RUSTSEC-"))`, func(ev *Evidence) { ev.Affected = []string{"RUSTSEC-2026-0002"} }, "because"},
		{"silence", `silence > days(89) && yanks_around == 0 && changes.known && !changes.lost_vcs`, nil, "because"},
		{"overflow", `days(99999999) > days(1)`, nil, "rule r cannot be applied: it asks for evidence that is not there"},
		{"costly", `dependencies.added.exists(a, dependencies.added.exists(b, a.name + b.name == "x"))`, func(ev *Evidence) {
			for i := range 2000 {
				ev.Dependencies = append(ev.Dependencies, NewDependency{Name: fmt.Sprint("d", i), Known: true, FirstPublished: published.Add(-year)})
			}
		}, "rule r cannot be applied: it takes too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := good()
			if tt.ev != nil {
				tt.ev(&ev)
			}
			got := ""
			for _, r := range ruled(t, tt.when).Decide(ev, after(at)).Reasons {
				if r.Rule == "rule/r" {
					got = r.Text
				}
			}
			if got != tt.want {
				t.Errorf("reason %q, want %q", got, tt.want)
			}
		})
	}
}

// A rule that looks at the clock is looked at again on the hour; one that does
// not, is not.
func TestRulesAndTime(t *testing.T) {
	now := after(8 * day)
	hour := now.Truncate(time.Hour).Add(time.Hour)
	for when, want := range map[string]time.Time{
		`release.age < days(30)`:                                   hour,
		`dependencies.added.exists(d, d.age < days(90))`:           hour,
		`now > timestamp("2026-12-24T00:00:00Z")`:                  hour,
		`release.published_at < timestamp("2026-12-24T00:00:00Z")`: {},
		`silence > days(1)`:                                        {},
	} {
		if got := ruled(t, when).Decide(good(), now).Recheck; !got.Equal(want) {
			t.Errorf("%s: recheck %s, want %s", when, got, want)
		}
	}
}

// Of what is older than the baseline no answer is required by a rule either; an
// answer that is there counts.
func TestRulesBeforeBaseline(t *testing.T) {
	p := ruled(t, `checks["provenance"].conclusion == "inconclusive"`).WithBaseline(after(day))
	ev := good()
	ev.Dated, ev.Checks = true, nil
	if got := p.Decide(ev, after(8*day)); got.State != Grandfathered {
		t.Errorf("without an answer: %+v", got)
	}
	ev.Checks = good().Checks
	conclude(&ev, "provenance", check.Inconclusive)
	if got := p.Decide(ev, after(8*day)); got.State != Held {
		t.Errorf("with an answer: %+v", got)
	}
}

// A rule waits for a check that is under way.
func TestRulesPending(t *testing.T) {
	p := ruled(t, `checks["unsafe"].metrics["blocks"] > 10.0`)
	ev := good()
	ev.Checks = append(ev.Checks, CheckResult{Check: "unsafe", Current: 1, Pending: true})
	if got := p.Decide(ev, after(8*day)); !got.Pending || got.State != Unknown {
		t.Errorf("under way: %+v", got)
	}
	ev.Checks[3].Pending = false
	if got := p.Decide(ev, after(8*day)); got.Pending {
		t.Errorf("not under way: %+v", got)
	}
}

// Decisions are made by many at once.
func TestRulesConcurrently(t *testing.T) {
	p := ruled(t, `dependencies.added.exists(d, d.name == release.previous)`)
	done := make(chan State)
	for i := range 8 {
		go func() {
			ev := good()
			ev.Previous = fmt.Sprint("v", i)
			ev.Dependencies = []NewDependency{{Name: ev.Previous, Known: true, FirstPublished: published.Add(-year)}}
			state := Held
			for range 200 {
				if d := p.Decide(ev, after(8*day)); d.State != Held {
					state = d.State
				}
			}
			done <- state
		}()
	}
	for range 8 {
		if state := <-done; state != Held {
			t.Errorf("state %s: evidence of another release was seen", state)
		}
	}
}

func TestWarnings(t *testing.T) {
	set, err := Parse([]byte(`
[policy.a]
baseline = 2030-01-01
[policy.a.checks.unsafe]
[[policy.a.rule]]
name = "everything"
when = 'release.name != "" || release.name == ""'
verdict = "hold"
text = "is a release"
[[policy.a.rule]]
name = "sound"
when = 'release.name.startsWith("acme-")'
verdict = "hold"
text = "is ours"
[policy.b]
`))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, w := range set.Warnings([]string{"archive"}, published) {
		got.WriteString(w.Policy + ": " + w.Text + "\n")
	}
	want := `a: the baseline, 2030-01-01, is in the future: no check is required of what the index had until then
a: check "unsafe" is not run by this program: a release waits for it until a checker reports it
a: rule "everything" applies to every release that it was tried on, good ones too: nothing would pass
`
	if got.String() != want {
		t.Errorf("warnings\n%s\nwant\n%s", got.String(), want)
	}
}
