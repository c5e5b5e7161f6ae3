package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// Gate says what becomes of releases, as of now and from memory. Its methods are
// safe for concurrent use.
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
	// DecisionByCode wraps store.ErrNotFound.
	DecisionByCode(ctx context.Context, code string) (store.DecisionRecord, error)
	Exceptions(ctx context.Context, q store.ExceptionQuery) ([]store.Exception, error)
	Rulings(ctx context.Context, q store.RulingQuery) ([]store.Ruling, error)
	ReviewRequests(ctx context.Context, q store.ReviewQuery) ([]store.ReviewRequest, error)
}

// Traces reads what happened to crates' index lines, and who fetched what.
type Traces interface {
	// IndexFile wraps store.ErrNotFound when there is none.
	IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error)
	// LineEvents are newest first.
	LineEvents(ctx context.Context, key string, before store.ID, limit int) ([]store.LineEvent, error)
	// Fetches are newest first.
	Fetches(ctx context.Context, q store.FetchQuery) ([]store.Fetch, error)
}

// A Fence is what pages show of the fence, and where they take decisions.
type Fence struct {
	Gate    Gate
	Records Records
	Traces  Traces
	Desk    *ruling.Desk
	// Verify says whose secret it is; the error wraps auth.ErrUnauthenticated.
	Verify func(ctx context.Context, secret string) (auth.Identity, error)
	// Allowed names the policies that a token may use; "" is who has none.
	Allowed func(token string) []string
}

func (s *site) fenceRoutes(mux *http.ServeMux) {
	for pattern, h := range map[string]handler{
		"GET /crates/{name}/fence":           s.fenceTab,
		"GET /crates/{name}/{version}/fence": s.fenceTab,
		"GET /r/{code}":                      s.docket,
		"GET /decisions":                     s.decisions,
		"GET /queue":                         s.queue,
		"GET /exceptions":                    s.exceptions,
		"GET /policy":                        s.policyList,
		"GET /policy/{policy}":               s.policyDoc,
		"GET /signin":                        s.signIn,
		"POST /signin":                       s.enter,
		"POST /signout":                      s.leave,
		"POST /rulings":                      s.rule,
		"POST /exceptions":                   s.except,
		"POST /exceptions/{id}/expire":       s.expire,
		"POST /reviews":                      s.askReview,
		"POST /lines":                        s.line,
	} {
		mux.HandleFunc(pattern, s.serve(h))
	}
}

// policies returns those in force that the reader may use, in order.
func (s *site) policies(r *http.Request) []string {
	if s.Fence == nil {
		return nil
	}
	allowed := s.Fence.Allowed(readerOf(r).Token)
	return slices.DeleteFunc(s.Fence.Gate.Policies(), func(name string) bool { return !slices.Contains(allowed, name) })
}

// mayUse refuses a policy that is not the reader's to use, and does not tell it
// from one that is not there.
func (s *site) mayUse(r *http.Request, name string) error {
	if !slices.Contains(s.policies(r), name) {
		return fmt.Errorf("use policy %q: %w", clip(name, maxName), errNoPage)
	}
	return nil
}

// Marks of the states. Their words are the states' own.
var stateMarks = map[policy.State]mark{
	policy.Allowed:       {"✓", "allowed"},
	policy.Waived:        {"✓", "waived"},
	policy.Grandfathered: {"✓", "grandfathered"},
	policy.Held:          {"‖", "held"},
	policy.Unknown:       {"?", "unknown"},
	policy.Quarantined:   {"✕", "quarantined"},
	policy.Revoked:       {"✕", "revoked"},
}

// stateMark marks a decision. What this program does not know is unknown; what a
// policy in mode observe would keep back says so.
func stateMark(d policy.Decision) mark {
	m, ok := stateMarks[d.State]
	switch {
	case !ok:
		return stateMarks[policy.Unknown]
	case d.Observed && d.Verdict() != policy.Allow:
		return mark{"i", "would be " + m.Word}
	}
	return m
}

var verdictMarks = map[policy.Verdict]mark{
	policy.Allow: {"✓", "allows"},
	policy.Hold:  {"‖", "holds"},
	policy.Block: {"✕", "blocks"},
}

// A fenceCard is what the fence makes of a release under one policy.
type fenceCard struct {
	Policy  string
	Mark    mark
	State   policy.State
	Verdict policy.Verdict
	// Observed: nothing is kept back.
	Observed bool
	Until    *moment
	Pending  bool
	Reasons  []reason
	Note     string // the yank guard's, on a version that was yanked
	// Instead is the version that cargo takes meanwhile; "" for none.
	Instead string
	Case    string // the address of all that is known about this decision
	Closed  bool   // no index file names the version: nothing is served
}

// A reason is one thing that a decision rests on.
type reason struct {
	Mark  mark
	Text  string
	Rule  string
	Until *moment
	URL   string // of what a check found; "" when it rests on none
	Found string // in the check's words
}

// date is a time by which somebody plans: it stands there as a date, to the
// minute after.
func (c clock) date(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	end := t.UTC()
	t = end.Add(time.Minute - 1).Truncate(time.Minute)
	layout := "2 January 15:04 UTC"
	if t.Year() != time.Time(c).UTC().Year() {
		layout = "2 January 2006, 15:04 UTC"
	}
	return &moment{ISO: end.Format("2006-01-02T15:04:05Z"), Exact: exact(end), Words: t.Format(layout)}
}

// card shows a version of a view.
func (s *site) card(policyName string, view gate.CrateView, v gate.VersionView) fenceCard {
	c := s.decided(policyName, v.Decision)
	if v.Guard != nil {
		c.Note = v.Guard.Text()
	}
	if !v.Served {
		c.Instead = instead(view.Versions, v.Version)
	}
	return c
}

func (s *site) decided(policyName string, d policy.Decision) fenceCard {
	c := fenceCard{
		Policy: policyName, Mark: stateMark(d), State: d.State, Verdict: d.Verdict(), Observed: d.Observed, Pending: d.Pending,
	}
	if c.Verdict == policy.Hold {
		c.Until = s.clock().date(d.Until())
	}
	for _, r := range d.Reasons {
		m, ok := verdictMarks[r.Verdict]
		if !ok {
			m = verdictMarks[policy.Hold]
		}
		c.Reasons = append(c.Reasons, reason{Mark: m, Text: clip(r.Text, maxSentence), Rule: clip(r.Rule, maxSentence), Until: s.clock().date(r.Until)})
	}
	if len(c.Reasons) == 1 && c.Until != nil {
		c.Reasons[0].Until = nil // it is said of the whole
	}
	return c
}

// cards shows a release under every policy that the reader may use.
func (s *site) cards(r *http.Request, name, version string) []fenceCard {
	var cards []fenceCard
	for _, policyName := range s.policies(r) {
		if view, v, ok := s.version(policyName, name, version); ok {
			c := s.card(policyName, view, v)
			c.Case = "/crates/" + name + "/" + version + "/fence#" + policyName
			cards = append(cards, c)
		}
	}
	return cards
}

// worst is the mark of the policy that keeps the most back.
func worst(cards []fenceCard) *mark {
	heaviest := []policy.Verdict{policy.Allow, policy.Hold, policy.Block}
	var m *mark
	most := -1
	for i := range cards {
		weight := slices.Index(heaviest, cards[i].Verdict)
		if cards[i].Observed {
			weight = 0
		}
		if weight > most {
			m, most = &cards[i].Mark, weight
		}
	}
	return m
}

// version finds a version at the gate. A crate that the gate cannot read is as
// one that it does not know: nothing of it is served.
func (s *site) version(policyName, name, version string) (gate.CrateView, gate.VersionView, bool) {
	view, err := s.Fence.Gate.Crate(policyName, name)
	if err != nil {
		return gate.CrateView{}, gate.VersionView{}, false
	}
	i := slices.IndexFunc(view.Versions, func(v gate.VersionView) bool { return v.Version == version })
	if i < 0 {
		return gate.CrateView{}, gate.VersionView{}, false
	}
	return view, view.Versions[i], true
}

// instead is the newest version before one that cargo takes for compatible and
// gets: what a build without a lock file resolves to meanwhile.
func instead(versions []gate.VersionView, held string) string {
	want, err := crate.ParseVersion(held)
	if err != nil {
		return ""
	}
	var best crate.Version
	found := ""
	for _, v := range versions {
		parsed, err := crate.ParseVersion(v.Version)
		if err != nil || !v.Served || v.Yanked || parsed.IsPrerelease() || !index.SameRange(want, parsed) || parsed.Compare(want) >= 0 {
			continue
		}
		if found == "" || parsed.Compare(best) > 0 {
			best, found = parsed, v.Version
		}
	}
	return found
}
