package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDifferences is how many differences are told one by one.
const maxDifferences = 5

// Differences says what cargo would resolve or build differently by line b than
// by line a, in clauses such as `adds normal dependency "x" "^1"`. The order of
// dependencies and features, and in which map a feature stands, make none; nor do
// "yanked", the dates, the Rust version and fields that cargo does not know. What
// publishers wrote is quoted. Further differences than the first few are counted
// in the last clause.
func Differences(a, b *Line) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if a.Name != b.Name {
		say("names %q in place of %q", clip(b.Name), clip(a.Name))
	}
	if a.Vers != b.Vers {
		say("states version %q in place of %q", clip(b.Vers), clip(a.Vers))
	}
	if a.Cksum != b.Cksum {
		say("states checksum %s in place of %s", b.Cksum, a.Cksum)
	}
	if a.Links != b.Links {
		say("links %q in place of %q", clip(b.Links), clip(a.Links))
	}
	if max(a.V, 1) != max(b.V, 1) {
		say("is of schema %d in place of %d", max(b.V, 1), max(a.V, 1))
	}
	all = append(all, depDifferences(a.Deps, b.Deps)...)
	all = append(all, featureDifferences(a.features(), b.features())...)
	if more := len(all) - maxDifferences; more > 0 {
		all = append(all[:maxDifferences], fmt.Sprintf("%d more differences", more))
	}
	return all
}

// depDifferences compares two lists in which the order does not matter.
func depDifferences(a, b []Dep) []string {
	left := map[string]int{}
	for i := range a {
		left[a[i].resolved()]++
	}
	var all []string
	for i := range b {
		if key := b[i].resolved(); left[key] > 0 {
			left[key]--
		} else {
			all = append(all, "adds "+b[i].words())
		}
	}
	for i := range a {
		if key := a[i].resolved(); left[key] > 0 {
			left[key]--
			all = append(all, "drops "+a[i].words())
		}
	}
	return all
}

// resolved is all that cargo reads of a dependency, in one form.
func (d *Dep) resolved() string {
	features := slices.Clone(d.Features)
	slices.Sort(features)
	return fmt.Sprintf("%q %q %q %q %t %t %q %q %q %t", d.Name, d.Crate(), strings.TrimSpace(d.Req), slices.Compact(features),
		d.Optional, d.DefaultFeatures, d.Target, d.Kind, d.Registry, d.Public)
}

func (d *Dep) words() string {
	return fmt.Sprintf("%s dependency %q %q", d.Kind, clip(d.Crate()), clip(d.Req))
}

// features are those of both maps, with what each turns on, sorted.
func (l *Line) features() map[string][]string {
	all := make(map[string][]string, len(l.Features)+len(l.Features2))
	for _, part := range []map[string][]string{l.Features, l.Features2} {
		for name, on := range part {
			all[name] = append(all[name], on...)
		}
	}
	for name, on := range all {
		slices.Sort(on)
		all[name] = slices.Compact(on)
	}
	return all
}

func featureDifferences(a, b map[string][]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if before, ok := a[name]; !ok {
			all = append(all, fmt.Sprintf("adds feature %q", clip(name)))
		} else if !slices.Equal(before, b[name]) {
			all = append(all, fmt.Sprintf("changes feature %q", clip(name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[name]; !ok {
			all = append(all, fmt.Sprintf("drops feature %q", clip(name)))
		}
	}
	return all
}
