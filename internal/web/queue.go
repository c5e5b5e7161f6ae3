package web

import (
	"net/http"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// maxQueue bounds the releases on one page.
const maxQueue = 50

// A queuePage is what waits for a person: releases in quarantine, and those that
// somebody asked to have looked at.
type queuePage struct {
	layout
	Policy      string
	PolicyNav   *choices
	Quarantined []docket
	Asked       []docket
	Most        int
}

func (s *site) queue(w http.ResponseWriter, r *http.Request) error {
	policyName, err := s.policyOf(r)
	if err != nil {
		return err
	}
	page := queuePage{layout: s.layout(r, "queue"), Policy: policyName, PolicyNav: s.policyChoices(r, policyName, "/queue"), Most: maxQueue}
	page.Canonical = s.BaseURL + "/queue"
	records, err := s.Fence.Records.Decisions(r.Context(), store.DecisionQuery{Policy: policyName, State: policy.Quarantined, Limit: maxQueue})
	if err != nil {
		return err
	}
	shown := map[string]bool{}
	for _, record := range records {
		d, err := s.queued(r, record)
		if err != nil {
			return err
		}
		shown[record.Crate+"@"+record.Version] = true
		if d.Card.State == policy.Quarantined { // else it was decided while the record was on its way
			page.Quarantined = append(page.Quarantined, d)
		}
	}
	if page.Asked, err = s.asked(r, policyName, shown); err != nil {
		return err
	}
	return show(s.views.queue, w, r, page)
}

// asked are the releases that are kept back and that somebody asked about,
// besides those that are shown already.
func (s *site) asked(r *http.Request, policyName string, shown map[string]bool) ([]docket, error) {
	requests, err := s.Fence.Records.ReviewRequests(r.Context(), store.ReviewQuery{Policy: policyName, Limit: maxQueue})
	if err != nil {
		return nil, err
	}
	var dockets []docket
	for _, request := range requests {
		name := request.Crate + "@" + request.Version
		if shown[name] {
			continue
		}
		shown[name] = true
		records, err := s.Fence.Records.Decisions(r.Context(), store.DecisionQuery{Policy: policyName, Crate: request.Crate, Version: request.Version, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			continue
		}
		d, err := s.queued(r, records[0])
		if err != nil {
			return nil, err
		}
		if d.Card.Verdict != policy.Allow {
			dockets = append(dockets, d)
		}
	}
	return dockets, nil
}

// queued is the docket of a recorded decision.
func (s *site) queued(r *http.Request, record store.DecisionRecord) (docket, error) {
	d := docket{Card: s.nowOr(record), Policy: record.Policy, Crate: record.Crate, Version: record.Version, Back: "/queue?policy=" + record.Policy}
	d.Card.Case = "/r/" + record.Code
	if err := s.backStored(r.Context(), &d.Card, record.Crate, record.Version); err != nil {
		return docket{}, err
	}
	return d, s.fillDocket(r, &d)
}
