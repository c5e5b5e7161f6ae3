// Package manifest judges whether a published Cargo.toml is what cargo makes of
// the one in git.
//
// cargo rewrites a manifest when it packages, and every cargo does so a little
// differently. So neither text is turned into the other: both are brought into
// one canonical form, what a present cargo would publish of them, and the forms
// are compared. That needs no table of cargo's versions, runs nothing, and what
// remains is what nobody's cargo did.
//
// The rules are those of normalize_toml and prepare_toml_for_publish in cargo's
// manifest parser, and of its targets module. cargo looks at the folder that it
// packages where this package looks at the list of the files that were packaged:
// a target whose file is not among them is not published. A file that git does not
// have may make a target on both sides: whether the files are git's is a question
// for who compares them.
//
// The package is pure, its time and memory linear in its input but for a budget
// on what is inherited, and it judges nothing: it says what differs.
package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// Sentinel errors of Canonicalise.
var (
	// ErrNoPackage says that a manifest is of a workspace alone.
	ErrNoPackage = errors.New("no package")
	// ErrInherit says that a setting is to come from a workspace which is not
	// given or does not have it.
	ErrInherit = errors.New("nothing to inherit")
	// ErrTooLarge says that a manifest inherits more than any honest one.
	ErrTooLarge = errors.New("too large")
)

// maxInherited bounds the bytes that a manifest takes over from its workspace:
// without it, one long list of features could be inherited thousands of times.
const maxInherited = 16 << 20

// Input is a manifest and what cargo would have seen around it.
type Input struct {
	Manifest *crate.Manifest
	// Root is the manifest of the workspace: see WorkspaceRoot. It is needed even
	// where nothing is inherited, for the resolver. nil where there is none, for a
	// published manifest, and where Manifest has a [workspace] of its own.
	Root *crate.Manifest
	// Dir and RootDir are the folders of Manifest and Root in the repository, ""
	// for the repository's own. A published manifest has neither.
	Dir, RootDir string
	// Files are the paths of the published crate's files.
	Files []string
}

// A Canon is a manifest in canonical form.
type Canon struct {
	// tree is what cargo would publish, but targets stand by their name instead of
	// in an array, lists without a meaningful order are sorted, and defaults are
	// absent.
	tree map[string]any
	// aside is what cargo would leave out, by path. It counts where it is
	// published all the same.
	aside  map[string]leftOut
	source *crate.Manifest
	places map[string]int // of targets in their array, by kind and name
	// rootless says that no workspace was given.
	rootless bool
}

type leftOut struct {
	path  []string
	value any
}

// A Rule names what cargo did to a manifest. Names are stable.
type Rule string

// The rules.
const (
	RuleInherited     Rule = "inherited"      // a setting comes from the workspace
	RuleSpelling      Rule = "spelling"       // an old spelling is read as the present one
	RuleUnknown       Rule = "unknown-key"    // cargo does not know the key, or not with such a value
	RuleLocal         Rule = "local-source"   // where a dependency lies on the author's disk or in git
	RuleDevStripped   Rule = "dev-dependency" // a dev-dependency without a version
	RuleValueStripped Rule = "feature-value"  // a value of a feature speaks of a stripped dependency
	RuleRegistry      Rule = "registry"       // a registry's name becomes its URL
	RuleIgnored       Rule = "ignored"        // a setting that has no effect
	RuleInferred      Rule = "inferred"       // a target, build script or readme found by its usual name
	RuleNotPackaged   Rule = "not-packaged"   // a target or build script whose file is not in the crate
	RuleCopied        Rule = "copied"         // readme or license from outside the package
	RulePath          Rule = "path"           // a path is tidied
	RuleResolver      Rule = "resolver"       // the workspace's resolver is written down
	RuleWorkspace     Rule = "workspace"      // what is for the workspace alone
	RuleNotation      Rule = "notation"       // the same value, written another way
)

// A Note says that a rule was applied.
type Note struct {
	Rule    Rule
	Path    []string // of the key
	Message string   // a sentence without its full stop
}

// Canonicalise brings a manifest into canonical form and says what it did. The
// error wraps ErrNoPackage, ErrInherit or ErrTooLarge.
func Canonicalise(in Input) (*Canon, []Note, error) {
	if in.Manifest.Package.Name == "" {
		return nil, nil, fmt.Errorf("canonicalise manifest: %w", ErrNoPackage)
	}
	c := newCanoniser(in)
	c.packageTable()
	c.dependencies()
	c.features()
	c.targets()
	c.settings()
	c.rest()
	if c.err != nil {
		return nil, nil, fmt.Errorf("canonicalise manifest: %w", c.err)
	}
	return &Canon{tree: c.out, aside: c.aside, source: in.Manifest, places: c.places, rootless: c.in.Root == nil}, c.notes, nil
}

// A canoniser works on one manifest. It keeps its first error.
type canoniser struct {
	in        Input
	raw       map[string]any
	own       map[string]any // [package], whatever it is called
	workspace map[string]any // what is inherited from; nil where there is nothing
	edition   string
	files     files
	inherited int // bytes so far

	out    map[string]any
	aside  map[string]leftOut
	places map[string]int
	notes  []Note
	err    error
}

func newCanoniser(in Input) *canoniser {
	c := &canoniser{in: in, raw: in.Manifest.Raw, files: newFiles(in.Files), out: map[string]any{}, aside: map[string]leftOut{}, places: map[string]int{}}
	if c.in.Manifest.Raw["workspace"] != nil {
		c.in.Root, c.in.RootDir = in.Manifest, in.Dir
	}
	if c.in.Root != nil {
		c.workspace = tableOf(c.in.Root.Raw, "workspace")
	}
	c.own = c.section("package", "project")
	return c
}

func (c *canoniser) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func inheritError(path []string) error {
	return fmt.Errorf("%.200q is the workspace's: %w", Dotted(path), ErrInherit)
}

func (c *canoniser) note(rule Rule, path []string, format string, args ...any) {
	c.notes = append(c.notes, Note{Rule: rule, Path: slices.Clone(path), Message: fmt.Sprintf(format, args...)})
}

// leave puts a value aside that cargo does not publish.
func (c *canoniser) leave(rule Rule, path []string, value any, format string, args ...any) {
	path = slices.Clone(path)
	c.aside[Dotted(path)] = leftOut{path: path, value: value}
	c.note(rule, path, format, args...)
}

// spend takes from the budget of what is inherited.
func (c *canoniser) spend(value any) {
	c.inherited += sizeOf(value)
	if c.inherited > maxInherited {
		c.fail(fmt.Errorf("inherits more than %d bytes: %w", maxInherited, ErrTooLarge))
	}
}

// section returns the first table of the top level that has one of the names,
// the present one before old ones, as cargo prefers them.
func (c *canoniser) section(names ...string) map[string]any {
	return c.sectionIn(c.raw, nil, names...)
}

func (c *canoniser) sectionIn(parent map[string]any, at []string, names ...string) map[string]any {
	var found map[string]any
	for i, name := range names {
		value, ok := parent[name]
		if !ok {
			continue
		}
		table, isTable := value.(map[string]any)
		switch {
		case !isTable:
			c.leave(RuleUnknown, key(at, name), value, "%s is not a table, and ignored", quote(key(at, name)))
		case found != nil:
			c.leave(RuleIgnored, key(at, name), value, "%s is ignored beside %s", quote(key(at, name)), quote(key(at, names[0])))
		default:
			found = table
			if i > 0 {
				c.note(RuleSpelling, key(at, name), "%s is the old spelling of %s", quote(key(at, name)), quote(key(at, names[0])))
			}
		}
	}
	return found
}

// tableOf returns the table of a name, or nil.
func tableOf(parent map[string]any, name string) map[string]any {
	table, _ := parent[name].(map[string]any)
	return table
}

// key appends to a path without touching its backing array.
func key(path []string, parts ...string) []string { return append(slices.Clip(path), parts...) }

// quote writes a path as TOML would, in the quotation marks of code.
func quote(path []string) string { return "`" + Dotted(path) + "`" }

// Dotted writes a key path as TOML does: with dots, and with quotes where a key
// needs them.
func Dotted(path []string) string {
	parts := make([]string, len(path))
	for i, part := range path {
		parts[i] = part
		if part == "" || strings.Trim(part, bareKey) != "" {
			parts[i] = fmt.Sprintf("%q", part)
		}
	}
	return strings.Join(parts, ".")
}

const bareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
