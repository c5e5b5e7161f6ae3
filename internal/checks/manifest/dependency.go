package manifest

import (
	"maps"
	"slices"
	"strings"
)

// dependencyFields are the keys of a dependency that are published.
var dependencyFields = []field{
	{name: "version", read: text},
	{name: "registry"},
	{name: "registry-index"},
	{name: "features", read: set},
	{name: "optional", read: off},
	{name: "default-features", old: "default_features", read: on},
	{name: "package", read: text},
	{name: "artifact", read: oneOrMore},
	{name: "lib", read: off},
	{name: "target", read: text},
	{name: "path"}, {name: "base"}, {name: "git"}, {name: "branch"}, {name: "tag"}, {name: "rev"}, {name: "public"},
}

// localFields say where the author has a dependency from. They are not published;
// cargos before 1.39 published those of git.
var localFields = []string{"path", "base", "git", "branch", "tag", "rev", "public"}

// dependencyTables are the names of the tables of dependencies, and their old
// spellings.
var dependencyTables = [][]string{
	{"dependencies"},
	{devDependencies, "dev_dependencies"},
	{"build-dependencies", "build_dependencies"},
}

const devDependencies = "dev-dependencies"

func (c *canoniser) dependencies() {
	c.dependenciesIn(c.raw, nil, c.out)
	targets := map[string]any{}
	all := c.section("target")
	for _, target := range slices.Sorted(maps.Keys(all)) {
		at := []string{"target", target}
		table, ok := all[target].(map[string]any)
		if !ok {
			c.leaveUnknown(at, all[target])
			continue
		}
		out := map[string]any{}
		c.dependenciesIn(table, at, out)
		for _, name := range slices.Sorted(maps.Keys(table)) {
			if !slices.ContainsFunc(dependencyTables, func(names []string) bool { return slices.Contains(names, name) }) {
				c.leaveUnknown(key(at, name), table[name])
			}
		}
		if len(out) > 0 {
			targets[target] = out
		}
	}
	if len(targets) > 0 {
		c.out["target"] = targets
	}
}

// dependenciesIn reads the three tables of dependencies that a manifest or one of
// its targets has.
func (c *canoniser) dependenciesIn(parent map[string]any, at []string, out map[string]any) {
	short := 0 // written as a version alone
	for _, names := range dependencyTables {
		path := key(at, names[0])
		table := map[string]any{}
		all := c.sectionIn(parent, at, names...)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if _, ok := all[name].(string); ok {
				short++
			}
			if d := c.dependency(key(path, name), all[name]); d != nil {
				table[name] = d
			}
		}
		if len(table) > 0 {
			out[names[0]] = table
		}
	}
	if short > 0 {
		c.note(RuleNotation, at, "dependencies given by their version alone are written as tables: %d", short)
	}
}

// dependency returns what is published of a dependency, or nil.
func (c *canoniser) dependency(at []string, value any) map[string]any {
	if inherits(value) {
		value = c.inheritDependency(at, value.(map[string]any))
	}
	if s, ok := value.(string); ok {
		value = map[string]any{"version": s}
	}
	table, ok := value.(map[string]any)
	if !ok {
		c.leaveUnknown(at, value)
		return nil
	}
	d := c.take(at, table, dependencyFields)
	for _, name := range localFields {
		if value, ok := table[name]; ok {
			c.leave(RuleLocal, key(at, name), value, "%s is not published", quote(key(at, name)))
		}
	}
	c.registry(d, at, table)
	if d["package"] == at[len(at)-1] {
		delete(d, "package") // renamed to its own name
	}
	if _, ok := d["version"]; !ok && at[len(at)-2] == devDependencies {
		c.note(RuleDevStripped, at, "the dev-dependency `%s` is not published: it has no version", at[len(at)-1])
		return nil
	}
	return d
}

// inheritDependency merges a dependency with the workspace's entry: features add
// up, whether it is optional only the package says, and default features are the
// workspace's, but that they can be turned on, and from edition 2024 also off.
func (c *canoniser) inheritDependency(at []string, own map[string]any) any {
	if c.err != nil { // one is enough, and each costs what it inherits
		return ""
	}
	name := at[len(at)-1]
	entry, ok := tableOf(c.workspace, "dependencies")[name]
	if !ok {
		c.fail(inheritError(at))
		return ""
	}
	c.spend(entry)
	c.note(RuleInherited, at, "%s is the workspace's: %s", quote(at), brief(entry))
	merged := map[string]any{"version": entry}
	if table, ok := entry.(map[string]any); ok {
		merged = maps.Clone(table)
	}
	delete(merged, "optional")
	delete(merged, "public")
	for _, f := range []string{"optional", "public"} {
		if value, ok := own[f]; ok {
			merged[f] = value
		}
	}
	if features, ok := own["features"].([]any); ok {
		shared, _ := merged["features"].([]any)
		merged["features"] = slices.Concat(shared, features)
	}
	c.inheritDefault(at, merged, own)
	for _, f := range slices.Sorted(maps.Keys(own)) {
		if !slices.Contains(ownFields, f) {
			c.leave(RuleIgnored, key(at, f), own[f], "%s is ignored: the dependency is the workspace's", quote(key(at, f)))
		}
	}
	return merged
}

// ownFields are what a package may say of a dependency that is the workspace's.
var ownFields = []string{"workspace", "features", "optional", "public", "default-features", "default_features"}

func (c *canoniser) inheritDefault(at []string, merged, own map[string]any) {
	mine := firstOf(own, "default-features", "default_features")
	shared := firstOf(merged, "default-features", "default_features")
	delete(merged, "default_features")
	switch {
	case mine == nil:
		mine = shared
	case mine == false && shared != false && c.edition < "2024":
		c.note(RuleIgnored, key(at, "default-features"), "%s is ignored: the workspace has default features on", quote(key(at, "default-features")))
		mine = shared
	}
	delete(merged, "default-features")
	if mine != nil {
		merged["default-features"] = mine
	}
}

func firstOf(table map[string]any, names ...string) any {
	for _, name := range names {
		if value, ok := table[name]; ok {
			return value
		}
	}
	return nil
}

// cratesIO are the names of the registry that is meant where none is given.
var cratesIO = []string{
	"https://github.com/rust-lang/crates.io-index",
	"registry+https://github.com/rust-lang/crates.io-index",
	"sparse+https://index.crates.io",
}

func isCratesIO(index string) bool {
	return slices.Contains(cratesIO, strings.TrimSuffix(strings.TrimSuffix(index, "/"), ".git"))
}

// registry reads the two ways to name a registry. The name that the author gave
// it stands in for its URL, which only the author's configuration has.
func (c *canoniser) registry(d map[string]any, at []string, table map[string]any) {
	switch name := table["registry"].(type) {
	case nil:
	case string:
		if name != "crates-io" {
			d["registry-index"] = registryNamed + name
		}
		c.note(RuleRegistry, key(at, "registry"), "%s is published as the registry's URL", quote(key(at, "registry")))
	default:
		c.leaveUnknown(key(at, "registry"), name)
	}
	switch index := table["registry-index"].(type) {
	case nil:
	case string:
		if !isCratesIO(index) {
			d["registry-index"] = index
		}
	default:
		c.leaveUnknown(key(at, "registry-index"), index)
	}
}

// registryNamed begins what stands for the URL of a registry that is known by
// name.
const registryNamed = "registry "
