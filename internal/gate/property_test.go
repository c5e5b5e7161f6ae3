package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

const modelPolicies = `
[policy.low]
preset = "low"

[policy.high]
preset = "high"

[policy.own]
preset = "medium"
[[policy.own.rule]]
name = "many"
when = 'size(dependencies.added) > 1 && release.age < days(20)'
verdict = "hold"
text = "adds more than one dependency"
[[policy.own.crate]]
name = "beta"
[policy.own.crate.cool_off]
update = "3d"

[policy.watch]
preset = "medium"
mode = "observe"
`

var (
	modelNames  = []string{"alpha", "beta", "gamma", "ghost"}
	modelChecks = map[string]int{"archive": 1, "provenance": 2}
)

// A world is a store with its history, a gate that follows it, and what the gate
// has been told.
type world struct {
	*testing.T
	clock      *clock
	store      *fakeStore
	gate       *Gate
	policies   *policy.Set
	truth      known // what the store has
	heard      known // what the gate has been told of it
	heardAt    time.Time
	advisories modelAdvisories
	nextID     store.ID
	tags       map[string]string // what was served under an ETag, with its policy
	bodies     map[string]string // the other way round
}

// Over random histories no release is served in a state that a fresh look at the
// same evidence would refuse, none is that was never evaluated, and nothing is
// kept back that would pass.
func TestNothingIsServedThatWouldNotPass(t *testing.T) {
	policies, err := policy.Parse([]byte(modelPolicies))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, policies)
		w.restart(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"import":   w.imports,
			"publish":  w.publish,
			"publish2": w.publish, // as often again: the rest needs something to happen to
			"yank":     w.yank,
			"wave":     w.yankMany,
			"honour":   w.honour,
			"edit":     w.edit,
			"swap":     w.swap,
			"remove":   w.remove,
			"takeIn":   w.takeIn,
			"check":    w.finishCheck,
			"check2":   w.finishCheck,
			"except":   w.except,
			"rule":     w.rule,
			"advise":   w.advise,
			"baseline": w.baseline,
			"wait":     w.wait,
			"wait2":    w.wait,
			"outage":   w.outage,
			"follow":   w.follow,
			"restart":  w.restart,
			"":         w.verify,
		})
	})
}

func newWorld(t *testing.T, policies *policy.Set) *world {
	return &world{
		T: t, clock: &clock{now: day}, store: newFakeStore(), policies: policies,
		truth: known{crates: map[string]*modelCrate{}, baselines: map[string]time.Time{}},
		tags:  map[string]string{}, bodies: map[string]string{},
	}
}

// save puts a crate's truth into the store, with its event, and has the gate
// hear of it now and then.
func (w *world) save(t *rapid.T, m *modelCrate) {
	var raw strings.Builder
	for _, v := range m.versions {
		raw.WriteString(v.line(m.name) + "\n")
	}
	m.revision++
	state := m.state()
	w.store.mu.Lock()
	w.store.files[m.name] = store.IndexFile{
		Key: m.name, Name: m.name, Lines: index.Pack([]byte(raw.String())), Size: raw.Len(), FirstSeenAt: m.firstSeen, Revision: m.revision,
	}
	w.store.states[m.name] = &state
	w.store.event(store.GateCrate, m.name)
	down := w.store.down
	w.store.mu.Unlock()
	if rapid.Bool().Draw(t, "told") {
		err := w.gate.Apply(context.Background(), m.name)
		if down != errors.Is(err, errDown) {
			t.Fatalf("Apply: %v, the store is down: %t", err, down)
		}
		if err == nil {
			w.heard.crates[m.name] = m.copy()
		}
	}
}

func (w *world) id() store.ID { w.nextID++; return w.nextID }

// crate draws a crate that is there.
func (w *world) crate(t *rapid.T) *modelCrate {
	names := slices.Sorted(maps.Keys(w.truth.crates))
	if len(names) == 0 {
		t.Skip("no crate")
	}
	return w.truth.crates[rapid.SampledFrom(names).Draw(t, "crate")]
}

func (w *world) version(t *rapid.T) (*modelCrate, *modelVersion) {
	m := w.crate(t)
	return m, rapid.SampledFrom(m.versions).Draw(t, "version")
}

// touch returns a version's record, and makes it as the mirror does.
func (w *world) touch(m *modelCrate, v *modelVersion) *store.LineRecord {
	if v.record == nil {
		v.record = &store.LineRecord{
			Key: m.name, Version: v.version, Checksum: v.sum, PublishedAt: v.dated, FirstSeenAt: m.firstSeen, Dated: true, Yanked: v.yanked,
		}
	}
	return v.record
}

func (w *world) imports(t *rapid.T) {
	name := rapid.SampledFrom(modelNames).Draw(t, "name")
	if w.truth.crates[name] != nil {
		t.Skip("there already")
	}
	m := &modelCrate{name: name, firstSeen: w.clock.Now()}
	w.truth.crates[name] = m
	for range rapid.IntRange(1, 5).Draw(t, "versions") {
		v := w.newVersion(t, m)
		v.yanked = rapid.IntRange(0, 4).Draw(t, "yanked") == 0
	}
	w.save(t, m)
}

// newVersion adds the next version to a crate, with a date that is true or not.
func (w *world) newVersion(t *rapid.T, m *modelCrate) *modelVersion {
	age := rapid.SampledFrom([]time.Duration{0, time.Hour, 3 * 24 * time.Hour, 20 * 24 * time.Hour, 60 * 24 * time.Hour, 500 * 24 * time.Hour}).Draw(t, "age")
	v := &modelVersion{version: nextVersion(t, m), dated: w.clock.Now().Add(-age).Truncate(time.Second)}
	if rapid.IntRange(0, 6).Draw(t, "undated") == 0 {
		v.dated = time.Time{}
	}
	v.sum = sumOf(m.name, v.version)
	for _, name := range modelNames {
		if name != m.name && rapid.IntRange(0, 2).Draw(t, "dep") == 0 {
			v.deps = append(v.deps, name)
		}
	}
	m.versions = append(m.versions, v)
	return v
}

// nextVersion draws a version that the crate does not have.
func nextVersion(t *rapid.T, m *modelCrate) string {
	major, minor := rapid.IntRange(0, 2).Draw(t, "major"), rapid.IntRange(0, 2).Draw(t, "minor")
	pre := ""
	if rapid.IntRange(0, 5).Draw(t, "pre") == 0 {
		pre = "-rc.1"
	}
	for patch := rapid.IntRange(0, 9).Draw(t, "patch"); ; patch++ {
		version := fmt.Sprintf("%d.%d.%d%s", major, minor, patch, pre)
		if !slices.ContainsFunc(m.versions, func(v *modelVersion) bool { return v.version == version }) {
			return version
		}
	}
}

func (w *world) publish(t *rapid.T) {
	m := w.crate(t)
	if len(m.versions) > 9 {
		t.Skip("enough versions")
	}
	v := w.newVersion(t, m)
	v.record = &store.LineRecord{Key: m.name, Version: v.version, Checksum: v.sum, PublishedAt: v.dated, FirstSeenAt: w.clock.Now()}
	w.save(t, m)
}

func (w *world) yank(t *rapid.T) {
	m, v := w.version(t)
	w.flip(m, v)
	w.save(t, m)
}

func (w *world) yankMany(t *rapid.T) {
	m := w.crate(t)
	for _, v := range m.versions {
		if !v.upstreamYanked() && rapid.Bool().Draw(t, "yanked") {
			w.flip(m, v)
		}
	}
	w.save(t, m)
}

func (w *world) flip(m *modelCrate, v *modelVersion) {
	r := w.touch(m, v)
	r.Yanked = !r.Yanked
	if r.Yanked {
		r.YankedAt = w.clock.Now()
	}
	if r.Trouble == "" {
		v.yanked = r.Yanked // else the line is still the one before
	}
}

func (w *world) honour(t *rapid.T) {
	m, v := w.version(t)
	if v.record == nil || !v.record.Yanked {
		t.Skip("not yanked")
	}
	v.record.HonouredAt = w.clock.Now()
	w.save(t, m)
}

func (w *world) edit(t *rapid.T) {
	m, v := w.version(t)
	w.trouble(m, v, policy.LineChanged)
	w.save(t, m)
}

func (w *world) swap(t *rapid.T) {
	m, v := w.version(t)
	w.trouble(m, v, policy.LineOtherBytes)
	w.save(t, m)
}

func (w *world) remove(t *rapid.T) {
	m, v := w.version(t)
	if v.record != nil && v.record.Trouble != "" {
		v.record.Trouble, v.record.TroubleAt = "", time.Time{} // it is back
	} else {
		w.trouble(m, v, policy.LineRemoved)
	}
	w.save(t, m)
}

func (w *world) trouble(m *modelCrate, v *modelVersion, what policy.LineTrouble) {
	r := w.touch(m, v)
	r.Trouble, r.TroubleAt = what, w.clock.Now()
}

func (w *world) takeIn(t *rapid.T) {
	m, v := w.version(t)
	if v.release != nil {
		v.release.Incidents++
	} else {
		v.release = &store.GateRelease{
			Release: store.Release{
				ID: w.id(), Crate: m.name, Version: v.version, Checksum: v.sum, PublishedAt: v.dated, FirstSeenAt: w.clock.Now(),
				Publisher: rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(t, "publisher"),
			},
			Facts: store.PublishFacts{
				VCS: rapid.Bool().Draw(t, "vcs"), BuildScript: rapid.Bool().Draw(t, "build"),
				Trusted: rapid.Bool().Draw(t, "trusted"), TrustedKnown: rapid.Bool().Draw(t, "known"),
			},
			Checks: []store.GateCheck{{Check: "archive", Pending: true}, {Check: "provenance", Pending: true}},
		}
	}
	w.save(t, m)
}

func (w *world) finishCheck(t *rapid.T) {
	m, v := w.version(t)
	if v.release == nil {
		t.Skip("not taken in")
	}
	c := &v.release.Checks[rapid.IntRange(0, 1).Draw(t, "check")]
	c.Version = rapid.IntRange(1, 2).Draw(t, "check version")
	c.Conclusion = rapid.SampledFrom([]string{"success", "success", "neutral", "skipped", "failure", "inconclusive", "error", "nonsense"}).Draw(t, "conclusion")
	c.Pending = rapid.IntRange(0, 4).Draw(t, "again") == 0
	w.save(t, m)
}

func (w *world) except(t *rapid.T) {
	m, v := w.version(t)
	if len(m.exceptions) > 0 && rapid.IntRange(0, 2).Draw(t, "end") == 0 {
		x := &m.exceptions[rapid.IntRange(0, len(m.exceptions)-1).Draw(t, "which")]
		x.EndedAt = w.clock.Now()
	} else {
		m.exceptions = append(m.exceptions, store.Exception{
			ID: w.id(), Policy: w.drawPolicy(t), Crate: m.name, Version: v.version, Checksum: v.sum, Author: "eve", Reason: "we need it",
			Rule:      rapid.SampledFrom([]string{"cool-off", "floor", "young-dependency", "yank-wave", "rule/many", "check/archive/failure"}).Draw(t, "rule"),
			CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "hours")) * time.Hour),
		})
	}
	w.save(t, m)
}

func (w *world) rule(t *rapid.T) {
	m, v := w.version(t)
	m.rulings = append(m.rulings, store.Ruling{
		ID: w.id(), Policy: w.drawPolicy(t), Crate: m.name, Version: v.version, Checksum: v.sum, Author: "eve", Reason: "looked at it",
		Action: rapid.SampledFrom([]policy.Action{
			policy.ActAllow, policy.ActAllow, policy.ActKeep, policy.ActBlock, policy.ActRevoke, "nonsense",
		}).Draw(t, "action"),
		Impartial: rapid.Bool().Draw(t, "impartial"), At: w.clock.Now(),
	})
	w.save(t, m)
}

func (w *world) drawPolicy(t *rapid.T) string {
	return rapid.SampledFrom([]string{"low", "high", "own", "watch"}).Draw(t, "policy")
}

// advise says that some versions of a crate are vulnerable and others are not.
func (w *world) advise(t *rapid.T) {
	m := w.crate(t)
	a := modelAdvisory{crate: m.name, id: fmt.Sprintf("RUSTSEC-2026-%04d", w.id())}
	for _, v := range m.versions {
		if rapid.Bool().Draw(t, "affected") {
			a.affected = append(a.affected, v.version)
		} else {
			a.fixed = append(a.fixed, v.version)
		}
	}
	w.advisories = append(w.advisories, a)
	w.gate.AdvisoriesChanged()
}

func (w *world) baseline(t *rapid.T) {
	name := w.drawPolicy(t)
	at := w.clock.Now().Add(-time.Duration(rapid.IntRange(0, 400).Draw(t, "days")) * 24 * time.Hour)
	w.truth.baselines[name] = at
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.baselines = append(w.store.baselines, store.Baseline{Policy: name, At: at})
	w.store.event(rapid.SampledFrom([]store.GateChange{store.GateBaseline, store.GateAll, "later"}).Draw(t, "event"), "")
}

func (w *world) wait(t *rapid.T) {
	w.clock.add(rapid.SampledFrom([]time.Duration{
		time.Second, 9 * time.Minute, 5 * time.Hour, 24 * time.Hour, 72 * time.Hour, 8 * 24 * time.Hour, -time.Hour, -26 * time.Hour,
	}).Draw(t, "time"))
	if rapid.IntRange(0, 4).Draw(t, "asleep") > 0 {
		w.follow(t)
	}
}

func (w *world) outage(*rapid.T) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.down = !w.store.down
}

// follow has the gate do what Run does.
func (w *world) follow(t *rapid.T) {
	err := w.gate.Follow(context.Background())
	if w.store.down != errors.Is(err, errDown) {
		t.Fatalf("Follow: %v, the store is down: %t", err, w.store.down)
	}
	if err == nil {
		w.heard, w.heardAt = w.truth.copy(), w.clock.Now()
	}
	w.gate.keepAppointments(w.clock.Now())
}

func (w *world) restart(t *rapid.T) {
	g, err := Open(context.Background(), Config{
		Store: w.store, Policies: w.policies, Checks: modelChecks, Advisories: &w.advisories, Now: w.clock.Now,
	})
	if w.store.down != errors.Is(err, errDown) {
		t.Fatalf("Open: %v, the store is down: %t", err, w.store.down)
	}
	if err != nil {
		t.Skip("the store is down") // the process does not start; another serves on
	}
	w.gate, w.heard, w.heardAt = g, w.truth.copy(), w.clock.Now()
	if err := g.sweepAll(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// verify asks the gate for everything and holds it against the oracle.
func (w *world) verify(t *rapid.T) {
	if w.gate == nil {
		return
	}
	for _, p := range w.policies.Policies() {
		o := &oracle{
			known: w.heard, policy: p.WithBaseline(w.heard.baselines[p.Name]), now: w.clock.Now(),
			checks: modelChecks, advisories: w.advisories, decided: map[string]policy.Decision{},
		}
		if o.now.Sub(w.heardAt) > DefaultMaxStale {
			o.blind = w.heardAt
		}
		for _, name := range modelNames {
			w.verifyCrate(t, o, name)
		}
	}
	w.verifyRecorded(t)
}

func (w *world) verifyCrate(t *rapid.T, o *oracle, name string) {
	m := w.heard.crates[name]
	served, err := w.gate.Index(o.policy.Name, name)
	if m == nil {
		if !errors.Is(err, ErrUnknown) {
			t.Fatalf("Index of a crate that was not heard of: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i, v := range m.versions {
		line := strings.Replace(v.line(name), `"yanked":true`, `"yanked":false`, 1)
		if o.servedYanked(m, i) {
			line = yanked(line)
		}
		want.WriteString(line + "\n")
		w.verifyAdmission(t, o, m, i)
	}
	body := unzip(w.T, served)
	if diff := cmp.Diff(want.String(), body); diff != "" {
		t.Fatalf("%s under %s (-want +served):\n%s\n%s", name, o.policy.Name, diff, m)
	}
	w.verifyTag(t, o.policy.Name+"\n"+body, served.ETag)
	// What the gate has not heard of is not let through, whatever the store knows.
	for _, v := range w.truth.crates[name].versions {
		if !slices.ContainsFunc(m.versions, func(h *modelVersion) bool { return h.version == v.version }) {
			w.refuse(t, o, name, v.version, v.sum)
		}
	}
}

func (w *world) verifyAdmission(t *rapid.T, o *oracle, m *modelCrate, i int) {
	v := m.versions[i]
	a, err := w.gate.Admit(context.Background(), o.policy.Name, m.name, v.version, v.sum)
	if err != nil {
		t.Fatal(err)
	}
	want := o.decide(m, i)
	if diff := cmp.Diff(want, a.Decision, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s@%s under %s (-want +got):\n%s\n%+v\n%s", m.name, v.version, o.policy.Name, diff, o.evidence(m, i), m)
	}
	if a.Decision.Pending != (a.Wait != nil) {
		t.Fatalf("%s@%s: pending is %t, and there is something to wait for: %t", m.name, v.version, a.Decision.Pending, a.Wait != nil)
	}
	w.refuse(t, o, m.name, v.version, crate.Checksum(sha256.Sum256(v.sum[:])))
	w.refuse(t, o, strings.ToUpper(m.name), v.version, v.sum)
}

func (w *world) refuse(t *rapid.T, o *oracle, name, version string, sum crate.Checksum) {
	a, err := w.gate.Admit(context.Background(), o.policy.Name, name, version, sum)
	if err != nil || a.Decision.Passes() || a.Listed {
		t.Fatalf("Admit %s@%s with checksum %s: %+v, %v", name, version, sum, a, err)
	}
}

// verifyTag holds that a tag stands for one policy and body, for all time.
func (w *world) verifyTag(t *rapid.T, body, tag string) {
	if before, ok := w.tags[tag]; ok && before != body {
		t.Fatalf("tag %s stood for\n%s\nand now for\n%s", tag, before, body)
	}
	if before, ok := w.bodies[body]; ok && before != tag {
		t.Fatalf("tag %s and now %s for the same\n%s", before, tag, body)
	}
	w.tags[tag], w.bodies[body] = body, tag
}

// verifyRecorded holds that what was last recorded of a release is what is
// decided of it now, unless the gate is blind.
func (w *world) verifyRecorded(t *rapid.T) {
	if w.store.down || w.gate.Health().Blind {
		return
	}
	if err := w.gate.flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	last := map[subject]store.DecisionRecord{}
	for _, d := range w.store.decisions {
		last[subjectOf(&d)] = d
	}
	for _, p := range w.policies.Policies() {
		for _, m := range w.heard.crates {
			for _, v := range m.versions {
				if v.record == nil && v.release == nil {
					continue
				}
				a, err := w.gate.Admit(context.Background(), p.Name, m.name, v.version, v.sum)
				if err != nil {
					t.Fatal(err)
				}
				got, ok := last[subject{place{p.Name, m.name}, v.version, v.sum}]
				if a.Decision.State == policy.Grandfathered && (!ok || got.Decision.State == policy.Grandfathered) {
					continue // nothing worth a row
				}
				want := got
				want.Decision = a.Decision
				if got.Mark() != want.Mark() {
					t.Fatalf("recorded of %s@%s under %s (-want +got):\n%s", m.name, v.version, p.Name, cmp.Diff(a.Decision, got.Decision))
				}
			}
		}
	}
}
