package main

import "strings"

// reflow wraps the paragraphs and list items of Markdown for a terminal. What is
// laid out already, code and tables, stays.
func reflow(markdown string, width int) string {
	var out, block []string
	flush := func() {
		if len(block) > 0 {
			out = append(out, wrapItem(strings.Join(block, " "), width))
			block = nil
		}
	}
	code := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		switch fence := strings.HasPrefix(strings.TrimSpace(line), "```"); {
		case fence || code || line == "" || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "|"):
			flush()
			out = append(out, line)
			code = code != fence
		case strings.HasPrefix(line, "- "):
			flush()
			block = append(block, line)
		default:
			block = append(block, line)
		}
	}
	flush()
	return strings.Join(out, "\n")
}

// wrapItem wraps a paragraph, or a list item under its first word.
func wrapItem(text string, width int) string {
	item, ok := strings.CutPrefix(text, "- ")
	if !ok {
		return wrap(text, width, "")
	}
	return "- " + strings.TrimPrefix(wrap(item, width, "  "), "  ")
}
