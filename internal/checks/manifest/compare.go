package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Class says whom a difference can reach.
type Class string

// The classes.
const (
	Build    Class = "build"    // what those who depend on the crate, or install it, compile or run
	Dev      Class = "dev"      // who works on the crate itself: its tests, examples, benches and lints
	Metadata Class = "metadata" // readers
)

// A Difference is something that a published manifest says and git's does not
// account for.
type Difference struct {
	Rule           string   // stable name, as in a finding
	Path           []string // of the key: "dependencies", "foo", "features". Targets stand by their name
	Git, Published string   // values as TOML writes them, shortened; "" where there is none
	Index          string   // of CompareIndex, which has it instead of Git
	Class          Class
	Known          Edit // the honest habit that makes such a difference, "" where there is none
	Message        string
	Line           int // in the published manifest; 0 where it is not there
}

// Compare says in what a published manifest differs from git's. Neither the order
// nor the notation counts.
//
// Edits that are known are an author's, made between commit and publishing. cargo
// makes none: between Cargo.toml.orig and Cargo.toml they are as strange as any
// other difference.
func Compare(git, published *Canon) []Difference {
	all := func(string) bool { return true }
	building := func(table string) bool { return table != devDependencies }
	c := comparison{git: git, published: published, gitNames: dependencyNames(git.tree, all), publishedNames: dependencyNames(published.tree, all)}
	c.needed = dependencyNames(git.tree, building)
	maps.Copy(c.needed, dependencyNames(published.tree, building))
	c.tables(nil, git.tree, published.tree)
	c.leftOut()
	c.recognise()
	for i := range c.found {
		c.found[i].describe("git", c.found[i].Git)
	}
	return c.found
}

type comparison struct {
	git, published           *Canon
	gitNames, publishedNames map[string]bool // of all dependencies
	needed                   map[string]bool // of those of either that are not for tests alone
	found                    []Difference
}

// tables compares two tables key by key.
func (c *comparison) tables(at []string, git, published map[string]any) {
	both := map[string]bool{}
	for name := range git {
		both[name] = true
	}
	for name := range published {
		both[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(both)) {
		c.values(key(at, name), git[name], published[name])
	}
}

func (c *comparison) values(at []string, git, published any) {
	a, okA := git.(map[string]any)
	b, okB := published.(map[string]any)
	// A container that one side lacks counts as empty: what matters is what is in it.
	if okA && okB || (okA && published == nil || okB && git == nil) && isContainer(at) {
		c.tables(at, a, b)
		return
	}
	if render(git) != render(published) {
		c.found = append(c.found, c.difference(at, git, published))
	}
}

// isContainer reports whether a table holds things of one kind by their names.
func isContainer(at []string) bool {
	switch at[0] {
	case "package":
		return len(at) == 2 && at[1] == "metadata"
	case "target":
		return len(at) <= 3
	case "lib":
		return false
	}
	return len(at) == 1
}

// leftOut looks for what cargo would have left out of the published manifest. An
// older cargo may have published it, as it stands in git.
func (c *comparison) leftOut() {
	for _, name := range slices.Sorted(maps.Keys(c.published.aside)) {
		published := c.published.aside[name]
		git := c.git.aside[name]
		if render(git.value) != render(published.value) {
			c.found = append(c.found, c.difference(published.path, git.value, published.value))
		}
	}
}

func (c *comparison) difference(at []string, git, published any) Difference {
	d := Difference{Path: at, Git: shorten(render(git)), Published: shorten(render(published)), Class: c.class(at)}
	if published != nil {
		d.Line = c.published.line(at)
	}
	return d
}

func shorten(s string) string {
	const longest = 300
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

// class says whom the key of a path can reach. Keys that are not listed build.
func (c *comparison) class(at []string) Class {
	kind := at[0]
	if kind == "target" && len(at) > 2 {
		kind = at[2]
	}
	switch kind {
	case devDependencies, "dev_dependencies", "test", "example", "bench", "lints":
		return Dev
	case "badges":
		return Metadata
	case "lib", "bin":
		// A program has its name before the field; it may be called as one.
		if field := map[string]int{"lib": 1, "bin": 2}[kind]; len(at) == field+1 && slices.Contains(devTargetFields, at[field]) {
			return Dev
		}
	case "package", "project":
		return c.packageClass(at)
	}
	return Build
}

// devTargetFields are the keys of a library or program that decide what is
// tested or documented.
var devTargetFields = []string{"test", "doctest", "bench", "doc", "doc-scrape-examples", "harness"}

func (c *comparison) packageClass(at []string) Class {
	if len(at) == 1 {
		return Build
	}
	switch at[1] {
	case "authors", "exclude", "include", "publish", "description", "homepage", "documentation", "readme",
		"keywords", "categories", "license", "license-file", "repository":
		return Metadata
	case "default-run", "im-a-teapot":
		return Dev
	case "metadata":
		// A build script may read it, as that of system-deps does to know what to link.
		if len(at) > 2 && at[2] != "docs" && c.hasBuildScript() {
			return Build
		}
		return Metadata
	}
	return Build
}

func (c *comparison) hasBuildScript() bool {
	return tableOf(c.published.tree, "package")["build"] != false || tableOf(c.published.tree, "build-dependencies") != nil
}

// describe gives a difference its rule and its sentence; was is what it is in the
// origin.
func (d *Difference) describe(origin, was string) {
	verb := "changed"
	switch {
	case was == "":
		verb = "added"
	case d.Published == "":
		verb = "removed"
	}
	what, subject := string(d.Class)+"-key", quote(d.Path)
	if name, whole := dependencyOf(d.Path); name != "" {
		what, subject = "dependency", fmt.Sprintf("The dependency `%s`", name)
		if !whole {
			verb, subject = "changed", quote(d.Path)
		}
	} else if d.Path[0] == "features" && len(d.Path) == 2 {
		what, subject = "feature", fmt.Sprintf("The feature `%s`", d.Path[1])
	}
	d.Rule = what + "-" + verb
	switch {
	case was == "":
		d.Message = fmt.Sprintf("%s is published as `%s`, and %s has none", subject, d.Published, origin)
	case d.Published == "":
		d.Message = fmt.Sprintf("%s is `%s` in %s, and not published", subject, was, origin)
	default:
		d.Message = fmt.Sprintf("%s is `%s` in %s, and published as `%s`", subject, was, origin, d.Published)
	}
	if d.Known != "" {
		d.Message += ": " + d.Known.reason()
	}
}

// dependencyOf returns the name of the dependency that a path leads to, and
// whether it leads to the whole of it.
func dependencyOf(at []string) (name string, whole bool) {
	if at[0] == "target" && len(at) > 2 {
		at = at[2:]
	}
	if len(at) < 2 || !strings.HasSuffix(at[0], "dependencies") {
		return "", false
	}
	return at[1], len(at) == 2
}

// line returns the line on which a key stands, or what is nearest to it above.
func (c *Canon) line(at []string) int {
	var (
		value   any = c.source.Raw
		written []string
		line    int
	)
	for _, name := range at {
		switch parent := value.(type) {
		case map[string]any:
			name = spelledIn(parent, name)
			value = parent[name]
		case []any:
			i, ok := c.places[Dotted([]string{at[0], name})]
			if !ok || i >= len(parent) {
				return line
			}
			name, value = strconv.Itoa(i), parent[i]
		default:
			return line
		}
		written = append(written, name)
		if found := c.source.Line(written...); found > 0 {
			line = found
		}
	}
	return line
}

// spelledIn returns the spelling that a table has for a key.
func spelledIn(table map[string]any, name string) string {
	for _, spelling := range []string{name, strings.ReplaceAll(name, "-", "_"), "project"} {
		if _, ok := table[spelling]; ok && (spelling != "project" || name == "package") {
			return spelling
		}
	}
	return name
}
