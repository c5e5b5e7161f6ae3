package manifest

import (
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// CompareIndex says in what an index line differs from the manifest that was
// published with it. Since October 2023 crates.io takes the line from the
// manifest; before, the publishing client could say anything.
//
// Notation does not count: a requirement "1" is "^1", cfg expressions may be
// spaced, names of crates may have hyphens for underscores, features stand in two
// maps.
func CompareIndex(published *crate.Manifest, line index.Line) []Difference {
	fromManifest := tree(map[string]any{})
	for _, d := range published.Dependencies {
		fromManifest.dependency(d.Kind, d.Target, d.Key, map[string]any{
			"package":          crate.Canonical(d.Package),
			"version":          plainRequirement(d.Req),
			"features":         sortedSet(d.Features),
			"optional":         d.Optional,
			"default-features": d.DefaultFeatures == nil || *d.DefaultFeatures,
			"registry-index":   foreign(d.RegistryIndex),
		})
	}
	fromManifest.rest(published.Package.Links, published.Package.RustVersion, published.Features)

	fromLine := tree(map[string]any{})
	for _, d := range line.Deps {
		fromLine.dependency(crate.Kind(d.Kind), d.Target, d.Name, map[string]any{
			"package":          crate.Canonical(d.Crate()),
			"version":          plainRequirement(d.Req),
			"features":         sortedSet(d.Features),
			"optional":         d.Optional,
			"default-features": d.DefaultFeatures,
			"registry-index":   foreign(d.Registry),
		})
	}
	fromLine.rest(line.Links, line.RustVersion, line.Features, line.Features2)
	sameRegistry(fromManifest, fromLine)

	c := comparison{
		git:       &Canon{tree: fromLine},
		published: &Canon{tree: fromManifest, source: published},
	}
	c.tables(nil, fromLine, fromManifest)
	for i := range c.found {
		d := &c.found[i]
		d.Index, d.Git = d.Git, ""
		d.describe("the index", d.Index)
	}
	return c.found
}

// A tree is what a manifest says to an index, laid out as in a manifest.
type tree map[string]any

func (t tree) dependency(kind crate.Kind, target, name string, d map[string]any) {
	parent := t
	if target != "" {
		parent = t.table("target").table(plainTarget(target))
	}
	table := parent.table(tableOfKind[kind])
	// One crate twice in one table is possible where two targets mean the same.
	unique := name
	for n := 2; table[unique] != nil; n++ {
		unique = fmt.Sprintf("%s (%d)", name, n)
	}
	table[unique] = d
}

func (t tree) table(name string) tree {
	table, ok := t[name].(map[string]any)
	if !ok {
		table = map[string]any{}
		t[name] = table
	}
	return table
}

func (t tree) rest(links, rustVersion string, features ...map[string][]string) {
	if links != "" {
		t.table("package")["links"] = links
	}
	if rustVersion != "" {
		t.table("package")["rust-version"] = rustVersion
	}
	for _, m := range features {
		for name, values := range m {
			t.table("features")[name] = sortedSet(values)
		}
	}
}

// sameRegistry drops the registries of dependencies for which the index names
// none. It means its own, whatever URL the manifest has for that.
func sameRegistry(manifest, line tree) {
	for name, value := range line {
		inLine, ok1 := value.(map[string]any)
		inManifest, ok2 := manifest[name].(map[string]any)
		switch {
		case !ok1 || !ok2:
		case inLine["registry-index"] == "":
			delete(inLine, "registry-index")
			delete(inManifest, "registry-index")
		default:
			sameRegistry(inManifest, inLine)
		}
	}
}

func foreign(registry string) string {
	if isCratesIO(registry) {
		return ""
	}
	return registry
}

// plainTarget writes a cfg expression without blanks and last commas, as far as
// they are not in quotes.
func plainTarget(target string) string {
	if !strings.HasPrefix(target, "cfg(") {
		return target
	}
	var b strings.Builder
	for i, part := range strings.Split(target, `"`) {
		if i > 0 {
			b.WriteByte('"')
		}
		if i%2 == 0 {
			part = strings.ReplaceAll(strings.Join(strings.Fields(part), ""), ",)", ")")
		}
		b.WriteString(part)
	}
	return b.String()
}

// plainRequirement writes a version requirement as the semver crate does since
// its version 1.
func plainRequirement(requirement string) string {
	var all []string
	for part := range strings.SplitSeq(requirement, ",") {
		part = strings.Join(strings.Fields(part), "")
		version := strings.TrimLeft(part, "<>=^~")
		operator := strings.TrimSuffix(part, version)
		version, _, _ = strings.Cut(version, "+")
		version = strings.NewReplacer("x", "*", "X", "*").Replace(version)
		switch {
		case version == "":
			continue
		case operator == "" && !strings.Contains(version, "*"):
			operator = "^"
		}
		version = strings.ReplaceAll(version, ".*.*", ".*")
		if operator != "" { // what is open there may be left out
			version = strings.TrimSuffix(version, ".*")
		}
		all = append(all, operator+version)
	}
	if len(all) == 0 {
		return "*"
	}
	return strings.Join(all, ", ")
}
