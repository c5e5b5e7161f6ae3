package gate

import (
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
)

// judge decides on the release of a line, once.
func (q *inquiry) judge(i int) *verdict {
	if v := q.judged[i]; v != nil {
		return v
	}
	ev := q.evidence(i)
	v := &verdict{evidence: ev, decision: q.r.Decide(ev, q.now)}
	q.judged[i] = v
	q.until = sooner(q.until, v.decision.Recheck)
	return v
}

// settle decides on the release of a line in view of the other versions: a fix
// for one that is allowed has to wait less.
func (q *inquiry) settle(i int) *verdict {
	v := q.judge(i)
	if v.decision.State != policy.Held && v.decision.State != policy.Unknown {
		return v
	}
	fixes := q.fixes(i)
	if len(fixes) == 0 {
		return v
	}
	ev := v.evidence
	ev.Fixes = fixes
	settled := &verdict{evidence: ev, decision: q.r.Decide(ev, q.now)}
	q.until = sooner(q.until, settled.decision.Recheck)
	return settled
}

// fixes returns the advisories in whose patched range line i stands, and that
// affect a version which the policy allows by itself.
func (q *inquiry) fixes(i int) []string {
	if q.g.Advisories == nil {
		return nil
	}
	var ids []string
	for _, a := range q.g.Advisories.Fixing(q.l.entries[i].Name, q.l.entries[i].Vers) {
		if a.Vulnerability && q.affectsAllowed(a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

func (q *inquiry) affectsAllowed(id string) bool {
	for j := range q.l.entries {
		line := &q.l.entries[j]
		affecting := q.g.Advisories.Affecting(line.Name, line.Vers)
		if slices.ContainsFunc(affecting, func(a Advisory) bool { return a.ID == id }) && q.judge(j).decision.Verdict() == policy.Allow {
			return true
		}
	}
	return false
}

// A judgement is what a policy makes of all versions of a crate at one time.
type judgement struct {
	*inquiry
	versions []*verdict      // by line
	notes    []GuardNote     // of the yank guard
	kept     map[string]bool // versions whose yank is not passed on
}

// judgeAll decides on every version, and lets the guard look at the yanks.
func (q *inquiry) judgeAll() *judgement {
	j := &judgement{inquiry: q, versions: make([]*verdict, len(q.l.entries))}
	for i := range j.versions {
		j.versions[i] = q.settle(i)
	}
	if q.e.state == nil {
		return j // no yank was seen to happen
	}
	all := make([]guarded, len(j.versions))
	for i, v := range j.versions {
		line := &q.l.entries[i]
		all[i] = guarded{Version: line.Vers, Allowed: v.decision.Verdict() == policy.Allow && !gone(v), Yanked: line.Yanked}
		if r := q.e.record(line); r != nil {
			all[i].Yanked, all[i].YankedAt, all[i].HonouredAt = r.Yanked, r.YankedAt, r.HonouredAt
		}
	}
	j.notes, j.kept = guard(all, q.now), map[string]bool{}
	for i := range j.notes {
		note := &j.notes[i]
		q.until = sooner(q.until, note.Until)
		if q.r.Mode == policy.Observe {
			note.Kept, note.Until = false, time.Time{} // it keeps nothing back
		}
		j.kept[note.Version] = note.Kept
	}
	return j
}

// gone reports whether upstream no longer has the release as it was first seen.
func gone(v *verdict) bool {
	switch v.evidence.Line {
	case "", policy.LineChanged:
		return false
	}
	return true
}

// yanked reports how a line is served: as yanked if the policy keeps the release
// back, or upstream yanked it and the guard does not keep that back. What upstream
// no longer has as it was is not offered to anybody anew, even under a policy that
// only observes.
func (j *judgement) yanked(i int) bool {
	v, line := j.versions[i], &j.l.entries[i]
	if !v.decision.Passes() || gone(v) {
		return true
	}
	return j.yankedUpstream(line) && !j.kept[line.Vers]
}

func (q *inquiry) yankedUpstream(line *index.Entry) bool {
	if r := q.e.record(line); r != nil {
		return r.Yanked
	}
	return line.Yanked
}

// sooner returns the earlier of two times, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
