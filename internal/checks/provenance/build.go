package provenance

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// A buildKey is a setting that decides what is compiled or run.
type buildKey struct {
	name string   // as in the manifest
	line []string // where it stands
	// value is what cargo makes of it: a default is spelled out. ok is false where
	// it cannot be known.
	value func(s side) (value string, ok bool)
	// harmless: what the author changes of it is not published, or not built.
	harmless bool
	// dropped: in a published manifest "" stands for any value, as cargo drops what
	// is not packaged.
	dropped bool
}

var buildKeys = []buildKey{
	{name: "package.name", line: []string{"package", "name"}, value: func(s side) (string, bool) { return s.manifest.Package.Name, true }},
	{name: "package.version", line: []string{"package", "version"}, value: version, harmless: true},
	{name: "package.edition", line: []string{"package", "edition"}, value: edition},
	{name: "package.build", line: []string{"package", "build"}, value: buildScript, dropped: true},
	{name: "package.links", line: []string{"package", "links"}, value: func(s side) (string, bool) { return s.manifest.Package.Links, true }},
	{name: "package.metabuild", line: []string{"package", "metabuild"}, value: raw("package", "metabuild")},
	{name: "lib.path", line: []string{"lib", "path"}, value: libPath, dropped: true},
	{name: "lib.name", line: []string{"lib", "name"}, value: libName, dropped: true},
	{name: "lib.proc-macro", line: []string{"lib", "proc-macro"}, value: procMacro, dropped: true},
	{name: "lib.crate-type", line: []string{"lib", "crate-type"}, value: crateType, dropped: true},
	{name: "cargo-features", line: []string{"cargo-features"}, value: raw("cargo-features"), dropped: true},
	{name: "patch", line: []string{"patch"}, value: raw("patch"), harmless: true, dropped: true},
	{name: "replace", line: []string{"replace"}, value: raw("replace"), harmless: true, dropped: true},
}

func (d *differ) build() {
	for _, k := range buildKeys {
		is, ok1 := k.value(d.have)
		was, ok2 := k.value(d.from)
		if !ok1 || !ok2 || is == was || is == "" && k.dropped && d.how == generated {
			continue
		}
		harmless := k.harmless && d.how == authored // cargo itself changes none
		d.add(RuleBuildKey, harmless, d.have.manifest.Line(k.line...), "has %s = %.200q instead of %.200q", k.name, is, was)
	}
	// What is published inherits nothing. If it does, it may be from a workspace of
	// its own, which stands in no repository.
	for _, key := range slices.Sorted(maps.Keys(d.have.manifest.Package.Inherited)) {
		if d.how == generated {
			d.add(RuleBuildKey, false, d.have.manifest.Line("package", key), "has package.%s inherited from a workspace", key)
		}
	}
	d.bins()
}

// bins looks for programs that are built from other files than the origin says
// or cargo would guess.
func (d *differ) bins() {
	for i, bin := range tables(d.have.manifest, "bin") {
		at, _ := bin["path"].(string)
		if at == "" {
			continue // guessed, from files that were compared
		}
		if at = clean(at); !d.from.explainsBin(at) {
			d.add(RuleBuildKey, false, d.have.manifest.Line("bin", fmt.Sprint(i), "path"), "has a program built from %q", at)
		}
	}
}

func (s side) explainsBin(at string) bool {
	for _, bin := range tables(s.manifest, "bin") {
		name, _ := bin["name"].(string)
		given, _ := bin["path"].(string)
		if given != "" && clean(given) == at || given == "" && at == "src/"+name+".rs" { // the latter in edition 2015
			return true
		}
	}
	rest, inBin := strings.CutPrefix(at, "src/bin/")
	return at == "src/main.rs" || inBin && strings.HasSuffix(at, ".rs") &&
		(!strings.Contains(rest, "/") || strings.Count(rest, "/") == 1 && path.Base(rest) == "main.rs")
}

func version(s side) (string, bool) {
	return s.inherited("version", s.manifest.Package.Version, "0.0.0")
}

func edition(s side) (string, bool) {
	return s.inherited("edition", s.manifest.Package.Edition, "2015")
}

// inherited returns a text of the package or of its workspace.
func (s side) inherited(key, own, otherwise string) (string, bool) {
	if s.manifest.Package.Inherited[key] {
		if s.workspace == nil {
			return "", false
		}
		workspace, _ := s.workspace.Raw["workspace"].(map[string]any)
		table, _ := workspace["package"].(map[string]any)
		own, _ = table[key].(string)
	}
	if own = strings.TrimSpace(own); own == "" {
		own = otherwise
	}
	return own, true
}

func buildScript(s side) (string, bool) {
	set := s.manifest.Package.Build
	switch {
	case len(set.Paths) > 0:
		all := make([]string, len(set.Paths))
		for i, p := range set.Paths {
			all[i] = clean(p)
		}
		return strings.Join(all, " "), true
	case (set.Guess || !set.Set) && s.archive.File("build.rs") != nil:
		return "build.rs", true
	}
	return "", true
}

func (s side) lib() map[string]any {
	table, _ := s.manifest.Raw["lib"].(map[string]any)
	return table
}

func libPath(s side) (string, bool) {
	if at, ok := s.lib()["path"].(string); ok && at != "" {
		return clean(at), true
	}
	if packageTable(s.manifest)["autolib"] == false && s.lib() == nil {
		return "", true
	}
	name := targetName(s)
	for _, guess := range []string{"src/lib.rs", "src/" + name + ".rs"} { // the latter in edition 2015
		if s.archive.File(guess) != nil && (guess == "src/lib.rs" || s.lib() != nil) {
			return guess, true
		}
	}
	return "", true
}

func libName(s side) (string, bool) {
	if at, _ := libPath(s); at == "" {
		return "", true
	}
	return targetName(s), true
}

func targetName(s side) string {
	name, _ := s.lib()["name"].(string)
	if name == "" {
		name = s.manifest.Package.Name
	}
	return strings.ReplaceAll(name, "-", "_")
}

func procMacro(s side) (string, bool) {
	for _, key := range []string{"proc-macro", "proc_macro"} {
		if s.lib()[key] == true {
			return "true", true
		}
	}
	if slices.Contains(crateTypes(s), "proc-macro") {
		return "true", true
	}
	return "", true
}

// crateType leaves out what is the default or stands under proc-macro.
func crateType(s side) (string, bool) {
	types := minus(crateTypes(s), []string{"lib", "proc-macro"})
	slices.Sort(types)
	return strings.Join(types, " "), true
}

func crateTypes(s side) (types []string) {
	for _, key := range []string{"crate-type", "crate_type"} {
		list, _ := s.lib()[key].([]any)
		for _, v := range list {
			if name, ok := v.(string); ok {
				types = append(types, name)
			}
		}
	}
	return types
}

// raw compares a setting as it was decoded. Maps print sorted by key.
func raw(keys ...string) func(s side) (string, bool) {
	return func(s side) (string, bool) {
		var value any = s.manifest.Raw
		for _, key := range keys {
			table, _ := value.(map[string]any)
			value = table[key]
		}
		if value == nil {
			return "", true
		}
		return fmt.Sprint(value), true
	}
}

// tables returns the elements of an array of tables.
func tables(m *crate.Manifest, key string) (all []map[string]any) {
	list, _ := m.Raw[key].([]any)
	for _, element := range list {
		if table, ok := element.(map[string]any); ok {
			all = append(all, table)
		}
	}
	return all
}

// clean spells a path in a manifest as cargo publishes it.
func clean(p string) string { return path.Clean(strings.ReplaceAll(p, `\`, "/")) }

// builtPaths lists the files that a manifest names as something to build for
// those who depend on the crate.
func builtPaths(m *crate.Manifest) (all []string) {
	for _, p := range m.Package.Build.Paths {
		all = append(all, clean(p))
	}
	lib, _ := m.Raw["lib"].(map[string]any)
	for _, table := range append(tables(m, "bin"), lib) {
		if p, ok := table["path"].(string); ok {
			all = append(all, clean(p))
		}
	}
	return all
}
