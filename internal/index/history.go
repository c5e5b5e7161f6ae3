package index

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// A History is what the lines of a crate tell of one version by comparison with
// those that were there before it.
type History struct {
	// Previous is the version that this one is measured by; "" for none. It is the
	// highest lower one in the same range, which this one is an update to; else the
	// one published last.
	Previous string
	// FirstVersion: no version of the crate was there before.
	FirstVersion bool
	// NewRange: there were versions, but none that cargo would replace by this one.
	// Only a pre-release replaces a pre-release.
	NewRange bool
	// Silence is how long the crate had published nothing; 0 where a date is
	// missing or there was nothing before.
	Silence time.Duration

	// Added, Dropped and Renamed are the dependencies of normal and build kind that
	// differ from the previous version's, all of them for a first version, by crate.
	Added   []DepChange
	Dropped []DepChange
	Renamed []DepRename
	// FirstDependencies: the previous version had none.
	FirstDependencies bool
}

// A DepChange is a dependency that a version adds or drops.
type DepChange struct {
	Crate    string
	Registry string // "" is the line's own
	Req      string
	Kind     Kind // normal, where it is both
	Optional bool
	Target   string
}

// A DepRename is a dependency that a version calls otherwise than the one before.
type DepRename struct {
	Crate    string
	From, To string // as the manifests call it
}

// HistoryOf tells the history of entries[i], of entries that are one crate's, in
// the order of its file. Who does not want to measure by a version leaves it out.
// The error wraps ErrLine.
func HistoryOf(entries []Entry, i int) (History, error) {
	e := &entries[i]
	version, err := parseVersion(e.Vers)
	if err != nil {
		return History{}, fmt.Errorf("tell history: %w: %w", ErrLine, err)
	}
	past, err := before(entries, i)
	if err != nil {
		return History{}, err
	}
	h := History{FirstVersion: len(past) == 0}
	var previous *Line
	if !h.FirstVersion {
		h.NewRange = !slices.ContainsFunc(past, func(p pastVersion) bool {
			return SameRange(p.version, version) && (version.IsPrerelease() || !p.version.IsPrerelease())
		})
		from := measure(past, version)
		h.Previous = from.entry.Vers
		h.Silence = silence(past, e.Pubtime)
		line, err := ParseLine(from.entry.Raw)
		if err != nil {
			return History{}, fmt.Errorf("tell history: %w", err)
		}
		previous = &line
	}
	line, err := ParseLine(e.Raw)
	if err != nil {
		return History{}, fmt.Errorf("tell history: %w", err)
	}
	h.compare(previous, &line)
	return h, nil
}

// A pastVersion is one that was there before another.
type pastVersion struct {
	entry   *Entry
	version crate.Version
}

// before returns the versions that were there before entries[i], the last one
// last: by their dates where both have one, else by their place in the file.
func before(entries []Entry, i int) ([]pastVersion, error) {
	at := entries[i].Pubtime
	past := make([]pastVersion, 0, len(entries)-1)
	for j := range entries {
		e := &entries[j]
		if j == i {
			continue
		}
		earlier := j < i
		if !at.IsZero() && !e.Pubtime.IsZero() && !at.Equal(e.Pubtime) {
			earlier = e.Pubtime.Before(at)
		}
		if !earlier {
			continue
		}
		version, err := parseVersion(e.Vers)
		if err != nil {
			return nil, fmt.Errorf("tell history: %w: %w", ErrLine, err)
		}
		past = append(past, pastVersion{e, version})
	}
	return past, nil
}

// measure chooses the version to compare with; past is not empty.
func measure(past []pastVersion, version crate.Version) pastVersion {
	var best, last *pastVersion
	for j := range past {
		p := &past[j]
		if SameRange(p.version, version) && p.version.Compare(version) < 0 && (best == nil || p.version.Compare(best.version) > 0) {
			best = p
		}
		if last == nil || !p.entry.Pubtime.Before(last.entry.Pubtime) {
			last = p
		}
	}
	return *cmp.Or(best, last)
}

func silence(past []pastVersion, at time.Time) time.Duration {
	var last time.Time
	for _, p := range past {
		if p.entry.Pubtime.After(last) {
			last = p.entry.Pubtime
		}
	}
	if at.IsZero() || last.IsZero() {
		return 0
	}
	return max(0, at.Sub(last))
}

// compare tells the dependencies of line from those of previous, nil for none.
func (h *History) compare(previous, line *Line) {
	var old map[depKey]*Dep
	var oldOrder []depKey
	if previous != nil {
		old, oldOrder = built(previous.Deps)
	}
	now, order := built(line.Deps)
	h.FirstDependencies = previous != nil && len(old) == 0 && len(now) > 0
	for _, key := range order {
		dep, was := now[key], old[key]
		switch {
		case was == nil:
			h.Added = append(h.Added, dep.change())
		case was.Name != dep.Name:
			h.Renamed = append(h.Renamed, DepRename{Crate: dep.Crate(), From: was.Name, To: dep.Name})
		}
	}
	for _, key := range oldOrder {
		if now[key] == nil {
			h.Dropped = append(h.Dropped, old[key].change())
		}
	}
}

// A depKey is a crate that is depended on.
type depKey struct{ registry, crate string }

// built returns the dependencies that become part of what is built, by crate, and
// the crates in the line's order. Of a crate that is there more than once, the
// one for normal use counts, and of those the one that is not optional.
func built(deps []Dep) (map[depKey]*Dep, []depKey) {
	found := map[depKey]*Dep{}
	var order []depKey
	for i := range deps {
		d := &deps[i]
		if d.Kind == Dev {
			continue
		}
		key := depKey{d.Registry, d.Crate()}
		known := found[key]
		if known == nil {
			order = append(order, key)
		}
		if known == nil || known.weight() < d.weight() {
			found[key] = d
		}
	}
	return found, order
}

func (d *Dep) weight() int {
	w := 0
	if d.Kind == Normal {
		w += 2
	}
	if !d.Optional {
		w++
	}
	return w
}

func (d *Dep) change() DepChange {
	return DepChange{Crate: d.Crate(), Registry: d.Registry, Req: d.Req, Kind: d.Kind, Optional: d.Optional, Target: d.Target}
}

// Range names the versions that cargo takes to be compatible with v: "1" for
// 1.2.3, "0.3" for 0.3.1, "0.0.7" for itself alone. A pre-release is of the range
// of its release, though no requirement asks for it that does not name one.
func Range(v crate.Version) string {
	major, minor, patch := strconv.FormatUint(v.Major, 10), strconv.FormatUint(v.Minor, 10), strconv.FormatUint(v.Patch, 10)
	switch {
	case v.Major > 0:
		return major
	case v.Minor > 0:
		return major + "." + minor
	default:
		return major + "." + minor + "." + patch
	}
}

// SameRange reports whether Range is the same for both: whether cargo, asked for
// one with its default requirement, may take the other.
func SameRange(v, w crate.Version) bool {
	switch {
	case v.Major != w.Major:
		return false
	case v.Major > 0:
		return true
	case v.Minor != w.Minor:
		return false
	default:
		return v.Minor > 0 || v.Patch == w.Patch
	}
}
