package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
)

// A regime is a policy in force, with its baseline, and the views made under it.
type regime struct {
	*policy.Policy
	digest  [32]byte
	longest time.Duration // the longest cool-off of any crate
	panes   shelf[pane]
}

func newRegime(p *policy.Policy) *regime {
	r := &regime{Policy: p, digest: p.Digest(), longest: longest(p.CoolOff)}
	for i := range p.Crates {
		r.longest = max(r.longest, longest(p.Crates[i].CoolOff))
	}
	r.panes.init()
	return r
}

func longest(c policy.CoolOff) time.Duration {
	return max(c.Update, c.FirstVersion, c.NewMajor, c.Trusted)
}

// A pane is where a crate's view under a regime stands.
type pane struct {
	view atomic.Pointer[view]
	mu   sync.Mutex // held while a view is made: there is one maker
}

// Reload puts other policies in force. Every view is dropped.
func (g *Gate) Reload(set *policy.Set) {
	g.reload.Lock()
	g.policies = set
	g.reign()
	g.reload.Unlock()
	g.askSweep()
}

// AdvisoriesChanged drops every view, since any may rest on an advisory.
func (g *Gate) AdvisoriesChanged() {
	g.reload.Lock()
	g.reign()
	g.reload.Unlock()
	g.askSweep()
}

// readBaselines reads the baselines from the store. Views are dropped only when
// one changed.
func (g *Gate) readBaselines(ctx context.Context) error {
	list, err := g.Store.Baselines(ctx)
	if err != nil {
		return fmt.Errorf("read baselines: %w", err)
	}
	baselines := map[string]time.Time{}
	for _, b := range list {
		baselines[b.Policy] = b.At
	}
	g.reload.Lock()
	defer g.reload.Unlock()
	if g.baselines != nil && maps.EqualFunc(baselines, g.baselines, time.Time.Equal) {
		return nil
	}
	g.baselines = baselines
	g.reign()
	g.askSweep()
	return nil
}

// reign makes regimes of the policies and baselines. Reload is locked.
func (g *Gate) reign() {
	regimes := map[string]*regime{}
	for _, p := range g.policies.Policies() {
		regimes[p.Name] = newRegime(p.WithBaseline(g.baselines[p.Name]))
	}
	g.regimes.Store(&regimes)
	g.agenda.forget(regimes)
}

// all returns the regimes by name.
func (g *Gate) all() []*regime {
	regimes := *g.regimes.Load()
	list := make([]*regime, 0, len(regimes))
	for _, name := range slices.Sorted(maps.Keys(regimes)) {
		list = append(list, regimes[name])
	}
	return list
}

func (g *Gate) regime(name string) (*regime, error) {
	if r, ok := (*g.regimes.Load())[name]; ok && g.ready.Load() {
		return r, nil
	}
	if err := g.Ready(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %q", ErrPolicy, name)
}
