package store

import (
	"cmp"
	"slices"

	"github.com/cratefence/cratefence/internal/crate"
)

// Totals counts fetches by release, in the order of keys: batches that several
// servers count at once take their locks in one order.
func Totals(fetches []Fetch) []FetchTotal {
	type release struct {
		key, version string
		sum          crate.Checksum
	}
	totals := map[release]*FetchTotal{}
	for _, f := range fetches {
		f = f.Clean()
		r := release{IndexKey(f.Crate), f.Version, f.Checksum}
		t := totals[r]
		if t == nil {
			t = &FetchTotal{Crate: f.Crate, Version: f.Version, Checksum: f.Checksum}
			totals[r] = t
		}
		if f.Passed {
			t.Passed++
		} else {
			t.Refused++
		}
		if f.At.After(t.Last) {
			t.Last = f.At
		}
	}
	sorted := make([]FetchTotal, 0, len(totals))
	for _, t := range totals {
		sorted = append(sorted, *t)
	}
	slices.SortFunc(sorted, func(a, b FetchTotal) int {
		return cmp.Or(cmp.Compare(IndexKey(a.Crate), IndexKey(b.Crate)), cmp.Compare(a.Version, b.Version),
			slices.Compare(a.Checksum[:], b.Checksum[:]))
	})
	return sorted
}
