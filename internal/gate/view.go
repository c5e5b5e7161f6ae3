package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/index"
)

// Served is an index file as a policy has it served.
type Served struct {
	Gzip []byte // not to be changed
	Size int    // unpacked
	// ETag, with its quotes, is of these bytes under this policy: the same after a
	// restart, and never that of other bytes or of another policy.
	ETag string
	// Modified is since when this process has served these bytes.
	Modified time.Time
}

// A view is a crate as one policy has it served, for as long as what it was made
// of stands.
type view struct {
	slot   *slot
	entry  *entry
	leans  map[*slot]*entry
	blind  time.Time
	made   time.Time   // by the wall's clock: one that is set back makes another view
	until  time.Time   // when time alone may change it; zero is never
	notes  []GuardNote // of the yank guard
	bad    int         // lines that are left out
	served Served
}

// stands reports whether a view may be served.
func (v *view) stands(g *Gate, now time.Time) bool {
	switch {
	case v == nil, v.slot.entry.Load() != v.entry, !v.blind.Equal(g.blind(now)):
		return false
	case now.Before(v.made), !v.until.IsZero() && !now.Before(v.until):
		return false
	}
	for s, e := range v.leans {
		if s.entry.Load() != e {
			return false
		}
	}
	return true
}

// Index returns a crate's index file under a policy. key is the crate's name in
// lower case. The error wraps ErrNotReady, ErrPolicy, ErrUnknown or ErrUnreadable.
func (g *Gate) Index(policy, key string) (Served, error) {
	r, err := g.regime(policy)
	if err != nil {
		return Served{}, fmt.Errorf("serve %q: %w", key, err)
	}
	if p := r.panes.get(key); p != nil {
		if v := p.view.Load(); v.stands(g, g.Now()) {
			return v.served, nil
		}
	}
	v, err := g.look(r, key)
	if err != nil {
		return Served{}, err
	}
	return v.served, nil
}

// look returns a view that stands, and makes it if need be.
func (g *Gate) look(r *regime, key string) (*view, error) {
	s := g.crates.get(key)
	if s == nil || s.entry.Load() == nil {
		return nil, fmt.Errorf("serve %q: %w", key, ErrUnknown)
	}
	p := r.panes.put(s.entry.Load().key, &pane{})
	p.mu.Lock()
	defer p.mu.Unlock()
	now := g.Now() // not before: another may have made one meanwhile
	old := p.view.Load()
	if old.stands(g, now) {
		return old, nil
	}
	v, err := g.makeView(r, s, now)
	if err != nil {
		return nil, err
	}
	if old != nil && old.served.ETag == v.served.ETag {
		v.served = old.served
	}
	g.announce(r, old, v)
	p.view.Store(v)
	return v, nil
}

// makeView judges a crate, has what changed recorded, and writes the file.
func (g *Gate) makeView(r *regime, s *slot, now time.Time) (*view, error) {
	e := s.entry.Load()
	q, err := g.inquire(r, e, now)
	if err != nil {
		return nil, err
	}
	j := q.judgeAll()
	g.recordAll(j)
	if q.notable() {
		g.agenda.add(appointment{at: q.until, regime: r, key: e.key})
	}
	if len(q.leans) == 0 {
		q.leans = nil // as of most crates, of which there are many
	}
	return &view{slot: s, entry: e, leans: q.leans, blind: q.blind, made: now.Round(0), until: q.until, notes: j.notes, bad: j.l.bad, served: j.serve()}, nil
}

// announce logs what an operator has to know of a new view: yanks that are kept
// back or took the newest version, and lines that cannot be served.
func (g *Gate) announce(r *regime, old, v *view) {
	log := g.Log.With("crate", v.entry.name, "policy", r.Name)
	for _, note := range v.notes {
		if (note.Kept || note.Newest) && (old == nil || !slices.Contains(old.notes, note)) {
			log.Warn("yank guard", "version", note.Version, "note", note.Text())
		}
	}
	if old == nil && v.bad > 0 {
		log.Warn("index lines are left out", "lines", v.bad)
	}
}

// serve writes the file: upstream's bytes, where nothing differs.
func (j *judgement) serve() Served {
	raw, zipped := j.l.raw, j.e.body
	if j.differs() {
		raw = j.rewrite()
		zipped = index.Pack(raw)
	}
	sum := sha256.Sum256(raw)
	return Served{
		Gzip: zipped, Size: len(raw), Modified: j.now,
		ETag: `"` + j.r.Name + "-" + hex.EncodeToString(sum[:16]) + `"`,
	}
}

func (j *judgement) differs() bool {
	if j.l.bad > 0 {
		return true
	}
	for i := range j.versions {
		if j.yanked(i) != j.l.entries[i].Yanked {
			return true
		}
	}
	return false
}

func (j *judgement) rewrite() []byte {
	raw := make([]byte, 0, len(j.l.raw)+32*len(j.versions))
	for i := range j.versions {
		line := &j.l.entries[i]
		if yanked := j.yanked(i); yanked != line.Yanked {
			raw = line.AppendYanked(raw, yanked)
		} else {
			raw = append(raw, line.Raw...)
		}
		raw = append(raw, '\n')
	}
	return raw
}
