package htmlcheck

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Lint says, a line each, what keeps a page from being read by everybody (after
// WCAG 2.2, level A) or what a content security policy without unsafe-inline
// would block. A page in order has none.
func Lint(d *Doc) []string {
	l := linter{ids: map[string]int{}, labelled: map[string]bool{}}
	for n := range d.elements() {
		if id, ok := lookup(n, "id"); ok {
			l.ids[id]++
		}
		if n.Data == "label" {
			l.labelled[attr(n, "for")] = true
		}
	}
	l.page(d)
	for n := range d.elements() {
		l.policy(n)
		l.references(n)
		if rule := elementRules[n.Data]; rule != nil {
			rule(&l, n)
		}
	}
	return append(l.problems, balance(d.body)...)
}

type linter struct {
	ids      map[string]int
	labelled map[string]bool // ids that a label is for
	problems []string
}

func (l *linter) report(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// elementRules are the rules for single elements, by tag.
var elementRules = map[string]func(*linter, *html.Node){
	"img":      (*linter).image,
	"a":        (*linter).link,
	"button":   (*linter).button,
	"input":    (*linter).input,
	"select":   (*linter).field,
	"textarea": (*linter).field,
	"iframe":   (*linter).frame,
	"table":    (*linter).table,
	"details":  (*linter).details,
	"ul":       (*linter).list,
	"ol":       (*linter).list,
	"svg":      (*linter).drawing,
}

// page judges the page as a whole.
func (l *linter) page(d *Doc) {
	if strings.TrimSpace(d.Attr("html", "lang")) == "" {
		l.report("page: html has no lang")
	}
	if d.Text("head title") == "" {
		l.report("page: no title")
	}
	if !d.Has("meta[name=viewport]") {
		l.report("page: no viewport, a phone shows it tiny")
	}
	if n := d.Count("main"); n != 1 {
		l.report("page: %d main landmarks, want 1", n)
	}
	navs := d.all("nav")
	if len(navs) == 0 {
		l.report("page: no nav landmark")
	}
	for _, nav := range navs {
		if len(navs) > 1 && attr(nav, "aria-label") == "" && attr(nav, "aria-labelledby") == "" {
			l.report("nav: one of several without a label: %s", where(nav))
		}
	}
	l.headings(d)
	for n := range d.elements() {
		if id, ok := lookup(n, "id"); ok && l.ids[id] > 1 {
			l.report("id: %q stands %d times", id, l.ids[id])
			l.ids[id] = 1 // said once
		}
	}
}

func (l *linter) headings(d *Doc) {
	if n := d.Count("h1"); n != 1 {
		l.report("headings: %d h1, want 1", n)
	}
	level := 0
	for n := range d.elements() {
		if len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
			continue
		}
		next := int(n.Data[1] - '0')
		if next > level+1 {
			l.report("headings: h%d %q after h%d", next, clip(text(n)), level)
		}
		if name(n) == "" {
			l.report("headings: empty h%d", next)
		}
		level = next
	}
}

// policy judges what a strict content security policy blocks.
func (l *linter) policy(n *html.Node) {
	switch n.Data {
	case "style":
		l.report("policy: inline style element")
	case "script":
		if _, ok := lookup(n, "src"); !ok {
			l.report("policy: inline script: %s", where(n))
		}
	}
	for _, a := range n.Attr {
		switch {
		case a.Key == "style":
			l.report("policy: style attribute: %s", where(n))
		case strings.HasPrefix(a.Key, "on"):
			l.report("policy: %s attribute: %s", a.Key, where(n))
		case isURL[a.Key] && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:"):
			l.report("policy: script in %s: %s", a.Key, where(n))
		}
	}
}

var isURL = map[string]bool{"href": true, "src": true, "action": true, "formaction": true, "data": true}

// references finds attributes that name an element which is not there.
func (l *linter) references(n *html.Node) {
	for _, key := range []string{"for", "aria-labelledby", "aria-describedby", "aria-controls", "list", "form", "headers"} {
		for id := range strings.FieldsSeq(attr(n, key)) {
			if l.ids[id] == 0 {
				l.report("reference: %s names %q, which is not there: %s", key, id, where(n))
			}
		}
	}
	if id, ok := strings.CutPrefix(attr(n, "href"), "#"); ok && n.Data == "a" && id != "" && l.ids[id] == 0 {
		l.report("reference: link to %q, which is not there: %s", id, where(n))
	}
}

func (l *linter) image(n *html.Node) {
	if _, ok := lookup(n, "alt"); !ok {
		l.report("img: no alt: %s", where(n))
	}
}

func (l *linter) link(n *html.Node) {
	if _, ok := lookup(n, "href"); !ok {
		l.report("a: no href, the keyboard cannot reach it: %s", where(n))
	}
	if name(n) == "" {
		l.report("a: no text: %s", where(n))
	}
}

func (l *linter) button(n *html.Node) {
	if name(n) == "" {
		l.report("button: no text: %s", where(n))
	}
}

func (l *linter) input(n *html.Node) {
	switch strings.ToLower(attr(n, "type")) {
	case "hidden", "submit", "reset": // the browser names the latter two
	case "button":
		if attr(n, "value") == "" && name(n) == "" {
			l.report("input: button without text: %s", where(n))
		}
	case "image":
		l.image(n)
	default:
		l.field(n)
	}
}

// field judges whether a field has a label. A placeholder is none: it goes away.
func (l *linter) field(n *html.Node) {
	id, has := lookup(n, "id")
	switch {
	case has && l.labelled[id], attr(n, "aria-label") != "", attr(n, "aria-labelledby") != "":
		return
	}
	for up := range n.Ancestors() {
		if up.Data == "label" {
			return
		}
	}
	l.report("%s: no label: %s", n.Data, where(n))
}

func (l *linter) frame(n *html.Node) {
	if attr(n, "title") == "" {
		l.report("iframe: no title: %s", where(n))
	}
}

func (l *linter) table(n *html.Node) {
	if attr(n, "role") == "presentation" {
		return
	}
	for below := range n.Descendants() {
		if below.Type == html.ElementNode && below.Data == "th" {
			return
		}
	}
	l.report("table: no header cells: %s", where(n))
}

func (l *linter) details(n *html.Node) {
	for child := range n.ChildNodes() {
		if child.Type != html.ElementNode {
			continue
		}
		if child.Data != "summary" || name(child) == "" {
			break
		}
		return
	}
	l.report("details: does not begin with a summary: %s", where(n))
}

func (l *linter) list(n *html.Node) {
	for child := range n.ChildNodes() {
		if child.Type == html.ElementNode && !slices.Contains([]string{"li", "script", "template"}, child.Data) {
			l.report("%s: holds %s, which is no item", n.Data, where(child))
		}
	}
}

func (l *linter) drawing(n *html.Node) {
	if attr(n, "aria-hidden") != "true" && name(n) == "" {
		l.report("svg: neither named nor hidden: %s", where(n))
	}
}

// name is an element's accessible name: what a screen reader says for it. What
// aria-labelledby names is checked to be there by references.
func name(n *html.Node) string {
	for _, key := range []string{"aria-label", "aria-labelledby", "title"} {
		if value := strings.TrimSpace(attr(n, key)); value != "" {
			return value
		}
	}
	var out strings.Builder
	collect(&out, n, func(below *html.Node) bool {
		if below.Data == "img" || below != n && below.Data == "svg" {
			out.WriteString(attr(below, "alt") + attr(below, "aria-label"))
		}
		_, hidden := lookup(below, "hidden")
		return hidden || unread[below.Data] || attr(below, "aria-hidden") == "true"
	})
	return strings.TrimSpace(out.String())
}
