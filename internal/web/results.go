package web

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/cratefence/cratefence/internal/store"
)

// A resultsPage is the Security tab of a release, and the Checks tab, which has
// the checks that ask about something else.
type resultsPage struct {
	layout
	Head      crateHead
	Fences    []fenceCard
	Security  bool
	Chips     []chip
	Incidents []incident
	Rows      []checkRow
	Missing   []string // checks that have no run on this release yet
	Policy    *securityPolicy
	JSON      string
}

// A chip counts the checks that stand alike.
type chip struct {
	Mark  mark
	Count int
}

func (s *site) securityTab(w http.ResponseWriter, r *http.Request) error {
	return s.showResults(w, r, tabSecurity)
}

func (s *site) checksTab(w http.ResponseWriter, r *http.Request) error {
	return s.showResults(w, r, tabChecks)
}

func (s *site) showResults(w http.ResponseWriter, r *http.Request, tab string) error {
	sub, moved, err := s.find(w, r, tab)
	if err != nil || moved {
		return err
	}
	page := resultsPage{layout: s.layout(r, tabTitle(sub, tab)), Security: tab == tabSecurity}
	if page.Head, err = s.head(r, sub, tab); err != nil {
		return err
	}
	states := s.ofKind(sub.states, page.Security)
	page.Canonical = s.BaseURL + sub.address(tab)
	page.Pending = s.due(sub.states)
	page.Fences = sub.fences
	page.Rows = s.rows(states)
	if err := s.remember(r.Context(), page.Rows, states, sub.release.ID); err != nil {
		return err
	}
	s.visited(r.Context(), sub)
	page.Chips = chips(states)
	page.JSON = "/api/v1" + releaseURL(sub.release) + "/check-runs"
	if page.Security {
		page.Missing = s.missing(states)
		if page.Policy, err = s.securityPolicy(r.Context(), sub); err != nil {
			return err
		}
		if page.Incidents, err = s.incidentsOf(r.Context(), sub); err != nil {
			return err
		}
	}
	return show(s.views.results, w, r, page)
}

func tabTitle(sub subject, tab string) string {
	title := sub.crate.Name + " " + sub.release.Version
	if tab == tabOverview {
		return title
	}
	return tab + " of " + title
}

func chips(states []store.CheckState) []chip {
	var all []chip
	for _, m := range order {
		if n := count(states, m); n > 0 {
			all = append(all, chip{m, n})
		}
	}
	return all
}

func count(states []store.CheckState, m mark) int {
	n := 0
	for _, s := range states {
		if markOf(s) == m {
			n++
		}
	}
	return n
}

// rows are the checks in the order in which a reader wants to know of them.
func (s *site) rows(states []store.CheckState) []checkRow {
	rows := make([]checkRow, 0, len(states))
	for _, state := range states {
		rows = append(rows, s.row(state))
	}
	slices.SortStableFunc(rows, func(a, b checkRow) int {
		return cmp.Or(cmp.Compare(a.Mark.rank(), b.Mark.rank()), cmp.Compare(a.Name, b.Name))
	})
	return rows
}

// missing names the security checks that nothing is known of on this release:
// silence about a question is not an answer to it.
func (s *site) missing(states []store.CheckState) []string {
	var names []string
	for _, c := range s.Checks {
		asked := slices.ContainsFunc(states, func(state store.CheckState) bool { return state.Check == c.Name })
		if !asked && s.security(c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}
