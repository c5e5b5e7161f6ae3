package manifest

import (
	"errors"
	"fmt"
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

// TestCorpus compares real crates with their repositories. Every folder below
// $CRATEFENCE_MANIFESTS is a crate: Cargo.toml and Cargo.toml.orig as published,
// FILES with a path a line, and where the repository is at hand DIR, the package's
// folder in it, and repo/ with its manifests from there upwards.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("CRATEFENCE_MANIFESTS")
	if corpus == "" {
		t.Skip("no CRATEFENCE_MANIFESTS")
	}
	crates, err := os.ReadDir(corpus)
	if err != nil {
		t.Fatal(err)
	}
	rules, outcomes := map[Rule]int{}, map[string]int{}
	for _, entry := range crates {
		differences, notes, err := compareFolder(filepath.Join(corpus, entry.Name()))
		kind := "original"
		if _, missing := os.Stat(filepath.Join(corpus, entry.Name(), "DIR")); missing == nil {
			kind = "git"
		}
		if err != nil {
			outcomes[kind+", not compared"]++
			fmt.Printf("%s %s: ERR %v\n", kind, entry.Name(), err)
			continue
		}
		fired := map[Rule]bool{}
		for _, n := range notes {
			fired[n.Rule] = true
		}
		for rule := range fired {
			rules[rule]++
		}
		outcome := "explained"
		for _, d := range differences {
			fmt.Printf("%s %s: %s %s: %s\n", kind, entry.Name(), d.Class, d.Known, d.Message)
			if d.Known == "" {
				outcome = "residue"
			} else if outcome == "explained" {
				outcome = "known edits"
			}
		}
		outcomes[kind+", "+outcome]++
	}
	fmt.Println(outcomes, rules)
}

func TestCorpusIndex(t *testing.T) {
	corpus := os.Getenv("CRATEFENCE_MANIFESTS")
	crates, _ := os.ReadDir(corpus)
	n, bad := 0, 0
	for _, entry := range crates {
		folder := filepath.Join(corpus, entry.Name())
		text, _ := os.ReadFile(filepath.Join(folder, "Cargo.toml"))
		m, err := crate.ParseManifest(text)
		if err != nil {
			continue
		}
		files, _ := os.ReadFile(filepath.Join(folder, "FILES"))
		for _, f := range Flags(text, m, strings.Split(string(files), "\n")) {
			fmt.Println("FLAG", entry.Name(), f.Rule, f.Old, f.Message, f.Line)
		}
		raw, err := os.ReadFile(filepath.Join(folder, "INDEX"))
		if err != nil {
			continue
		}
		line, err := index.ParseLine(raw)
		if err != nil {
			fmt.Println(entry.Name(), err)
			continue
		}
		n++
		d := CompareIndex(m, line)
		if len(d) > 0 {
			bad++
		}
		for _, d := range d {
			fmt.Println("INDEX", entry.Name(), d.Class, d.Message, d.Line)
		}
	}
	fmt.Println("index", n, bad)
}

func TestCorpusLock(t *testing.T) {
	corpus := os.Getenv("CRATEFENCE_MANIFESTS")
	crates, _ := os.ReadDir(corpus)
	kinds := map[LockKind]int{}
	n, pairs := 0, 0
	for _, entry := range crates {
		folder := filepath.Join(corpus, entry.Name())
		data, err := os.ReadFile(filepath.Join(folder, "Cargo.lock"))
		if err != nil {
			continue
		}
		n++
		published, err := lockfile.Parse(data)
		if err != nil {
			fmt.Println("LOCK", entry.Name(), err)
			continue
		}
		dir, err := os.ReadFile(filepath.Join(folder, "DIR"))
		if err != nil {
			continue
		}
		root, _, ok := WorkspaceRoot(string(dir), func(file string) ([]byte, bool) {
			data, err := os.ReadFile(filepath.Join(folder, "repo", file))
			return data, err == nil
		})
		if !ok {
			root = string(dir)
		}
		data, err = os.ReadFile(filepath.Join(folder, "repo", root, "Cargo.lock"))
		if err != nil {
			continue
		}
		git, err := lockfile.Parse(data)
		if err != nil {
			fmt.Println("GITLOCK", entry.Name(), err)
			continue
		}
		pairs++
		m, _ := os.ReadFile(filepath.Join(folder, "Cargo.toml"))
		mm, err := crate.ParseManifest(m)
		if err != nil {
			continue
		}
		for _, d := range CompareLock(published, git, mm.Package.Name) {
			kinds[d.Kind]++
			if d.Kind != LockSibling {
				fmt.Println("LOCK", entry.Name(), d.Kind, d.Message)
			}
		}
	}
	fmt.Println("locks", n, pairs, kinds)
}

func compareFolder(folder string) ([]Difference, []Note, error) {
	read := func(name string) (*crate.Manifest, error) {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		return crate.ParseManifest(data)
	}
	list, err := os.ReadFile(filepath.Join(folder, "FILES"))
	if err != nil {
		return nil, nil, err
	}
	files := strings.Split(string(list), "\n")
	published, err := read("Cargo.toml")
	if err != nil {
		return nil, nil, err
	}
	var git Input
	if slices.Contains(files, "Cargo.toml.orig") {
		git.Manifest, err = read("Cargo.toml.orig")
	}
	if err != nil {
		return nil, nil, err
	}
	git.Files = files
	if dir, err := os.ReadFile(filepath.Join(folder, "DIR")); err == nil {
		git.Dir = string(dir)
		if git.Manifest, err = read(path.Join("repo", git.Dir, "Cargo.toml")); err != nil {
			return nil, nil, err
		}
		git.RootDir, git.Root, _ = WorkspaceRoot(git.Dir, func(file string) ([]byte, bool) {
			data, err := os.ReadFile(filepath.Join(folder, "repo", file))
			return data, err == nil
		})
	}
	if git.Manifest == nil {
		return nil, nil, errors.New("no original")
	}
	a, notes, err := Canonicalise(git)
	if err != nil {
		return nil, nil, err
	}
	b, _, err := Canonicalise(Input{Manifest: published, Files: files})
	if err != nil {
		return nil, nil, err
	}
	return Compare(a, b), notes, nil
}
