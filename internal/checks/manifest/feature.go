package manifest

import (
	"maps"
	"slices"
	"strings"
)

// features reads [features]. A value that speaks of a dependency which is in no
// table, as it was stripped, is not published.
func (c *canoniser) features() {
	kept := dependencyNames(c.out, func(string) bool { return true })
	out := map[string]any{}
	table := c.section("features")
	for _, name := range slices.Sorted(maps.Keys(table)) {
		at := []string{"features", name}
		values, ok := stringsOf(table[name])
		if !ok {
			c.leaveUnknown(at, table[name])
			continue
		}
		values = slices.DeleteFunc(slices.Clone(values), func(value string) bool {
			dependency := enables(value)
			if dependency == "" || kept[dependency] {
				return false
			}
			c.note(RuleValueStripped, at, "the value %q of the feature `%s` is not published: `%s` is no dependency there", value, name, dependency)
			return true
		})
		out[name] = sortedSet(values)
	}
	if len(out) > 0 {
		c.out["features"] = out
	}
}

// enables returns the dependency that a value of a feature names without doubt:
// "dep:x", "x/y" and "x?/y". "x" may be a feature as well.
func enables(value string) string {
	if dependency, _, ok := strings.Cut(value, "/"); ok {
		return strings.TrimSuffix(dependency, "?")
	}
	dependency, ok := strings.CutPrefix(value, "dep:")
	if !ok {
		return ""
	}
	return dependency
}

// dependencyNames are the names of all dependencies in the tables that are wanted.
func dependencyNames(tree map[string]any, wanted func(table string) bool) map[string]bool {
	names := map[string]bool{}
	add := func(parent map[string]any) {
		for _, table := range dependencyTables {
			if !wanted(table[0]) {
				continue
			}
			for name := range tableOf(parent, table[0]) {
				names[name] = true
			}
		}
	}
	add(tree)
	targets := tableOf(tree, "target")
	for target := range targets {
		add(tableOf(targets, target))
	}
	return names
}
