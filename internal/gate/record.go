package gate

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// recorder keeps decisions until the store has them. What is served never waits
// for it.
type recorder struct {
	mu     sync.Mutex
	known  map[subject][32]byte // the mark of the last decision that is kept or waits
	crates map[place]bool       // of which there are any
	queue  []store.DecisionRecord
	lost   int
	some   chan struct{} // something waits
}

// A subject is a release under a policy.
type subject struct {
	place
	version string
	sum     crate.Checksum
}

// A place is a crate under a policy.
type place struct{ policy, key string }

func subjectOf(d *store.DecisionRecord) subject {
	return subject{place{d.Policy, store.IndexKey(d.Crate)}, d.Version, d.Checksum}
}

// How many decisions wait at most while the store is down, and how many are
// handed over at once.
const (
	maxWaiting = 20_000
	batch      = 500
)

func (rec *recorder) init() {
	rec.known, rec.crates, rec.some = map[subject][32]byte{}, map[place]bool{}, make(chan struct{}, 1)
}

// add takes a decision that differs from the one before it. What was in force for
// a moment is kept, too: something may have been let through by it. It reports
// whether the decision waits now.
func (rec *recorder) add(d store.DecisionRecord) bool {
	who, mark := subjectOf(&d), d.Mark()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if known, ok := rec.known[who]; ok && known == mark {
		return false
	}
	if len(rec.queue) >= maxWaiting {
		rec.lost++ // the next judgement of it tries again
		return false
	}
	rec.remember(who, mark)
	rec.queue = append(rec.queue, d)
	select {
	case rec.some <- struct{}{}:
	default: // that was told already
	}
	return true
}

func (rec *recorder) remember(who subject, mark [32]byte) {
	rec.known[who] = mark
	rec.crates[who.place] = true
}

// recall notes a decision that the store has, unless a later one is known.
func (rec *recorder) recall(d *store.DecisionRecord) {
	who := subjectOf(d)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if _, ok := rec.known[who]; !ok {
		rec.remember(who, d.Mark())
	}
}

// has reports whether a decision on a release is known.
func (rec *recorder) has(who subject) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	_, ok := rec.known[who]
	return ok
}

// any reports whether a decision on any release of a crate is known.
func (rec *recorder) any(at place) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.crates[at]
}

// take returns the decisions that wait longest, in the order in which they were
// made.
func (rec *recorder) take() []store.DecisionRecord {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	n := min(batch, len(rec.queue))
	list := slices.Clone(rec.queue[:n])
	clear(rec.queue[:n])
	rec.queue = rec.queue[n:]
	return list
}

// giveBack puts decisions that could not be recorded before the others.
func (rec *recorder) giveBack(list []store.DecisionRecord) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.queue = slices.Concat(list, rec.queue)
}

func (rec *recorder) count() (waiting, lost int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return len(rec.queue), rec.lost
}

// recordAll has the decisions of a judgement recorded that are worth a row.
func (g *Gate) recordAll(j *judgement) {
	if !j.notable() {
		return
	}
	for i, v := range j.versions {
		if j.notableVersion(i, v) {
			g.record(j.inquiry, i, v)
		}
	}
}

// notable reports whether more is known of a crate than its lines, or decisions on
// it were recorded.
func (q *inquiry) notable() bool {
	return q.e.state != nil || q.g.records.any(place{q.r.Name, q.e.key})
}

// notableVersion reports whether a decision is worth a row of its own: one after
// another, or on a release of which more is known than its line. That it is older
// than the baseline is none.
func (q *inquiry) notableVersion(i int, v *verdict) bool {
	line, ev := &q.l.entries[i], &v.evidence
	if q.g.records.has(subject{place{q.r.Name, q.e.key}, ev.Version, ev.Checksum}) {
		return true
	}
	if ev.Ruling != nil || len(ev.Exceptions) > 0 || ev.Line != "" {
		return true
	}
	return v.decision.State != policy.Grandfathered && (q.e.record(line) != nil || q.e.release(line) != nil)
}

// record has a decision recorded, unless it is the one recorded last. What is
// decided while the gate is blind says more of it than of the release, and is made
// anew afterwards.
func (g *Gate) record(q *inquiry, i int, v *verdict) {
	if !q.blind.IsZero() {
		return
	}
	ev := &v.evidence
	news := g.records.add(store.DecisionRecord{
		Code: g.code(q.r, ev), Policy: q.r.Name,
		Crate: ev.Name, Version: ev.Version, Checksum: ev.Checksum,
		Line: q.l.entries[i].Digest(), Decision: v.decision, Rules: q.r.digest, At: q.now,
	})
	if news {
		g.Log.Info("decided", "policy", q.r.Name, "crate", ev.Name, "version", ev.Version, "state", v.decision.State, "why", why(v.decision))
	}
}

// why is a decision's heaviest reason: of a hold that was shortened, what by.
func why(d policy.Decision) string {
	if len(d.Reasons) == 0 {
		return ""
	}
	return d.Reasons[0].Text
}

// flush hands decisions over to the store.
func (g *Gate) flush(ctx context.Context) error {
	for {
		list := g.records.take()
		if len(list) == 0 {
			return nil
		}
		if _, err := g.Store.RecordDecisions(ctx, list); err != nil {
			g.records.giveBack(list)
			return fmt.Errorf("record decisions: %w", err)
		}
	}
}

// recall learns what the store has as decided, of releases that do not simply
// pass, so that the end of that is recorded, too.
func (g *Gate) recall(ctx context.Context) error {
	for _, state := range []policy.State{policy.Held, policy.Unknown, policy.Quarantined, policy.Revoked, policy.Waived} {
		q := store.DecisionQuery{State: state, Limit: batch}
		for {
			list, err := g.Store.Decisions(ctx, q)
			if err != nil {
				return fmt.Errorf("recall decisions: %w", err)
			}
			for i := range list {
				g.records.recall(&list[i])
				q.Before = list[i].ID
			}
			if len(list) < batch {
				break
			}
		}
	}
	return nil
}
