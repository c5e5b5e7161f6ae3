package main

import (
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// unnamed is medium for crates that name no repository: their provenance is
// nothing to be asked for.
const unnamed = medium + `
[policy.default.checks.provenance]
required = false
missing = "allow"
`

// decision returns what the API tells of a release under the policy default.
func (f *fenced) decision(name, version string) api.Decision {
	f.t.Helper()
	all, _ := getJSON[api.ReleaseDecisions](f.t, f.process.url+"/api/v1/crates/"+name+"/"+version+"/decisions")
	for _, d := range all.Decisions {
		if d.Policy == "default" {
			return d
		}
	}
	return api.Decision{}
}

// osv is an advisory on versions of a crate below the one that fixes it.
func osv(id, name, fixed string) string {
	return fmt.Sprintf(`{"id": %q, "modified": "2026-08-20T12:00:00Z", "summary": "it leaks",
	"affected": [{"package": {"ecosystem": "crates.io", "name": %q},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": %q}]}]}]}`, id, name, fixed)
}

// A release that fixes what an advisory says of an allowed one waits a day, and not
// a week; by what, is shown and on record.
func TestFenceHastensAFix(t *testing.T) {
	folder := t.TempDir()
	f := newFenced(t, unnamed, fmt.Sprintf("advisories = %q\n", folder))
	f.do(os.WriteFile(filepath.Join(folder, "RUSTSEC-2026-0001.json"), []byte(osv("RUSTSEC-2026-0001", "leaky", "1.0.1")), 0o600))
	f.do(os.WriteFile(filepath.Join(folder, "GHSA-1.json"), []byte(osv("GHSA-1", "rumour", "1.0.1")), 0o600))
	for _, name := range []string{"leaky", "rumour", "sound"} {
		f.publish(name, "1.0.0", 100*24*time.Hour) // a year of silence would be a signal
	}
	f.start()
	for _, name := range []string{"leaky", "rumour", "sound"} {
		f.yanked("default", name)
		sum := f.publish(name, "1.0.1", minutes)
		if !f.yanked("default", name)["1.0.1"] {
			t.Errorf("%s is not held at first", name)
		}
		f.checked(name, "1.0.1")
		until, says := 7*24*time.Hour, "(cool-off 7d)"
		if name == "leaky" { // the others' is none, or not of a source that the policy names
			until, says = 24*time.Hour, "(cool-off 24h, as it fixes RUSTSEC-2026-0001)"
		}
		eventually(t, name+" waits "+says, func() bool {
			status, said := f.download("default", name, "1.0.1", sum)
			return status == http.StatusForbidden && strings.Contains(said, says)
		})
		d := f.decision(name, "1.0.1")
		if len(d.Reasons) == 0 {
			t.Fatalf("%s: the API says %+v", name, d)
		}
		if got := time.Until(d.Reasons[0].Until).Round(time.Hour); got != until {
			t.Errorf("%s waits %s, want %s", name, got, until)
		}
		eventually(t, "it is on record", func() bool { return strings.Contains(f.run("decisions", name+"@1.0.1"), says) })
	}
}

// What was there before the baseline passes at once, and is checked once somebody
// has fetched it; a failure that is found then applies.
func TestFenceChecksWhatWasThereBefore(t *testing.T) {
	f := newFenced(t, unnamed, "")
	data, err := cratetest.Pack(cratetest.Package{Name: "foo", Version: "1.0.1", Files: []cratetest.File{
		{Path: "Cargo.toml", Data: []byte("[package]\nname = \"bar\"\nversion = \"1.0.1\"\nedition = \"2021\"\n")}, // of another name
		{Path: "src/lib.rs", Data: []byte("pub fn f() {}\n")},
	}})
	f.do(err)
	f.do(f.registry.Publish("foo", "1.0.1", data, time.Now().Add(-old)))
	sum, sound := crate.Sum(data), f.publish("foo", "1.0.0", old)
	f.start()
	if f.yanked("default", "foo")["1.0.1"] {
		t.Fatal("it is held before anybody looked at it")
	}
	for version, sum := range map[string]crate.Checksum{"1.0.0": sound, "1.0.1": sum} {
		if status, said := f.download("default", "foo", version, sum); status != http.StatusOK {
			t.Fatalf("foo %s is answered %d %s before anybody looked at it", version, status, said)
		}
	}
	eventually(t, "what the check found applies", func() bool { return f.yanked("default", "foo")["1.0.1"] })
	if status, said := f.download("default", "foo", "1.0.1", sum); status != http.StatusForbidden || !strings.Contains(said, "blocks foo 1.0.1: archive concluded failure") {
		t.Errorf("the download is answered %d %s", status, said)
	}
	if d := f.decision("foo", "1.0.1"); d.State != "quarantined" || d.Verdict != "block" {
		t.Errorf("the API says %+v", d)
	}
	f.checked("foo", "1.0.0")
	if d := f.decision("foo", "1.0.0"); d.Verdict != "allow" {
		t.Errorf("of the one that is sound, the API says %+v", d)
	}
}

// A yank is passed on where another version is left; where none is, or it is one of
// many, the newest stays, until a person lets its yank stand.
func TestFenceGuardsYanks(t *testing.T) {
	f := newFenced(t, unnamed, "")
	sums := map[string]crate.Checksum{}
	for i, version := range []string{"1.0.0", "1.0.1", "1.0.2", "2.0.0"} {
		sums[version] = f.publish("foo", version, old-time.Duration(i)*time.Hour)
	}
	f.publish("gone", "1.0.0", old)
	f.do(f.registry.Yank("gone", "1.0.0", true))
	f.start()
	if !f.yanked("default", "gone")["1.0.0"] {
		t.Error("a yank that was there already is not honoured")
	}
	f.yanked("default", "foo")
	for version, sum := range sums { // pages are of what somebody used
		if status, said := f.download("default", "foo", version, sum); status != http.StatusOK {
			t.Fatalf("foo %s is answered %d %s", version, status, said)
		}
	}
	for version := range sums {
		f.checked("foo", version)
	}
	wants := func(what string, want ...string) {
		t.Helper()
		eventually(t, what, func() bool {
			var got []string
			for version, yanked := range f.yanked("default", "foo") {
				if yanked {
					got = append(got, version)
				}
			}
			slices.Sort(got)
			return slices.Equal(got, want)
		})
	}
	f.do(f.registry.Yank("foo", "1.0.2", true))
	wants("a yank with another version left is honoured", "1.0.2")
	_, page, _ := f.get("/crates/foo/1.0.2/fence")
	if says := "yanked upstream, as the newest allowed version of 1"; !strings.Contains(page, says) {
		t.Errorf("the page does not say %q", says)
	}
	f.do(f.registry.Yank("foo", "2.0.0", true))
	wants("the last of its range stays", "1.0.2")
	_, page, _ = f.get("/crates/foo/2.0.0/fence")
	if says := "no other allowed version of 2 is left; not passed on until"; !strings.Contains(page, says) {
		t.Errorf("the page does not say %q", says)
	}
	f.run("decide", "honour-yank", "foo@2.0.0", "--reason", "its author says so")
	wants("a person let it stand", "1.0.2", "2.0.0")
	f.do(f.registry.Yank("foo", "1.0.1", true))
	wants("in a wave the newest stays", "1.0.1", "2.0.0")
}

// Whoever is refused reads the same on every side: until when, and because of what.
func TestFenceSaysTheSameEverywhere(t *testing.T) {
	f := newFenced(t, unnamed+"\n[policy.watched]\npreset = \"medium\"\nmode = \"observe\"\nbaseline = BASELINE\n", "anonymous = [\"default\", \"watched\"]\n")
	f.publish("foo", "1.0.0", old)
	f.start()
	f.yanked("default", "foo")
	sum := f.publish("foo", "1.0.1", minutes, `nowhere = "1"`)
	f.yanked("default", "foo")
	f.checked("foo", "1.0.1")
	var said string
	eventually(t, "it is held for two reasons", func() bool {
		_, said = f.download("default", "foo", "1.0.1", sum)
		return strings.Contains(said, "cool-off") && strings.Contains(said, "nowhere, which is not in the index")
	})
	d := f.decision("foo", "1.0.1")
	var page string
	eventually(t, "the decision's page is there", func() bool {
		status, text, _ := f.get(strings.TrimPrefix(d.Page, f.process.url))
		page = html.UnescapeString(text)
		return status == http.StatusOK
	})
	if len(d.Reasons) < 2 {
		t.Fatalf("the API says %+v", d)
	}
	for _, r := range d.Reasons {
		if !strings.Contains(said, r.Text) || !strings.Contains(strings.ToLower(page), strings.ToLower(r.Text)) {
			t.Errorf("%q is not said in the refusal, or not on the page:\n%s", r.Text, said)
		}
		if end := r.Until.Truncate(time.Minute).Add(time.Minute).Format("2006-01-02 15:04 UTC"); !r.Until.IsZero() && !strings.Contains(said, end) {
			t.Errorf("the refusal does not say %s: %s", end, said)
		}
	}

	// A policy that observes keeps nothing back, and says what it would have.
	if status, body := f.download("watched", "foo", "1.0.1", sum); status != http.StatusOK || f.yanked("watched", "foo")["1.0.1"] {
		t.Errorf("under observation the download is answered %d %.200s", status, body)
	}
	eventually(t, "what would have been held is recorded", func() bool {
		return strings.Contains(f.run("decisions", "foo@1.0.1", "--policy", "watched"), "would be held")
	})
}

// An exception ends by itself, and who made it is told.
func TestFenceClosesExceptions(t *testing.T) {
	f := newFenced(t, unnamed, "")
	f.publish("foo", "1.0.0", 100*24*time.Hour)
	f.start()
	f.yanked("default", "foo")
	sum := f.publish("foo", "1.0.1", minutes)
	if !f.yanked("default", "foo")["1.0.1"] {
		t.Fatal("it is not held")
	}
	f.checked("foo", "1.0.1")
	if out, err := f.try("except", "add", "foo@1.0.1", "--rule", "cooloff", "--reason", "ours"); err == nil || !strings.Contains(out, `did you mean "cool-off"? it is held by cool-off`) {
		t.Errorf("of a rule that there is not it says %q, %v", out, err)
	}
	for _, rule := range []string{"cool-off", "floor"} {
		f.run("except", "add", "foo@1.0.1", "--rule", rule, "--reason", "ours", "--expires", "3s")
	}
	answered := func(want int) func() bool {
		return func() bool {
			status, _ := f.download("default", "foo", "1.0.1", sum)
			return status == want && f.yanked("default", "foo")["1.0.1"] == (want != http.StatusOK)
		}
	}
	eventually(t, "it passes", answered(http.StatusOK))
	eventually(t, "the time is over", answered(http.StatusForbidden))
	eventually(t, "it is closed", func() bool {
		out := f.run("except", "list", "--all")
		return strings.Count(out, "by system") == 2 && strings.Contains(out, "by cli:")
	})
	eventually(t, "each state is on record", func() bool {
		out := f.run("decisions", "foo@1.0.1")
		return strings.Contains(out, "waived") && strings.Count(out, "‖ held")+strings.Count(out, "held  foo") >= 2
	})
}

// publishedBy has the registry's web API tell of a crate that one account published
// some versions of it before, the first three years ago, and now these.
func (f *fenced) publishedBy(login, name string, before int, now map[string]crate.Checksum) {
	f.t.Helper()
	var versions []string
	add := func(version string, sum crate.Checksum, at time.Time) {
		versions = append(versions, fmt.Sprintf(`{"num":%q,"checksum":%q,"created_at":%q,"published_by":{"login":%q}}`, version, sum, at.UTC().Format(time.RFC3339), login))
	}
	for i := range before {
		add(fmt.Sprintf("0.1.%d", i), crate.Checksum{}, time.Now().AddDate(-3, 0, i))
	}
	for version, sum := range now {
		add(version, sum, time.Now().Add(-minutes))
	}
	f.registry.Misbehave("/api/v1/crates/"+name+"/versions", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"versions":[%s]}`, strings.Join(versions, ","))
	}))
}

// Whom the registry's web API tells to be of long standing waits less, and nobody
// else.
func TestFenceTrustsThoseOfLongStanding(t *testing.T) {
	f := newFenced(t, unnamed, "")
	text, err := os.ReadFile(f.config)
	f.do(err)
	f.write("cratefence.toml", strings.Replace(string(text), "ask_publishers = false", "ask_publishers = true", 1))
	says := map[string]string{
		"standing": "(cool-off 2d for a trusted publisher)",
		"fresh":    "(cool-off 7d)", // of nine releases
		"unknown":  "(cool-off 7d)", // nobody tells
	}
	for name := range says {
		f.publish(name, "1.0.0", 100*24*time.Hour)
	}
	f.start()
	for name, says := range says {
		f.yanked("default", name)
		sum := f.publish(name, "1.0.1", minutes)
		if before, known := map[string]int{"standing": 10, "fresh": 9}[name]; known {
			f.publishedBy("ann", name, before, map[string]crate.Checksum{"1.0.1": sum})
		}
		f.yanked("default", name)
		f.checked(name, "1.0.1")
		eventually(t, name+" waits "+says, func() bool {
			_, said := f.download("default", name, "1.0.1", sum)
			taken, _, _ := f.get("/api/v1/crates/" + name + "/1.0.0")
			return strings.Contains(said, says) && taken == http.StatusOK
		})
	}
}

// What a new release is measured by is taken in, and nothing before that, also
// where nothing says from when on releases are old.
func TestFenceTakesInOneBefore(t *testing.T) {
	f := newFenced(t, "[policy.default]\npreset = \"medium\"\n", "")
	for i := range 5 {
		f.publish("foo", fmt.Sprintf("1.0.%d", i), time.Duration(100-i)*24*time.Hour)
	}
	f.start()
	f.yanked("default", "foo")
	f.publish("foo", "1.0.5", minutes)
	f.yanked("default", "foo")
	for _, version := range []string{"1.0.5", "1.0.4"} {
		f.checked("foo", version)
	}
	// Whatever 1.0.4 would have asked for was asked before its checks were done,
	// and what is asked for later is fetched later.
	f.publish("bar", "1.0.0", minutes)
	f.yanked("default", "bar")
	f.checked("bar", "1.0.0")
	if status, _, _ := f.get("/api/v1/crates/foo/1.0.3"); status != http.StatusNotFound {
		t.Errorf("1.0.3 is answered %d: it was taken in", status)
	}
}
