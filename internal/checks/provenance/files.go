package provenance

import (
	"context"
	"path"
	"slices"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Kind says how a file of a crate relates to the commit.
type Kind string

// The kinds. The first group is what an honest crate is made of.
const (
	Exact      Kind = "exact"      // the same bytes at the same path
	OtherMode  Kind = "other-mode" // and executable in one of them alone
	Linked     Kind = "linked"     // the same bytes by way of symbolic links
	LinkText   Kind = "link-text"  // the text of a link, as packaging on Windows leaves it
	Copied     Kind = "copied"     // a readme or licence that cargo took from outside the package
	Submodule  Kind = "submodule"  // the same bytes in a submodule, at the commit it is pinned to
	LineEnds   Kind = "line-ends"  // the same but for line ends
	Ident      Kind = "ident"      // the same but for what git writes between "$Id" and "$"
	Transcoded Kind = "transcoded" // the same text in the encoding that .gitattributes name
	Stored     Kind = "stored"     // what a pointer to large file storage stands for
	Generated  Kind = "generated"  // made by cargo
	// Edited is a manifest whose text is another, compared by meaning.
	Edited Kind = "edited"

	// Declared is a file that differs, and that the repository's manifest says is
	// generated when packaging.
	Declared Kind = "declared"
	Modified Kind = "modified" // other bytes at the same path
	Unknown  Kind = "unknown"  // nothing at its path
	Collides Kind = "collides" // part of a SHA-1 collision attack: its id says nothing
	// Uncompared is a file below a submodule that could not be fetched.
	Uncompared Kind = "uncompared"
)

// Differs reports whether a kind is of files that are not the commit's.
func (k Kind) Differs() bool {
	return k == Declared || k == Modified || k == Unknown || k == Collides
}

// A File is a file of the crate, compared.
type File struct {
	Path string
	Kind Kind
	// Source says of a file that differs, if only in its line ends, that it can be
	// built or run, as far as can be told.
	Source bool
	At     string // where its counterpart stands in the repository; "" if nowhere
	// Elsewhere is where the repository holds the bytes of a file that differs: in
	// the commit, or in the one that ElsewhereIn names.
	Elsewhere, ElsewhereIn string
	// Escapes says of an Unknown file that its path in the repository is a link
	// that leads out of it.
	Escapes bool
	// Ends says how its line ends are not the repository's, where a program that
	// reads it may tell them apart and no checkout explains them.
	Ends Ends
	// Diff is how a Modified text file differs, where its counterpart was fetched.
	Diff *Diff
	Size int

	id  gitobj.ID // of its bytes; zero for what is Generated
	git gitobj.ID // of what it was Modified from
	// in is the repository that its counterpart stands in, inPath the path there;
	// nil and the empty path where there is none.
	in     *tree
	inPath string
}

// compareFiles sorts every file of the crate into its kind.
func (c *comparison) compareFiles(ctx context.Context) error {
	var pending []int // not the same at their own path, without links
	var paths []string
	c.out.Files = make([]File, 0, len(c.in.Archive.Files))
	for _, f := range c.in.Archive.Files {
		file, settled := c.compareLiteral(f)
		c.out.Files = append(c.out.Files, file)
		if !settled {
			pending = append(pending, len(c.out.Files)-1)
			paths = append(paths, c.inRepository(f.Path))
			paths = append(paths, c.copiedFrom(f.Path)...)
		}
	}
	places, err := c.tree.findAll(ctx, paths)
	if err != nil {
		return err
	}
	for _, i := range pending {
		c.settle(&c.out.Files[i], c.in.Archive.Files[i].Data, places)
	}
	if err := c.compareSubmodules(ctx, pending, places); err != nil {
		return err
	}
	if err := c.unfilter(ctx); err != nil {
		return err
	}
	if err := c.findRoles(ctx); err != nil {
		return err
	}
	c.findDeclared()
	c.findElsewhere()
	c.findMissing()
	return c.fetchDiffs(ctx)
}

// compareLiteral compares a file with what stands at its own path.
func (c *comparison) compareLiteral(f crate.File) (file File, settled bool) {
	file = File{Path: f.Path, Kind: Generated, Size: len(f.Data)}
	if c.generated(f.Path) {
		return file, true
	}
	id, collision := gitobj.BlobID(f.Data)
	if collision {
		file.Kind = Collides
		return file, true
	}
	file.id = id
	at := c.inRepository(f.Path)
	e, ok := c.tree.literal(at)
	if !ok || e.ID != id {
		return file, false
	}
	file.At = at
	switch {
	case e.Mode == gitobj.ModeSymlink:
		file.Kind = LinkText
	case (e.Mode == gitobj.ModeExecutable) == f.Executable:
		file.Kind = Exact
	default:
		file.Kind = OtherMode
	}
	return file, true
}

// settle finds the kind of a file that is not the same at its own path.
func (c *comparison) settle(file *File, data []byte, places map[string]place) {
	all := spellings(data)
	at := places[c.inRepository(file.Path)]
	file.At, file.in, file.inPath = at.path, &c.tree, at.path
	if at.state == found {
		if kind, ok := spelled(all, at.entry.ID); ok {
			if file.Kind = kind; kind == Exact { // only a link can have hidden it so far
				file.Kind = Linked
			}
			file.Ends = endsOf(kind, data)
			return
		}
	}
	for _, p := range c.copiedFrom(file.Path) {
		if at.state == found { // cargo takes that, and copies nothing over it
			break
		}
		if from := places[p]; from.state == found {
			if kind, ok := spelled(all, from.entry.ID); ok {
				file.Kind, file.At, file.inPath, file.Ends = Copied, from.path, from.path, endsOf(kind, data)
				return
			}
		}
	}
	switch {
	case at.state == submodule:
		file.Kind = Uncompared
	case at.state == found && c.isOriginal(file.Path):
		file.Kind = Edited
	case at.state == found:
		file.Kind, file.git = Modified, at.entry.ID
	default:
		file.Kind, file.At, file.inPath, file.Escapes = Unknown, "", "", at.state == outside
	}
}

// isOriginal reports whether a file is the manifest as its author wrote it.
func (c *comparison) isOriginal(file string) bool {
	return c.originalFile != nil && c.originalFile.Path == file && c.original != nil
}

func parent(folder string) string {
	if folder = path.Dir(folder); folder == "." {
		return ""
	}
	return folder
}

// findRoles looks what the files that differ are for, if only in their line ends.
func (c *comparison) findRoles(ctx context.Context) error {
	c.forgetEnds()
	asked := func(f File) bool { return f.Kind.Differs() || f.Ends != SameEnds }
	if !slices.ContainsFunc(c.out.Files, asked) {
		return nil // and every source file need not be read
	}
	roles := newRoles(c)
	for i, f := range c.out.Files {
		c.out.Files[i].Source = asked(f) && roles.source(f.Path)
	}
	return c.weighEnds(ctx)
}
