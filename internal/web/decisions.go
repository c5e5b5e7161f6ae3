package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A decisionsPage lists the decisions in force of one policy, newest first.
type decisionsPage struct {
	layout
	Policy    string
	PolicyNav *choices
	StateNav  choices
	Rows      []decisionRow
	Next      string
	First     string
	Observed  bool
}

// choices are the links of a filter.
type choices struct {
	Label string
	All   []choice
}

// A choice is one of them.
type choice struct {
	Name    string
	Mark    *mark
	URL     string
	Count   string
	Current bool
}

type decisionRow struct {
	Name    string
	Version string
	URL     string
	Mark    mark
	Reasons []reason
	Until   *moment
	At      *moment
}

// A filter is what the list can be cut down to.
type filter struct {
	key      string
	name     string
	verdicts []policy.Verdict // that are asked for one by one; "" is every
	state    policy.State
}

var every = []policy.Verdict{""}

// filters are all there are; the first is for no choice.
var filters = []filter{
	{key: "", name: "kept back", verdicts: []policy.Verdict{policy.Hold, policy.Block}},
	{key: "held", verdicts: every, state: policy.Held},
	{key: "unknown", verdicts: every, state: policy.Unknown},
	{key: "quarantined", verdicts: every, state: policy.Quarantined},
	{key: "revoked", verdicts: every, state: policy.Revoked},
	{key: "waived", verdicts: every, state: policy.Waived},
	{key: "allowed", verdicts: every, state: policy.Allowed},
}

// maxCount is how far a page counts.
const maxCount = 200

func (s *site) decisions(w http.ResponseWriter, r *http.Request) error {
	const most = 50
	policyName, err := s.policyOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	at := max(0, slices.IndexFunc(filters, func(f filter) bool { return f.key == q.Get("state") }))
	chosen := filters[at]
	page := decisionsPage{layout: s.layout(r, "decisions"), Policy: policyName}
	page.Canonical = s.BaseURL + "/decisions"
	page.PolicyNav = s.policyChoices(r, policyName, "/decisions")
	if page.StateNav, err = s.stateChoices(r, policyName, at); err != nil {
		return err
	}
	before, _ := strconv.ParseInt(q.Get("before"), 10, 64)
	records, err := s.filtered(r.Context(), chosen, store.DecisionQuery{Policy: policyName, Before: store.ID(max(0, before)), Limit: most})
	if err != nil {
		return err
	}
	for _, record := range records {
		page.Rows = append(page.Rows, s.decisionRow(record))
		page.Observed = page.Observed || record.Decision.Observed
	}
	if len(records) == most {
		page.Next = decisionsURL(policyName, chosen.key, records[most-1].ID)
	}
	if before > 0 {
		page.First = decisionsURL(policyName, chosen.key, 0)
	}
	return show(s.views.decisions, w, r, page)
}

// filtered are the decisions that a filter lets through, newest first.
func (s *site) filtered(ctx context.Context, f filter, q store.DecisionQuery) ([]store.DecisionRecord, error) {
	var all []store.DecisionRecord
	for _, verdict := range f.verdicts {
		q.Verdict, q.State = verdict, f.state
		some, err := s.Fence.Records.Decisions(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b store.DecisionRecord) int { return cmp.Compare(b.ID, a.ID) })
	return all[:min(q.Limit, len(all))], nil
}

// stateChoices are the filters, and how many releases wait.
func (s *site) stateChoices(r *http.Request, policyName string, current int) (choices, error) {
	nav := choices{Label: "States"}
	for i, f := range filters {
		c := choice{Name: f.name, Current: i == current, URL: decisionsURL(policyName, f.key, 0)}
		if f.state != "" {
			m := stateMarks[f.state]
			c.Mark, c.Name = &m, m.Word
		}
		if f.state == policy.Held || f.state == policy.Quarantined || f.state == policy.Unknown {
			counted, err := s.Fence.Records.Decisions(r.Context(), store.DecisionQuery{Policy: policyName, State: f.state, Limit: maxCount})
			if err != nil {
				return choices{}, err
			}
			if c.Count = strconv.Itoa(len(counted)); len(counted) == maxCount {
				c.Count += "+"
			}
		}
		nav.All = append(nav.All, c)
	}
	return nav, nil
}

func (s *site) decisionRow(record store.DecisionRecord) decisionRow {
	shown := s.decided(record.Policy, record.Decision)
	return decisionRow{
		Name: clip(record.Crate, maxName), Version: clip(record.Version, maxName), URL: "/r/" + url.PathEscape(record.Code),
		Mark: shown.Mark, Reasons: shown.Reasons, Until: shown.Until, At: s.clock().ago(record.At),
	}
}

// policyOf reads which policy a list is of: the one that is named, or the first
// that the reader may use.
func (s *site) policyOf(r *http.Request) (string, error) {
	name := r.URL.Query().Get("policy")
	all := s.policies(r)
	switch {
	case name == "" && len(all) > 0:
		return all[0], nil
	case len(all) == 0 && readerOf(r).Token == "":
		return "", fmt.Errorf("%w: no policy is open to everybody", auth.ErrUnauthenticated)
	}
	return name, s.mayUse(r, name)
}

// policyChoices are the policies that the reader may look at, where there are
// several.
func (s *site) policyChoices(r *http.Request, current, path string) *choices {
	names := s.policies(r)
	if len(names) < 2 {
		return nil
	}
	nav := &choices{Label: "Policies"}
	for _, name := range names {
		nav.All = append(nav.All, choice{Name: name, Current: name == current, URL: path + "?" + url.Values{"policy": {name}}.Encode()})
	}
	return nav
}

func decisionsURL(policyName, state string, before store.ID) string {
	q := url.Values{"policy": {policyName}}
	if state != "" {
		q.Set("state", state)
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(int64(before), 10))
	}
	return "/decisions?" + q.Encode()
}
