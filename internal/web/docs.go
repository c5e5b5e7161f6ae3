package web

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
)

// A checksPage lists the checks that this server runs.
type checksPage struct {
	layout
	Checks []checkDoc
	Marks  []meaning
}

// A checkPage is a check's documentation.
type checkPage struct {
	layout
	Check checkDoc
	Doc   template.HTML
	Marks []meaning
}

type checkDoc struct {
	Name     string
	Title    string
	URL      string
	Category check.Category
	About    check.About
	Version  int
	Timeout  string
}

// A meaning says what a mark stands for.
type meaning struct {
	Mark mark
	Text string
}

var meanings = []meaning{
	{conclusionMarks[check.Failure], "The check found what it looks for."},
	{conclusionMarks[check.Error], "The check broke or ran out of time. This is our trouble, is tried again, and says nothing about the crate."},
	{conclusionMarks[check.Inconclusive], "The check applies, but the answer could not be known. It says what would settle it."},
	{conclusionMarks[check.Neutral], "Facts worth reading, without a judgement."},
	{conclusionMarks[check.Success], "The check looked, and what it looked at is in order."},
	{running, "The check has begun and has not reported yet."},
	{conclusionMarks[check.Skipped], "The check does not apply to this release, and says why."},
}

func describe(c *check.Check) checkDoc {
	return checkDoc{
		Name:     c.Name,
		Title:    c.Title(),
		URL:      "/checks/" + c.Name,
		Category: c.Category,
		About:    c.About,
		Version:  c.Version,
		Timeout:  wordsFor(c.Timeout),
	}
}

func (s *site) checkList(w http.ResponseWriter, r *http.Request) error {
	page := checksPage{layout: s.layout(r, "checks"), Marks: meanings}
	page.Canonical = s.BaseURL + "/checks"
	for _, c := range s.Checks {
		page.Checks = append(page.Checks, describe(c))
	}
	return show(s.views.checks, w, r, page)
}

func (s *site) checkDoc(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	c, ok := s.checks[name]
	if !ok {
		return fmt.Errorf("show check %q: %w", clip(name, maxName), errNoPage)
	}
	_, doc, _ := strings.Cut(c.Doc, "\n")
	page := checkPage{layout: s.layout(r, "check "+name), Check: describe(c), Doc: s.markdown.Render(doc, 2), Marks: meanings}
	page.Canonical = s.BaseURL + page.Check.URL
	return show(s.views.check, w, r, page)
}
