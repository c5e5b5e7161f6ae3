package web

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may follow each other before the rest is
// left out: enough for every script, too few to paint over the lines around.
const maxMarks = 4

// visible spells out the characters of a finished page that a reader would not
// see, or that would reorder what is seen: controls, bidirectional overrides
// and isolates, zero-width characters, tags, variation selectors. Every page
// goes through here, so that no template has to remember it; the pages' own
// markup holds none of them, and the replacement means nothing in HTML.
//
// https://www.unicode.org/reports/tr36/ and CVE-2021-42574 say why.
func visible(page []byte) []byte {
	i := bytes.IndexFunc(page, suspicious)
	if i < 0 {
		return page
	}
	out := append(make([]byte, 0, len(page)+1024), page[:i]...)
	marks := 0
	before, _ := utf8.DecodeLastRune(out)
	for rest := page[i:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		if !combining(r) {
			marks = 0
		}
		switch {
		case emojiStyle(before, r), combining(r) && marks < maxMarks:
			out = utf8.AppendRune(out, r)
			marks++
		case combining(r):
			// too many
		case r < ' ' && hidden(r):
			out = utf8.AppendRune(out, '\u2400'+r) // the control pictures: ␀, ␛
		case hidden(r):
			out = fmt.Appendf(out, "‹U+%04X›", r)
		default:
			out = utf8.AppendRune(out, r) // a broken byte becomes U+FFFD
		}
		before = r
	}
	return out
}

// suspicious reports whether visible has to look closer at a rune.
func suspicious(r rune) bool {
	if r >= ' ' && r < 0x7f || r == '\n' || r == '\t' {
		return false
	}
	return r == utf8.RuneError || hidden(r) || combining(r)
}

func combining(r rune) bool { return r >= 0x300 && unicode.In(r, unicode.Mn, unicode.Me) && !hidden(r) }

// emojiStyle reports whether r is the selector that asks for the coloured or
// plain form of the symbol before it.
func emojiStyle(before, r rune) bool {
	return (r == 0xFE0E || r == 0xFE0F) && unicode.In(before, unicode.So, unicode.Sm, unicode.Po, unicode.Nd)
}

func hidden(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < 0x7f:
		return r < ' '
	case r < 0xa0: // delete, C1 controls
		return true
	case r == 0x034F, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5, r == 0x2800, r == 0x3164, r == 0xFFA0: // fillers and blanks
		return true
	case r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0100 && r <= 0xE01EF: // variation selectors
		return true
	}
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
