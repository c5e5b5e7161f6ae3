package htmlcheck

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A compound is what one element has to be.
type compound struct {
	tag   string // "" is any
	attrs []attribute
}

type attribute struct {
	name, value string
	word        bool // value is one of the attribute's words
	any         bool // the attribute is enough
}

// A selector is compounds, each below the one before.
type selector []compound

var compoundPattern = regexp.MustCompile(`^([a-z][a-z0-9]*|\*)?((?:[#.][A-Za-z0-9_-]+|\[[a-z-]+(?:=[^\]]*)?\])*)$`)

var conditionPattern = regexp.MustCompile(`[#.][A-Za-z0-9_-]+|\[[a-z-]+(?:=[^\]]*)?\]`)

func parseSelector(s string) selector {
	var path selector
	for _, part := range splitCompounds(s) {
		match := compoundPattern.FindStringSubmatch(part)
		if match == nil {
			panic(fmt.Sprintf("htmlcheck: selector %q: %q is beyond it", s, part))
		}
		c := compound{tag: strings.TrimSuffix(match[1], "*")}
		for _, condition := range conditionPattern.FindAllString(match[2], -1) {
			c.attrs = append(c.attrs, parseCondition(condition))
		}
		path = append(path, c)
	}
	if path == nil {
		panic("htmlcheck: empty selector")
	}
	return path
}

// splitCompounds splits at spaces, but for those within brackets.
func splitCompounds(s string) []string {
	inside := false
	return strings.FieldsFunc(s, func(r rune) bool {
		switch r {
		case '[':
			inside = true
		case ']':
			inside = false
		}
		return r == ' ' && !inside
	})
}

func parseCondition(s string) attribute {
	switch s[0] {
	case '#':
		return attribute{name: "id", value: s[1:]}
	case '.':
		return attribute{name: "class", value: s[1:], word: true}
	}
	name, value, has := strings.Cut(s[1:len(s)-1], "=")
	return attribute{name: name, value: strings.Trim(value, `"'`), any: !has}
}

// matches tries the compounds from the last up the element's ancestors. Taking
// the nearest ancestor for each is enough where all there is is "below".
func (s selector) matches(n *html.Node) bool {
	last := len(s) - 1
	if !s[last].matches(n) {
		return false
	}
	rest := s[:last]
	for up := range n.Ancestors() {
		if len(rest) == 0 {
			break
		}
		if up.Type == html.ElementNode && rest[len(rest)-1].matches(up) {
			rest = rest[:len(rest)-1]
		}
	}
	return len(rest) == 0
}

func (c compound) matches(n *html.Node) bool {
	if c.tag != "" && c.tag != n.Data {
		return false
	}
	for _, want := range c.attrs {
		value, has := lookup(n, want.name)
		switch {
		case !has:
			return false
		case want.any:
		case want.word && !slices.Contains(strings.Fields(value), want.value):
			return false
		case !want.word && value != want.value:
			return false
		}
	}
	return true
}
