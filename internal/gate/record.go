package gate

import (
	"context"
	"fmt"
	"sync"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// recorder keeps decisions until the store has them. What is served never waits
// for it. The zero value is ready to use.
type recorder struct {
	mu      sync.Mutex
	known   map[subject][32]byte // the mark of the last decision that was handed over or waits
	waiting map[subject]store.DecisionRecord
	queue   []subject
	lost    int
}

// A subject is a release under a policy.
type subject struct {
	policy, name, version string
	sum                   crate.Checksum
}

// How many decisions wait at most while the store is down, and how many are
// handed over at once.
const (
	maxWaiting = 20_000
	batch      = 500
)

// add takes a decision that differs from the one before it. Of one release only
// the latest waits.
func (rec *recorder) add(d store.DecisionRecord) {
	who := subject{d.Policy, d.Crate, d.Version, d.Checksum}
	mark := d.Mark()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.known == nil {
		rec.known, rec.waiting = map[subject][32]byte{}, map[subject]store.DecisionRecord{}
	}
	if known, ok := rec.known[who]; ok && known == mark {
		return
	}
	_, waits := rec.waiting[who]
	if !waits && len(rec.waiting) >= maxWaiting {
		rec.lost++ // the next judgement of it tries again
		return
	}
	rec.known[who], rec.waiting[who] = mark, d
	if !waits {
		rec.queue = append(rec.queue, who)
	}
}

// has reports whether a decision on a release was recorded by this process.
func (rec *recorder) has(who subject) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	_, ok := rec.known[who]
	return ok
}

func (rec *recorder) take() []store.DecisionRecord {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	n := min(batch, len(rec.queue))
	list := make([]store.DecisionRecord, n)
	for i, who := range rec.queue[:n] {
		list[i] = rec.waiting[who]
		delete(rec.waiting, who)
	}
	rec.queue = rec.queue[n:]
	return list
}

// giveBack puts decisions back that could not be recorded, behind the others;
// those that a later one has replaced are let go.
func (rec *recorder) giveBack(list []store.DecisionRecord) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, d := range list {
		who := subject{d.Policy, d.Crate, d.Version, d.Checksum}
		if _, ok := rec.waiting[who]; !ok {
			rec.waiting[who] = d
			rec.queue = append(rec.queue, who)
		}
	}
}

func (rec *recorder) count() (waiting, lost int) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return len(rec.waiting), rec.lost
}

// recordAll has the decisions of a judgement recorded: those on releases of which
// more is known than their line.
func (g *Gate) recordAll(j *judgement) {
	if j.e.state == nil {
		return
	}
	for i, v := range j.versions {
		if j.notable(i, v) {
			g.record(j.inquiry, i, v)
		}
	}
}

// notable reports whether a decision is worth a row of its own. One on a release
// that is older than the baseline, and of which nobody said anything, is not,
// unless one was recorded before.
func (j *judgement) notable(i int, v *verdict) bool {
	line := &j.l.entries[i]
	ev := &v.evidence
	if ev.Ruling != nil || len(ev.Exceptions) > 0 || ev.Line != "" {
		return true
	}
	if j.e.record(line) == nil && j.e.release(line) == nil {
		return false
	}
	return v.decision.State != policy.Grandfathered || j.g.records.has(subject{j.r.Name, ev.Name, ev.Version, ev.Checksum})
}

// record has a decision recorded, unless it is the one recorded last.
func (g *Gate) record(q *inquiry, i int, v *verdict) {
	ev := &v.evidence
	g.records.add(store.DecisionRecord{
		Code: g.code(q.r, ev), Policy: q.r.Name,
		Crate: ev.Name, Version: ev.Version, Checksum: ev.Checksum,
		Line: q.l.entries[i].Digest(), Decision: v.decision, Rules: q.r.digest, At: q.now,
	})
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
