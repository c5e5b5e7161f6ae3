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
		if r := q.e.record(line); r != nil {
			ev.YanksAround = max(ev.YanksAround, r.Wave) // it may be over by now
		}
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
	ev.OtherBytes = r.Trouble == policy.LineOtherBytes
	if r.Checksum != line.Cksum {
		// The mirror never lets this happen; if it did, the first bytes count.
		ev.Checksum, ev.Line, ev.OtherBytes = r.Checksum, policy.LineOtherBytes, true
	}
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
		ev.Line, ev.OtherBytes = policy.LineOtherBytes, true
		ev.LineSince = latest(ev.LineSince, latest(ev.FirstSeenAt, rel.Release.FirstSeenAt))
		return
	}
	if rel.Release.FirstSeenAt.Before(ev.FirstSeenAt) {
		ev.FirstSeenAt = rel.Release.FirstSeenAt
	}
	ev.OtherBytes = ev.OtherBytes || rel.Incidents > 0
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
	name := rel.Release.KnownPublisher()
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
		if other.Release.KnownPublisher() != name {
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
