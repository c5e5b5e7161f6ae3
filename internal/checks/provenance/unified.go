package provenance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// A Diff is how a text file of the crate differs from the repository's.
type Diff struct {
	// Start and End are the crate's first lines that differ, 1-based and
	// inclusive; End is before Start where lines are missing.
	Start, End int
	Snippet    string // these lines
	// Unified is a unified diff without file headers, cut at check.MaxSnippet.
	Unified string
}

const (
	maxEdits = 400        // beyond, all between the common beginning and end is shown as replaced
	maxSteps = 20_000_000 // lines compared: fewer edits are looked for in longer texts
	around   = 3          // lines shown around a change
)

// An edit is a stretch of lines of the old text that a stretch of the new one
// takes the place of. Ends are exclusive.
type edit struct{ from, to, newFrom, newTo int }

// diffTexts compares two texts by lines; nil where they differ only in line ends.
func diffTexts(before, after []byte) *Diff {
	a, b := lines(before), lines(after)
	edits := compareLines(a, b)
	if len(edits) == 0 {
		return nil
	}
	first := edits[0]
	d := &Diff{Start: first.newFrom + 1, End: first.newTo}
	if d.End >= d.Start {
		d.Snippet = crate.Snippet(after, d.Start, d.End)
	}
	d.Unified = unified(a, b, edits)
	return d
}

func lines(text []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(text) {
		all = append(all, bytes.TrimRight(line, "\r\n"))
	}
	return all
}

// compareLines finds the edits that make b of a: the fewest, by Myers' greedy
// algorithm, while they are few.
func compareLines(a, b [][]byte) []edit {
	start := 0
	for start < len(a) && start < len(b) && bytes.Equal(a[start], b[start]) {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && bytes.Equal(a[endA-1], b[endB-1]) {
		endA, endB = endA-1, endB-1
	}
	if start == endA && start == endB {
		return nil
	}
	edits := myers(a[start:endA], b[start:endB])
	for i := range edits {
		edits[i] = edit{edits[i].from + start, edits[i].to + start, edits[i].newFrom + start, edits[i].newTo + start}
	}
	return edits
}

// myers walks the diagonals of the edit graph, remembering how far each was after
// every number of edits, and then the way back.
func myers(a, b [][]byte) []edit {
	furthest := make([]int, 2*maxEdits+3) // by diagonal, from -maxEdits-1
	at := func(v []int, k int) *int { return &v[k+maxEdits+1] }
	var history [][]int
	most := min(maxEdits, maxSteps/(len(a)+len(b)))
	for d := 0; d <= most; d++ {
		history = append(history, slices.Clone(furthest))
		for k := -d; k <= d; k += 2 {
			x := *at(furthest, k-1) + 1
			if k == -d || k != d && *at(furthest, k-1) < *at(furthest, k+1) {
				x = *at(furthest, k+1)
			}
			for x < len(a) && x-k < len(b) && x-k >= 0 && bytes.Equal(a[x], b[x-k]) {
				x++
			}
			*at(furthest, k) = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(history, at, len(a), len(b))
			}
		}
	}
	return []edit{{0, len(a), 0, len(b)}}
}

func backtrack(history [][]int, at func([]int, int) *int, x, y int) []edit {
	var edits []edit
	for d := len(history) - 1; d > 0; d-- {
		v, k := history[d], x-y
		back := k - 1
		if k == -d || k != d && *at(v, k-1) < *at(v, k+1) {
			back = k + 1
		}
		beforeX := *at(v, back)
		beforeY := beforeX - back
		e := edit{beforeX, beforeX + 1, beforeY, beforeY} // a line is gone
		if back == k+1 {
			e = edit{beforeX, beforeX, beforeY, beforeY + 1} // a line is new
		}
		if n := len(edits); n > 0 && edits[n-1].from == e.to && edits[n-1].newFrom == e.newTo {
			edits[n-1].from, edits[n-1].newFrom = e.from, e.newFrom
		} else {
			edits = append(edits, e)
		}
		x, y = beforeX, beforeY
	}
	slices.Reverse(edits)
	return edits
}

// unified writes edits as diff -u does.
func unified(a, b [][]byte, edits []edit) string {
	var out strings.Builder
	for len(edits) > 0 {
		n := 1
		for n < len(edits) && edits[n].from-edits[n-1].to <= 2*around {
			n++
		}
		writeHunk(&out, a, b, edits[:n])
		edits = edits[n:]
		if out.Len() > check.MaxSnippet {
			break
		}
	}
	return cut(out.String(), check.MaxSnippet)
}

func writeHunk(out *strings.Builder, a, b [][]byte, edits []edit) {
	first, last := edits[0], edits[len(edits)-1]
	lead := min(around, first.from, first.newFrom)
	tail := min(around, len(a)-last.to)
	from, newFrom := first.from-lead, first.newFrom-lead
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(from, last.to+tail), span(newFrom, last.newTo+tail))
	write := func(sign byte, lines [][]byte) {
		for _, line := range lines {
			if out.Len() > check.MaxSnippet {
				return
			}
			out.WriteByte(sign)
			out.WriteString(crate.Snippet(line, 1, 1))
			out.WriteByte('\n')
		}
	}
	at := from
	for _, e := range edits {
		write(' ', a[at:e.from])
		write('-', a[e.from:e.to])
		write('+', b[e.newFrom:e.newTo])
		at = e.to
	}
	write(' ', a[at:last.to+tail])
}

// span writes a range of lines as diff -u does; an empty one stands after a line.
func span(from, to int) string {
	if from == to {
		return fmt.Sprintf("%d,0", from)
	}
	return fmt.Sprintf("%d,%d", from+1, to-from)
}

// cut shortens text to whole lines and says so.
func cut(text string, limit int) string {
	const mark = "…\n"
	if len(text) <= limit {
		return text
	}
	text = text[:limit-len(mark)]
	return text[:strings.LastIndexByte(text, '\n')+1] + mark
}
