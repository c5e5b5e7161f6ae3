package markdown

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/idna"
)

// rel says of every link that nobody here vouches for where it leads.
const rel = "nofollow noopener ugc"

var (
	relPattern   = regexp.MustCompile(`^` + rel + `$`)
	hostPattern  = regexp.MustCompile(`^host$`)
	scopePattern = regexp.MustCompile(`^col$`)
)

// kept are the elements that stay, without their attributes. Every other one is
// replaced by what it holds, or dropped.
var kept = []atom.Atom{
	atom.P, atom.Br, atom.Hr, atom.Ul, atom.Ol, atom.Li, atom.Blockquote, atom.Pre, atom.Code,
	atom.Em, atom.Strong, atom.B, atom.I, atom.Del, atom.Sub, atom.Sup, atom.Kbd,
	atom.Table, atom.Thead, atom.Tbody, atom.Tr, atom.Th, atom.Td,
}

// dropped are the elements whose content is not text for a reader.
var dropped = []atom.Atom{
	atom.Script, atom.Style, atom.Iframe, atom.Object, atom.Embed, atom.Svg, atom.Math, atom.Template, atom.Noscript,
	atom.Textarea, atom.Select, atom.Title, atom.Head, atom.Video, atom.Audio, atom.Canvas, atom.Button, atom.Frameset,
}

// A tidier turns parsed Markdown into what a page may hold.
type tidier struct {
	level int   // of the highest heading
	above []int // source levels of the headings that the next one may stand under
}

// tidy returns the nodes to show in place of the given ones.
func (t *tidier) tidy(nodes []*html.Node) []*html.Node {
	var out []*html.Node
	for _, n := range nodes {
		out = append(out, t.node(n)...)
	}
	return out
}

func (t *tidier) node(n *html.Node) []*html.Node {
	switch n.Type {
	case html.TextNode:
		return one(text(n.Data))
	case html.ElementNode:
		return t.element(n)
	}
	return nil // comments, doctypes
}

func (t *tidier) element(n *html.Node) []*html.Node {
	switch {
	case slices.Contains(dropped, n.DataAtom) || n.Namespace != "":
		return nil
	case n.DataAtom == atom.Img:
		return one(text("[image: " + cmp.Or(strings.TrimSpace(attr(n, "alt")), "no description") + "]"))
	case headingLevel(n) > 0:
		return t.heading(n)
	case n.DataAtom == atom.A:
		return t.link(n)
	}
	inside := t.tidy(slices.Collect(n.ChildNodes()))
	switch {
	case n.DataAtom == atom.P && len(inside) == 0:
		return nil
	case !slices.Contains(kept, n.DataAtom), n.DataAtom == atom.Li && !inList(n):
		return inside
	case n.DataAtom == atom.Th && len(inside) == 0:
		return one(element("td", nil)) // a header that says nothing is none
	case n.DataAtom == atom.Th:
		return one(element("th", inside, html.Attribute{Key: "scope", Val: "col"}))
	}
	return one(element(n.Data, inside))
}

// heading moves a heading below the page's own, and closes the gaps that a text
// leaves between its levels. A heading without text is left out.
func (t *tidier) heading(n *html.Node) []*html.Node {
	inside := t.tidy(slices.Collect(n.ChildNodes()))
	if strings.TrimSpace(textOf(n)) == "" {
		return nil
	}
	level := headingLevel(n)
	for len(t.above) > 0 && t.above[len(t.above)-1] >= level {
		t.above = t.above[:len(t.above)-1]
	}
	shown := min(t.level+len(t.above), 6)
	t.above = append(t.above, level)
	return one(element("h"+strconv.Itoa(shown), inside))
}

// link keeps a link that leads to the web or to a mailbox, and says where: the
// host stands behind every text that does not begin with it. A relative link
// leads nowhere from here and becomes its text.
func (t *tidier) link(n *html.Node) []*html.Node {
	inside := t.tidy(slices.Collect(n.ChildNodes()))
	target, place, ok := destination(attr(n, "href"))
	if !ok {
		return inside
	}
	shown := strings.TrimSpace(textOf(n))
	if shown == "" {
		inside, shown = append(inside, text(place)), place
	}
	link := element("a", inside, html.Attribute{Key: "href", Val: target}, html.Attribute{Key: "rel", Val: rel})
	if names(shown, place) {
		return one(link)
	}
	host := element("span", one(text("("+place+")")), html.Attribute{Key: "class", Val: "host"})
	return []*html.Node{link, text(" "), host}
}

// destination returns a link's target and the place to show for it.
func destination(href string) (target, place string, ok bool) {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return "", "", false
	}
	switch {
	case u.Scheme == "mailto" && u.Opaque != "":
		address, err := url.PathUnescape(u.Opaque)
		return u.String(), address, err == nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil:
		// A host in other letters is shown as it is asked for, so that it cannot
		// look like one that it is not.
		u.Host, err = idna.ToASCII(u.Host)
		return u.String(), u.Host, err == nil
	}
	return "", "", false
}

// names reports whether a link's text says itself that it leads to the place.
func names(shown, place string) bool {
	_, after, found := strings.Cut(shown, "://")
	if !found {
		after = shown
	}
	rest, ok := strings.CutPrefix(strings.ToLower(after), strings.ToLower(place))
	return ok && (rest == "" || strings.HasPrefix(rest, "/"))
}

func headingLevel(n *html.Node) int {
	return slices.Index([]atom.Atom{0, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6}, n.DataAtom)
}

func inList(n *html.Node) bool {
	return n.Parent != nil && (n.Parent.DataAtom == atom.Ul || n.Parent.DataAtom == atom.Ol)
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(s string) *html.Node { return &html.Node{Type: html.TextNode, Data: s} }

func element(name string, inside []*html.Node, attrs ...html.Attribute) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: name, DataAtom: atom.Lookup([]byte(name)), Attr: attrs}
	for _, child := range inside {
		n.AppendChild(child)
	}
	return n
}

func one(n *html.Node) []*html.Node { return []*html.Node{n} }
