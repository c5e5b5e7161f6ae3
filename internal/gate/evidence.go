package gate

import (
	"maps"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// An inquiry is one crate before one policy at one time. It puts the evidence
// together from the snapshot and asks the store nothing.
type inquiry struct {
	g          *Gate
	r          *regime
	e          *entry
	l          *lines
	now        time.Time
	blind      time.Time
	judged     []*verdict       // by line; nil for one that was not asked for yet
	leans      map[*slot]*entry // other crates that it rests on, as they are now
	until      time.Time        // when time alone may change an answer; zero is never
	settledAll *bool            // see plain; nil until it is asked for
	// states: the states of dependencies are told, too. No policy asks for them.
	states bool
}

// A verdict is what was made of a line.
type verdict struct {
	evidence policy.Evidence
	decision policy.Decision
}

func (g *Gate) inquire(r *regime, e *entry, now time.Time) (*inquiry, error) {
	l, err := g.pages.read(e)
	if err != nil {
		return nil, err
	}
	return &inquiry{g: g, r: r, e: e, l: l, now: now, blind: g.blind(now), judged: make([]*verdict, len(l.entries)), leans: map[*slot]*entry{}}, nil
}

// evidence is all that is known of the release of a line.
func (q *inquiry) evidence(i int) policy.Evidence {
	line := &q.l.entries[i]
	ev := policy.Evidence{
		Name: line.Name, Version: line.Vers, Checksum: line.Cksum,
		Checks: q.g.notYet, Blind: q.blind,
	}
	q.addLine(&ev, line)
	q.addHistory(&ev, i)
	if q.e.state != nil {
		q.addRelease(&ev, line)
		q.addPeople(&ev, line)
		ev.YanksAround = yanksAround(&ev, q.e.state.Records)
	}
	if q.g.Advisories != nil {
		for _, a := range q.g.Advisories.Affecting(ev.Name, ev.Version) {
			ev.Affected = append(ev.Affected, a.ID)
		}
	}
	return ev
}

// addLine says when the release was first seen and what became of its line.
func (q *inquiry) addLine(ev *policy.Evidence, line *index.Entry) {
	r := q.e.record(line)
	if r == nil {
		ev.PublishedAt, ev.FirstSeenAt, ev.Dated = line.Pubtime, q.e.firstSeen, true
		return
	}
	ev.PublishedAt, ev.FirstSeenAt, ev.Dated = r.PublishedAt, r.FirstSeenAt, r.Dated
	ev.Line, ev.LineSince = r.Trouble, r.TroubleAt
	ev.Offered = r.Trouble == policy.LineOtherBytes
	if r.Checksum != line.Cksum {
		// The mirror never lets this happen; if it did, the first bytes count.
		ev.Checksum, ev.Line, ev.Offered = r.Checksum, policy.LineOtherBytes, true
	}
}

// addHistory says what sort of release it is and which dependencies it adds.
func (q *inquiry) addHistory(ev *policy.Evidence, i int) {
	if q.bygone(ev) {
		return
	}
	list, at := q.measures(i, true)
	all, err := index.HistoryOf(list, at)
	if err != nil {
		return // a kind that is not known waits like a first version
	}
	ev.Kind, ev.Silence = kindOf(all), all.Silence
	h := all
	if sound, at := q.measures(i, false); len(sound) < len(list) {
		if h, err = index.HistoryOf(sound, at); err != nil {
			return
		}
	}
	ev.Previous, ev.FirstDependencies = h.Previous, h.FirstDependencies
	for _, d := range h.Added {
		ev.Dependencies = append(ev.Dependencies, q.dependency(d))
	}
}

func kindOf(h index.History) policy.Kind {
	switch {
	case h.FirstVersion:
		return policy.FirstVersion
	case h.NewRange:
		return policy.NewMajor
	}
	return policy.Update
}

// bygone reports whether a release is so much older than the baseline that how it
// compared with the one before decides nothing: a policy without rules of its own
// asks for its cool-off alone, and that is over.
func (q *inquiry) bygone(ev *policy.Evidence) bool {
	now := q.now
	if !q.blind.IsZero() {
		now = q.blind
	}
	return ev.Dated && !ev.PublishedAt.IsZero() && ev.PublishedAt.Before(q.r.Baseline) &&
		now.Sub(ev.PublishedAt) > q.r.longest && len(q.r.Rules) == 0
}

// measures returns the lines that line i is measured by, itself among them and at
// which place: those that were there before the baseline, and those before it in
// the file that the policy lets through. A version that is kept back is no
// measure, or the next one would add nothing to it. What was there before the
// baseline says, whatever became of it since, that the name is not new; but with
// unsound false it is no measure of what the next version adds.
func (q *inquiry) measures(i int, unsound bool) (list []index.Entry, at int) {
	if q.plain() {
		list, at = q.l.entries, i
	} else {
		list = make([]index.Entry, 0, len(q.l.entries))
		for j := range q.l.entries {
			switch {
			case j == i:
				at = len(list)
			case q.settled(j) && (unsound || q.sound(j)):
			case j > i || q.judge(j).decision.Verdict() != policy.Allow:
				continue
			}
			list = append(list, q.l.entries[j])
		}
	}
	if cut := at - maxMeasures; cut > 0 {
		list, at = list[cut:], at-cut
	}
	return list, at
}

// maxMeasures bounds how many lines before it a line is measured by. The crate with
// the most versions has some thousands.
const maxMeasures = 1000

// plain reports whether there is nothing to choose among measures: most crates
// have published nothing since the baseline.
func (q *inquiry) plain() bool {
	if q.settledAll == nil {
		all := true
		for j := range q.l.entries {
			all = all && q.settled(j) && q.sound(j)
		}
		q.settledAll = &all
	}
	return *q.settledAll
}

// settled reports whether a line was there before the baseline, or when its crate
// was first looked at where there is no baseline.
func (q *inquiry) settled(j int) bool {
	line := &q.l.entries[j]
	published := line.Pubtime
	if r := q.e.record(line); r != nil {
		if !r.Dated {
			return false
		}
		published = r.PublishedAt
	}
	return q.r.Baseline.IsZero() || published.Before(q.r.Baseline)
}

// sound reports whether nothing speaks against what is settled: upstream has it
// as it was, and no person stopped it.
func (q *inquiry) sound(j int) bool {
	line := &q.l.entries[j]
	if r := q.e.record(line); r != nil && r.Trouble != "" {
		return false
	}
	ruling := q.ruling(line)
	return ruling == nil || ruling.Action == policy.ActAllow
}

// dependency tells of a crate that a version adds to what it is built from.
func (q *inquiry) dependency(d index.DepChange) policy.NewDependency {
	dep := policy.NewDependency{Name: d.Crate, Kind: string(d.Kind)}
	if d.Registry != "" || crate.ValidateName(d.Crate) != nil {
		return dep // of a registry that is not watched here
	}
	s := q.g.crates.put(store.IndexKey(d.Crate), &slot{})
	e := s.entry.Load()
	if known, ok := q.leans[s]; ok {
		e = known // one inquiry sees one state of the world
	}
	q.leans[s] = e
	if e == nil || e.name != d.Crate {
		return dep
	}
	dep.Known = true
	dep.FirstPublished = q.g.firstPublished(e)
	if q.states && len(q.leans) <= maxStates {
		dep.State = q.stateOf(e)
	}
	return dep
}

// maxStates bounds of how many dependencies the state is told.
const maxStates = 50

// stateOf is the state of a crate's newest version, or "" where that cannot be
// told.
func (q *inquiry) stateOf(e *entry) policy.State {
	dep, err := q.g.inquire(q.r, e, q.now)
	if err != nil || len(dep.l.entries) == 0 {
		return ""
	}
	newest := 0
	for i := range dep.l.entries {
		if store.CompareVersions(dep.l.entries[i].Vers, dep.l.entries[newest].Vers) > 0 {
			newest = i
		}
	}
	return dep.settle(newest).decision.State
}

// firstPublished is when the first version of a crate was published, or first
// seen where that is later or not known; zero when it cannot be told.
func (g *Gate) firstPublished(e *entry) time.Time {
	if born := e.born.Load(); born != 0 {
		return time.Unix(born, 0).UTC()
	}
	l, err := g.pages.read(e)
	if err != nil {
		return time.Time{}
	}
	var first time.Time
	for i := range l.entries {
		line := &l.entries[i]
		at, seen := line.Pubtime, e.firstSeen
		if r := e.record(line); r != nil {
			at, seen = r.PublishedAt, r.FirstSeenAt
			if !r.Dated {
				at = latest(at, seen)
			}
		}
		if at.IsZero() {
			at = seen
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	e.born.Store(first.Unix())
	return first.Truncate(time.Second)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// yanksAround counts the other versions that were yanked within a day of the
// publication: of its date, or of our first sight of it where that counts.
func yanksAround(ev *policy.Evidence, records []store.LineRecord) int {
	n := 0
	for i := range records {
		r := &records[i]
		if r.YankedAt.IsZero() || index.VersionKey(r.Version) == index.VersionKey(ev.Version) {
			continue
		}
		if near(r.YankedAt, ev.PublishedAt) || !ev.Dated && near(r.YankedAt, ev.FirstSeenAt) {
			n++
		}
	}
	return n
}

func near(a, b time.Time) bool { return !b.IsZero() && a.Sub(b).Abs() <= waveTime }

// addRelease says what checks concluded and who published it, where it was taken
// in.
func (q *inquiry) addRelease(ev *policy.Evidence, line *index.Entry) {
	rel := q.e.release(line)
	if rel == nil {
		return
	}
	if rel.Release.Checksum != ev.Checksum {
		// Other bytes were announced than the index names: neither is served.
		ev.Line, ev.Offered = policy.LineOtherBytes, true
		ev.LineSince = latest(ev.LineSince, latest(ev.FirstSeenAt, rel.Release.FirstSeenAt))
		return
	}
	if rel.Release.FirstSeenAt.Before(ev.FirstSeenAt) {
		ev.FirstSeenAt = rel.Release.FirstSeenAt
	}
	ev.Offered = ev.Offered || rel.Incidents > 0
	ev.Checks = results(q.g.Checks, rel.Checks)
	ev.Publisher = publisher(rel, q.e.state.Releases)
	previous := q.e.taken(ev.Previous)
	if previous == nil || ev.Previous == "" {
		return
	}
	ev.Compared = true
	was, is := previous.Facts, rel.Facts
	ev.LostVCS = was.VCS && !is.VCS
	ev.LostTrust = was.TrustedKnown && was.Trusted && !(is.TrustedKnown && is.Trusted)
	ev.NewBuildScript = is.BuildScript && !was.BuildScript
}

// results tells where each check stands that this fence runs, or that ran.
func results(current map[string]int, ran []store.GateCheck) []policy.CheckResult {
	list := make([]policy.CheckResult, 0, len(ran))
	seen := map[string]bool{}
	for _, c := range ran {
		seen[c.Check] = true
		list = append(list, policy.CheckResult{
			Check: c.Check, Version: c.Version, Current: current[c.Check],
			Conclusion: check.Conclusion(c.Conclusion), Pending: c.Pending, Metrics: c.Metrics,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(current)) {
		if !seen[name] {
			list = append(list, policy.CheckResult{Check: name, Current: current[name]})
		}
	}
	return list
}

// notTakenIn is where checks stand on a release that was not taken in: asking for
// it brings them about.
func notTakenIn(current map[string]int) []policy.CheckResult {
	list := results(current, nil)
	for i := range list {
		list[i].Pending = true
	}
	return list
}

// publisher tells what is known of who published a release, from what the registry
// told and from the releases of the crate that were taken in.
func publisher(rel *store.GateRelease, all []store.GateRelease) policy.Publisher {
	name := rel.Release.Publisher
	if name == "" {
		return policy.Publisher{}
	}
	p := policy.Publisher{
		Name: name, Since: published(rel),
		Trusted: rel.Facts.TrustedKnown && rel.Facts.Trusted, TwoFactor: rel.Facts.TwoFactor,
	}
	if told := rel.Facts.PublisherSince; !told.IsZero() && told.Before(p.Since) {
		p.Since = told
	}
	for i := range all {
		other := &all[i]
		if other.Release.Publisher != name {
			continue
		}
		p.Incidents += other.Incidents
		at := published(other)
		if at.Before(published(rel)) {
			p.Releases++
		}
		if at.Before(p.Since) {
			p.Since = at
		}
	}
	p.Releases = max(p.Releases, rel.Facts.PublisherReleases)
	return p
}

func published(r *store.GateRelease) time.Time {
	if r.Release.PublishedAt.IsZero() {
		return r.Release.FirstSeenAt
	}
	return r.Release.PublishedAt
}

// addPeople says what people decided on the release under the policy.
func (q *inquiry) addPeople(ev *policy.Evidence, line *index.Entry) {
	for i := range q.e.state.Exceptions {
		x := &q.e.state.Exceptions[i]
		if x.Policy == q.r.Name && x.EndedAt.IsZero() && of(line, x.Version, x.Checksum) {
			ev.Exceptions = append(ev.Exceptions, policy.Exception{
				ID: int64(x.ID), Rule: x.Rule, Author: x.Author, Reason: x.Reason, Expires: x.ExpiresAt,
			})
		}
	}
	if r := q.ruling(line); r != nil {
		ev.Ruling = &policy.Ruling{Action: r.Action, Author: r.Author, Reason: r.Reason, At: r.At, Impartial: r.Impartial}
	}
}

// ruling returns the newest decision of a person on a release, or nil.
func (q *inquiry) ruling(line *index.Entry) *store.Ruling {
	if q.e.state == nil {
		return nil
	}
	var newest *store.Ruling
	for i := range q.e.state.Rulings {
		r := &q.e.state.Rulings[i]
		if r.Policy == q.r.Name && of(line, r.Version, r.Checksum) && (newest == nil || r.ID > newest.ID) {
			newest = r
		}
	}
	return newest
}

// of reports whether what is said of a version and checksum is said of a line.
func of(line *index.Entry, version string, sum crate.Checksum) bool {
	return sum == line.Cksum && index.VersionKey(version) == line.Key()
}
