package manifest

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// packageFields are the keys of [package]. Those without a reader have rules of
// their own.
var packageFields = []field{
	{name: "name", read: text},
	{name: "version", read: version},
	{name: "authors", read: list},
	{name: "edition"},
	{name: "rust-version", read: text},
	{name: "build"},
	{name: "metabuild", read: oneOrMore},
	{name: "default-target", read: text},
	{name: "forced-target", read: text},
	{name: "links", read: text},
	{name: "exclude", read: list},
	{name: "include", read: list},
	{name: "publish", read: flagOrList},
	{name: "workspace"},
	{name: "im-a-teapot", read: yesNo},
	{name: "default-run", read: text},
	{name: "description", read: prose},
	{name: "homepage", read: prose},
	{name: "documentation", read: prose},
	{name: "readme"},
	{name: "keywords", read: list},
	{name: "categories", read: list},
	{name: "license", read: prose},
	{name: "license-file"},
	{name: "repository", read: prose},
	{name: "resolver"},
	{name: "metadata", read: anything},
}

// inheritable are the keys of [package] that may be the workspace's.
var inheritable = []string{
	"version", "authors", "description", "documentation", "edition", "exclude", "homepage", "include", "keywords", "license",
	"license-file", "publish", "readme", "repository", "rust-version", "categories",
}

func (c *canoniser) packageTable() {
	at := []string{"package"}
	table := c.inheritPackage(at)
	dropSwitches(table)
	out := c.take(at, table, packageFields)
	c.edition = defaultEdition
	if edition, ok := table["edition"].(string); ok {
		c.edition = edition
	}
	out["edition"] = c.edition
	if pointer, ok := table["workspace"]; ok {
		c.leave(RuleWorkspace, key(at, "workspace"), pointer, "`package.workspace` is not published")
	}
	if _, ok := out["version"]; !ok {
		out["version"] = "0.0.0"
	}
	c.readme(out, key(at, "readme"), table["readme"])
	switch license := table["license-file"].(type) {
	case nil:
	case string:
		out["license-file"] = c.packaged(key(at, "license-file"), license)
	default:
		c.leaveUnknown(key(at, "license-file"), license)
	}
	c.build(out, key(at, "build"), table["build"])
	c.resolver(out, key(at, "resolver"), table["resolver"])
	c.out["package"] = out
}

const defaultEdition = "2015"

// dropSwitches drops what turns the guessing of targets on and off, which has its
// effect on the targets themselves. Should a future cargo guess more, its
// published manifests turn that off as well.
func dropSwitches(table map[string]any) {
	maps.DeleteFunc(table, func(name string, value any) bool {
		on, isFlag := value.(bool)
		return isFlag && strings.HasPrefix(name, "auto") && (!on || slices.Contains(switches, name))
	})
}

var switches = []string{"autolib", "autobins", "autoexamples", "autotests", "autobenches"}

// version is read by cargo with blanks around it.
func version(value any) (any, bool) {
	s, ok := value.(string)
	return strings.TrimSpace(s), ok
}

// inherits reports whether a value is `{ workspace = true }`.
func inherits(value any) bool {
	table, ok := value.(map[string]any)
	return ok && table["workspace"] == true
}

// inheritPackage returns [package] with what it takes from the workspace.
func (c *canoniser) inheritPackage(at []string) map[string]any {
	table := maps.Clone(c.own)
	if table == nil {
		table = map[string]any{}
	}
	from := tableOf(c.workspace, "package")
	for _, name := range inheritable {
		if !inherits(table[name]) {
			continue
		}
		value, ok := from[name]
		path := key(at, name)
		switch {
		case name == "readme":
			value = c.workspaceReadme(value)
		case !ok:
			c.fail(inheritError(path))
		case name == "license-file":
			if file, isText := value.(string); isText {
				value = c.rebase(file)
			}
		}
		c.spend(value)
		c.note(RuleInherited, path, "%s is the workspace's: %s", quote(path), brief(value))
		table[name] = value
	}
	return table
}

// workspaceReadme returns the workspace's readme as a path from the package. One
// that is found by its usual name is copied into the crate.
func (c *canoniser) workspaceReadme(value any) any {
	switch value := value.(type) {
	case string:
		return c.rebase(value)
	case bool:
		if value {
			return c.rebase(usualReadmes[0])
		}
		return false
	}
	for _, name := range usualReadmes {
		if c.files.has(name) {
			return c.rebase(name)
		}
	}
	c.fail(inheritError([]string{"package", "readme"}))
	return nil
}

// rebase turns a path from the workspace's folder into one from the package's. A
// path that leads out of the repository stays one that does.
func (c *canoniser) rebase(file string) string {
	if c.in.Dir == c.in.RootDir {
		return file
	}
	up := strings.Repeat("../", len(folders(c.in.Dir)))
	return up + path.Join(c.in.RootDir, slashes(file))
}

var usualReadmes = []string{"README.md", "README.txt", "README"}

func (c *canoniser) readme(out map[string]any, at []string, value any) {
	out["readme"] = false
	switch value := value.(type) {
	case string:
		out["readme"] = c.packaged(at, value)
	case bool:
		if value {
			out["readme"] = usualReadmes[0]
		}
	case nil:
		for _, name := range usualReadmes {
			if c.files.has(name) {
				out["readme"] = name
				c.note(RuleInferred, at, "`package.readme` is not written: %q is there", name)
				return
			}
		}
	default:
		c.leaveUnknown(at, value)
	}
}

// packaged returns where a readme or license lies in the crate: one from outside
// the package is copied beside the manifest.
func (c *canoniser) packaged(at []string, file string) string {
	inside, ok := c.inPackage(slashes(file))
	switch {
	case !ok:
		inside = path.Base(slashes(file))
		c.note(RuleCopied, at, "%s is %q from outside the package, copied to %q", quote(at), file, inside)
	case inside != file:
		c.note(RulePath, at, "%s is %q, tidied from %q", quote(at), inside, file)
	}
	return inside
}

// inPackage turns a path from the package's folder into a clean one, if it stays
// inside, be it by a detour.
func (c *canoniser) inPackage(file string) (string, bool) {
	whole := path.Join(c.in.Dir, file)
	switch {
	case path.IsAbs(file), whole == "..", strings.HasPrefix(whole, "../"):
		return "", false
	case c.in.Dir == "":
		return whole, true
	}
	return strings.CutPrefix(whole, c.in.Dir+"/")
}

const usualBuild = "build.rs"

func (c *canoniser) build(out map[string]any, at []string, value any) {
	var scripts []string
	switch value := value.(type) {
	case nil:
		if c.files.has(usualBuild) {
			scripts = []string{usualBuild}
			c.note(RuleInferred, at, "`package.build` is not written: %q is there", usualBuild)
		}
	case bool:
		if value {
			scripts = []string{usualBuild}
		}
	case string:
		scripts = []string{value}
	default:
		var ok bool
		if scripts, ok = stringsOf(value); !ok {
			c.leaveUnknown(at, value)
		}
	}
	var kept []string
	for _, script := range scripts {
		if script = path.Clean(slashes(script)); c.files.has(script) {
			kept = append(kept, script)
			continue
		}
		c.leave(RuleNotPackaged, key(at, script), script, "the build script %q is not published: it is not among the crate's files", script)
	}
	switch len(kept) {
	case 0:
		out["build"] = false
	case 1:
		out["build"] = kept[0]
	default:
		out["build"] = kept
	}
}

// resolver is what cargo resolves by: the workspace's, whatever the package says.
// It is written where the edition alone would give another.
func (c *canoniser) resolver(out map[string]any, at []string, value any) {
	own, ok := value.(string)
	if !ok && value != nil {
		c.leaveUnknown(at, value)
	}
	if own == "" {
		own = resolverOf(c.edition)
	}
	effective := own
	if c.in.Root != nil {
		effective = workspaceResolver(c.in.Root)
	}
	if effective != own {
		c.note(RuleResolver, at, "`package.resolver` is the workspace's: %q", effective)
	}
	if effective != resolverOf(c.edition) {
		out["resolver"] = effective
	}
}

func resolverOf(edition string) string {
	switch edition {
	case "2015", "2018":
		return "1"
	case "2021":
		return "2"
	default:
		return "3"
	}
}

// workspaceResolver is the resolver of a workspace: what it says, or what the
// package in its root does, or the default of that package's edition.
func workspaceResolver(root *crate.Manifest) string {
	workspace := tableOf(root.Raw, "workspace")
	own := tableOf(root.Raw, "package")
	if own == nil {
		own = tableOf(root.Raw, "project")
	}
	for _, table := range []map[string]any{workspace, own} {
		if s, ok := table["resolver"].(string); ok {
			return s
		}
	}
	if own == nil {
		return "1"
	}
	edition := own["edition"]
	if inherits(edition) {
		edition = tableOf(workspace, "package")["edition"]
	}
	if s, ok := edition.(string); ok {
		return resolverOf(s)
	}
	return resolverOf(defaultEdition)
}

// slashes spells a path as cargo publishes it: those from Windows, too.
func slashes(file string) string { return strings.ReplaceAll(file, `\`, "/") }

func folders(dir string) []string {
	if dir == "" {
		return nil
	}
	return strings.Split(dir, "/")
}

// brief writes a value for a sentence.
func brief(value any) string {
	const longest = 160
	s := render(value)
	if len(s) > longest {
		return "`" + strings.ToValidUTF8(s[:longest], "") + "…`"
	}
	return "`" + s + "`"
}
