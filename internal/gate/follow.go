package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// Run follows the store's events, judges anew what time changed, and has
// decisions recorded, until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.keepUp(ctx)
	}()
	defer func() { <-done }()
	wake := g.Store.Wake(ctx)
	var troubled, blind bool
	for {
		err := g.Follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != troubled {
			troubled = err != nil
			g.Log.Warn("the gate's word from its store", "missing", troubled, "error", err)
		}
		if now := !g.blind(g.Now()).IsZero(); now != blind {
			blind = now
			g.Log.Error("nothing that was not allowed before is allowed without word from the store", "blind", blind)
		}
		select {
		case <-ctx.Done():
			return
		case _, ok := <-wake:
			if !ok {
				return
			}
		}
	}
}

// Follow takes in what happened in the store since the last time. Run calls it; it
// is not to be called beside.
func (g *Gate) Follow(ctx context.Context) error {
	for {
		asked := g.Now()
		events, err := g.events(ctx)
		if err != nil {
			return fmt.Errorf("follow events: %w", err)
		}
		if len(events) == 0 {
			g.heard.Store(asked.UnixMilli())
			return nil
		}
		if err := g.takeIn(ctx, events); err != nil {
			return fmt.Errorf("follow events: %w", err)
		}
	}
}

// patience is how long the store may take to say what is new. One that hangs is
// as good as down.
const patience = 10 * time.Second

func (g *Gate) events(ctx context.Context) ([]store.GateEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return g.Store.GateEvents(ctx, g.read)
}

// takeIn takes events in. When it returns an error they come again.
func (g *Gate) takeIn(ctx context.Context, events []store.GateEvent) error {
	changed := map[string]int64{} // when each crate changed last
	for _, e := range events {
		switch e.What {
		case store.GateCrate:
			changed[e.Key] = e.Seq
		case store.GateToken:
			g.TokensChanged()
		case store.GateBaseline:
			if err := g.readBaselines(ctx); err != nil {
				return err
			}
		default:
			g.TokensChanged()
			if err := g.load(ctx); err != nil {
				return err
			}
			g.askSweep()
			return nil
		}
	}
	for key, seq := range changed {
		if err := g.apply(ctx, key, seq); err != nil {
			return err
		}
	}
	g.read = events[len(events)-1].Seq
	return nil
}

// Apply reads a crate anew, if anything changed in the store, and judges it: what
// was changed before is served when it returns. The error is the store's.
func (g *Gate) Apply(ctx context.Context, key string) error {
	last, err := g.Store.LastGateEvent(ctx)
	if err == nil {
		err = g.apply(ctx, key, last)
	}
	if err != nil {
		return fmt.Errorf("apply change: %w", err)
	}
	return nil
}

// apply has a crate be as it was after an event, or later.
func (g *Gate) apply(ctx context.Context, key string, event int64) error {
	if err := g.reread(ctx, key, event); err != nil {
		return err
	}
	e := g.crates.get(key).entry.Load()
	if e == nil {
		return nil
	}
	for _, r := range g.all() {
		if e.state != nil || r.panes.get(key) != nil {
			g.judgeAnew(r, key)
		}
	}
	return nil
}

// judgeAnew makes a crate's view if the one that is there does not stand.
func (g *Gate) judgeAnew(r *regime, key string) {
	if _, err := g.look(r, key); err != nil && !errors.Is(err, ErrUnknown) {
		g.Log.Error("nothing of a crate is served", "crate", key, "error", err)
	}
}

// keepUp judges crates anew when time may have changed what is decided of them,
// or when all shall be, and has decisions recorded.
func (g *Gate) keepUp(ctx context.Context) {
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	var troubled bool
	for {
		g.keepAppointments(g.Now())
		err := g.flush(ctx)
		some := g.records.some // at once, so that the page that a refusal names is there
		if err != nil {
			some = nil // not before a second has passed
		}
		select {
		case <-ctx.Done():
			return
		case <-some:
		case <-g.sweep:
			if err = g.sweepAll(ctx); err != nil && ctx.Err() == nil {
				g.askSweep()
				<-clock.C
			}
		case <-clock.C:
		}
		if (err != nil) != troubled && ctx.Err() == nil {
			troubled = err != nil
			g.Log.Warn("recording of decisions", "late", troubled, "error", err)
		}
	}
}

// askSweep wishes that every crate with a state be judged anew.
func (g *Gate) askSweep() {
	select {
	case g.sweep <- struct{}{}:
	default: // one is wished for already
	}
}

// sweepAll judges every crate of which more than its lines is known, or on which
// decisions were recorded.
func (g *Gate) sweepAll(ctx context.Context) error {
	if err := g.recall(ctx); err != nil {
		return err
	}
	for _, r := range g.all() {
		var keys []string
		g.crates.each(func(key string, s *slot) {
			if e := s.entry.Load(); e != nil && (e.state != nil || g.records.any(place{r.Name, key})) {
				keys = append(keys, key)
			}
		})
		for _, key := range keys {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			g.judgeAnew(r, key)
		}
	}
	return nil
}
