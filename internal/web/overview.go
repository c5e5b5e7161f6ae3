package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/store"
)

// An overviewPage says what a release says of itself, and what is known of it.
type overviewPage struct {
	layout
	Head        crateHead
	Fences      []fenceCard
	Chips       []chip
	Worst       []checkRow // the rows that a reader should know of first
	SecurityURL string
	Dependency  string // the line for a manifest; "" when cargo would get nothing by it
	Facts       []fact
	Stated      []fact // by the crate itself
	Keywords    []string
}

// A fact is a line of a table: a text, a link or a time.
type fact struct {
	Name string
	Text string
	Code bool // the text is for machines
	Link *link
	When *moment
}

func (s *site) overview(w http.ResponseWriter, r *http.Request) error {
	sub, moved, err := s.find(w, r, tabOverview)
	if err != nil || moved {
		return err
	}
	page := overviewPage{layout: s.layout(r, tabTitle(sub, tabOverview))}
	if page.Head, err = s.head(r, sub, tabOverview); err != nil {
		return err
	}
	security := s.ofKind(sub.states, true)
	page.Canonical = s.BaseURL + sub.address(tabOverview)
	page.Pending = s.due(sub.states)
	page.Fences = sub.fences
	page.Chips = chips(security)
	page.Worst = slices.DeleteFunc(s.rows(security), func(row checkRow) bool { return row.Run == nil || row.Plain() })
	page.SecurityURL = sub.address(tabSecurity)
	if version := advisable(sub.release.Version, sub.fences); version != "" {
		page.Dependency = sub.crate.Name + " = " + `"` + version + `"`
	}
	page.Facts = s.facts(sub.release)
	page.Stated = stated(sub.release.About)
	page.Keywords = clipAll(slices.Concat(sub.release.About.Keywords, sub.release.About.Categories))
	return show(s.views.overview, w, r, page)
}

// advisable is the version to name in a manifest: of a release that is kept back,
// what cargo takes instead.
func advisable(version string, fences []fenceCard) string {
	for _, c := range fences {
		if c.Keeps() {
			return c.Instead
		}
	}
	return version
}

// facts are what is known of a release, whatever it says of itself.
func (s *site) facts(r store.Release) []fact {
	c := s.clock()
	return known([]fact{
		{Name: "Published, by its registry's word", When: c.ago(r.PublishedAt)},
		{Name: "First seen here", When: c.ago(r.FirstSeenAt)},
		{Name: "Published by", Text: clip(r.Publisher, maxSentence)},
		{Name: "Came by", Text: clip(string(r.Via), maxName)},
		{Name: "Size", Text: size(r.Size)},
		{Name: "SHA-256", Text: r.Checksum.String(), Code: true},
	})
}

// stated is what a manifest says.
func stated(a store.About) []fact {
	place := func(address string) *link {
		if address == "" {
			return nil
		}
		l := linkTo(address)
		return &l
	}
	return known([]fact{
		{Name: "Repository", Link: place(a.Repository)},
		{Name: "Homepage", Link: place(a.Homepage)},
		{Name: "Documentation", Link: place(a.Documentation)},
		{Name: "Licence", Text: clip(a.License, maxSentence)},
		{Name: "Edition", Text: clip(a.Edition, maxName)},
		{Name: "Rust version", Text: clip(a.RustVersion, maxName)},
	})
}

func known(facts []fact) []fact {
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Text == "" && f.Link == nil && f.When == nil })
}

func clipAll(words []string) []string {
	const most = 20
	var out []string
	for _, w := range words[:min(len(words), most)] {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, clip(w, maxName))
		}
	}
	return out
}
