package provenance

import (
	"bytes"
	"context"
	"slices"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Bounds on what is fetched to show differences.
const (
	maxHunks   = 20
	maxCompare = 1 << 20 // bytes of a file of which a difference is shown
)

// A Hunk is where two texts first differ, in lines of the crate's.
type Hunk struct {
	Start, End int // 1-based and inclusive; End is before Start where lines are missing
	Snippet    string
}

// fetchHunks fetches the counterparts of some modified files, sources first.
// Where they are not to be had the files are modified all the same.
func (c *comparison) fetchHunks(ctx context.Context) error {
	var chosen []int
	for i, f := range c.out.Files {
		if f.Kind == Modified && f.Size <= maxCompare && isText(c.in.Archive.Files[i].Data) {
			chosen = append(chosen, i)
		}
	}
	slices.SortStableFunc(chosen, func(a, b int) int {
		switch x, y := c.out.Files[a].Source, c.out.Files[b].Source; {
		case x == y:
			return 0
		case x:
			return -1
		default:
			return 1
		}
	})
	chosen = chosen[:min(len(chosen), maxHunks)]
	ids := make([]gitobj.ID, len(chosen))
	for i, at := range chosen {
		ids[i] = c.out.Files[at].git
	}
	blobs, err := c.tree.blobs(ctx, ids)
	if err != nil {
		return ctx.Err() // a server that hides a file does not hide that it is another
	}
	for _, i := range chosen {
		before := blobs[c.out.Files[i].git]
		if len(before) <= maxCompare && isText(before) {
			c.out.Files[i].Hunk = firstHunk(before, c.in.Archive.Files[i].Data)
		}
	}
	return nil
}

// firstHunk finds the first lines of after that differ from before. How far the
// difference reaches is guessed by the next stretch of lines that before has too.
func firstHunk(before, after []byte) *Hunk {
	a, b := lines(before), lines(after)
	start := 0
	for start < len(a) && start < len(b) && bytes.Equal(a[start], b[start]) {
		start++
	}
	known := map[string]bool{}
	for _, line := range a[start:] {
		known[string(line)] = true
	}
	// Lines that say little, such as a brace alone, end nothing by themselves.
	end := start
	for ; end < len(b); end++ {
		if known[string(b[end])] && (len(bytes.TrimSpace(b[end])) > 1 || end+1 < len(b) && known[string(b[end+1])]) {
			break
		}
	}
	h := &Hunk{Start: start + 1, End: end}
	if end > start {
		h.Snippet = crate.Snippet(after, h.Start, h.End)
	}
	return h
}

func lines(text []byte) [][]byte {
	var all [][]byte
	for line := range bytes.Lines(text) {
		all = append(all, bytes.TrimRight(line, "\r\n"))
	}
	return all
}
