package cratetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// manifest is what a registry takes into its index from a published manifest.
// It is read here a second time, and not by internal/crate, so that a registry
// in a test does not share that package's mistakes.
type manifest struct {
	Package struct {
		Links       string `toml:"links"`
		RustVersion string `toml:"rust-version"`
	} `toml:"package"`
	tables
	Target   map[string]tables   `toml:"target"`
	Features map[string][]string `toml:"features"`
}

type tables struct {
	Normal map[string]any `toml:"dependencies"`
	Build  map[string]any `toml:"build-dependencies"`
	Dev    map[string]any `toml:"dev-dependencies"`
}

// indexLine returns the line that crates.io would add for a .crate. A hostile
// archive, whose manifest cannot be read, gets a line without dependencies.
func indexLine(name, version string, data []byte) (index.Line, error) {
	line := index.Line{Name: name, Vers: version, Cksum: crate.Sum(data), Deps: []index.Dep{}, Features: map[string][]string{}}
	text, err := publishedManifest(name, version, data)
	if errors.Is(err, errUnreadable) {
		return line, nil
	}
	if err != nil {
		return index.Line{}, err
	}
	var m manifest
	if err := toml.Unmarshal(text, &m); err != nil {
		return index.Line{}, fmt.Errorf("read manifest of %s@%s: %w", name, version, err)
	}
	line.Links, line.RustVersion = m.Package.Links, m.Package.RustVersion
	line.Deps = append(line.Deps, m.tables.deps("")...)
	for _, target := range slices.Sorted(maps.Keys(m.Target)) {
		line.Deps = append(line.Deps, m.Target[target].deps(target)...)
	}
	setFeatures(&line, m.Features)
	return line, nil
}

// setFeatures sorts features into those that every cargo reads and those in the
// syntax of 2021, as crates.io does.
func setFeatures(line *index.Line, features map[string][]string) {
	for name, values := range features {
		if !slices.ContainsFunc(values, newSyntax) {
			line.Features[name] = values
			continue
		}
		if line.Features2 == nil {
			line.Features2, line.V = map[string][]string{}, 2
		}
		line.Features2[name] = values
	}
}

func newSyntax(value string) bool {
	return strings.HasPrefix(value, "dep:") || strings.Contains(value, "?/")
}

var errUnreadable = errors.New("manifest not readable")

func publishedManifest(name, version string, data []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, errUnreadable
	}
	zr.Multistream(false)
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if err != nil {
			return nil, errUnreadable
		}
		if h.Name == path.Join(name+"-"+version, manifestFile) {
			return io.ReadAll(io.LimitReader(tr, 1<<20))
		}
	}
}

func (t tables) deps(target string) []index.Dep {
	var deps []index.Dep
	for _, kind := range []struct {
		kind index.Kind
		deps map[string]any
	}{{index.Normal, t.Normal}, {index.Build, t.Build}, {index.Dev, t.Dev}} {
		for _, name := range slices.Sorted(maps.Keys(kind.deps)) {
			deps = append(deps, dep(name, kind.kind, target, kind.deps[name]))
		}
	}
	return deps
}

// dep reads `name = "1.0"` or a table. A value of another type is left as it is
// by default: fixtures are not hostile to the registry that serves them.
func dep(name string, kind index.Kind, target string, value any) index.Dep {
	d := index.Dep{Name: name, Req: "*", Kind: kind, Target: target, Features: []string{}, DefaultFeatures: true}
	if req, ok := value.(string); ok {
		d.Req = req
		return d
	}
	table, _ := value.(map[string]any)
	set(&d.Req, table, "version")
	set(&d.Optional, table, "optional")
	set(&d.DefaultFeatures, table, "default-features")
	set(&d.Package, table, "package")
	set(&d.Registry, table, "registry-index")
	features, _ := table["features"].([]any)
	for _, feature := range features {
		d.Features = append(d.Features, fmt.Sprint(feature))
	}
	return d
}

func set[T any](field *T, table map[string]any, key string) {
	if value, ok := table[key].(T); ok {
		*field = value
	}
}
