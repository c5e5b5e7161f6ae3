package provenance

import (
	"path"
	"slices"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Reason says why cargo left a file of the repository out of the crate.
type Reason string

// The reasons. They follow cargo's rules of today, which are those of its
// reference under "The exclude and include fields".
const (
	Excluded      Reason = "exclude"        // `exclude` names it
	NotIncluded   Reason = "include"        // `include` does not name it
	NestedPackage Reason = "nested-package" // below another Cargo.toml
	BuildOutput   Reason = "target"         // in target/
	Link          Reason = "link"           // a link to a folder, or to nothing
)

// Missing are the files below the package's folder that the crate does not hold.
type Missing struct {
	Explained map[Reason]int
	// Unexplained are those without a reason, in order; More counts those over
	// maxMissing.
	Unexplained []string
	More        int
}

const (
	maxMissing = 100
	maxTracked = 20_000 // files of the package's folder that are looked at
)

// findMissing looks for files of the repository that the crate ought to hold.
func (c *comparison) findMissing() {
	if c.git == nil {
		return
	}
	s := missingSearch{
		c: c, held: map[string]bool{}, out: &c.out.Missing,
		include: parsePatterns(c.listed("include", c.git.Package.Include)),
		exclude: parsePatterns(c.listed("exclude", c.git.Package.Exclude)),
	}
	s.out.Explained = map[Reason]int{}
	for _, f := range c.in.Archive.Files {
		for at := f.Path; at != "" && !s.held[at]; at = parent(at) {
			s.held[at] = true
		}
	}
	if folder := c.tree.at(c.out.Path); folder != nil {
		s.folder(folder, "")
	}
	if c.matcher.exhausted() { // patterns that are made to take time explain nothing
		*s.out = Missing{Explained: map[Reason]int{}}
	}
	slices.Sort(s.out.Unexplained)
}

// listed is a list of patterns of the repository's manifest, or of its workspace.
func (c *comparison) listed(key string, own []string) []string {
	if !c.git.Package.Inherited[key] || c.root == nil {
		return own
	}
	values, _ := c.root.workspacePackage()[key].([]any)
	for _, v := range values {
		if line, ok := v.(string); ok {
			own = append(own, line)
		}
	}
	return own
}

type missingSearch struct {
	c                *comparison
	held             map[string]bool // files of the crate and their folders
	include, exclude []pattern
	tracked          int
	out              *Missing
}

func (s *missingSearch) folder(folder *gitobj.Tree, at string) {
	if len(at) > crate.DefaultLimits.Path {
		return
	}
	for _, e := range folder.Entries {
		if s.tracked++; s.tracked > maxTracked {
			return
		}
		file := path.Join(at, e.Name)
		switch {
		case e.Mode == gitobj.ModeTree:
			s.below(s.c.tree.folder(e.ID), file)
		case e.Mode == gitobj.ModeSubmodule || s.held[file] || file == crate.LockFile:
		case e.Mode == gitobj.ModeSymlink:
			s.out.Explained[Link]++
		default:
			s.lacking(file)
		}
	}
}

func (s *missingSearch) below(folder *gitobj.Tree, at string) {
	e, ok := folder.Entry(crate.ManifestFile)
	if ok && e.Mode != gitobj.ModeTree && !s.held[path.Join(at, crate.ManifestFile)] {
		s.out.Explained[NestedPackage]++
		return
	}
	s.folder(folder, at)
}

func (s *missingSearch) lacking(file string) {
	switch {
	case len(s.include) > 0 && !s.c.matcher.matchesBelow(s.include, file):
		s.out.Explained[NotIncluded]++
	case len(s.include) == 0 && s.c.matcher.matchesBelow(s.exclude, file):
		s.out.Explained[Excluded]++
	case topFolder(file) == "target":
		s.out.Explained[BuildOutput]++
	case len(s.out.Unexplained) == maxMissing:
		s.out.More++
	default:
		s.out.Unexplained = append(s.out.Unexplained, file)
	}
}

func topFolder(file string) string {
	for folder := parent(file); folder != ""; folder = parent(folder) {
		file = folder
	}
	return file
}
