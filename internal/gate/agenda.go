package gate

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

// An appointment is when a crate is to be judged anew under a regime.
type appointment struct {
	at     time.Time
	regime *regime
	key    string
}

// agenda holds at most one appointment for each crate and regime. The zero value
// is ready to use.
type agenda struct {
	mu    sync.Mutex
	dates dates
	next  map[seat]time.Time
}

// A seat is a crate under a regime.
type seat struct {
	regime *regime
	key    string
}

// add makes an appointment unless there is an earlier one. A zero time is none.
func (a *agenda) add(x appointment) {
	if x.at.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.next = map[seat]time.Time{}
	}
	p := seat{x.regime, x.key}
	if at, ok := a.next[p]; ok && !x.at.Before(at) {
		return
	}
	a.next[p] = x.at
	heap.Push(&a.dates, x)
}

// due takes the appointments out that have come.
func (a *agenda) due(now time.Time) []appointment {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []appointment
	for len(a.dates) > 0 && !now.Before(a.dates[0].at) {
		x := heap.Pop(&a.dates).(appointment)
		p := seat{x.regime, x.key}
		if a.next[p].Equal(x.at) { // else there was an earlier one
			delete(a.next, p)
			list = append(list, x)
		}
	}
	return list
}

// forget drops the appointments of regimes that are no longer in force.
func (a *agenda) forget(inForce map[string]*regime) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dates = slices.DeleteFunc(a.dates, func(x appointment) bool { return inForce[x.regime.Name] != x.regime })
	heap.Init(&a.dates)
	for p := range a.next {
		if inForce[p.regime.Name] != p.regime {
			delete(a.next, p)
		}
	}
}

// keepAppointments judges the crates whose time has come. An appointment that was
// too early makes another.
func (g *Gate) keepAppointments(now time.Time) {
	regimes := *g.regimes.Load()
	for _, x := range g.agenda.due(now) {
		if regimes[x.regime.Name] != x.regime {
			continue
		}
		g.judgeAnew(x.regime, x.key)
		if p := x.regime.panes.get(x.key); p != nil {
			if v := p.view.Load(); v != nil {
				g.agenda.add(appointment{v.until, x.regime, x.key})
			}
		}
	}
}

type dates []appointment

func (d dates) Len() int           { return len(d) }
func (d dates) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dates) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dates) Push(x any)        { *d = append(*d, x.(appointment)) }
func (d *dates) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	(*d)[last] = appointment{}
	*d = (*d)[:last]
	return x
}
