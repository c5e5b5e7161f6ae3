package gate

import (
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

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
	for i, d := range h.Added {
		if i == maxAdded {
			ev.Dependencies = append(ev.Dependencies, policy.NewDependency{Name: d.Crate, Kind: string(d.Kind)})
			return
		}
		ev.Dependencies = append(ev.Dependencies, q.dependency(d))
	}
}

// maxAdded is how many dependencies of a release are looked up; the next is as one
// that nothing is known of. crates.io takes 500.
const maxAdded = 1000

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
