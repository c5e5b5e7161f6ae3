package manifest

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
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
		if err != nil {
			outcomes["unreadable"]++
			fmt.Printf("%s: %v\n", entry.Name(), err)
			continue
		}
		fired := map[Rule]bool{}
		for _, n := range notes {
			fired[n.Rule] = true
		}
		for rule := range fired {
			rules[rule]++
		}
		if len(differences) == 0 {
			outcomes["explained"]++
			continue
		}
		outcomes["residue"]++
		for _, d := range differences {
			fmt.Printf("%s: %s %s: %s\n", entry.Name(), d.Class, d.Known, d.Message)
		}
	}
	fmt.Println(outcomes, rules)
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
	} else {
		git.Manifest = published
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
