package provenance

import (
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// A Declaration is what the repository's manifest says is generated when the
// crate is packaged, and so is not in the repository:
//
//	[package.metadata.provenance]
//	generated = ["pregenerated/**"]
//
// The author says so in public, before publishing.
type Declaration struct {
	Patterns []string
	Refused  []string // patterns that reach what nobody may declare
}

// findDeclared gives files that differ and are declared their kind.
func (c *comparison) findDeclared() {
	d := &c.out.Declaration
	d.Patterns = DeclaredIn(c.git)
	var valid []pattern
	for _, line := range d.Patterns {
		p, ok := parsePattern(line)
		if !ok || p.negated || c.reachesTooFar(p) {
			d.Refused = append(d.Refused, line)
			continue
		}
		valid = append(valid, p)
	}
	if len(valid) == 0 {
		return
	}
	for i, f := range c.out.Files {
		if (f.Kind == Modified || f.Kind == Unknown) && c.matcher.matchesBelow(valid, f.Path) {
			c.out.Files[i].Kind = Declared
		}
	}
}

// DeclaredIn returns the patterns that a manifest declares; none for a nil one.
func DeclaredIn(m *crate.Manifest) (lines []string) {
	if m == nil {
		return nil
	}
	table, _ := m.Package.Metadata["provenance"].(map[string]any)
	values, _ := table["generated"].([]any)
	for _, v := range values[:min(len(values), maxPatterns)] {
		if line, ok := v.(string); ok {
			lines = append(lines, line)
		}
	}
	return lines
}

// reachesTooFar reports whether a pattern covers what has to be the repository's
// own in any case: the manifest, what the manifest builds, or all of src.
func (c *comparison) reachesTooFar(p pattern) bool {
	pinned := []string{crate.ManifestFile, crate.ManifestOrigFile, "build.rs", "src/lib.rs", "src/main.rs"}
	for _, m := range []*crate.Manifest{c.published, c.git} {
		if m != nil {
			pinned = append(pinned, builtPaths(m)...)
		}
	}
	for _, f := range c.in.Archive.Files { // programs that cargo finds by where they are
		if dir, name := path.Split(f.Path); path.Ext(name) == ".rs" && (dir == "src/bin/" || name == "main.rs" && path.Dir(path.Clean(dir)) == "src/bin") {
			pinned = append(pinned, f.Path)
		}
	}
	only := []pattern{p}
	if slices.ContainsFunc(pinned, func(file string) bool { return c.matcher.matchesBelow(only, file) }) {
		return true
	}
	// A pattern that would take any name at all below src covers all of it.
	return strings.Trim(path.Join(p.parts...), "*/") == "" || c.matcher.matchesBelow(only, "src/\x01") ||
		c.matcher.matchesBelow(only, "src/\x01.rs") || c.matcher.exhausted()
}
