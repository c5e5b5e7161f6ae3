package provenance

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Kind says how a file of a crate relates to the commit.
type Kind string

// The kinds. The first group is what an honest crate is made of.
const (
	Exact     Kind = "exact"      // the same bytes at the same path
	OtherMode Kind = "other-mode" // and executable in one of them alone
	Linked    Kind = "linked"     // the same bytes by way of symbolic links
	LinkText  Kind = "link-text"  // the text of a link, as packaging on Windows leaves it
	Copied    Kind = "copied"     // a readme or licence that cargo took from outside the package
	LineEnds  Kind = "line-ends"  // the same but for line ends
	Generated Kind = "generated"  // made by cargo
	// Edited is a manifest whose text is another, compared by meaning.
	Edited Kind = "edited"

	Submodule Kind = "submodule" // below a submodule, which is not compared

	Modified Kind = "modified" // other bytes at the same path
	Unknown  Kind = "unknown"  // nothing at its path
	Collides Kind = "collides" // part of a SHA-1 collision attack: its id says nothing
)

// A File is a file of the crate, compared.
type File struct {
	Path string
	Kind Kind
	// Source says of a file that is Modified, Unknown or Collides that it can be
	// built or run, as far as can be told.
	Source bool
	At     string // where its counterpart stands in the repository; "" if nowhere
	// Elsewhere is where the repository holds the bytes of an Unknown file.
	Elsewhere string
	// Escapes says of an Unknown file that its path in the repository is a link
	// that leads out of it.
	Escapes bool
	// Hunk is the first difference of a Modified text file, where it was fetched.
	Hunk *Hunk
	Size int

	git gitobj.ID // of what it was Modified from
}

// compareFiles sorts every file of the crate into its kind.
func (c *comparison) compareFiles(ctx context.Context) error {
	var pending []int // not the same at their own path, without links
	var paths []string
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
	c.findRoles()
	c.findElsewhere()
	return c.fetchHunks(ctx)
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
	ids := spellings(data)
	at := places[c.inRepository(file.Path)]
	file.At = at.path
	for i, id := range ids {
		if at.state == found && at.entry.ID == id {
			file.Kind = LineEnds
			if i == 0 { // as it is: only a link can have hidden it so far
				file.Kind = Linked
			}
			return
		}
		for _, p := range c.copiedFrom(file.Path) {
			if from := places[p]; from.state == found && from.entry.ID == id {
				file.Kind, file.At = Copied, from.path
				return
			}
		}
	}
	switch {
	case at.state == submodule:
		file.Kind = Submodule
	case at.state == found && c.isOriginal(file.Path):
		file.Kind = Edited
	case at.state == found:
		file.Kind, file.git = Modified, at.entry.ID
	default:
		file.Kind, file.At, file.Escapes = Unknown, "", at.state == outside
	}
}

// isOriginal reports whether a file is the manifest as its author wrote it.
func (c *comparison) isOriginal(file string) bool {
	return c.originalFile != nil && c.originalFile.Path == file && c.original != nil
}

// copiedFrom lists where cargo may have taken a readme or licence from that
// stands in the crate's root: the path that the manifest names, or the file of
// that name in a folder above the package, which inherited settings name. Code
// is never taken for one: cargo would, and then build it.
func (c *comparison) copiedFrom(file string) []string {
	if c.published == nil || strings.Contains(file, "/") || slices.Contains(codeEnds, path.Ext(file)) {
		return nil
	}
	named := append([]string{c.published.Package.LicenseFile}, c.published.Package.Readme.Paths...)
	if c.original != nil {
		named = append(named, c.original.Package.LicenseFile)
		named = append(named, c.original.Package.Readme.Paths...)
	}
	var from []string
	for _, name := range named {
		name = strings.ReplaceAll(name, `\`, "/")
		if name == "" || path.IsAbs(name) || path.Base(name) != file {
			continue
		}
		from = append(from, c.out.Path+"/"+name)
		for above := c.out.Path; above != ""; {
			above = parent(above)
			from = append(from, path.Join(above, file))
		}
	}
	return from
}

func parent(folder string) string {
	if folder = path.Dir(folder); folder == "." {
		return ""
	}
	return folder
}

// spellings returns the ids of a file as it is and, if it is text, with the line
// ends of other systems.
func spellings(data []byte) []gitobj.ID {
	as, _ := gitobj.BlobID(data)
	ids := []gitobj.ID{as}
	if !isText(data) {
		return ids
	}
	unix := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	other := unix
	if len(unix) == len(data) {
		other = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	if len(other) != len(data) {
		id, _ := gitobj.BlobID(other)
		ids = append(ids, id)
	}
	return ids
}

// isText is git's own guess: no NUL near the beginning.
func isText(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0
}

// findRoles looks what the files that differ are for.
func (c *comparison) findRoles() {
	differs := func(f File) bool { return f.Kind == Modified || f.Kind == Unknown || f.Kind == Collides }
	if !slices.ContainsFunc(c.out.Files, differs) {
		return // and every source file need not be read
	}
	roles := newRoles(c)
	for i, f := range c.out.Files {
		c.out.Files[i].Source = differs(f) && roles.source(f.Path)
	}
}

// findElsewhere looks whether the repository holds unknown files at other paths.
func (c *comparison) findElsewhere() {
	wanted := map[gitobj.ID][]int{}
	for i, f := range c.out.Files {
		if f.Kind == Unknown && f.Size > 0 {
			id, _ := gitobj.BlobID(c.in.Archive.Files[i].Data)
			wanted[id] = append(wanted[id], i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	seen := map[gitobj.ID]bool{}
	c.tree.each(c.tree.root(), "", seen, func(at string, e gitobj.Entry) {
		for _, i := range wanted[e.ID] {
			if c.out.Files[i].Elsewhere == "" {
				c.out.Files[i].Elsewhere = at
			}
		}
	})
}

// each visits the files below a folder, those of a tree that stands in several
// places once.
func (t *tree) each(folder *gitobj.Tree, at string, seen map[gitobj.ID]bool, visit func(at string, e gitobj.Entry)) {
	if seen[folder.ID] || len(at) > crate.DefaultLimits.Path {
		return
	}
	seen[folder.ID] = true
	for _, e := range folder.Entries {
		switch {
		case e.Mode == gitobj.ModeTree:
			t.each(t.folder(e.ID), path.Join(at, e.Name), seen, visit)
		case e.Mode.IsFile():
			visit(path.Join(at, e.Name), e)
		}
	}
}
