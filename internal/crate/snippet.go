package crate

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxSnippetLines = 20
	maxSnippetWidth = 200 // characters
)

// Snippet returns the lines start to end (1-based, inclusive) of a file as plain
// text: long lines and long ranges are cut, which "…" marks, and what could
// disturb a terminal or a page's text direction is replaced by "�". It returns
// "" where there are no such lines.
func Snippet(data []byte, start, end int) string {
	var b strings.Builder
	start = max(start, 1)
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if line < start {
			continue
		}
		if line > end {
			break
		}
		if line > start {
			b.WriteByte('\n')
		}
		if line-start == maxSnippetLines {
			b.WriteString("…")
			break
		}
		writeLine(&b, bytes.TrimRight(text, "\r\n"))
	}
	return b.String()
}

func writeLine(b *strings.Builder, line []byte) {
	for n := 0; len(line) > 0; n++ {
		if n == maxSnippetWidth {
			b.WriteString("…")
			return
		}
		r, size := utf8.DecodeRune(line)
		if r != '\t' && !unicode.IsPrint(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
		line = line[size:]
	}
}
