package web

import (
	"context"
	"net/http"

	"github.com/cratefence/cratefence/internal/store"
)

// maxIncidents bounds the incidents on one page.
const maxIncidents = 100

// An incident says that other bytes were offered under a known name and
// version.
type incident struct {
	Crate   string
	Version string
	URL     string // of the version it is about
	Known   string
	Offered string
	Size    string
	Via     string
	Detail  string
	Seen    *moment
	Last    *moment // when it was seen again; nil when it was not
	Times   int
}

func (s *site) incident(i store.Incident) incident {
	shown := incident{
		Crate:   i.Crate,
		Version: i.Version,
		URL:     releaseURL(store.Release{Crate: i.Crate, Version: i.Version}) + "/" + tabSecurity,
		Known:   i.Known.String(),
		Offered: i.Offered.String(),
		Size:    size(i.Size),
		Via:     clip(string(i.Via), maxName),
		Detail:  clip(i.Detail, maxSentence),
		Seen:    s.clock().ago(i.SeenAt),
		Times:   i.Times,
	}
	if i.Times > 1 {
		shown.Last = s.clock().ago(i.LastSeen)
	}
	return shown
}

// incidentsOf returns a crate's incidents, of whichever version: who offers
// other bytes for one may do so for the next.
func (s *site) incidentsOf(ctx context.Context, sub subject) ([]incident, error) {
	kept, err := s.Results.Incidents(ctx, sub.crate.ID, maxIncidents)
	if err != nil {
		return nil, err
	}
	return s.showIncidents(kept), nil
}

func (s *site) showIncidents(kept []store.Incident) []incident {
	var shown []incident
	for _, i := range kept {
		shown = append(shown, s.incident(i))
	}
	return shown
}

// An incidentsPage lists the incidents of all crates.
type incidentsPage struct {
	layout
	Incidents []incident
	Most      int
}

func (s *site) incidents(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.Results.Incidents(r.Context(), 0, maxIncidents)
	if err != nil {
		return err
	}
	page := incidentsPage{layout: s.layout(r, "incidents"), Incidents: s.showIncidents(kept), Most: maxIncidents}
	page.Canonical = s.BaseURL + "/incidents"
	return show(s.views.incidents, w, r, page)
}
