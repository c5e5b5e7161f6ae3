// Package htmlcheck is assertions on HTML for the tests of pages: what a page
// holds, found by small selectors, and whether it can be read without a mouse,
// without eyes and under a strict content security policy.
//
// It sees the page as served, before any script, and no style sheet: contrast,
// focus and size are for a browser to judge.
package htmlcheck

import (
	"bytes"
	"fmt"
	"iter"
	"strings"

	"golang.org/x/net/html"
)

// A Doc is a parsed page.
type Doc struct {
	body []byte
	root *html.Node
}

// Parse reads a page. Browsers, and so Parse, repair almost anything; Lint says
// what they would have to repair.
func Parse(body []byte) (*Doc, error) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	return &Doc{body: body, root: root}, nil
}

// Count returns how many elements match a selector: compounds of a tag, "#id",
// ".class", "[attr]" and "[attr=value]", a space between them standing for "at
// any depth below". Anything else panics: it is a mistake in the test.
func (d *Doc) Count(selector string) int { return len(d.all(selector)) }

// Has reports whether any element matches.
func (d *Doc) Has(selector string) bool { return d.Count(selector) > 0 }

// Text returns what a person reads in the first element that matches, with every
// run of white space as one space; "" where none does.
func (d *Doc) Text(selector string) string {
	if texts := d.Texts(selector); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// Texts returns the text of every element that matches, in the page's order.
func (d *Doc) Texts(selector string) []string {
	var texts []string
	for _, n := range d.all(selector) {
		texts = append(texts, text(n))
	}
	return texts
}

// Attr returns an attribute of the first element that matches; "" where there is
// no such element or attribute.
func (d *Doc) Attr(selector, name string) string {
	for _, n := range d.all(selector) {
		return attr(n, name)
	}
	return ""
}

// Links returns where every link leads, in the page's order.
func (d *Doc) Links() []string {
	var links []string
	for _, n := range d.all("a[href]") {
		links = append(links, attr(n, "href"))
	}
	return links
}

func (d *Doc) all(selector string) []*html.Node {
	path := parseSelector(selector)
	var found []*html.Node
	for n := range d.elements() {
		if path.matches(n) {
			found = append(found, n)
		}
	}
	return found
}

// elements yields every element in the page's order.
func (d *Doc) elements() iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for n := range d.root.Descendants() {
			if n.Type == html.ElementNode && !yield(n) {
				return
			}
		}
	}
}

// text is what a person reads in n: not scripts, not styles, not templates.
func text(n *html.Node) string {
	var out strings.Builder
	collect(&out, n, func(n *html.Node) bool { return unread[n.Data] })
	return strings.Join(strings.Fields(out.String()), " ")
}

var unread = map[string]bool{"script": true, "style": true, "template": true}

func collect(out *strings.Builder, n *html.Node, skip func(*html.Node) bool) {
	switch {
	case n.Type == html.TextNode:
		out.WriteString(n.Data)
	case n.Type == html.ElementNode && skip(n):
		return
	}
	for child := range n.ChildNodes() {
		collect(out, child, skip)
	}
	if n.Type == html.ElementNode && !inline[n.Data] {
		out.WriteString(" ") // two cells or paragraphs are two words
	}
}

var inline = map[string]bool{
	"a": true, "abbr": true, "b": true, "cite": true, "code": true, "em": true, "i": true, "kbd": true, "mark": true,
	"small": true, "span": true, "strong": true, "sub": true, "sup": true, "time": true, "wbr": true,
}

func attr(n *html.Node, name string) string {
	value, _ := lookup(n, name)
	return value
}

func lookup(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// where shows an element's opening tag, to be found by.
func where(n *html.Node) string {
	var out strings.Builder
	out.WriteString("<" + n.Data)
	for _, a := range n.Attr {
		fmt.Fprintf(&out, " %s=%q", a.Key, clip(a.Val))
	}
	return out.String() + ">"
}

func clip(s string) string {
	const longest = 60
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}
