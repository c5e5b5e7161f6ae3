package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode/utf8"
)

//go:embed pages
var pageFiles embed.FS

// A layout is what every page has around its own content.
type layout struct {
	Title     string // of the document, without the site's name
	Registry  string
	Canonical string // the page's one address, where the site knows its own
	Query     string // what the search field holds
	Pending   int    // checks that are about to report: the page then keeps itself up to date
	Fence     bool   // this server runs one
	Reader    reader // who looks at the page
}

func (s *site) layout(r *http.Request, title string) layout {
	return layout{Title: title, Registry: s.Registry, Fence: s.Fence != nil, Reader: readerOf(r)}
}

// A view is a page's template, bound to the page's type.
type view[P any] struct{ tmpl *template.Template }

func (v view[P]) render(page P) ([]byte, error) {
	var buf bytes.Buffer
	if err := v.tmpl.Execute(&buf, page); err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return visible(buf.Bytes()), nil
}

// views are the pages there are: a folder of pages each.
type views struct {
	home         view[homePage]
	crates       view[cratesPage]
	overview     view[overviewPage]
	versions     view[versionsPage]
	dependencies view[dependenciesPage]
	results      view[resultsPage]
	checks       view[checksPage]
	check        view[checkPage]
	incidents    view[incidentsPage]
	problem      view[problemPage]
	fence        view[fencePage]
	docket       view[docketPage]
	decisions    view[decisionsPage]
	queue        view[queuePage]
	exceptions   view[exceptionsPage]
	signIn       view[signInPage]
	policies     view[policiesPage]
	policy       view[policyPage]
}

func parseViews(static assets) views {
	base := template.Must(template.New("layout.html").
		Funcs(template.FuncMap{"static": static.url, "ticked": ticked}).
		Option("missingkey=error").
		ParseFS(pageFiles, "pages/layout/*.html"))
	return views{
		home:         parseView[homePage](base, "home"),
		crates:       parseView[cratesPage](base, "crates"),
		overview:     parseView[overviewPage](base, "overview"),
		versions:     parseView[versionsPage](base, "versions"),
		dependencies: parseView[dependenciesPage](base, "dependencies"),
		results:      parseView[resultsPage](base, "results"),
		checks:       parseView[checksPage](base, "checks"),
		check:        parseView[checkPage](base, "check"),
		incidents:    parseView[incidentsPage](base, "incidents"),
		problem:      parseView[problemPage](base, "problem"),
		fence:        parseView[fencePage](base, "fence"),
		docket:       parseView[docketPage](base, "docket"),
		decisions:    parseView[decisionsPage](base, "decisions"),
		queue:        parseView[queuePage](base, "queue"),
		exceptions:   parseView[exceptionsPage](base, "exceptions"),
		signIn:       parseView[signInPage](base, "signin"),
		policies:     parseView[policiesPage](base, "policies"),
		policy:       parseView[policyPage](base, "policy"),
	}
}

func parseView[P any](base *template.Template, folder string) view[P] {
	tmpl := template.Must(base.Clone())
	return view[P]{template.Must(tmpl.ParseFS(pageFiles, "pages/"+folder+"/*.html"))}
}

// How much of a text a page shows, in bytes. What is stored is bounded already;
// these keep a page readable, and hold if it is not.
const (
	maxName        = 64
	maxSentence    = 300
	maxDescription = 1000
	maxMessage     = 1000
	maxSnippet     = 4000
	maxSummary     = 8 << 10
	maxText        = 16 << 10
	maxURL         = 500
)

// clip returns at most about n bytes of s, marked where it was cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return cut(s, n) + "…"
}

// cut returns at most n bytes of s, and no broken character at the end.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// ticked shows what stands between backticks as code, as those who write plain
// sentences for a terminal mean it; a backtick alone is left as it is.
func ticked(s string) template.HTML {
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(s, "`")
		code, after, closed := strings.Cut(rest, "`")
		if !open || !closed || strings.TrimSpace(code) == "" {
			b.WriteString(template.HTMLEscapeString(s))
			return template.HTML(b.String())
		}
		b.WriteString(template.HTMLEscapeString(before) + "<code>" + template.HTMLEscapeString(code) + "</code>")
		s = after
	}
}
