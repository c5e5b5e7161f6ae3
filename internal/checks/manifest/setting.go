package manifest

import (
	"maps"
	"slices"
	"strconv"
)

// settings reads what stands beside the package, its dependencies and targets.
func (c *canoniser) settings() {
	top := c.take(nil, c.settingsOf(), []field{{name: "cargo-features", read: set}, {name: "hints", read: anything}})
	maps.Copy(c.out, top)
	c.badges()
	c.lints()
	if profiles := c.profiles([]string{"profile"}, c.section("profile")); len(profiles) > 0 {
		c.out["profile"] = profiles
	}
}

func (c *canoniser) settingsOf() map[string]any {
	table := map[string]any{}
	for _, name := range []string{"cargo-features", "hints"} {
		if value, ok := c.raw[name]; ok {
			table[name] = value
		}
	}
	return table
}

func (c *canoniser) badges() {
	at := []string{"badges"}
	value := c.raw["badges"]
	if inherits(value) { // from cargo 1.64 to 1.66
		from, ok := tableOf(c.workspace, "package")["badges"]
		if ok {
			c.spend(from)
			c.note(RuleInherited, at, "`badges` are the workspace's")
			value = from
		}
	}
	table, ok := value.(map[string]any)
	if !ok {
		if value != nil {
			c.leaveUnknown(at, value)
		}
		return
	}
	if badges, _ := anything(table); badges != nil {
		c.out["badges"] = badges
	}
}

func (c *canoniser) lints() {
	at := []string{"lints"}
	table := c.section("lints")
	if inherits(table) {
		from := tableOf(c.workspace, "lints")
		if from == nil {
			c.fail(inheritError(at))
			return
		}
		c.spend(from)
		c.note(RuleInherited, at, "`lints` are the workspace's")
		table = from
	}
	out := map[string]any{}
	for _, tool := range slices.Sorted(maps.Keys(table)) {
		levels, ok := table[tool].(map[string]any)
		if !ok {
			c.leaveUnknown(key(at, tool), table[tool])
			continue
		}
		lints := map[string]any{}
		for lint, level := range levels {
			lints[lint] = lintLevel(level)
		}
		if len(lints) > 0 {
			out[tool] = lints
		}
	}
	if len(out) > 0 {
		c.out["lints"] = out
	}
}

// lintLevel writes a level as a table, which has a priority: 0 where none is
// given.
func lintLevel(value any) any {
	table, ok := value.(map[string]any)
	if !ok {
		return map[string]any{"level": value, "priority": int64(0)}
	}
	table = maps.Clone(table)
	if _, ok := table["priority"]; !ok {
		table["priority"] = int64(0)
	}
	return table
}

var profileFields = []field{
	{name: "opt-level", read: optLevel},
	{name: "lto", read: flagOrText},
	{name: "codegen-backend", read: text},
	{name: "codegen-units", read: integer},
	{name: "debug", read: debugInfo},
	{name: "split-debuginfo", read: text},
	{name: "debug-assertions", read: yesNo},
	{name: "rpath", read: yesNo},
	{name: "panic", read: text},
	{name: "overflow-checks", read: yesNo},
	{name: "incremental", read: yesNo},
	{name: "dir-name", read: text},
	{name: "inherits", read: text},
	{name: "strip", read: flagOrText},
	{name: "rustflags", read: list},
	{name: "package"},
	{name: "build-override"},
	{name: "trim-paths", read: anything},
	{name: "hint-mostly-unused", read: yesNo},
}

func (c *canoniser) profiles(at []string, table map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		path := key(at, name)
		profile, ok := table[name].(map[string]any)
		if !ok {
			c.leaveUnknown(path, table[name])
		} else if p := c.profile(path, profile); len(p) > 0 {
			out[name] = p
		}
	}
	return out
}

// profile reads a profile with those for single packages and for build scripts
// that are nested in it.
func (c *canoniser) profile(at []string, table map[string]any) map[string]any {
	out := c.take(at, table, profileFields)
	if packages := c.profiles(key(at, "package"), c.sectionIn(table, at, "package")); len(packages) > 0 {
		out["package"] = packages
	}
	if override := c.sectionIn(table, at, "build-override"); override != nil {
		if p := c.profile(key(at, "build-override"), override); len(p) > 0 {
			out["build-override"] = p
		}
	}
	return out
}

func optLevel(value any) (any, bool) {
	switch value := value.(type) {
	case int64:
		return strconv.FormatInt(value, 10), true
	case string:
		return value, true
	}
	return nil, false
}

// debugInfo has three spellings for each of three amounts, and names for more.
func debugInfo(value any) (any, bool) {
	switch value {
	case true, "full", int64(2):
		return "full", true
	case false, "none", int64(0):
		return "none", true
	case "limited", int64(1):
		return "limited", true
	}
	return text(value)
}

// topLevel are the keys that are read elsewhere.
var topLevel = []string{
	"cargo-features", "package", "project", "badges", "features", "lib", "bin", "example", "test", "bench",
	"dependencies", "dev-dependencies", "dev_dependencies", "build-dependencies", "build_dependencies",
	"target", "lints", "hints", "profile",
}

// rest leaves aside what is for the workspace alone, and what cargo does not know.
func (c *canoniser) rest() {
	for _, name := range slices.Sorted(maps.Keys(c.raw)) {
		switch {
		case slices.Contains(topLevel, name):
		case slices.Contains([]string{"workspace", "patch", "replace"}, name):
			c.leave(RuleWorkspace, []string{name}, c.raw[name], "`%s` is not published", name)
		default:
			c.leaveUnknown([]string{name}, c.raw[name])
		}
	}
}
