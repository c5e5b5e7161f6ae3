package provenance

import (
	"context"
	"maps"
	"slices"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// Bounds on what is fetched to show differences.
const (
	maxDiffs     = 20
	maxDiffBytes = 4 << 20 // of all files with a diff, but for a single one
	maxCompare   = 1 << 20 // bytes of a file of which a difference is shown
)

// fetchDiffs fetches the counterparts of some modified files, sources first.
// Where they are not to be had the files are modified all the same.
func (c *comparison) fetchDiffs(ctx context.Context) error {
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
	chosen = chosen[:min(len(chosen), maxDiffs)]
	// What they were is about as long as what they are, and comes in one answer.
	total := 0
	for i, at := range chosen {
		if total += c.out.Files[at].Size; total > maxDiffBytes && i > 0 {
			chosen = chosen[:i]
			break
		}
	}
	blobs, err := c.counterparts(ctx, chosen)
	for _, i := range chosen {
		before, ok := blobs[c.out.Files[i].git]
		if ok && len(before) <= maxCompare && isText(before) {
			c.out.Files[i].Diff = diffTexts(before, c.in.Archive.Files[i].Data)
		}
	}
	return err
}

// counterparts fetches what files were modified from, each from its repository. A
// server that hides a file does not hide that it is another, and is no error.
func (c *comparison) counterparts(ctx context.Context, files []int) (map[gitobj.ID][]byte, error) {
	all := map[gitobj.ID][]byte{}
	for _, some := range c.groups(files) {
		ids := make([]gitobj.ID, len(some))
		for n, i := range some {
			ids[n] = c.out.Files[i].git
		}
		blobs, err := c.out.Files[some[0]].in.blobs(ctx, ids)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		maps.Copy(all, blobs)
	}
	return all, nil
}
