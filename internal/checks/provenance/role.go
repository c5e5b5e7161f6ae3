package provenance

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// roles tells files that can be built or run by those who depend on a crate from
// those that plainly are not: documentation, tests, the project's own tooling.
// In doubt a file is source.
type roles struct {
	named   map[string]bool // by the manifest, as something to build
	scripts map[string]bool // build scripts
	reached map[string]bool // folders of tests or the like that source files mention
	taken   map[string]bool // names of files that source files take in, as code or as data
	builds  bool            // there is a build script, which may run anything
	wrapped bool            // source has words of its own that take in files
}

// asideFolders hold no source, at the crate's root.
var asideFolders = []string{
	"tests", "test", "testdata", "examples", "example", "benches", "bench", "fuzz", "docs", "doc", "ci",
	".github", ".gitlab", ".circleci", ".gitea", ".forgejo", ".woodpecker", ".buildkite", ".vscode", ".idea", ".devcontainer",
}

// asideFiles are tooling, at the crate's root.
var asideFiles = []string{
	".gitignore", ".gitattributes", ".gitmodules", ".mailmap", ".editorconfig", ".clang-format", ".dockerignore",
	".travis.yml", ".gitlab-ci.yml", ".appveyor.yml", "appveyor.yml", ".cirrus.yml", ".codecov.yml", "codecov.yml", "bors.toml",
	".pre-commit-config.yaml", "rustfmt.toml", ".rustfmt.toml", "clippy.toml", ".clippy.toml", "deny.toml", "release.toml",
	"cliff.toml", "renovate.json", "triagebot.toml", "tarpaulin.toml", "_typos.toml", ".typos.toml",
}

// asideNames begin the names of documents, at the crate's root.
var asideNames = []string{"README", "LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "UNLICENSE", "NOTICE", "CHANGELOG", "CHANGES", "AUTHORS",
	"CONTRIBUTORS", "CONTRIBUTING", "CODE_OF_CONDUCT", "SECURITY", "RELEASES", "HISTORY", "NEWS"}

// asideEnds are documents and pictures, outside src. They are often included in
// documentation; where a source file takes one in otherwise it is built.
var asideEnds = []string{".md", ".markdown", ".rst", ".adoc", ".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".pdf"}

// codeEnds keep a name like LICENSE-check.rs from passing for a document.
var codeEnds = []string{".rs", ".c", ".cc", ".cpp", ".h", ".s", ".o", ".a", ".so", ".dll", ".py", ".sh", ".toml", ".json", ".in"}

// nativeNames and nativeEnds are what builds other than cargo's are made of. Those
// go into folders that cargo passes by: a CMakeLists.txt adds test/ without a word
// in any file of Rust.
var (
	nativeNames = []string{
		"cmakelists.txt", "makefile", "gnumakefile", "meson.build", "meson_options.txt", "configure", "sconstruct", "sconscript",
		"build", "build.bazel", "wscript",
	}
	nativeEnds = []string{
		".cmake", ".mk", ".mak", ".am", ".ac", ".m4", ".in", ".ninja", ".gyp", ".gypi", ".gn", ".bzl", ".sh", ".bash", ".bat", ".cmd", ".ps1", ".py", ".pl",
		".asm", ".o", ".obj", ".a", ".lib", ".so", ".dylib", ".dll", ".exe", ".def", ".ld",
	}
)

// isNative reports whether a file may be part of a build other than cargo's.
func isNative(file string) bool {
	name, end := strings.ToLower(path.Base(file)), strings.ToLower(path.Ext(file))
	return slices.Contains(nativeNames, name) || slices.Contains(nativeEnds, end) || end != ".rs" && slices.Contains(leadingEnds, end)
}

func newRoles(c *comparison) roles {
	r := roles{named: map[string]bool{}, scripts: map[string]bool{"build.rs": true}, reached: map[string]bool{}, taken: map[string]bool{}}
	for _, m := range []*crate.Manifest{c.published, c.original, c.git} {
		if m != nil {
			for _, p := range builtPaths(m) {
				r.named[p] = true
			}
			for _, p := range m.Package.Build.Paths {
				r.scripts[clean(p)] = true
			}
		}
	}
	held := map[string]bool{} // names of the crate's files
	for _, f := range c.in.Archive.Files {
		held[path.Base(f.Path)] = true
		r.builds = r.builds || r.scripts[f.Path]
	}
	for _, f := range c.in.Archive.Files {
		r.wrapped = r.wrapped || r.leads(f.Path) && wraps(f.Data)
	}
	// What is taken in takes in more, from folders that were passed by already.
	read := make([]bool, len(c.in.Archive.Files))
	for range maxRounds {
		before := len(r.reached) + len(r.taken)
		for i, f := range c.in.Archive.Files {
			if !read[i] && r.leads(f.Path) {
				read[i] = true
				r.follow(f, held)
			}
		}
		if len(r.reached)+len(r.taken) == before {
			return r
		}
	}
	for _, folder := range asideFolders { // no honest crate's files form such a chain
		r.reached[folder] = true
	}
	return r
}

// maxRounds bounds how often a crate's files are gone through for those that files
// found before take in.
const maxRounds = 20

// leadingEnds are languages whose files take in others by their paths.
var leadingEnds = []string{".rs", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".s", ".inc", ".m", ".mm", ".cu"}

// leads reports whether a file is source that may take in other files.
func (r roles) leads(file string) bool {
	if r.named[file] || r.taken[path.Base(file)] {
		return true
	}
	return slices.Contains(leadingEnds, strings.ToLower(path.Ext(file))) && !r.aside(file)
}

// script reports whether a file is a build script or, after the habits of authors,
// a part of one.
func (r roles) script(file string) bool {
	return r.scripts[file] || r.builds && strings.HasPrefix(file, "build") && path.Ext(file) == ".rs"
}

// follow notes what a source file takes in. held are the names of the crate's
// files.
func (r roles) follow(f crate.File, held map[string]bool) {
	for _, folder := range asideFolders {
		// A build script joins paths, of files that it reads or runs.
		joined := r.script(f.Path) && bytes.Contains(f.Data, []byte(`"`+folder+`"`))
		if !r.reached[folder] && (joined || mentions(f.Data, folder)) {
			r.reached[folder] = true
		}
	}
	names := takenIn(f.Data)
	if r.script(f.Path) || r.wrapped { // what reads it, no word that is known says
		names = quoted(f.Data)
	}
	for at := range names {
		if name := lastName(at); held[string(name)] {
			r.taken[string(name)] = true
		}
	}
}

// source reports whether a file can be built or run.
func (r roles) source(file string) bool {
	return r.taken[path.Base(file)] || !r.aside(file)
}

func (r roles) aside(file string) bool {
	if r.named[file] {
		return false
	}
	if top, _, nested := strings.Cut(file, "/"); nested {
		if slices.Contains(asideFolders, top) {
			return !r.reached[top] && !(r.builds && top[0] != '.' && isNative(file))
		}
		return top != "src" && top != ".cargo" && slices.Contains(asideEnds, strings.ToLower(path.Ext(file)))
	}
	if slices.Contains(asideFiles, file) || slices.Contains(asideEnds, strings.ToLower(path.Ext(file))) {
		return true
	}
	upper, ext := strings.ToUpper(file), path.Ext(file)
	return slices.ContainsFunc(asideNames, func(name string) bool {
		rest, ok := strings.CutPrefix(upper, name)
		return ok && (rest == "" || rest == ".TXT" || rest[0] == '-' && !slices.Contains(codeEnds, ext))
	})
}

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
