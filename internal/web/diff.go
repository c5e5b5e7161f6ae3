package web

import (
	"strconv"
	"strings"
)

// How much of a diff a page shows.
const (
	maxDiff      = 8 << 10
	maxDiffLines = 200
)

// diffLines reads a unified diff without file headers. A line keeps its sign, so
// that its colour says nothing that its text does not; lines of the crate's own
// file have their number there.
func diffLines(unified string) []line {
	if unified == "" {
		return nil
	}
	var lines []line
	number := 0
	for text := range strings.SplitSeq(strings.TrimRight(clip(unified, maxDiff), "\n"), "\n") {
		if len(lines) == maxDiffLines {
			return append(lines, line{Sign: "@", Text: "…", Numbered: true})
		}
		l := line{Sign: text[:min(len(text), 1)], Text: strings.TrimSuffix(text, "\r"), Numbered: true}
		switch l.Sign {
		case "@":
			number = hunkStart(text)
		case "-", "\\": // the latter says that a file has no line feed at its end
		default:
			l.Number = number
			if number > 0 {
				number++
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// hunkStart is the line of the newer file at which "@@ -3,7 +3,8 @@" begins; 0
// when it does not say.
func hunkStart(header string) int {
	_, rest, _ := strings.Cut(header, "+")
	digits, _, _ := strings.Cut(rest, " ")
	digits, _, _ = strings.Cut(digits, ",")
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
