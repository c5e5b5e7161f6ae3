package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/cratefence/cratefence/internal/store"
)

// A dependenciesPage lists what a release's manifest depends on.
type dependenciesPage struct {
	layout
	Head   crateHead
	Groups []dependencyGroup
	Cut    int // dependencies that are not shown
}

type dependencyGroup struct {
	Name string
	Note string
	Rows []dependencyRow
}

type dependencyRow struct {
	Name     string
	URL      string // "" when no release of it has come here
	Req      string
	Target   string
	Optional bool
}

// maxDependencies bounds the page, and the crates that are looked up for it.
const maxDependencies = 200

func (s *site) dependencies(w http.ResponseWriter, r *http.Request) error {
	sub, moved, err := s.find(w, r, tabDependencies)
	if err != nil || moved {
		return err
	}
	page := dependenciesPage{layout: s.layout(r, tabTitle(sub, tabDependencies))}
	page.Canonical = s.BaseURL + sub.address(tabDependencies)
	if page.Head, err = s.head(r, sub, tabDependencies); err != nil {
		return err
	}
	all := sub.release.About.Dependencies
	shown := all[:min(len(all), maxDependencies)]
	page.Cut = len(all) - len(shown)
	if page.Groups, err = s.dependencyGroups(r.Context(), shown); err != nil {
		return err
	}
	return show(s.views.dependencies, w, r, page)
}

// kinds are a manifest's kinds of dependency, as cargo names them.
var kinds = []struct{ kind, name, note string }{
	{"normal", "Dependencies", "Built into every program that uses the crate."},
	{"build", "Build dependencies", "Run on the machine that builds."},
	{"dev", "Development dependencies", "Not fetched by those who depend on the crate."},
}

func (s *site) dependencyGroups(ctx context.Context, all []store.Dependency) ([]dependencyGroup, error) {
	var groups []dependencyGroup
	for _, k := range kinds {
		group := dependencyGroup{Name: k.name, Note: k.note}
		for _, d := range all {
			if cmp.Or(d.Kind, "normal") != k.kind {
				continue
			}
			row, err := s.dependencyRow(ctx, d)
			if err != nil {
				return nil, err
			}
			group.Rows = append(group.Rows, row)
		}
		if len(group.Rows) > 0 {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// dependencyRow links a dependency that has a page here: one that has none
// would be a dead end.
func (s *site) dependencyRow(ctx context.Context, d store.Dependency) (dependencyRow, error) {
	row := dependencyRow{
		Name:     clip(d.Name, 2*maxName),
		Req:      clip(d.Req, maxSentence),
		Target:   clip(d.Target, maxSentence),
		Optional: d.Optional,
	}
	if !namePattern.MatchString(d.Name) {
		return row, nil
	}
	c, err := s.Catalogue.Crate(ctx, d.Name)
	switch {
	case err == nil:
		row.URL = "/crates/" + c.Name
	case !errors.Is(err, store.ErrNotFound):
		return dependencyRow{}, err
	}
	return row, nil
}
