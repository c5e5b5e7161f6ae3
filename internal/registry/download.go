package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/mirror"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// download asks the gate, and only then looks for bytes. Whatever the gate says
// of a release is recorded; who is refused again and again, once in a minute.
func (f *fence) download(w http.ResponseWriter, r *http.Request, to route, actor string) error {
	admitted, err := f.admit(r.Context(), to)
	if err != nil {
		return err
	}
	passes := admitted.Listed && admitted.Decision.Passes()
	// Of what only the client names no record is kept.
	if r.Method == http.MethodGet && admitted.Listed && (passes || f.refusals.first(refusal{actor, to.policy, to.sum}, f.Now())) {
		f.Fetches.Record(store.Fetch{
			At: f.Now(), Actor: actor, Policy: to.policy,
			Crate: to.name, Version: to.version, Checksum: to.sum, Passed: passes,
		})
	}
	if !passes {
		return f.words(r, to, admitted)
	}
	if f.Redirect {
		from, err := f.Upstream.URL(r.Context(), to.name, to.version, to.sum)
		if err == nil {
			redirect(w, from)
			return nil
		}
		f.Log.WarnContext(r.Context(), "upstream's address is not known: sent from here",
			"crate", to.name, "version", to.version, "error", err)
	}
	return f.send(w, r, to)
}

// A refusal is what somebody did not get.
type refusal struct {
	actor, policy string
	sum           crate.Checksum
}

// words says why a release does not pass.
func (f *fence) words(r *http.Request, to route, a gate.Admission) error {
	n := policy.Notice{Name: to.name, Version: to.version}
	if base, err := f.base(r); err == nil && a.Code != "" {
		n.Page = base + "/r/" + a.Code
	}
	return words(policy.Words(a.Decision, n))
}

// admit asks the gate, and asks again when something of the crate changes, while
// checks are under way that may settle it within GateWait.
func (f *fence) admit(ctx context.Context, to route) (gate.Admission, error) {
	admitted, err := f.listed(ctx, to)
	if err != nil || !admitted.Listed || admitted.Decision.Passes() {
		return admitted, err
	}
	if !admitted.TakenIn {
		f.want(ctx, to)
	}
	if admitted.Wait == nil || !f.waiting.take() {
		return admitted, nil
	}
	defer f.waiting.leave()
	timeout := time.NewTimer(f.GateWait)
	defer timeout.Stop()
	for !admitted.Decision.Passes() && admitted.Wait != nil {
		select {
		case <-admitted.Wait:
		case <-timeout.C:
			return admitted, nil
		case <-ctx.Done():
			return admitted, nil // nobody reads the answer; that it was refused is recorded
		}
		if admitted, err = f.ask(ctx, to); err != nil {
			return gate.Admission{}, err
		}
	}
	return admitted, nil
}

// listed asks the gate, and upstream first where the gate does not know the
// release: cargo's own copy of the index may know more than a fence that has
// just started.
func (f *fence) listed(ctx context.Context, to route) (gate.Admission, error) {
	admitted, err := f.ask(ctx, to)
	if admitted.Listed || err != nil && !errors.Is(err, gate.ErrUnknown) {
		return admitted, err
	}
	refreshed := f.Mirror.Refresh(ctx, to.name)
	admitted, err = f.ask(ctx, to)
	if errors.Is(err, gate.ErrUnknown) && refreshed != nil && !errors.Is(refreshed, mirror.ErrNotFound) {
		return gate.Admission{}, fmt.Errorf("%w: %w", errUpstream, refreshed)
	}
	return admitted, err
}

func (f *fence) ask(ctx context.Context, to route) (gate.Admission, error) {
	return f.Gate.Admit(ctx, to.policy, to.name, to.version, to.sum)
}

// want asks for a release to be taken in. That it could not be asked for is no
// answer to the client: the release is held either way.
func (f *fence) want(ctx context.Context, to route) {
	if !f.wanted.first(to.sum, f.Now()) {
		return
	}
	if err := f.Intake.Want(ctx, to.name, to.version, to.sum, store.PriorityFresh); err != nil {
		f.Log.WarnContext(ctx, "release not asked for", "crate", to.name, "version", to.version, "error", err)
	}
}

// redirect sends cargo to upstream. Its token stays here: cargo sends it to no
// other origin, and the address is made from upstream's configuration alone.
func redirect(w http.ResponseWriter, from string) {
	h := w.Header()
	h.Set("Location", from)
	h["Cache-Control"], h["Vary"] = noStore, variesAuth
	w.WriteHeader(http.StatusFound)
}

// slots bound how much goes on at once.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait waits for a slot for as long as the context lasts.
func (s slots) wait(ctx context.Context) bool {
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s slots) leave() { <-s }

// release names what a route asks for.
func (to route) release() crate.Release {
	return crate.Release{Name: to.name, Version: to.version, Checksum: to.sum}
}
