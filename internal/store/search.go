package store

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// A Search is a CrateQuery made ready for a store. Names and descriptions are
// kept folded as Text is (crate.Canonical), in Go, so that both databases find
// the same.
type Search struct {
	Text      string // folded; "" lists all
	AfterRank int    // hits come after this rank and, within it, this key
	AfterKey  string
	Limit     int
}

// A Hit is a row of an answer. Rank is how well it fits: 0 is the very name.
type Hit struct {
	Rank int
	Key  string
	CrateSummary
}

// maxSearch bounds the text that is looked for, in bytes.
const maxSearch = 256

// Search reads q. The error wraps ErrNotFound when After is no page's Next.
func (q CrateQuery) Search() (Search, error) {
	s := Search{Text: crate.Canonical(Clean(strings.TrimSpace(q.Text))), Limit: q.Limit}
	if len(s.Text) > maxSearch {
		s.Text = Clean(s.Text[:maxSearch])
	}
	if s.Limit < 1 || s.Limit > 100 {
		s.Limit = 100
	}
	if q.After == "" {
		return s, nil
	}
	rank, key, ok := strings.Cut(Clean(q.After), ":")
	n, err := strconv.ParseUint(rank, 10, 8)
	if !ok || err != nil {
		return Search{}, fmt.Errorf("page after %q: %w", q.After, ErrNotFound)
	}
	s.AfterRank, s.AfterKey = int(n), key
	return s, nil
}

// Page makes a page of up to Limit+1 hits: the one too many says that there is
// a next page.
func (s Search) Page(hits []Hit) CratePage {
	var p CratePage
	if len(hits) > s.Limit {
		hits = hits[:s.Limit]
		last := hits[s.Limit-1]
		p.Next = fmt.Sprintf("%d:%s", last.Rank, last.Key)
	}
	for _, h := range hits {
		p.Crates = append(p.Crates, h.CrateSummary)
	}
	return p
}
