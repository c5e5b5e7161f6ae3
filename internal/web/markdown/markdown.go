// Package markdown renders Markdown that nobody vouches for: the texts of
// checks, and the security policies of crates.
//
// What comes out holds no scripts, no images, no relative links, no headings
// above the page's own, and no tag that could close one of the page's. It knows
// nothing of pages.
package markdown

import (
	"bytes"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	renderer "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// MaxSource is how many bytes of a text are rendered; the rest is left out, and
// the text says so.
const MaxSource = 32 << 10

// Bounds on structure that costs more than its bytes: a parser's time, or a
// reader's browser. A text beyond them is shown as it was written.
const (
	maxNesting = 64     // block quotes and lists within each other, on one line
	maxLinks   = 1000   // each is looked for from every bracket before it
	maxCells   = 10_000 // a wide table's short rows are filled up with cells
)

const cutNote = "\n\nThe text goes on; it is cut here.\n"

// A Renderer renders Markdown and remembers what it rendered lately. It is safe
// for concurrent use.
type Renderer struct {
	plain, tables goldmark.Markdown
	policy        *bluemonday.Policy
	memory        memory
}

// New returns a Renderer.
func New() *Renderer {
	return &Renderer{
		plain:  newParser(),
		tables: newParser(extension.Table),
		policy: newPolicy(),
	}
}

func newParser(more ...goldmark.Extender) goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(append(more, extension.Strikethrough, extension.Linkify)...),
		// Raw HTML passes the parser, so that <br> and <b> mean what they say;
		// tidy and the policy keep the few elements that may stay.
		goldmark.WithRendererOptions(renderer.WithUnsafe()),
	)
}

// Render renders a text whose highest heading takes the given level, 2 to 6.
func (r *Renderer) Render(source string, level int) template.HTML {
	first, rest := r.Split(source, level, len(source))
	return first + rest
}

// Split renders a text in two parts: its first blocks, up to about so many
// bytes of text, and the rest, which is empty when little would remain.
func (r *Renderer) Split(source string, level, about int) (first, rest template.HTML) {
	if strings.TrimSpace(source) == "" {
		return "", ""
	}
	if len(source) > MaxSource {
		source = cut(source, MaxSource) + cutNote
	}
	return r.memory.recall(recipe{source, level, about}, func() (template.HTML, template.HTML) {
		return r.render(source, level, about)
	})
}

func (r *Renderer) render(source string, level, about int) (first, rest template.HTML) {
	blocks, ok := r.parse(source)
	if !ok {
		return AsWritten(source), ""
	}
	t := tidier{level: level}
	blocks = t.tidy(blocks)
	n := leading(blocks, about)
	return r.write(blocks[:n]), r.write(blocks[n:])
}

// parse turns Markdown into the nodes of an HTML fragment. Reading the HTML
// back is what closes every element that raw HTML left open, and drops every
// end tag without a beginning.
func (r *Renderer) parse(source string) ([]*html.Node, bool) {
	if costly(source) {
		return nil, false
	}
	parser := r.tables
	if cells(source) > maxCells {
		parser = r.plain
	}
	var buf bytes.Buffer
	if err := parser.Convert([]byte(source), &buf); err != nil {
		return nil, false
	}
	body := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	// The error is the parser's own bound on depth.
	nodes, err := html.ParseFragment(&buf, body)
	return nodes, err == nil
}

func (r *Renderer) write(nodes []*html.Node) template.HTML {
	var buf bytes.Buffer
	for _, n := range nodes {
		if err := html.Render(&buf, n); err != nil {
			return ""
		}
	}
	return template.HTML(r.policy.SanitizeBytes(buf.Bytes()))
}

// newPolicy is the last word on what may stand in a page. tidy has already left
// nothing else; two locks, for a mistake in one.
func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code",
		"em", "strong", "b", "i", "del", "sub", "sup", "kbd", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("rel").Matching(relPattern).OnElements("a")
	p.AllowAttrs("class").Matching(hostPattern).OnElements("span")
	p.AllowAttrs("scope").Matching(scopePattern).OnElements("th")
	p.AllowURLSchemes("http", "https", "mailto")
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	return p
}

// AsWritten shows a text without reading it as Markdown.
func AsWritten(source string) template.HTML {
	if len(source) > MaxSource {
		source = cut(source, MaxSource) + cutNote
	}
	return template.HTML("<pre>" + template.HTMLEscapeString(source) + "</pre>")
}

// costly reports whether a text has more links, or a line more blocks within
// each other, than a person would write.
func costly(source string) bool {
	if strings.Count(source, "](") > maxLinks {
		return true
	}
	for line := range strings.Lines(source) {
		start := openers(line)
		if strings.Count(start, ">") > maxNesting || len(strings.Fields(start)) > maxNesting {
			return true
		}
	}
	return false
}

// openers returns the part of a line that can open quotes and lists.
func openers(line string) string {
	end := strings.IndexFunc(line, func(r rune) bool {
		return !strings.ContainsRune(" \t>-+*.)0123456789", r)
	})
	if end < 0 {
		return line
	}
	return line[:end]
}

// cells bounds the cells that the tables of a text can come to.
func cells(source string) int {
	lines, widest := 0, 0
	for line := range strings.Lines(source) {
		lines++
		widest = max(widest, strings.Count(line, "|"))
	}
	return lines * widest
}

// leading counts the first blocks that hold about so many bytes of text: all of
// them when little would remain.
func leading(blocks []*html.Node, about int) int {
	n, total := len(blocks), 0
	for i, b := range blocks {
		if total >= about {
			n = min(n, i)
		}
		total += len(textOf(b))
	}
	if total < about+about/2 {
		return len(blocks)
	}
	for n > 0 && opens(blocks[n-1]) {
		n--
	}
	return n
}

// opens reports whether a node belongs to what comes after it.
func opens(n *html.Node) bool {
	return headingLevel(n) > 0 || n.Type == html.TextNode && strings.TrimSpace(n.Data) == ""
}

// cut returns at most n bytes of s, and no broken character at the end.
func cut(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
