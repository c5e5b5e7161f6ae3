package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// Gate says what becomes of releases, as of now and from memory.
type Gate interface {
	// Policies returns the names of the policies in force, in order.
	Policies() []string
	Policy(name string) (*policy.Policy, bool)
	// Crate returns every version of a crate under a policy. It wraps
	// gate.ErrUnknown when nothing is known of the crate.
	Crate(policy, name string) (gate.CrateView, error)
}

// Records reads what was decided, by the gate and by people, newest first.
type Records interface {
	Decisions(ctx context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error)
	Exceptions(ctx context.Context, q store.ExceptionQuery) ([]store.Exception, error)
	Rulings(ctx context.Context, q store.RulingQuery) ([]store.Ruling, error)
	ReviewRequests(ctx context.Context, q store.ReviewQuery) ([]store.ReviewRequest, error)
}

// Traces reads what happened to crates' lines, and who fetched what, newest
// first.
type Traces interface {
	LineEvents(ctx context.Context, key string, before store.ID, limit int) ([]store.LineEvent, error)
	Fetches(ctx context.Context, q store.FetchQuery) ([]store.Fetch, error)
}

// A Fence is what the API tells of the fence, and where it takes decisions.
type Fence struct {
	Gate    Gate
	Records Records
	Traces  Traces
	Desk    *ruling.Desk
	// Allowed names the policies that a token may use; "" is who has none.
	Allowed func(token string) []string
	BaseURL string // under which pages are reached; "" leaves their links relative
}

// policies returns those in force that whoever asks may use, in order.
func (s *server) policies(ctx context.Context) []string {
	if s.Fence == nil {
		return nil
	}
	id, _ := auth.Who(ctx)
	allowed := s.Fence.Allowed(id.Token)
	return slices.DeleteFunc(s.Fence.Gate.Policies(), func(name string) bool { return !slices.Contains(allowed, name) })
}

// chosen returns the policies that a request is about: the one it names, or all
// that whoever asks may use.
func (s *server) chosen(ctx context.Context, name string) ([]string, error) {
	allowed := s.policies(ctx)
	switch {
	case s.Fence == nil:
		return nil, newProblem(http.StatusNotImplemented, "This server runs no fence.")
	case name == "":
		return allowed, nil
	case slices.Contains(allowed, name):
		return []string{name}, nil
	case slices.Contains(s.Fence.Gate.Policies(), name):
		return nil, newProblem(http.StatusForbidden, "Policy %q is not open to you. Send a token that may use it, or leave policy out.", name)
	}
	return nil, notFound("There is no policy %.64q here. /api/v1/policies lists those that you may use.", name)
}

// decider returns who decides, for the audit log, once it is sure that they may.
func (s *server) decider(ctx context.Context, policyName string) (string, error) {
	if _, err := auth.Require(ctx, auth.ScopeDecide); err != nil {
		return "", err
	}
	if policyName != "" {
		if _, err := s.chosen(ctx, policyName); err != nil {
			return "", err
		}
	}
	return auth.Actor(ctx), nil
}
