package manifest

import (
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// An Edit is a habit of authors and release tools that makes a published manifest
// differ from the commit it names.
type Edit string

// The edits.
const (
	EditVersion  Edit = "version-bump"           // the version, raised when publishing and committed later
	EditSibling  Edit = "sibling-version"        // a dependency beside the package gets a version, or a newer one
	EditDev      Edit = "dev-dependency-removed" // dev-dependencies taken out, for they need the package published first
	EditDevValue Edit = "feature-value"          // values of features that speak of a dev-dependency which was taken out or given a version
	EditRegistry Edit = "registry-name"          // git has the name of a registry, which stands for a URL
	EditResolver Edit = "workspace-resolver"     // the resolver of a workspace that is not at hand
	EditOldCargo Edit = "older-cargo"            // the publishing cargo did not know the key
)

func (e Edit) reason() string {
	return map[Edit]string{
		EditVersion:  "a version raised when publishing",
		EditSibling:  "git has it as a path, which is given a version when publishing",
		EditDev:      "dev-dependencies are often taken out for publishing, where they need the crate itself",
		EditDevValue: "it speaks of a dev-dependency that was taken out, or given a version",
		EditRegistry: "git has the registry's name, and the author's configuration its URL",
		EditResolver: "it may be that of a workspace, which is not at hand",
		EditOldCargo: "cargos that do not know it yet leave it out",
	}[e]
}

// recognise names the edits behind differences.
func (c *comparison) recognise() {
	bumped := c.bumped()
	for i := range c.found {
		d := &c.found[i]
		at := d.Path
		name, whole := dependencyOf(at)
		switch {
		case Dotted(at) == "package.version" && bumped:
			d.Known = EditVersion
		case name != "" && whole && d.Published == "" && d.Class == Dev:
			d.Known = EditDev
		case name != "" && whole && d.Git == "" && c.isLocal(at):
			d.Known = EditSibling
		case name != "" && !whole && at[len(at)-1] == "version" && c.isSiblingVersion(at, bumped):
			d.Known = EditSibling
		case name != "" && !whole && at[len(at)-1] == "registry-index" && c.isNamedRegistry(at):
			d.Known = EditRegistry
		case at[0] == "features" && len(at) == 2 && c.isDevValue(at[1]):
			d.Known = EditDevValue
		case Dotted(at) == "package.resolver" && c.git.rootless && d.Published != "":
			d.Known = EditResolver
		case d.Published == "" && c.isNewKey(at):
			d.Known = EditOldCargo
		}
	}
}

// bumped reports whether the published version is a later one than git's.
func (c *comparison) bumped() bool {
	git, err1 := crate.ParseVersion(textAt(c.git.tree, "package", "version"))
	published, err2 := crate.ParseVersion(textAt(c.published.tree, "package", "version"))
	return err1 == nil && err2 == nil && git.Compare(published) < 0
}

// isSiblingVersion reports whether a requirement is on what git has at a path, and
// was added, or raised together with the package's version in the same form.
func (c *comparison) isSiblingVersion(at []string, bumped bool) bool {
	if !c.isLocal(at[:len(at)-1]) {
		return false
	}
	git, published := textAt(c.git.tree, at...), textAt(c.published.tree, at...)
	if git == "" {
		return published != ""
	}
	operator, version := splitOperator(git)
	newOperator, newVersion := splitOperator(published)
	from, err1 := crate.ParseVersion(version)
	to, err2 := crate.ParseVersion(newVersion)
	return bumped && operator == newOperator && err1 == nil && err2 == nil && from.Compare(to) < 0
}

// isLocal reports whether git has a dependency at a path.
func (c *comparison) isLocal(dependency []string) bool {
	_, local := c.git.aside[Dotted(key(dependency, "path"))]
	return local
}

func splitOperator(requirement string) (operator, version string) {
	version = strings.TrimLeft(requirement, "=^~ ")
	return strings.TrimSpace(strings.TrimSuffix(requirement, version)), version
}

// isNewKey reports whether a key is of those that cargo learned late and that
// change nothing where they are missing, for those who depend on the crate.
func (c *comparison) isNewKey(at []string) bool {
	switch Dotted(at[:min(len(at), 2)]) {
	case "package.rust-version", "hints.mostly-unused": // 1.56, 1.91
		return true
	case "package.resolver": // a workspace's is written since 1.64
		return tableOf(c.git.source.Raw, "package")["resolver"] == nil
	}
	return at[0] == "lints" // 1.74, those with settings 1.80
}

func (c *comparison) isNamedRegistry(at []string) bool {
	return strings.HasPrefix(textAt(c.git.tree, at...), registryNamed) && textAt(c.published.tree, at...) != ""
}

// isDevValue reports whether a feature differs in nothing but values that speak of
// dependencies for tests alone, which one of the two manifests does not have.
func (c *comparison) isDevValue(feature string) bool {
	git, ok1 := stringsOf(tableOf(c.git.tree, "features")[feature])
	published, ok2 := stringsOf(tableOf(c.published.tree, "features")[feature])
	return ok1 && ok2 && slices.Equal(c.without(git, c.publishedNames), c.without(published, c.gitNames))
}

// without drops the values that speak of a dependency which is not in the names
// and which neither manifest needs but for tests.
func (c *comparison) without(values []string, names map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(values), func(value string) bool {
		dependency := enables(value)
		return dependency != "" && !names[dependency] && !c.needed[dependency]
	})
}

// textAt returns the text at a path, or "".
func textAt(tree map[string]any, at ...string) string {
	for _, name := range at[:len(at)-1] {
		tree = tableOf(tree, name)
	}
	s, _ := tree[at[len(at)-1]].(string)
	return s
}
