package api

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A Decision is what a policy makes of a release.
type Decision struct {
	Policy   string    `json:"policy" example:"default"`
	Verdict  string    `json:"verdict" enum:"allow,hold,block" doc:"What the state comes to."`
	State    string    `json:"state" enum:"allowed,waived,grandfathered,held,unknown,quarantined,revoked" doc:"allowed: the policy is satisfied. waived: a person's exception or decision lets it through. grandfathered: older than the policy's baseline. held: it waits for what the reasons name. unknown: not looked at yet, or the evidence is missing. quarantined: blocked until a person decides. revoked: withdrawn by a person."`
	Enforced bool      `json:"enforced" doc:"False under a policy in mode observe: the state is what would be, and nothing is kept back."`
	Reasons  []Reason  `json:"reasons" nullable:"false" doc:"The heaviest first."`
	Until    time.Time `json:"until,omitzero" doc:"When a hold ends if nothing else comes. Absent when time alone does not end it."`
	Recheck  time.Time `json:"recheck,omitzero" doc:"When time alone may next change the decision."`
	Code     string    `json:"code,omitempty" doc:"Names the release under this policy in links: its page is /r/CODE."`
	Page     string    `json:"page,omitempty" format:"uri-reference" doc:"Where people read it, and ask for a review." example:"/r/8f3kq2m7ax"`
	Yank     *Yank     `json:"yank,omitempty" doc:"While an upstream yank of the version is fresh: whether it is passed on. Only of decisions as of now."`
}

// A Yank is what the yank guard makes of an upstream yank.
type Yank struct {
	Kept  bool      `json:"kept" doc:"It is not passed on: the index has the version as not yanked, until a person with the scope decide honours the yank, or until that time."`
	Text  string    `json:"text" doc:"A clause, plain text." example:"yanked upstream, and no other allowed version of 1 is left; not passed on until 2026-08-23 12:40 UTC"`
	Until time.Time `json:"until,omitzero" doc:"When the yank is passed on at the latest."`
}

// A Reason is one thing that a decision rests on.
type Reason struct {
	Rule    string    `json:"rule" doc:"What an exception would have to name." example:"cool-off"`
	Text    string    `json:"text" doc:"A clause, plain text." example:"published 9 minutes ago (cool-off 7d)"`
	Verdict string    `json:"verdict" enum:"allow,hold,block" doc:"What this reason alone comes to."`
	Until   time.Time `json:"until,omitzero" doc:"When time alone ends it."`
}

// A DecisionRecord is a decision as it was made. They are only ever added.
type DecisionRecord struct {
	ID       int64     `json:"id" example:"4711"`
	Name     string    `json:"name" example:"arrayref"`
	Version  string    `json:"version" example:"0.3.10"`
	Checksum string    `json:"checksum" pattern:"^[0-9a-f]{64}$"`
	At       time.Time `json:"at" doc:"When it was made."`
	Decision Decision  `json:"decision"`
	URL      string    `json:"url" format:"uri-reference" doc:"What was decided on this release, now and before." example:"/api/v1/crates/arrayref/0.3.10/decisions"`
}

// A DecisionPage is a page of decisions in force.
type DecisionPage struct {
	Decisions []DecisionRecord `json:"decisions" nullable:"false"`
	Next      string           `json:"next,omitempty" doc:"Give it as cursor to read the next page. Absent on the last."`
}

// ReleaseDecisions are all decisions on one release.
type ReleaseDecisions struct {
	Decisions []Decision       `json:"decisions" nullable:"false" doc:"As of now, of each policy that you may use. Empty when no index file names the version."`
	History   []DecisionRecord `json:"history" nullable:"false" doc:"As they were made, newest first. A release that was merely older than the baseline has none."`
	Next      string           `json:"next,omitempty" doc:"Give it as cursor to read what was decided before. Absent on the last."`
}

func (s *server) decisionRoutes(routes huma.API) {
	register(s, routes, huma.Operation{
		OperationID: "list-decisions", Method: http.MethodGet, Path: "/api/v1/decisions", Tags: []string{tagFence},
		Summary:     "List the decisions in force",
		Description: "Newest first, of the policies that you may use. Releases that are merely older than a policy's baseline are not among them.",
	}, s.listDecisions)
	register(s, routes, huma.Operation{
		OperationID: "list-release-decisions", Method: http.MethodGet, Path: "/api/v1/crates/{name}/{version}/decisions", Tags: []string{tagFence},
		Summary: "Read what was decided on a release, now and before",
	}, s.releaseDecisions)
}

// A PageInput is what every list takes.
type PageInput struct {
	Cursor string `query:"cursor" maxLength:"20" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many to return at most."`
}

// before is where the page begins: after the item of that id; 0 at the newest.
func (in PageInput) before() (store.ID, error) {
	if in.Cursor == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(in.Cursor, 10, 64)
	if err != nil || id < 1 {
		return 0, mistaken(Mistake{"query.cursor", "is not the next of any page; leave it out to begin again"})
	}
	return store.ID(id), nil
}

// next is the cursor after a page whose last item is last: "" when the page is
// not full.
func (in PageInput) next(n int, last store.ID) string {
	if n < in.Limit {
		return ""
	}
	return strconv.FormatInt(int64(last), 10)
}

// A ListInput is what every list of the fence takes.
type ListInput struct {
	PageInput
	Policy string `query:"policy" maxLength:"64" doc:"Only of this policy."`
	Crate  string `query:"crate" maxLength:"64" doc:"Only of this crate, matched ignoring case."`
}

// list reads what every list takes: of which policies, and where it begins.
func (s *server) list(ctx context.Context, in ListInput) (policies []string, before store.ID, err error) {
	if policies, err = s.chosen(ctx, in.Policy); err != nil {
		return nil, 0, err
	}
	if in.Crate != "" && crate.ValidateName(in.Crate) != nil {
		return nil, 0, mistaken(Mistake{"query.crate", "is not the name of a crate"})
	}
	before, err = in.before()
	return policies, before, err
}

type decisionsInput struct {
	ListInput
	Verdict string `query:"verdict" enum:"allow,hold,block" doc:"Only these."`
	State   string `query:"state" enum:"allowed,waived,grandfathered,held,unknown,quarantined,revoked" doc:"Only those in this state."`
}

func (s *server) listDecisions(ctx context.Context, in *decisionsInput) (*body[DecisionPage], error) {
	names, before, err := s.list(ctx, in.ListInput)
	if err != nil {
		return nil, err
	}
	records, err := s.decided(ctx, names, store.DecisionQuery{
		Verdict: policy.Verdict(in.Verdict), State: policy.State(in.State), Crate: in.Crate, Before: before, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	page := DecisionPage{Decisions: s.newDecisionRecords(records)}
	if n := len(records); n > 0 {
		page.Next = in.next(n, records[n-1].ID)
	}
	return &body[DecisionPage]{page}, nil
}

// decided asks for the decisions of several policies, newest first.
func (s *server) decided(ctx context.Context, names []string, q store.DecisionQuery) ([]store.DecisionRecord, error) {
	var all []store.DecisionRecord
	for _, name := range names {
		q.Policy = name
		records, err := s.Fence.Records.Decisions(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b store.DecisionRecord) int { return cmp.Compare(b.ID, a.ID) })
	return all[:min(q.Limit, len(all))], nil
}

type releaseDecisionsInput struct {
	ReleaseInput
	PageInput
}

func (s *server) releaseDecisions(ctx context.Context, in *releaseDecisionsInput) (*body[ReleaseDecisions], error) {
	names, err := s.chosen(ctx, "")
	if err != nil {
		return nil, err
	}
	if err := named(in.ReleaseInput); err != nil {
		return nil, err
	}
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	records, err := s.decided(ctx, names, store.DecisionQuery{Crate: in.Name, Version: in.Version, History: true, Before: before, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	now := s.standing(ctx, in.Name)[in.Version]
	if len(now)+len(records) == 0 {
		if _, err := s.release(ctx, in.Name, in.Version); err != nil {
			return nil, err // else it was taken in, and no index file names it yet
		}
	}
	out := ReleaseDecisions{Decisions: now, History: s.newDecisionRecords(records)}
	if out.Decisions == nil {
		out.Decisions = []Decision{}
	}
	if n := len(records); n > 0 {
		out.Next = in.next(n, records[n-1].ID)
	}
	return &body[ReleaseDecisions]{out}, nil
}

// named refuses what cannot be a release's name and version.
func named(in ReleaseInput) error {
	if crate.ValidateName(in.Name) != nil {
		return notFound("There is no crate %.64q here.", in.Name)
	}
	if _, err := crate.ParseVersion(in.Version); err != nil {
		return notFound("There is no release %.64q %.64q here.", in.Name, in.Version)
	}
	return nil
}

// standing returns what is decided now on each version of a crate, under each
// policy that whoever asks may use.
func (s *server) standing(ctx context.Context, name string) map[string][]Decision {
	standing := map[string][]Decision{}
	for _, policyName := range s.policies(ctx) {
		view, err := s.Fence.Gate.Crate(policyName, name)
		if err != nil {
			continue // nothing is known of it, or nothing can be read: nothing is served
		}
		for _, v := range view.Versions {
			d := newDecision(policyName, v.Decision, v.Code, s.Fence.BaseURL)
			if v.Guard != nil {
				d.Yank = &Yank{Kept: v.Guard.Kept, Text: v.Guard.Text(), Until: instant(v.Guard.Until)}
			}
			standing[v.Version] = append(standing[v.Version], d)
		}
	}
	return standing
}

func (s *server) newDecisionRecords(records []store.DecisionRecord) []DecisionRecord {
	all := make([]DecisionRecord, 0, len(records))
	for _, r := range records {
		all = append(all, NewDecisionRecord(r, s.Fence.BaseURL))
	}
	return all
}

// NewDecisionRecord is a recorded decision. baseURL is where its page is reached;
// "" leaves the link relative.
func NewDecisionRecord(r store.DecisionRecord, baseURL string) DecisionRecord {
	return DecisionRecord{
		ID: int64(r.ID), Name: r.Crate, Version: r.Version, Checksum: r.Checksum.String(), At: instant(r.At),
		Decision: newDecision(r.Policy, r.Decision, r.Code, baseURL), URL: releasePath(r.Crate, r.Version) + "/decisions",
	}
}

func newDecision(policyName string, d policy.Decision, code, baseURL string) Decision {
	out := Decision{
		Policy: policyName, Verdict: string(d.Verdict()), State: string(knownState(d.State)), Enforced: !d.Observed,
		Reasons: make([]Reason, 0, len(d.Reasons)), Recheck: instant(d.Recheck), Code: code,
	}
	for _, r := range d.Reasons {
		out.Reasons = append(out.Reasons, Reason{Rule: r.Rule, Text: r.Text, Verdict: string(knownVerdict(r.Verdict)), Until: instant(r.Until)})
	}
	if d.Verdict() == policy.Hold {
		out.Until = instant(d.Until())
	}
	if code != "" {
		out.Page = baseURL + "/r/" + url.PathEscape(code)
	}
	return out
}

// knownState returns a state as the API describes them: what this program does
// not know is unknown.
func knownState(state policy.State) policy.State {
	switch state {
	case policy.Allowed, policy.Waived, policy.Grandfathered, policy.Held, policy.Quarantined, policy.Revoked:
		return state
	}
	return policy.Unknown
}

func knownVerdict(v policy.Verdict) policy.Verdict {
	if v == policy.Allow || v == policy.Block {
		return v
	}
	return policy.Hold
}
