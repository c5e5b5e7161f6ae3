package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/cratefence/cratefence/internal/store"
)

// A cratesPage lists crates, or those that a search found.
type cratesPage struct {
	layout
	Crates []listed
	First  string // the first page's address; "" on the first page
	Next   string // the next page's address; "" on the last
}

func (s *site) list(w http.ResponseWriter, r *http.Request) error {
	const most = 50
	q := r.URL.Query()
	query := store.CrateQuery{
		Text:  typed(q.Get("q"), 2*maxName),
		After: typed(q.Get("after"), maxURL),
		Limit: most,
	}
	found, err := s.Catalogue.Crates(r.Context(), query)
	if err != nil {
		return err
	}
	releases := make([]store.Release, 0, len(found.Crates))
	for _, c := range found.Crates {
		c.Default.Crate = c.Crate.Name
		releases = append(releases, c.Default)
	}
	page := cratesPage{layout: s.layout(r, "crates")}
	if page.Crates, page.Pending, err = s.listed(r.Context(), releases); err != nil {
		return err
	}
	page.Query = query.Text
	if query.Text != "" {
		page.Title = "search for " + query.Text
		for i, c := range page.Crates {
			page.Crates[i].Exact = sameName(c.Name, query.Text)
		}
	}
	if query.After != "" {
		page.First = searchURL(query.Text, "")
	}
	if found.Next != "" {
		page.Next = searchURL(query.Text, found.Next)
	}
	return show(s.views.crates, w, r, page)
}

func searchURL(text, after string) string {
	q := url.Values{}
	if text != "" {
		q.Set("q", text)
	}
	if after != "" {
		q.Set("after", after)
	}
	if len(q) == 0 {
		return "/crates"
	}
	return "/crates?" + q.Encode()
}

// typed returns what somebody may have typed: text on one line, at most n bytes.
func typed(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return cut(strings.TrimSpace(s), n)
}

// sameName reports whether a registry takes two names for one.
func sameName(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, "-", "_"), strings.ReplaceAll(b, "-", "_"))
}
