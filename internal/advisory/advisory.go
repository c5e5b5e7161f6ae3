// Package advisory knows which versions of crates have known vulnerabilities. It
// reads them from a folder of OSV files (https://ossf.github.io/osv-schema/), as
// RustSec and OSV publish them, keeps them in memory, and reads the folder again
// when it changed. It fetches nothing.
package advisory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// An Advisory says of some versions of one crate that they are vulnerable.
type Advisory struct {
	ID      string   // as in "RUSTSEC-2024-0001"
	Aliases []string // other ids of the same
	// Source is who issued it: the id up to its first hyphen, as in "RUSTSEC".
	Source    string
	Summary   string // the issuer's words, plain text
	Published time.Time
	Modified  time.Time
	// Informational is "" for a vulnerability, else what it is instead:
	// "unmaintained", "unsound", "notice".
	Informational string

	ranges   []span
	versions []string // named one by one, as keys of crate.Version
}

// A span of versions is affected from introduced until fixed, or through last.
type span struct {
	introduced crate.Version // the zero version for "0"
	fixed      *crate.Version
	last       *crate.Version
}

// Affects reports whether a version is one of the vulnerable.
func (a *Advisory) Affects(v crate.Version) bool {
	return slices.Contains(a.versions, v.Key()) || slices.ContainsFunc(a.ranges, func(s span) bool { return s.holds(v) })
}

// holds orders pre-releases as semantic versions: 1.0.0-rc.1 comes before a fix
// in 1.0.0, and is still affected.
func (s span) holds(v crate.Version) bool {
	switch {
	case v.Compare(s.introduced) < 0:
		return false
	case s.fixed != nil:
		return v.Compare(*s.fixed) < 0
	case s.last != nil:
		return v.Compare(*s.last) <= 0
	}
	return true
}

// Fixes reports whether a version stands in a patched range: at or above a fix,
// and not affected.
func (a *Advisory) Fixes(v crate.Version) bool {
	return !a.Affects(v) && slices.ContainsFunc(a.ranges, func(s span) bool {
		return s.fixed != nil && v.Compare(*s.fixed) >= 0
	})
}

// set is what one reading of the folder brought. It never changes.
type set struct {
	byCrate map[string][]*Advisory // by name, _ for -
	count   int
}

// key makes crates.io's rule ours: no two crates differ in case or in - and _ alone.
func key(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

func (s *set) of(name string) []*Advisory {
	if s == nil {
		return nil
	}
	return s.byCrate[key(name)]
}

func (s *set) add(name string, a *Advisory) {
	k := key(name)
	if i := slices.IndexFunc(s.byCrate[k], func(b *Advisory) bool { return b.ID == a.ID }); i >= 0 {
		// The same advisory in two files: the later word counts.
		if a.Modified.After(s.byCrate[k][i].Modified) {
			s.byCrate[k][i] = a
		}
		return
	}
	s.byCrate[k] = append(s.byCrate[k], a)
	s.count++
}

func (s *set) sort() {
	for _, list := range s.byCrate {
		slices.SortFunc(list, func(a, b *Advisory) int { return cmp.Compare(a.ID, b.ID) })
	}
}
