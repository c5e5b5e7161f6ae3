package web

import (
	"context"
	"net/http"

	"github.com/cratefence/cratefence/internal/store"
)

// A homePage says what this is, and what came last.
type homePage struct {
	layout
	Latest []listed
	Setup  *setup // nil: there is nothing that this reader may use
}

// A setup is how cargo is pointed at the fence.
type setup struct {
	URL    string
	Policy string
}

func (s *site) setup(r *http.Request) *setup {
	names := s.policies(r)
	if len(names) == 0 {
		return nil
	}
	base := s.BaseURL
	if base == "" {
		base = "http://" + r.Host
		if r.TLS != nil {
			base = "https://" + r.Host
		}
	}
	return &setup{URL: base, Policy: names[0]}
}

// A listed release is a line of a list of releases.
type listed struct {
	Name        string
	Version     string
	Description string
	URL         string
	Badge       mark
	BadgeURL    string
	Seen        *moment
	Exact       bool // it is what was searched for
}

func (s *site) home(w http.ResponseWriter, r *http.Request) error {
	const most = 20
	latest, err := s.Results.LatestReleases(r.Context(), most)
	if err != nil {
		return err
	}
	page := homePage{layout: s.layout(r, "")}
	if page.Latest, page.Pending, err = s.listed(r.Context(), latest); err != nil {
		return err
	}
	for i, release := range latest {
		page.Latest[i].URL = releaseURL(release) // it need not be the one that speaks for its crate
		page.Latest[i].BadgeURL = releaseURL(release) + "/" + tabSecurity
	}
	page.Setup = s.setup(r)
	page.Canonical = s.BaseURL + "/"
	return show(s.views.home, w, r, page)
}

// listed returns the lines for releases that speak for their crates, and how
// many checks are about to report on them.
func (s *site) listed(ctx context.Context, releases []store.Release) ([]listed, int, error) {
	states, err := s.states(ctx, releases)
	if err != nil {
		return nil, 0, err
	}
	lines, due := make([]listed, 0, len(releases)), 0
	for _, r := range releases {
		due += s.due(states[r.ID])
		lines = append(lines, listed{
			Name:        r.Crate,
			Version:     r.Version,
			Description: clip(r.About.Description, maxSentence),
			URL:         "/crates/" + r.Crate,
			Badge:       s.badge(states[r.ID]),
			BadgeURL:    "/crates/" + r.Crate + "/" + tabSecurity,
			Seen:        s.clock().ago(r.FirstSeenAt),
		})
	}
	return lines, due, nil
}

// states reads where the checks of several releases stand.
func (s *site) states(ctx context.Context, releases []store.Release) (map[store.ID][]store.CheckState, error) {
	if len(releases) == 0 {
		return nil, nil
	}
	ids := make([]store.ID, len(releases))
	for i, r := range releases {
		ids[i] = r.ID
	}
	return s.Results.CheckStates(ctx, ids...)
}
