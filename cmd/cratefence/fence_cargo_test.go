package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// medium is the policy of most tests here.
const medium = `
[policy.default]
preset = "medium"
baseline = BASELINE
`

// wantWords holds what cargo printed against the golden text of its version. A
// cargo that has none is held to the clauses alone.
func (p *project) wantWords(name, out string, clauses ...string) {
	t := p.f.t
	t.Helper()
	said := p.words(out)
	for _, clause := range clauses {
		if !strings.Contains(said, clause) {
			t.Errorf("cargo printed:\n%s\nwant in it: %s", said, clause)
		}
	}
	version := strings.Fields(p.run("--version"))[1]
	minor := strings.Join(strings.Split(version, ".")[:2], ".")
	path := filepath.Join("testdata", "cargo", name+"-"+minor+".txt")
	if _, err := os.Stat(path); err != nil && !*update {
		t.Logf("no golden text of cargo %s for %q", minor, name)
		return
	}
	golden(t, path, []byte(said))
}

// A new version waits: nothing resolves to it, what is locked to it still
// resolves, and its download says why.
func TestCargoIsHeld(t *testing.T) {
	f := newFenced(t, medium, "")
	f.publish("foo", "1.0.0", old)
	f.publish("foo", "1.0.1", old-time.Hour)
	f.start()
	p := f.project(`foo = "1"`)
	p.run("generate-lockfile")
	if got := p.locked("foo"); got != "1.0.1" {
		t.Fatalf("locked %q, want 1.0.1", got)
	}
	p.run("build")

	sum := f.publish("foo", "1.0.2", minutes)

	// A new resolution does without it.
	fresh := f.project(`foo = "1"`)
	fresh.run("generate-lockfile")
	if got := fresh.locked("foo"); got != "1.0.1" {
		t.Errorf("a new resolution locked %q, want 1.0.1", got)
	}
	f.checked("foo", "1.0.2")
	// One that insists is told that it is yanked.
	exact := f.project(`foo = "=1.0.2"`)
	exact.wantWords("exact", exact.fail("generate-lockfile"), "version 1.0.2 is yanked")

	// What is locked to it resolves, and its download is refused with our words.
	locked := f.project(`foo = "1"`)
	locked.lock("foo", "1.0.2", sum)
	const held = "cratefence holds foo 1.0.2 until DATE: first seen here moments ago (cool-off 7d)"
	locked.wantWords("held", locked.fail("build", "--locked"), held, "got 403", "http://FENCE/r/CODE")
	if got := locked.locked("foo"); got != "1.0.2" {
		t.Errorf("the lock was changed to %q", got)
	}
	// Still so with a warm index.
	if out := locked.words(locked.fail("build", "--locked")); !strings.Contains(out, held) {
		t.Errorf("with a warm index cargo printed:\n%s", out)
	}
	// --precise gets past the index, not past the gate.
	p.run("update", "foo", "--precise", "1.0.2")
	if out := p.words(p.fail("build")); !strings.Contains(out, held) {
		t.Errorf("after --precise cargo printed:\n%s", out)
	}

	status, body := f.download("default", "foo", "1.0.2", sum)
	if status != http.StatusForbidden || utf8.RuneCountInString(body) > 511 || len(body) > 511 {
		t.Errorf("download: %d with %d bytes, want 403 with 511 at the most", status, len(body))
	}
}

// Adding a dependency to a project whose lock names a held version downgrades
// nothing.
func TestCargoDoesNotDowngrade(t *testing.T) {
	f := newFenced(t, medium, "")
	f.publish("foo", "1.0.1", old)
	f.publish("baz", "0.1.0", old)
	f.start()
	f.project(`foo = "1"`).run("generate-lockfile") // the fence has seen foo before
	sum := f.publish("foo", "1.0.2", minutes)
	p := f.project(`foo = "1"`)
	p.lock("foo", "1.0.2", sum)
	out := p.run("add", "baz")
	out += p.fail("build") // writes the lock, and is refused foo's download
	if strings.Contains(out, "Downgrading") || p.locked("foo") != "1.0.2" || p.locked("baz") != "0.1.0" {
		t.Errorf("foo is locked to %q, baz to %q; cargo printed:\n%s", p.locked("foo"), p.locked("baz"), out)
	}
}

// The attack on arrayref of 2026-08-20: the good versions are yanked, a new one
// brings its first dependency, on a crate that is minutes old.
func TestCargoThroughTheArrayrefAttack(t *testing.T) {
	f := newFenced(t, medium, "")
	good := []string{"0.3.5", "0.3.6", "0.3.7", "0.3.8", "0.3.9"}
	sums := map[string]crate.Checksum{}
	for i, version := range good {
		sums[version] = f.publish("arrayref", version, old-time.Duration(i)*time.Hour)
	}
	f.start()
	before := f.project(`arrayref = "0.3.5"`)
	before.run("generate-lockfile")

	f.publish("proc-macro1", "1.0.0", minutes)
	for _, version := range good {
		f.do(f.registry.Yank("arrayref", version, true))
	}
	malware := f.publish("arrayref", "0.3.10", minutes, `proc-macro1 = "1"`)

	p := f.project(`arrayref = "0.3.5"`)
	p.run("generate-lockfile")
	if got := p.locked("arrayref"); got != "0.3.9" {
		t.Errorf("locked %q, want 0.3.9", got)
	}
	p.run("build")
	before.run("update")
	if got := before.locked("arrayref"); got != "0.3.9" {
		t.Errorf("cargo update moved to %q, want 0.3.9", got)
	}
	// The older ones are yanked, as upstream wants; the newest stays.
	want := map[string]bool{"0.3.5": true, "0.3.6": true, "0.3.7": true, "0.3.8": true, "0.3.9": false, "0.3.10": true}
	if diff := cmp.Diff(want, f.yanked("default", "arrayref")); diff != "" {
		t.Errorf("yanked (-want +got):\n%s", diff)
	}
	for _, try := range []struct {
		name, version string
		sum           crate.Checksum
		want          int
	}{
		{"arrayref", "0.3.10", malware, http.StatusForbidden},
		{"arrayref", "0.3.9", sums["0.3.9"], http.StatusOK},
		{"arrayref", "0.3.5", sums["0.3.5"], http.StatusOK}, // what is locked builds
	} {
		if status, body := f.download("default", try.name, try.version, try.sum); status != try.want {
			t.Errorf("download of %s %s: %d %s, want %d", try.name, try.version, status, body, try.want)
		}
	}
	status, body := f.download("default", "arrayref", "0.3.10", malware)
	for _, clause := range []string{"arrayref 0.3.10", "first dependency, proc-macro1", "/r/"} {
		if !strings.Contains(body, clause) {
			t.Errorf("the refusal (%d) reads %q, want in it %q", status, body, clause)
		}
	}
}

// Lines beyond 64 KiB, at which a careless reader stops, survive.
func TestCargoGetsLongLines(t *testing.T) {
	f := newFenced(t, medium, "")
	f.publish("wide", "1.0.0", old)
	features := map[string][]string{}
	for i := range 4000 {
		features[fmt.Sprintf("feature-%d", i)] = []string{}
	}
	f.do(f.registry.Edit("wide", "1.0.0", func(line *index.Line) { line.Features = features }))
	f.publish("wide", "1.0.1", old-time.Hour)
	f.publish("wide", "1.0.2", minutes)
	f.do(f.registry.Edit("wide", "1.0.2", func(line *index.Line) { line.Features = features }))
	f.start()
	p := f.project(`wide = { version = "=1.0.0", features = ["feature-3999"] }`)
	p.run("generate-lockfile")
	if got := p.locked("wide"); got != "1.0.0" {
		t.Errorf("locked %q", got)
	}
	want := map[string]bool{"1.0.0": false, "1.0.1": false, "1.0.2": true}
	if diff := cmp.Diff(want, f.yanked("default", "wide")); diff != "" {
		t.Errorf("yanked (-want +got):\n%s", diff)
	}
}

// A release whose registry does not say when it was published waits from our
// first sight; other bytes under a known version are never served.
func TestCargoMeetsAnUntrueRegistry(t *testing.T) {
	f := newFenced(t, medium, "")
	first := f.publish("foo", "1.0.0", old)
	f.publish("bare", "1.0.0", -1)
	f.start()
	bare := f.project(`bare = "1"`)
	if out := bare.fail("generate-lockfile"); !strings.Contains(out, "version 1.0.0 is yanked") {
		t.Errorf("without a publish time cargo printed:\n%s", out)
	}

	p := f.project(`foo = "1"`)
	p.run("build")
	other := crate.Sum([]byte("other bytes"))
	f.do(f.registry.Edit("foo", "1.0.0", func(line *index.Line) { line.Cksum = other }))
	if got := f.yanked("default", "foo"); !got["1.0.0"] {
		t.Errorf("after its checksum changed foo is served as %v", got)
	}
	_, body, _ := f.get("/p/default/index/3/f/foo")
	if strings.Contains(body, other.String()) || !strings.Contains(body, first.String()) {
		t.Errorf("the index reads %s, want the first checksum alone", body)
	}
	for _, sum := range []crate.Checksum{first, other} {
		if status, body := f.download("default", "foo", "1.0.0", sum); status != http.StatusForbidden {
			t.Errorf("download of %s: %d %s, want 403", sum, status, body)
		}
	}
}

// What is locked and cached builds whatever is down; nothing new gets through.
func TestCargoWhileThingsAreDown(t *testing.T) {
	f := newFenced(t, medium, "")
	f.publish("foo", "1.0.1", old)
	held := f.publish("foo", "1.0.2", minutes)
	f.start()
	p := f.project(`foo = "1"`)
	p.run("build")
	eventually(t, "what was let through is taken in", func() bool {
		status, _, _ := f.get("/api/v1/crates/foo/1.0.1")
		return status == http.StatusOK
	})
	_, _, header := f.get("/p/default/index/3/f/foo")
	tag := header.Get("ETag")

	f.do(f.closeUpstream())
	p.machine()
	p.run("build", "--locked")
	if status, _ := f.download("default", "foo", "1.0.2", held); status != http.StatusForbidden {
		t.Errorf("with upstream down the held version is answered %d", status)
	}

	f.process.kill()
	f.start()
	p.machine()
	p.run("build", "--locked")
	if status, _, header := f.get("/p/default/index/3/f/foo", "If-None-Match", tag); status != http.StatusNotModified {
		t.Errorf("after a restart the index is answered %d with tag %s, want 304 to %s", status, header.Get("ETag"), tag)
	}
	if status, _ := f.download("default", "foo", "1.0.2", held); status != http.StatusForbidden {
		t.Errorf("after a restart the held version is answered %d", status)
	}
}

// Mode observe holds nothing back; another policy of the same fence does, and
// nobody may use it who was not given it.
func TestCargoThroughPolicies(t *testing.T) {
	f := newFenced(t, `
[policy.default]
preset = "high"
mode = "observe"
baseline = BASELINE

[policy.strict]
preset = "high"
baseline = BASELINE
`, "anonymous = [\"default\"]\n[fence.tokens]\nci = [\"strict\"]\n")
	f.publish("foo", "1.0.1", old)
	sum := f.publish("foo", "1.0.2", minutes)
	f.start()
	p := f.project(`foo = "1"`)
	p.run("build")
	if got := p.locked("foo"); got != "1.0.2" {
		t.Errorf("under observe cargo locked %q, want 1.0.2", got)
	}
	p.through("strict")
	if out := p.fail("update"); !strings.Contains(out, "authenticated registries require a credential-provider") {
		t.Errorf("a policy that is not the client's: cargo printed\n%s", out)
	}
	if status, _ := f.download("strict", "foo", "1.0.2", sum); status != http.StatusUnauthorized {
		t.Errorf("its download is answered %d", status)
	}

	secret := strings.TrimSpace(f.run("token", "create", "ci", "--scope", "fetch"))
	_, body, strict := f.get("/p/strict/index/3/f/foo", "Authorization", secret)
	if !strings.Contains(body, `"yanked":true`) {
		t.Errorf("under strict the index reads %s", body)
	}
	if _, _, observed := f.get("/p/default/index/3/f/foo"); observed.Get("ETag") == strict.Get("ETag") {
		t.Error("two policies share a tag")
	}
}

// A person's exception lets one release through, and for a time.
func TestCargoAfterAnException(t *testing.T) {
	f := newFenced(t, medium, "")
	f.publish("foo", "1.0.1", old)
	sum := f.publish("foo", "1.0.2", minutes)
	f.start()
	p := f.project(`foo = "1"`)
	p.lock("foo", "1.0.2", sum)
	p.fail("build")
	f.run("decide", "allow", "foo@1.0.2", "--policy", "default", "--reason", "we wrote it")
	eventually(t, "the decision is in force", func() bool { return !f.yanked("default", "foo")["1.0.2"] })
	p.run("build")
	f.run("decide", "revoke", "foo@1.0.2", "--policy", "default", "--reason", "it was not us", "--after", "1")
	eventually(t, "the revocation is in force", func() bool { return f.yanked("default", "foo")["1.0.2"] })
	p.machine()
	p.wantWords("revoked", p.fail("build"), "cratefence has withdrawn foo 1.0.2")
}
