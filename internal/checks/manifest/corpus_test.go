package manifest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/lockfile"
)

// A realCrate is a folder below $CRATEFENCE_MANIFESTS: Cargo.toml, Cargo.toml.orig
// and Cargo.lock as published; FILES, a path a line; INDEX, its index line; and
// where the commit is at hand DIR, the package's folder in the repository, and
// repo/ with the manifests and locks from there upwards. All but the first and
// FILES may be missing.
type realCrate struct {
	name, folder string
	files        []string
	published    *crate.Manifest
}

// realCrates calls f with every crate whose manifest can be read.
func realCrates(t *testing.T, f func(realCrate)) {
	corpus := os.Getenv("CRATEFENCE_MANIFESTS")
	if corpus == "" {
		t.Skip("CRATEFENCE_MANIFESTS names no folder of real crates")
	}
	entries, err := os.ReadDir(corpus)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		c := realCrate{name: entry.Name(), folder: filepath.Join(corpus, entry.Name())}
		if c.published, err = crate.ParseManifest([]byte(c.text("Cargo.toml"))); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		c.files = strings.Split(c.text("FILES"), "\n")
		f(c)
	}
}

func (c realCrate) read(name string) ([]byte, bool) {
	data, err := os.ReadFile(filepath.Join(c.folder, name))
	return data, err == nil
}

func (c realCrate) text(name string) string {
	data, _ := c.read(name)
	return string(data)
}

func (c realCrate) inRepository(file string) ([]byte, bool) { return c.read(path.Join("repo", file)) }

// origin returns the repository's manifest, or the original in the crate.
func (c realCrate) origin() (in Input, kind string, err error) {
	in.Files = c.files
	text, ok := c.read("DIR")
	if !ok {
		original, ok := c.read(crate.ManifestOrigFile)
		if !ok {
			return in, "original", fs.ErrNotExist
		}
		in.Manifest, err = crate.ParseManifest(original)
		return in, "original", err
	}
	in.Dir = string(text)
	data, _ := c.inRepository(path.Join(in.Dir, crate.ManifestFile))
	in.RootDir, in.Root, _ = WorkspaceRoot(nil, in.Dir, c.inRepository)
	in.Manifest, err = crate.ParseManifest(data)
	return in, "git", err
}

func TestCorpusManifests(t *testing.T) {
	outcomes, rules, mutations := map[string]int{}, map[Rule]int{}, 0
	realCrates(t, func(c realCrate) {
		in, kind, err := c.origin()
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			return
		}
		git, notes, err := Canonicalise(in)
		if errors.Is(err, ErrInherit) && kind == "original" {
			outcomes["original, of a workspace that is not at hand"]++
			return
		}
		published, _, err2 := Canonicalise(Input{Manifest: c.published, Files: c.files})
		if err = errors.Join(err, err2); err != nil {
			t.Errorf("%s: %v", c.name, err)
			return
		}
		seen := map[Rule]bool{}
		for _, n := range notes {
			seen[n.Rule] = true
		}
		for rule := range seen {
			rules[rule]++
		}
		outcomes[kind+", "+c.outcome(t, Compare(git, published))]++
		mutations += checkRealMutations(t, c, git)
	})
	t.Log(outcomes)
	t.Logf("%d mutations", mutations)
	t.Log(rules)
}

func (c realCrate) outcome(t *testing.T, differences []Difference) string {
	outcome := "explained"
	for _, d := range differences {
		switch {
		case d.Known != "":
			t.Logf("%s: %s", c.name, describe(d))
			if outcome == "explained" {
				outcome = "edited in a known way"
			}
		case d.Class == Build:
			t.Errorf("%s: %s", c.name, describe(d))
			outcome = "not explained"
		default:
			t.Logf("%s: %s", c.name, describe(d))
			outcome = "edited in " + string(d.Class)
		}
	}
	return outcome
}

// realMutations change a published manifest, or leave it where they do not apply.
var realMutations = map[string]func(text string) string{
	"dependency": func(text string) string { return text + "\n[dependencies.evil-x]\nversion = \"1\"\n" },
	"build dependency": func(text string) string {
		return text + "\n[target.'cfg(evil)'.build-dependencies.evil-x]\nversion = \"1\"\n"
	},
	"any version": func(text string) string { return firstDependency(text, "version = ", "version = \">=0\" #") },
	"another package": func(text string) string {
		if strings.Contains(firstDependency(text, "package = ", ""), "package = ") {
			return text
		}
		return firstDependency(text, "version = ", "package = \"evil-x\"\nversion = ")
	},
	"another registry": func(text string) string {
		return firstDependency(text, "version = ", "registry-index = \"https://evil.example\"\nversion = ")
	},
	"proc macro": func(text string) string {
		if strings.Contains(text, "proc-macro = true") {
			return text
		}
		return strings.Replace(text, "\n[lib]\n", "\n[lib]\nproc-macro = true\n", 1)
	},
	"library": func(text string) string {
		return strings.Replace(text, "path = \"src/lib.rs\"", "path = \"Cargo.lock\"", 1)
	},
	"build script": func(text string) string { return strings.Replace(text, "build = false", "build = \"src/lib.rs\"", 1) },
	"links": func(text string) string {
		return strings.Replace(text, "\n[package]\n", "\n[package]\nlinks = \"evil-x\"\n", 1)
	},
	"default": func(text string) string { return strings.Replace(text, "\ndefault = [", "\ndefault = [\"evil-x\",", 1) },
	"profile": func(text string) string { return text + "\n[profile.evil-x]\nrustflags = [\"-Clinker=evil\"]\n" },
}

// firstDependency replaces the first old in the first dependency that builds.
func firstDependency(text, old, replacement string) string {
	const table = "\n[dependencies."
	before, after, ok := strings.Cut(text, table)
	if !ok {
		return text
	}
	this, rest, more := strings.Cut(after, "\n[")
	if more {
		rest = "\n[" + rest
	}
	return before + table + strings.Replace(this, old, replacement, 1) + rest
}

// checkRealMutations holds that each mutation of an honest manifest is found, and
// returns how many there are.
func checkRealMutations(t *testing.T, c realCrate, git *Canon) (n int) {
	text := c.text("Cargo.toml")
	for _, name := range slices.Sorted(maps.Keys(realMutations)) {
		m, err := crate.ParseManifest([]byte(realMutations[name](text)))
		if err != nil || realMutations[name](text) == text {
			continue // the mutation does not apply, or makes no manifest
		}
		published, _, err := Canonicalise(Input{Manifest: m, Files: c.files})
		if err != nil {
			continue
		}
		n++
		if !slices.ContainsFunc(Compare(git, published), func(d Difference) bool { return d.Class == Build && d.Known == "" }) {
			t.Errorf("%s: %s is not found", c.name, name)
		}
	}
	return n
}

// What the index of crates.io says is what the manifests say, but for versions
// that were published before it was made so.
func TestCorpusIndex(t *testing.T) {
	lines, flags := 0, map[string]int{}
	realCrates(t, func(c realCrate) {
		for _, f := range Flags([]byte(c.text(crate.ManifestFile)), c.published, c.files) {
			flags[f.Rule]++
		}
		raw, ok := c.read("INDEX")
		if !ok {
			return
		}
		line, err := index.ParseLine(raw)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			return
		}
		lines++
		for _, d := range CompareIndex(c.published, line) {
			t.Logf("%s: %s", c.name, describe(d))
		}
	})
	t.Logf("%d lines, flags %v", lines, flags)
}

func TestCorpusLocks(t *testing.T) {
	locks, kinds := 0, map[LockKind]int{}
	realCrates(t, func(c realCrate) {
		data, ok := c.read(crate.LockFile)
		if !ok {
			return
		}
		locks++
		published, err := lockfile.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			return
		}
		root, _, _ := WorkspaceRoot(nil, c.text("DIR"), c.inRepository)
		data, ok = c.inRepository(path.Join(root, crate.LockFile))
		if !ok {
			return
		}
		git, err := lockfile.Parse(data)
		if err != nil {
			t.Errorf("%s in git: %v", c.name, err)
			return
		}
		for _, d := range CompareLock(published, git, c.published.Package.Name) {
			if kinds[d.Kind]++; d.Kind.Contradicts() {
				t.Errorf("%s: %s", c.name, d.Message)
			}
		}
	})
	t.Logf("%d locks, %v", locks, kinds)
}
