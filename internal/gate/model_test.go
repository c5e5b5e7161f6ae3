package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// The model is what the gate is held against: the same evidence, put together
// from plain lists of what happened, slowly and by other code.

// known is what is known of all crates at one time.
type known struct {
	crates    map[string]*modelCrate // by name, which is in lower case
	baselines map[string]time.Time
}

type modelCrate struct {
	name       string
	firstSeen  time.Time
	revision   int
	versions   []*modelVersion // in the order of the file
	exceptions []store.Exception
	rulings    []store.Ruling
}

type modelVersion struct {
	version string
	sum     crate.Checksum
	dated   time.Time // by the line; zero where it does not say
	deps    []string
	yanked  bool // by the line
	record  *store.LineRecord
	release *store.GateRelease
}

func (v *modelVersion) line(name string) string {
	l := line(name, v.version, v.dated, v.deps...)
	if v.yanked {
		l = yanked(l)
	}
	return l
}

// copy keeps what is known from changing with the truth.
func (k known) copy() known {
	c := known{crates: map[string]*modelCrate{}, baselines: maps.Clone(k.baselines)}
	for name, m := range k.crates {
		c.crates[name] = m.copy()
	}
	return c
}

func (m *modelCrate) copy() *modelCrate {
	c := *m
	c.exceptions, c.rulings = slices.Clone(m.exceptions), slices.Clone(m.rulings)
	c.versions = nil
	for _, v := range m.versions {
		w := *v
		if v.record != nil {
			r := *v.record
			w.record = &r
		}
		if v.release != nil {
			r := *v.release
			r.Checks = slices.Clone(r.Checks)
			w.release = &r
		}
		c.versions = append(c.versions, &w)
	}
	return &c
}

// state is what the store has of a crate beside its file.
func (m *modelCrate) state() store.CrateState {
	s := store.CrateState{Key: m.name, Exceptions: slices.Clone(m.exceptions), Rulings: slices.Clone(m.rulings)}
	for _, v := range m.copy().versions {
		if v.record != nil {
			s.Records = append(s.Records, *v.record)
		}
		if v.release != nil {
			s.Releases = append(s.Releases, *v.release)
		}
	}
	return s
}

// modelAdvisory names the versions that it affects and those that fix it.
type modelAdvisory struct {
	crate, id       string
	affected, fixed []string
}

type modelAdvisories []modelAdvisory

func (a *modelAdvisories) pick(name, version string, of func(modelAdvisory) []string) []Advisory {
	var list []Advisory
	for _, m := range *a {
		if m.crate == name && slices.Contains(of(m), version) {
			list = append(list, Advisory{ID: m.id, Vulnerability: true})
		}
	}
	return list
}

func (a *modelAdvisories) Affecting(name, version string) []Advisory {
	return a.pick(name, version, func(m modelAdvisory) []string { return m.affected })
}

func (a *modelAdvisories) Fixing(name, version string) []Advisory {
	return a.pick(name, version, func(m modelAdvisory) []string { return m.fixed })
}

// An oracle answers what the gate has to answer.
type oracle struct {
	known
	policy     *policy.Policy // with its baseline
	now, blind time.Time
	checks     map[string]int
	advisories modelAdvisories
	decided    map[string]policy.Decision
}

// decide is what the policy says of a version, in view of fixes.
func (o *oracle) decide(m *modelCrate, i int) policy.Decision {
	d := o.alone(m, i)
	if d.State != policy.Held && d.State != policy.Unknown {
		return d
	}
	ev := o.evidence(m, i)
	for _, a := range o.advisories {
		if a.crate != m.name || !slices.Contains(a.fixed, m.versions[i].version) {
			continue
		}
		for j, v := range m.versions {
			if slices.Contains(a.affected, v.version) && o.alone(m, j).Verdict() == policy.Allow {
				ev.Fixes = append(ev.Fixes, a.id)
				break
			}
		}
	}
	return o.policy.Decide(ev, o.now)
}

// alone is what the policy says of a version by itself.
func (o *oracle) alone(m *modelCrate, i int) policy.Decision {
	key := m.name + " " + m.versions[i].version
	if d, ok := o.decided[key]; ok {
		return d
	}
	d := o.policy.Decide(o.evidence(m, i), o.now)
	o.decided[key] = d
	return d
}

func (o *oracle) evidence(m *modelCrate, i int) policy.Evidence {
	v := m.versions[i]
	ev := policy.Evidence{
		Name: m.name, Version: v.version, Checksum: v.sum, Blind: o.blind,
		PublishedAt: v.dated, FirstSeenAt: m.firstSeen, Dated: true,
	}
	if r := v.record; r != nil {
		ev.PublishedAt, ev.FirstSeenAt, ev.Dated = r.PublishedAt, r.FirstSeenAt, r.Dated
		ev.Line, ev.LineSince, ev.OtherBytes = r.Trouble, r.TroubleAt, r.Trouble == policy.LineOtherBytes
	}
	all := o.past(m, i, func(*modelVersion) bool { return true })
	ev.Kind = kind(all, v)
	var last time.Time
	for _, p := range all {
		if p.dated.After(last) {
			last = p.dated
		}
	}
	if !last.IsZero() && v.dated.After(last) {
		ev.Silence = v.dated.Sub(last)
	}
	from := measuredBy(o.past(m, i, func(p *modelVersion) bool { return o.sound(m, p) }), v)
	var had []string
	if from != nil {
		ev.Previous, had = from.version, from.deps
		ev.FirstDependencies = len(had) == 0 && len(v.deps) > 0
	}
	for _, name := range v.deps {
		if !slices.Contains(had, name) {
			ev.Dependencies = append(ev.Dependencies, o.dependency(name))
		}
	}
	for _, a := range o.advisories {
		if a.crate == m.name && slices.Contains(a.affected, v.version) {
			ev.Affected = append(ev.Affected, a.id)
		}
	}
	o.addTaken(&ev, m, v, from)
	for _, x := range m.exceptions {
		if x.Policy == o.policy.Name && x.Version == v.version && x.Checksum == v.sum && x.EndedAt.IsZero() {
			ev.Exceptions = append(ev.Exceptions, policy.Exception{ID: int64(x.ID), Rule: x.Rule, Author: x.Author, Reason: x.Reason, Expires: x.ExpiresAt})
		}
	}
	if r := o.ruling(m, v); r != nil {
		ev.Ruling = &policy.Ruling{Action: r.Action, Author: r.Author, Reason: r.Reason, At: r.At, Impartial: r.Impartial}
	}
	for _, w := range m.versions {
		if w != v && w.record != nil && !w.record.YankedAt.IsZero() {
			at := w.record.YankedAt
			if !ev.PublishedAt.IsZero() && within(at, ev.PublishedAt) || !ev.Dated && within(at, ev.FirstSeenAt) {
				ev.YanksAround++
			}
		}
	}
	return ev
}

func within(a, b time.Time) bool {
	return !a.Before(b.Add(-24*time.Hour)) && !a.After(b.Add(24*time.Hour))
}

// addTaken tells of a release that was taken in.
func (o *oracle) addTaken(ev *policy.Evidence, m *modelCrate, v, from *modelVersion) {
	names := slices.Sorted(maps.Keys(o.checks))
	if v.release == nil {
		for _, name := range names {
			ev.Checks = append(ev.Checks, policy.CheckResult{Check: name, Current: o.checks[name], Pending: true})
		}
		return
	}
	if at := v.release.Release.FirstSeenAt; at.Before(ev.FirstSeenAt) {
		ev.FirstSeenAt = at
	}
	var missing []policy.CheckResult
	for _, name := range names {
		i := slices.IndexFunc(v.release.Checks, func(c store.GateCheck) bool { return c.Check == name })
		if i < 0 {
			missing = append(missing, policy.CheckResult{Check: name, Current: o.checks[name]})
			continue
		}
		c := v.release.Checks[i]
		ev.Checks = append(ev.Checks, policy.CheckResult{
			Check: name, Current: o.checks[name], Version: c.Version, Conclusion: check.Conclusion(c.Conclusion), Pending: c.Pending,
		})
	}
	ev.Checks = append(ev.Checks, missing...)
	if v.release.Incidents > 0 {
		ev.OtherBytes = true
	}
	if name := v.release.Release.Publisher; name != "" {
		p := policy.Publisher{Name: name, Trusted: v.release.Facts.Trusted && v.release.Facts.TrustedKnown}
		for _, w := range m.versions {
			if w.release == nil || w.release.Release.Publisher != name {
				continue
			}
			p.Incidents += w.release.Incidents
			at := cmp.Or(w.release.Release.PublishedAt, w.release.Release.FirstSeenAt)
			if p.Since.IsZero() || at.Before(p.Since) {
				p.Since = at
			}
			if at.Before(cmp.Or(v.release.Release.PublishedAt, v.release.Release.FirstSeenAt)) {
				p.Releases++
			}
		}
		ev.Publisher = p
	}
	if from != nil && from.release != nil {
		is, was := v.release.Facts, from.release.Facts
		ev.Compared = true
		ev.LostVCS = was.VCS && !is.VCS
		ev.LostTrust = was.Trusted && was.TrustedKnown && !(is.Trusted && is.TrustedKnown)
		ev.NewBuildScript = is.BuildScript && !was.BuildScript
	}
}

func (o *oracle) ruling(m *modelCrate, v *modelVersion) *store.Ruling {
	for _, r := range slices.Backward(m.rulings) {
		if r.Policy == o.policy.Name && r.Version == v.version && r.Checksum == v.sum {
			return &r
		}
	}
	return nil
}

// past returns the versions that came before version i: those of before the
// baseline that count, and those that are let through.
func (o *oracle) past(m *modelCrate, i int, counts func(*modelVersion) bool) []*modelVersion {
	v := m.versions[i]
	var past []*modelVersion
	for j, w := range m.versions {
		earlier := j < i
		if !w.dated.IsZero() && !v.dated.IsZero() && !w.dated.Equal(v.dated) {
			earlier = w.dated.Before(v.dated)
		}
		if j == i || !earlier {
			continue
		}
		if o.settled(w) && counts(w) || j < i && o.alone(m, j).Verdict() == policy.Allow {
			past = append(past, w)
		}
	}
	return past
}

func (o *oracle) settled(w *modelVersion) bool {
	published := w.dated
	if w.record != nil {
		published = w.record.PublishedAt
		if !w.record.Dated {
			return false
		}
	}
	return o.policy.Baseline.IsZero() || published.Before(o.policy.Baseline)
}

func (o *oracle) sound(m *modelCrate, w *modelVersion) bool {
	r := o.ruling(m, w)
	return (w.record == nil || w.record.Trouble == "") && (r == nil || r.Action == policy.ActAllow)
}

func kind(past []*modelVersion, v *modelVersion) policy.Kind {
	if len(past) == 0 {
		return policy.FirstVersion
	}
	for _, p := range past {
		if caret(p.version) == caret(v.version) && (!isPre(p.version) || isPre(v.version)) {
			return policy.Update
		}
	}
	return policy.NewMajor
}

func measuredBy(past []*modelVersion, v *modelVersion) *modelVersion {
	var best, last *modelVersion
	for _, p := range past {
		if caret(p.version) == caret(v.version) && store.CompareVersions(p.version, v.version) < 0 &&
			(best == nil || store.CompareVersions(p.version, best.version) > 0) {
			best = p
		}
		if last == nil || !p.dated.Before(last.dated) {
			last = p
		}
	}
	return cmp.Or(best, last)
}

// caret is the part of a version that cargo's default requirement keeps.
func caret(version string) string {
	core, _, _ := strings.Cut(version, "-")
	parts := strings.Split(core, ".")
	for i := range parts {
		if parts[i] != "0" {
			return strings.Join(parts[:i+1], ".")
		}
	}
	return core
}

func isPre(version string) bool { return strings.Contains(version, "-") }

func (o *oracle) dependency(name string) policy.NewDependency {
	d := policy.NewDependency{Name: name, Kind: "normal"}
	m := o.crates[name]
	if m == nil {
		return d
	}
	d.Known = true
	for _, v := range m.versions {
		at := cmp.Or(v.dated, m.firstSeen)
		if r := v.record; r != nil {
			at = cmp.Or(r.PublishedAt, r.FirstSeenAt)
			if !r.Dated && r.FirstSeenAt.After(at) {
				at = r.FirstSeenAt
			}
		}
		if d.FirstPublished.IsZero() || at.Before(d.FirstPublished) {
			d.FirstPublished = at
		}
	}
	return d
}

// upstreamYanked is how a version stands upstream.
func (v *modelVersion) upstreamYanked() bool {
	if v.record != nil {
		return v.record.Yanked
	}
	return v.yanked
}

// offered reports whether upstream still has the version as it was.
func (v *modelVersion) offered() bool {
	return v.record == nil || v.record.Trouble == "" || v.record.Trouble == policy.LineChanged
}

// servedYanked is how a version has to stand in the index.
func (o *oracle) servedYanked(m *modelCrate, i int) bool {
	v := m.versions[i]
	switch {
	case !o.decide(m, i).Passes(), !v.offered():
		return true
	case !v.upstreamYanked():
		return false
	case o.policy.Mode == policy.Observe:
		return true
	}
	return !o.kept(m, i)
}

// kept says whether a yank of an allowed version is kept back, from the rule as
// it is written: it is fresh and contested, and no newer version of its range
// stays.
func (o *oracle) kept(m *modelCrate, i int) bool {
	if !o.contested(m, i) {
		return false
	}
	for j, w := range m.versions {
		newer := store.CompareVersions(w.version, m.versions[i].version) > 0
		if newer && o.inRange(m, i, j) && (!w.upstreamYanked() || o.contested(m, j)) {
			return false
		}
	}
	return true
}

// inRange reports whether version j is an allowed one of i's range.
func (o *oracle) inRange(m *modelCrate, i, j int) bool {
	v, w := m.versions[i], m.versions[j]
	return caret(v.version) == caret(w.version) && isPre(v.version) == isPre(w.version) &&
		w.offered() && o.decide(m, j).Verdict() == policy.Allow
}

func (o *oracle) contested(m *modelCrate, i int) bool {
	v := m.versions[i]
	r := v.record
	if r == nil || !r.Yanked || r.YankedAt.IsZero() || !o.inRange(m, i, i) {
		return false
	}
	if !r.HonouredAt.IsZero() && !r.HonouredAt.Before(r.YankedAt) || !o.now.Before(r.YankedAt.Add(72*time.Hour)) {
		return false
	}
	alone := true
	for j, w := range m.versions {
		if o.inRange(m, i, j) && !w.upstreamYanked() {
			alone = false
		}
	}
	return alone || m.wave(v)
}

// wave reports whether some day in which v was yanked saw three yanks.
func (m *modelCrate) wave(v *modelVersion) bool {
	for _, first := range m.versions {
		if first.record == nil || !first.record.Yanked || first.record.YankedAt.IsZero() {
			continue
		}
		start, n, holdsV := first.record.YankedAt, 0, false
		for _, w := range m.versions {
			if w.record == nil || !w.record.Yanked || w.record.YankedAt.Before(start) || w.record.YankedAt.After(start.Add(24*time.Hour)) {
				continue
			}
			n++
			holdsV = holdsV || w == v
		}
		if n >= 3 && holdsV {
			return true
		}
	}
	return false
}

func (m *modelCrate) String() string {
	var b strings.Builder
	for _, v := range m.versions {
		fmt.Fprintf(&b, "%s@%s dated %s deps %v yanked %t record %+v release %+v\n", m.name, v.version, v.dated, v.deps, v.yanked, v.record, v.release)
	}
	return b.String()
}
