package web

import (
	"net/http"

	"github.com/cratefence/cratefence/internal/store"
)

// An exceptionLine is an exception in a list.
type exceptionLine struct {
	ID      store.ID
	Crate   string
	Version string
	Rule    string
	Reason  string
	Author  string
	Until   *moment
	Ended   *moment // nil while it is in force
	EndedBy string
}

func (s *site) exceptionLine(e store.Exception) exceptionLine {
	line := exceptionLine{
		ID: e.ID, Crate: clip(e.Crate, maxName), Version: clip(e.Version, maxName), Rule: clip(e.Rule, maxSentence), Reason: clip(e.Reason, maxMessage),
		Author: clip(e.Author, maxSentence), Until: s.clock().date(e.ExpiresAt),
	}
	switch {
	case !e.EndedAt.IsZero():
		line.Ended, line.EndedBy = s.clock().ago(e.EndedAt), clip(e.EndedBy, maxSentence)
	case !s.now().Before(e.ExpiresAt):
		line.Ended = s.clock().ago(e.ExpiresAt) // nobody has come by to close it yet
	}
	return line
}

// An exceptionsPage lists the exceptions of a policy.
type exceptionsPage struct {
	layout
	Policy    string
	PolicyNav *choices
	Open      []exceptionLine
	Ended     []exceptionLine
	Crate     string // what the form begins with
	Version   string
	Rule      string
}

func (s *site) exceptions(w http.ResponseWriter, r *http.Request) error {
	policyName, err := s.policyOf(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	page := exceptionsPage{
		layout: s.layout(r, "exceptions"), Policy: policyName, PolicyNav: s.policyChoices(r, policyName, "/exceptions"),
		Crate: typed(q.Get("crate"), maxName), Version: typed(q.Get("version"), maxName), Rule: typed(q.Get("rule"), maxSentence),
	}
	page.Canonical = s.BaseURL + "/exceptions"
	all, err := s.Fence.Records.Exceptions(r.Context(), store.ExceptionQuery{Policy: policyName, Limit: maxCount})
	if err != nil {
		return err
	}
	for _, e := range all {
		line := s.exceptionLine(e)
		if line.Ended == nil {
			page.Open = append(page.Open, line)
			continue
		}
		page.Ended = append(page.Ended, line)
	}
	return show(s.views.exceptions, w, r, page)
}
