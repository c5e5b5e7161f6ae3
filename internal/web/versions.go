package web

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/store"
)

// A versionsPage lists a crate's versions, newest first.
type versionsPage struct {
	layout
	Head     crateHead
	Versions []versionRow
	Total    int
	Newer    string // the address of the page before; "" on the first
	Older    string // of the next; "" on the last
	Fenced   bool   // rows say what the fence makes of them
}

type versionRow struct {
	Version   string
	URL       string
	Badge     mark
	BadgeURL  string
	Published *moment
	Seen      *moment
	Publisher string
	Size      string
	Yanked    bool
	Speaks    bool // for the crate
	Fence     *fenceCard
	Guarded   bool // a yank of it is not passed on
}

func (s *site) versions(w http.ResponseWriter, r *http.Request) error {
	const most = 100
	sub, moved, err := s.find(w, r, tabVersions)
	if err != nil || moved {
		return err
	}
	releases, err := s.Catalogue.Releases(r.Context(), sub.crate.ID)
	if err != nil {
		return err
	}
	number := pageNumber(r)
	from := (number - 1) * most
	if from > 0 && from >= len(releases) {
		return fmt.Errorf("show page %d of the versions of %q: %w", number, sub.crate.Name, errNoPage)
	}
	to := min(from+most, len(releases))
	page := versionsPage{layout: s.layout(r, tabTitle(sub, tabVersions)), Total: len(releases)}
	page.Title = "versions of " + sub.crate.Name
	page.Canonical = s.BaseURL + sub.address(tabVersions)
	if page.Head, err = s.head(r, sub, tabVersions); err != nil {
		return err
	}
	if page.Versions, page.Pending, err = s.versionRows(r, sub, releases[from:to]); err != nil {
		return err
	}
	page.Fenced = s.fenceRows(r, sub.crate.Name, page.Versions)
	if number > 1 {
		page.Newer = pageURL(sub.address(tabVersions), number-1)
	}
	if to < len(releases) {
		page.Older = pageURL(sub.address(tabVersions), number+1)
	}
	return show(s.views.versions, w, r, page)
}

func (s *site) versionRows(r *http.Request, sub subject, releases []store.Release) ([]versionRow, int, error) {
	states, err := s.states(r.Context(), releases)
	if err != nil {
		return nil, 0, err
	}
	rows, due := make([]versionRow, 0, len(releases)), 0
	for _, v := range releases {
		due += s.due(states[v.ID])
		rows = append(rows, versionRow{
			Version:   v.Version,
			URL:       releaseURL(v),
			Badge:     s.badge(states[v.ID]),
			BadgeURL:  releaseURL(v) + "/" + tabSecurity,
			Published: s.clock().ago(v.PublishedAt),
			Seen:      s.clock().ago(v.FirstSeenAt),
			Publisher: clip(v.Publisher, maxName),
			Size:      size(v.Size),
			Yanked:    v.Yanked,
			Speaks:    v.ID == sub.crate.Default,
		})
	}
	return rows, due, nil
}

// fenceRows adds what the first policy that the reader may use makes of each
// version; false when there is none.
func (s *site) fenceRows(r *http.Request, name string, rows []versionRow) bool {
	names := s.policies(r)
	if len(names) == 0 {
		return false
	}
	view, err := s.Fence.Gate.Crate(names[0], name)
	if err != nil {
		return false
	}
	states := map[string]gate.VersionView{}
	for _, v := range view.Versions {
		states[v.Version] = v
	}
	for i := range rows {
		if v, ok := states[rows[i].Version]; ok {
			card := s.decided(names[0], v.Decision)
			rows[i].Fence, rows[i].Guarded = &card, v.Guard != nil && v.Guard.Kept
		}
	}
	return true
}

// pageNumber reads which page is asked for; whatever is no number is the first.
func pageNumber(r *http.Request) int {
	n, err := strconv.ParseUint(r.URL.Query().Get("page"), 10, 16)
	if err != nil {
		return 1
	}
	return max(1, int(n))
}

func pageURL(address string, number int) string {
	if number == 1 {
		return address
	}
	return address + "?page=" + strconv.Itoa(number)
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n <= 0:
		return ""
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
