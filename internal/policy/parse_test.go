package policy

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// full says everything that a file may say.
const full = `# both of ours
[policy.default]
preset = "low"
mode = "observe"
baseline = 2026-11-22
floor = "36h"
impartial = true
reviewed_advisories = ["RUSTSEC", "GHSA"]

[policy.default.cool_off]
update = "3d"
first_version = "1w"
new_major = "5d12h"
trusted = "40h"

[policy.default.trust]
years = 4
releases = 7
trusted_publishing = true
two_factor = false

[policy.default.signals]
silence = "hold"
new_build_script = "block"

[policy.default.checks.provenance]
inconclusive = "hold"
older = "hold"

[policy.default.checks."acme/licence"]
required = false
failure = "block"

[[policy.default.rule]]
name = "ours"
when = 'release.name.startsWith("acme-") && publisher.name != "acme"'
verdict = "block"
text = "is under our name and not by us"

[[policy.default.crate]]
name = "proc-macro1"
deny = true

[[policy.default.crate]]
pattern = "acme-*"
publishers = ["acme"]
cool_off = { update = "48h" }
checks.provenance = { required = false }

[policy.strict]
preset = "high"
`

func TestParse(t *testing.T) {
	set, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	p := set.Policy("default")
	if got := len(set.Policies()); got != 2 || set.Policy("strict").Preset != High || set.Policy("Default") != nil {
		t.Errorf("%d policies", got)
	}
	want := Policy{
		Name: "default", Preset: Low, Mode: Observe, Baseline: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		Floor: 36 * time.Hour, Impartial: true, ReviewedAdvisories: []string{"RUSTSEC", "GHSA"},
		Trust: Trust{Years: 4, Releases: 7, TrustedPublishing: true},
	}
	want.CoolOff = CoolOff{Update: 3 * day, FirstVersion: week, NewMajor: 5*day + 12*time.Hour, Trusted: 40 * time.Hour}
	want.Signals = [signalCount]Verdict{signalWave: Block, signalYoung: Hold, signalFirst: Allow, signalVCS: Allow, signalTrust: Allow, signalBuild: Block, signalSilence: Hold}
	want.Checks = []CheckTerms{
		{Check: "acme/licence", Named: true, Failure: Block, Inconclusive: Allow, Error: Allow, Neutral: Allow, Skipped: Allow, Older: Allow, Missing: Allow},
		wanting("archive", Block, Allow),
		wanting("dependencies", Hold, Allow),
		{Check: "provenance", Required: true, Named: true, Failure: Block, Inconclusive: Hold, Error: Hold, Neutral: Allow, Skipped: Allow, Older: Hold, Missing: Hold},
	}
	want.Rules = []Rule{{Name: "ours", When: `release.name.startsWith("acme-") && publisher.name != "acme"`, Verdict: Block, Text: "is under our name and not by us"}}
	own := want.Terms
	own.CoolOff.Update = 48 * time.Hour
	own.Checks = slices.Clone(own.Checks)
	own.Checks[3].Required, own.Checks[3].Missing, own.Checks[3].Inconclusive, own.Checks[3].Error = false, Allow, Allow, Allow
	want.Crates = []Section{
		{Name: "proc-macro1", Deny: true, Terms: want.Terms},
		{Pattern: "acme-*", Publishers: []string{"acme"}, Terms: own},
	}
	if diff := cmp.Diff(want, *p, cmp.FilterPath(func(path cmp.Path) bool {
		last := path.Last().String()
		return last == ".digest" || last == ".exact" || last == ".rule" || last == ".program" || last == ".reads"
	}, cmp.Ignore()), cmp.AllowUnexported(Policy{}, Rule{})); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

// Each mistake names its line, its key and what is wanted.
func TestParseMistakes(t *testing.T) {
	head := "[policy.a]\n"
	rule := func(lines ...string) string {
		text := head + "[[policy.a.rule]]\n"
		for _, key := range []string{`name = "r"`, `when = 'true'`, `verdict = "hold"`, `text = "why"`} {
			name, _, _ := strings.Cut(key, " ")
			for _, l := range lines {
				if strings.HasPrefix(l, name+" ") {
					key = l
				}
			}
			text += key + "\n"
		}
		return text
	}
	when := func(expression string) string { return rule("when = '''" + expression + "'''") }
	tests := []struct{ name, in, want string }{
		{"nothing", "", `"policy": want a [policy.NAME]`},
		{"not TOML", "[policy", `line 1, column 7: `},
		{"twice", head + head, `line 2, column 2: table a already exists`},
		{"name", "[policy.Default]\n", `line 1: "policy.Default": a policy's name is at most 32 of a to z, 0 to 9 and hyphens`},
		{"unknown key", head + `prest = "low"`, `line 2: "policy.a.prest": unknown key; did you mean "preset"?`},
		{"unknown table", "\n[polices.a]\n", `line 2: "polices": unknown key; did you mean "policy"?`},
		{"unknown key of a rule", rule(`text = "why"`) + "veto = true\n", `line 7: "policy.a.rule.0.veto": unknown key; there are name, when, verdict, text`},
		{"unknown check answer", head + "[policy.a.checks.archive]\nfailed = \"block\"\n", `line 3: "policy.a.checks.archive.failed": unknown key; did you mean "failure"?`},
		{"unknown key of a crate", head + "[[policy.a.crate]]\npatern = \"x*\"\n", `line 3: "policy.a.crate.0.patern": unknown key; did you mean "pattern"?`},
		{"unknown signal", head + "[policy.a.signals]\nyank_wave = \"allow\"\n", `line 3: "policy.a.signals.yank_wave": unknown key; there are young_dependency`},
		{"preset", head + `preset = "observe"`, `line 2: "policy.a.preset": want "low", "medium" or "high"`},
		{"mode", head + `mode = "off"`, `line 2: "policy.a.mode": want "enforce" or "observe"`},
		{"type", head + `impartial = "yes"`, `line 2: "policy.a.impartial": want true or false`},
		{"bare number", head + `floor = 24`, `line 2: "policy.a.floor": want a duration of at least "24h"`},
		{"duration", head + `floor = "1 day"`, `line 2: "policy.a.floor": want a duration such as "36h", "7d" or "2w"`},
		{"long duration", head + `floor = "99999999999999999999d"`, `line 2: "policy.a.floor": want a duration`},
		{"low floor", head + "mode = \"observe\"\nfloor = \"23h\"\n", `line 3: "policy.a.floor": want at least 24h: nothing shortens a wait to less`},
		{"below the floor", head + "cool_off.update = \"1h\"\n", `line 2: "policy.a.cool_off.update": 1h is below the floor, 24h`},
		{"below the floor in a section", head + "[[policy.a.crate]]\nname = \"x\"\ncool_off = { update = \"0h\" }\n", `line 4: "policy.a.crate.0.cool_off.update": 0h is below the floor, 24h`},
		{"too long", head + "cool_off.update = \"400d\"\n", `line 2: "policy.a.cool_off.update": 400d: want at most a year`},
		{"date", head + `baseline = "2026-11-22"`, `line 2: "policy.a.baseline": want a date such as 2026-11-22`},
		{"time", head + `baseline = 2026-11-22T10:00:00Z`, `line 2: "policy.a.baseline": want a date such as 2026-11-22`},
		{"source", head + `reviewed_advisories = ["rustsec"]`, `line 2: "policy.a.reviewed_advisories": "rustsec" is not how the ids of advisories begin, such as RUSTSEC`},
		{"trust", head + "[policy.a.trust]\nyears = 0\n", `line 3: "policy.a.trust.years": want 1 to 50`},
		{"action", head + "[policy.a.checks.archive]\nfailure = \"quarantine\"\n", `line 3: "policy.a.checks.archive.failure": want "allow", "hold" or "block"`},
		{"check name", head + "[policy.a.checks.Archive]\n", `line 2: "policy.a.checks.Archive": not the name of a check`},
		{"required and missing", head + "[policy.a.checks.archive]\nmissing = \"allow\"\n", `line 3: "policy.a.checks.archive.missing": a required check holds or blocks while it is missing; set required = false to ask for none`},

		{"rule without a name", rule(`name = ""`), `line 3: "policy.a.rule.0.name": want a name such as "no-new-build-scripts"`},
		{"two of a name", rule() + strings.TrimPrefix(rule(), head), `line 8: "policy.a.rule.1.name": there is another rule "r"`},
		{"rule that allows", rule(`verdict = "allow"`), `line 5: "policy.a.rule.0.verdict": want "hold" or "block"`},
		{"text with a control", rule(`text = "\u001b[31m"`), `line 6: "policy.a.rule.0.text": want a printable clause of at most 200 bytes`},
		{"not an expression", when("release.name =="), `line 4: "policy.a.rule.0.when": Syntax error`},
		{"not a bool", when("release.name"), `line 4: "policy.a.rule.0.when": want an expression that is true or false, not string`},
		{"unknown variable", when(`relaese.name == "x"`), `line 4: "policy.a.rule.0.when": there is no "relaese"; did you mean "release"?`},
		{"unknown field", when(`release.nam == "x"`), `line 4: "policy.a.rule.0.when": there is no field "nam"; did you mean "name"?`},
		{"types", when(`release.age > 3`), `line 4: "policy.a.rule.0.when": found no matching overload`},
		{"pattern", when(`release.name.matches("(")`), `line 4: "policy.a.rule.0.when": `},
		{"endless", when(strings.Repeat("dependencies.added.all(a, ", 5) + "true" + strings.Repeat(")", 5)), `line 4: "policy.a.rule.0.when": it may take `},
		{"deep", when(strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300)), `line 4: "policy.a.rule.0.when": `},
		{"long", when(`"` + strings.Repeat("x", 2000) + `" == ""`), `line 4: "policy.a.rule.0.when": 2008 bytes, over the limit of 2000`},

		{"section about nothing", head + "[[policy.a.crate]]\ndeny = true\n", `line 2: "policy.a.crate.0": want either a name or a pattern`},
		{"section about both", head + "[[policy.a.crate]]\nname = \"x\"\npattern = \"y*\"\n", `line 2: "policy.a.crate.0": want either a name or a pattern`},
		{"not a crate", head + "[[policy.a.crate]]\nname = \"x*\"\n", `line 3: "policy.a.crate.0.name": want the name of a crate`},
		{"the same crate", head + "[[policy.a.crate]]\nname = \"a-b\"\n[[policy.a.crate]]\nname = \"A_b\"\n", `line 5: "policy.a.crate.1.name": there is another section for "A_b"`},
		{"pattern of all", head + "[[policy.a.crate]]\npattern = \"*\"\n", `line 3: "policy.a.crate.0.pattern": want a pattern such as "myorg-*"`},
		{"hidden", head + "[[policy.a.crate]]\npattern = \"my*\"\n[[policy.a.crate]]\npattern = \"my-evil-*\"\ndeny = true\n", `line 5: "policy.a.crate.1.pattern": "my*" fits whatever "my-evil-*" fits, and stands before it: move this one up`},

		{"large", strings.Repeat("#", maxFile+1), `it has 262145 bytes, over the limit of 262144`},
		{"nested", "a = " + strings.Repeat("[", 1000), `line 1: more than 100 brackets`},
		{"dotted", "a" + strings.Repeat(".a", 1000) + " = 1", `line 1: more than 100 dots`},
		{"many policies", many(33, "[policy.p%d]\n"), `line 1: "policy": 33 policies, over the limit of 32`},
		{"many rules", head + many(51, "[[policy.a.rule]]\nname = \"r%d\"\n"), `line 1: "policy.a.rule": 51 of them, over the limit of 50`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Parse([]byte(tt.in))
			if set != nil || !errors.Is(err, ErrInvalid) {
				t.Fatalf("Parse = %v, %v", set, err)
			}
			if got := strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": "); !strings.HasPrefix(got, tt.want) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' }) {
				t.Errorf("error\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// A file within the limits costs little, whatever stands in it.
func TestParseHostile(t *testing.T) {
	fill := func(head, line string) string {
		n := (maxFile - len(head)) / (len(line) + 6)
		return head + many(n, line)
	}
	tests := map[string]string{
		"many keys below a long name": fill("[policy.\""+strings.Repeat("x", maxFile/2)+"\"]\n", "a%d = 1\n"),
		"many tables":                 fill("", "[policy.p%d]\n"),
		"many sections":               fill("[policy.a]\n", "[[policy.a.crate]]\nname=\"c%d\"\n"),
		"many inline tables":          fill("", "[policy.a%d]\ncool_off = { update = {} }\n"),
		"many keys of a line":         fill("[policy.a]\nx = {", "a%d=1,") + "}",
	}
	for name, text := range tests {
		var before, then runtime.MemStats
		runtime.ReadMemStats(&before)
		set, err := Parse([]byte(text))
		runtime.ReadMemStats(&then)
		if set != nil || err == nil || len(err.Error()) > 4096 {
			t.Errorf("%s: %v, %.200v", name, set, err)
		}
		if used := then.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			t.Errorf("%s: %d MiB", name, used>>20)
		}
	}
}

func TestDurations(t *testing.T) {
	tests := []struct {
		in, out string
		want    time.Duration
	}{
		{"24h", "24h", day},
		{"1d", "24h", day},
		{"2w", "14d", 14 * day},
		{"1d12h30m", "1d12h30m", day + 12*time.Hour + 30*time.Minute},
		{"0h", "0h", 0},
	}
	for _, tt := range tests {
		got, err := parseDuration(tt.in)
		if err != nil || got != tt.want || FormatDuration(got) != tt.out {
			t.Errorf("parseDuration(%q) = %s, %v, written %q", tt.in, got, err, FormatDuration(got))
		}
	}
	for _, in := range []string{"", "7", "d", "7 d", "-1d", "1s", "1.5d", "3651d", "9223372036854775807m", "3650d1m"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("parseDuration(%q) = %s", in, got)
		}
	}
}

// Every documented key is known, and wants what is documented.
func TestKeys(t *testing.T) {
	place := strings.NewReplacer("[]", "", "NAME", "a", "CHECK", "archive")
	for _, k := range Keys() {
		head := "[" + place.Replace(k.Table) + "]\n"
		if strings.HasSuffix(k.Table, "[]") {
			head = "[" + head[:len(head)-1] + "]\n"
		}
		_, err := Parse([]byte(head + k.Name + " = {}\n"))
		if err == nil || !strings.Contains(err.Error(), "line 2: ") || !strings.HasSuffix(err.Error(), "want "+k.Want) {
			t.Errorf("%s%s = {}: %v", head, k.Name, err)
		}
		if _, err := Parse([]byte(head + k.Name + "x = {}\n")); err == nil || !strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s%sx = {}: %v", head, k.Name, err)
		}
	}
}

func TestMatches(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"a*", "abc", true},
		{"a*", "ba", false},
		{"*-sys", "openssl-sys", true},
		{"*-sys", "sys", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"my*", "my-*", true},
		{"my-*", "my*", false},
	}
	for _, tt := range tests {
		if got := matches(tt.pattern, tt.name); got != tt.want {
			t.Errorf("matches(%q, %q) = %t", tt.pattern, tt.name, got)
		}
	}
}

// A digest tells apart what decides otherwise, and nothing else.
func TestDigest(t *testing.T) {
	parse := func(text string) *Policy {
		t.Helper()
		set, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return set.Policies()[0]
	}
	base := parse("[policy.a]\n")
	for name, other := range map[string]*Policy{
		"another mode":     parse("[policy.a]\nmode = \"observe\"\n"),
		"another preset":   parse("[policy.a]\npreset = \"low\"\n"),
		"another baseline": base.WithBaseline(published),
		"another name":     parse("[policy.b]\n"),
		"another section":  parse("[policy.a]\n[[policy.a.crate]]\nname = \"x\"\ndeny = true\n"),
	} {
		if other.Digest() == base.Digest() {
			t.Errorf("%s: the same digest", name)
		}
	}
	if base.Digest() != parse("# words\n[policy.a]\npreset = \"medium\"\n").Digest() {
		t.Error("the same policy has another digest")
	}
	dated := parse("[policy.a]\nbaseline = 2026-01-01\n")
	if dated.WithBaseline(published) != dated {
		t.Error("a recorded baseline goes before the file's")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(fiveRules))
	f.Add([]byte("[policy.a]\n[[policy.a.crate]]\npattern = \"a*\"\ncool_off = { update = \"2d\" }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Parse(data)
		if err != nil {
			if set != nil || len(err.Error()) > 4096 {
				t.Errorf("a set beside an error, or an error of %d bytes", len(err.Error()))
			}
			return
		}
		for _, p := range set.Policies() {
			Explain(p)
			unknown := p.Decide(Evidence{Name: "a", Version: "1.0.0"}, published)
			young := p.Decide(good(), published)
			if unknown.Passes() || young.Passes() && p.Mode != Observe {
				t.Errorf("policy %q lets through what it knows nothing of, or what was just published", p.Name)
			}
		}
		set.Warnings([]string{"archive"}, published)
	})
}
