package crate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// ErrManifest is wrapped by every error of ParseManifest.
var ErrManifest = errors.New("malformed manifest")

// A Manifest is a Cargo.toml: of a package, of a workspace, or of both. Old
// spellings ([project], dev_dependencies) are read as the present ones.
type Manifest struct {
	Package      Package      // zero where there is none: the root of a workspace
	Dependencies []Dependency // in the order of the text
	Features     map[string][]string
	// Raw is the whole document as go-toml decodes it, spelled as it is.
	Raw map[string]any

	lines map[string]int // by key path, joined by NUL
}

// A Package is the [package] table. A key that stands in Inherited has its zero
// value here: its value is the workspace's.
type Package struct {
	Name, Version        string
	Authors              []string
	Edition, RustVersion string
	Description          string
	Homepage             string
	Documentation        string
	Repository           string
	Readme               FileSetting
	License, LicenseFile string
	Keywords, Categories []string
	Links                string
	Build                FileSetting
	Include, Exclude     []string
	Resolver, DefaultRun string
	Metadata             map[string]any
	Inherited            map[string]bool // keys written `key.workspace = true`
}

// A FileSetting names files, or turns cargo's own guess on or off.
type FileSetting struct {
	Set   bool     // the key is there
	Guess bool     // it is `true`: cargo looks for the usual name
	Paths []string // nil for a bool
}

// Kind says what a dependency is needed for.
type Kind string

// The kinds, as the index names them.
const (
	KindNormal Kind = "normal"
	KindBuild  Kind = "build"
	KindDev    Kind = "dev"
)

// A Dependency is one entry of a dependency table.
type Dependency struct {
	Key             string // as the code calls it
	Package         string // the crate's name; Key where it is not renamed
	Req             string // "" where no version is given
	Kind            Kind
	Target          string // cfg or triple, "" for every target
	Optional        bool
	DefaultFeatures *bool // nil where not written: they are on
	Features        []string
	Registry        string // name in the author's configuration; not in published manifests
	RegistryIndex   string // URL
	Path            string
	Git             string
	Workspace       bool // the rest is the workspace's
	Line            int  // 0 unknown
}

var bom = []byte("\xef\xbb\xbf")

// ParseManifest reads a manifest within limits. Keys that it does not know are
// left to Raw; a key that it knows with a value of the wrong type is an error.
func ParseManifest(data []byte) (*Manifest, error) {
	m, err := parseManifest(bytes.TrimPrefix(data, bom))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w: %w", ManifestFile, ErrManifest, err)
	}
	return m, nil
}

func parseManifest(data []byte) (*Manifest, error) {
	if err := guardTOML(data); err != nil {
		return nil, err
	}
	m := &Manifest{}
	if err := toml.Unmarshal(data, &m.Raw); err != nil {
		return nil, tomlReason(err)
	}
	lines, err := keyLines(data)
	if err != nil {
		return nil, err
	}
	m.lines = lines
	r := tomlReader{lines: m.lines}
	m.Package = r.packageTable(m.Raw)
	m.Dependencies = r.dependencies(m.Raw)
	m.Features = r.features(m.Raw)
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// Line returns the line, 1-based, on which a table or key is first written, or 0
// where it cannot be told. The elements of an array of tables are numbered:
// Line("bin", "0", "path").
func (m *Manifest) Line(keyPath ...string) int {
	return m.lines[pathKey(keyPath)]
}

// tomlReason gives a syntax error its place.
func tomlReason(err error) error {
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := syntax.Position()
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

func (r *tomlReader) packageTable(raw map[string]any) Package {
	name, t := r.table(raw, nil, "package", "project")
	if t == nil {
		return Package{}
	}
	in := tomlTable{r: r, path: []string{name}, values: t, inherited: map[string]bool{}}
	p := Package{
		Name:          in.text("name"),
		Version:       in.text("version"),
		Authors:       in.texts("authors"),
		Edition:       in.text("edition"),
		RustVersion:   in.text("rust-version"),
		Description:   in.text("description"),
		Homepage:      in.text("homepage"),
		Documentation: in.text("documentation"),
		Repository:    in.text("repository"),
		Readme:        in.files("readme"),
		License:       in.text("license"),
		LicenseFile:   in.text("license-file"),
		Keywords:      in.texts("keywords"),
		Categories:    in.texts("categories"),
		Links:         in.text("links"),
		Build:         in.files("build"),
		Include:       in.texts("include"),
		Exclude:       in.texts("exclude"),
		Resolver:      in.text("resolver"),
		DefaultRun:    in.text("default-run"),
		Inherited:     in.inherited,
	}
	_, p.Metadata = r.table(t, in.path, "metadata")
	if p.Name == "" {
		r.fail(in.path, "name", "missing or empty")
	}
	return p
}

// dependencyTables are the tables that hold dependencies, in both spellings.
var dependencyTables = []struct {
	kind  Kind
	names []string // the present one first
}{
	{KindNormal, []string{"dependencies"}},
	{KindDev, []string{"dev-dependencies", "dev_dependencies"}},
	{KindBuild, []string{"build-dependencies", "build_dependencies"}},
}

func (r *tomlReader) dependencies(raw map[string]any) []Dependency {
	all := r.dependenciesIn(raw, nil, "")
	_, targets := r.table(raw, nil, "target")
	for target := range targets {
		if _, t := r.table(targets, []string{"target"}, target); t != nil {
			all = append(all, r.dependenciesIn(t, []string{"target", target}, target)...)
		}
	}
	slices.SortFunc(all, func(a, b Dependency) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Key, b.Key)
	})
	return all
}

func (r *tomlReader) dependenciesIn(parent map[string]any, at []string, target string) []Dependency {
	var all []Dependency
	for _, kind := range dependencyTables {
		name, t := r.table(parent, at, kind.names...)
		for key, value := range t {
			path := join(at, name, key)
			d := r.dependency(path, value)
			d.Key, d.Kind, d.Target, d.Line = key, kind.kind, target, r.line(path)
			if d.Package == "" {
				d.Package = key
			}
			all = append(all, d)
		}
	}
	return all
}

func (r *tomlReader) dependency(path []string, value any) Dependency {
	switch value := value.(type) {
	case string:
		return Dependency{Req: value}
	case map[string]any:
		in := tomlTable{r: r, path: path, values: value}
		return Dependency{
			Package:         in.text("package"),
			Req:             in.text("version"),
			Optional:        in.flag("optional"),
			DefaultFeatures: in.maybeFlag("default-features", "default_features"),
			Features:        in.texts("features"),
			Registry:        in.text("registry"),
			RegistryIndex:   in.text("registry-index"),
			Path:            in.text("path"),
			Git:             in.text("git"),
			Workspace:       in.flag("workspace"),
		}
	}
	r.fail(path[:len(path)-1], path[len(path)-1], "want a version or a table, not "+typeName(value))
	return Dependency{}
}

func (r *tomlReader) features(raw map[string]any) map[string][]string {
	name, t := r.table(raw, nil, "features")
	if t == nil {
		return nil
	}
	in := tomlTable{r: r, path: []string{name}, values: t}
	features := make(map[string][]string, len(t))
	for feature := range t {
		features[feature] = in.texts(feature)
	}
	return features
}
