// Package provenance compares the files of a crate with a commit of a git
// repository: by object id, so that no file has to be fetched that is the same,
// and manifests by meaning, as cargo rewrites them when it packages.
//
// It measures and explains; what its findings are worth is said by the check of
// that name. Reaching the repository, and saying why it cannot be reached, is
// not its part: errors of the snapshot are passed on.
package provenance

import (
	"context"
	"errors"
	"path"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// ErrNoPackage: the commit holds no package of the crate's name.
var ErrNoPackage = errors.New("no such package in the commit")

// An Input is what is compared.
type Input struct {
	Name     string // the crate's
	Archive  *crate.Archive
	Snapshot check.Snapshot
	Source   check.Source // opens submodules
	// Path is the package's folder in the repository, "" for its root; nil where
	// it is not recorded.
	Path *string
	// Repository is the URL that the crate declares, which may be of the package's
	// own page; "" where it is not known.
	Repository string
}

// A Result is what the comparison saw.
type Result struct {
	Path        string    // the package's folder in the repository
	PathGuessed bool      // found by its manifest: not recorded, or not there
	Twins       []string  // folders that a reader may take for Path: of packages of the same name, no deeper
	Files       []File    // in the archive's order
	Submodules  []Gitlink // that files of the crate stand in
	Missing     Missing
	Manifest    Manifest
	Lock        *Lock // nil where the crate has none
	// Declaration is what the repository's manifest says is generated.
	Declaration Declaration
}

// Compare compares a crate with a commit. The error wraps ErrNoPackage, or is
// one of the snapshot's or the context's.
func Compare(ctx context.Context, in Input) (*Result, error) {
	c := &comparison{
		in:   in,
		tree: tree{snap: in.Snapshot, links: map[gitobj.ID]string{}},
	}
	c.readManifests()
	if err := c.locate(ctx); err != nil {
		return nil, err
	}
	if err := c.prefetch(ctx); err != nil {
		return nil, err
	}
	if err := c.readOrigin(ctx); err != nil {
		return nil, err
	}
	if err := c.findTwins(ctx); err != nil {
		return nil, err
	}
	c.compareManifests()
	if err := c.compareFiles(ctx); err != nil {
		return nil, err
	}
	if err := c.compareLock(ctx); err != nil {
		return nil, err
	}
	return &c.out, nil
}

// A comparison is one run of Compare.
type comparison struct {
	in      Input
	out     Result
	tree    tree
	matcher matcher

	// published is the manifest that cargo reads; nil where it cannot be read,
	// which is the archive check's to say.
	published *crate.Manifest
	// original is the manifest as its author wrote it, from Cargo.toml.orig;
	// before cargo 1.20 the one published. nil where it cannot be read.
	original     *crate.Manifest
	originalFile *crate.File
	// git is the repository's manifest of the package, and root that of its
	// workspace, which may be the same; nil where there is none that can be read.
	git  *crate.Manifest
	root *root

	twins []candidate // what may be taken for the package
}

func (c *comparison) readManifests() {
	if f := c.in.Archive.File(crate.ManifestFile); f != nil {
		c.published, _ = c.in.Archive.Manifest()
		c.original, c.originalFile = c.published, f
	}
	if f := c.in.Archive.File(crate.ManifestOrigFile); f != nil {
		c.original, _ = crate.ParseManifest(f.Data)
		c.originalFile = f
	}
}

// generated reports whether a file of the crate is one that cargo makes: it has
// nothing in the repository to be equal to.
func (c *comparison) generated(file string) bool {
	switch file {
	case crate.LockFile, crate.VCSInfoFile:
		return true
	case crate.ManifestFile: // unless it is the original itself
		return c.originalFile != nil && c.originalFile.Path != crate.ManifestFile
	}
	return false
}

// inRepository is where a file of the crate stands in the repository.
func (c *comparison) inRepository(file string) string {
	if file == crate.ManifestOrigFile {
		file = crate.ManifestFile
	}
	return path.Join(c.out.Path, file)
}
