// Package cratetest makes what tests and the demo look at: git repositories and
// .crate archives from text a person can read, a git server for them, and a
// small whole registry that a real cargo can use.
//
// It is test support: nothing in it is for serving strangers, and only tests and
// cmd import it. Its core returns errors; tb.go has the forms that end a test.
package cratetest

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// Sentinel errors: what a machine may lack. Tests skip on them and say so.
var (
	ErrNoCargo = errors.New("no cargo that the tests can use is installed")
	ErrNoGit   = errors.New("git is not installed, or without git-http-backend")
)

// A File is a file of a repository or a crate.
type File struct {
	Path       string // relative, separated by "/"
	Data       []byte
	Executable bool
	Link       string // the target of a symbolic link, which has no Data
}

// A Commit is what one commit of a fixture holds, and the tags put on it.
type Commit struct {
	Files []File // the whole tree, by path
	Tags  []string
}

// Commits reads a history from a txtar archive. The names of its files say what
// each does:
//
//	-- src/lib.rs --          a file of the first commit
//	-- build.sh +x --         an executable
//	-- LICENSE -> ../LICENSE --   a symbolic link
//	-- @2/src/lib.rs --       a file that commit 2 adds or changes
//	-- @2/src/old.rs gone --  a file that commit 2 removes
//	-- @2 tag v0.2.0 --       a tag on commit 2
//
// Each commit starts from the tree of the one before. Numbers have no gaps.
func Commits(a *txtar.Archive) ([]Commit, error) {
	steps := map[int][]step{}
	for _, f := range a.Files {
		s, err := parseStep(f)
		if err != nil {
			return nil, fmt.Errorf("read fixture file %q: %w", f.Name, err)
		}
		steps[s.commit] = append(steps[s.commit], s)
	}
	var commits []Commit
	tree := map[string]File{}
	for n := 1; n <= len(steps); n++ {
		if steps[n] == nil {
			return nil, fmt.Errorf("read fixture: no commit %d", n)
		}
		var tags []string
		for _, s := range steps[n] {
			switch {
			case s.tag != "":
				tags = append(tags, s.tag)
			case s.gone:
				delete(tree, s.file.Path)
			default:
				tree[s.file.Path] = s.file
			}
		}
		commits = append(commits, Commit{Files: sorted(tree), Tags: tags})
	}
	return commits, nil
}

// A step is what one file of a fixture does to the history.
type step struct {
	commit int
	file   File
	gone   bool
	tag    string
}

func parseStep(f txtar.File) (step, error) {
	s := step{commit: 1}
	name := f.Name
	if numbered, ok := strings.CutPrefix(name, "@"); ok {
		number, rest, tag := strings.Cut(numbered, " tag ")
		if tag {
			s.tag = rest
		} else {
			number, name, _ = strings.Cut(numbered, "/")
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return step{}, fmt.Errorf("commit %q is not a number from 1", number)
		}
		s.commit = n
	}
	if s.tag != "" {
		return s, nil
	}
	name, link, _ := strings.Cut(name, " -> ")
	name, executable := strings.CutSuffix(name, " +x")
	name, gone := strings.CutSuffix(name, " gone")
	if name == "" || path.Clean(name) != name || path.IsAbs(name) || strings.HasPrefix(name, "..") {
		return step{}, errors.New("not a clean relative path")
	}
	s.file = File{Path: name, Data: f.Data, Executable: executable, Link: link}
	s.gone = gone
	if link != "" {
		s.file.Data = nil
	}
	return s, nil
}

func sorted(tree map[string]File) []File {
	files := slices.Collect(maps.Values(tree))
	slices.SortFunc(files, func(a, b File) int { return comparePaths(a.Path, b.Path) })
	return files
}

// comparePaths orders as cargo does, component by component: "a/b" before "a.b".
func comparePaths(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

// Expand returns a copy of a with {{KEY}} replaced by its value, in contents and
// names.
func Expand(a *txtar.Archive, values map[string]string) *txtar.Archive {
	var pairs []string
	for key, value := range values {
		pairs = append(pairs, "{{"+key+"}}", value)
	}
	replacer := strings.NewReplacer(pairs...)
	expanded := &txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		expanded.Files = append(expanded.Files, txtar.File{
			Name: replacer.Replace(f.Name),
			Data: []byte(replacer.Replace(string(f.Data))),
		})
	}
	return expanded
}
