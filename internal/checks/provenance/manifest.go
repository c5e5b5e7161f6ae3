package provenance

import (
	"errors"
	"slices"

	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/crate"
)

// A Manifest is what the comparison of the manifests saw.
type Manifest struct {
	// Original says how the manifest that the author wrote relates to the
	// repository's: Exact, LineEnds, Edited.
	Original Kind
	// OtherName is the package that the repository's manifest names, where it is
	// not the crate.
	OtherName string
	// Workspace is the folder of the package's workspace; nil where it has none.
	Workspace *string
	// Unreadable are the manifests that could not be compared, and why.
	Unreadable []Unreadable
	// NoWorkspace says that settings are inherited and the workspace was not
	// found, or lacks them: they were not compared.
	NoWorkspace bool
	Differences []Difference
	// Flags are what cargo never publishes, whatever the repository says.
	Flags []manifest.Flag
	// Notes say what cargo did to the repository's manifest when it published it.
	Notes []manifest.Note
}

// An Unreadable is a manifest that could not be compared.
type Unreadable struct {
	File string // of the crate; "" for the repository's
	Err  error  // nil where it cannot be parsed
}

// A Difference is something that the published manifest says and its origin does
// not account for.
type Difference struct {
	manifest.Difference
	// Generated says that the origin is the text of Cargo.toml.orig, which cargo
	// itself turned into Cargo.toml: nobody's edit comes between the two. Otherwise
	// it is the repository's manifest, where that is another text.
	Generated bool
}

// compareManifests holds the published manifest against the repository's and,
// where the original is not the repository's, against the original, too.
func (c *comparison) compareManifests() {
	m := &c.out.Manifest
	if c.root != nil {
		m.Workspace = &c.root.folder
	}
	if c.git != nil && c.git.Package.Name != c.in.Name {
		m.OtherName = c.git.Package.Name
	}
	if c.published == nil {
		m.Unreadable = append(m.Unreadable, Unreadable{File: crate.ManifestFile})
		return
	}
	m.Flags = manifest.Flags(c.in.Archive.File(crate.ManifestFile).Data, c.published, c.paths())
	if c.published == c.original && m.Original != Edited {
		return // before cargo 1.20 the author's own text was published
	}
	published := c.canonical(c.published, crate.ManifestFile, c.published == c.original)
	if published == nil {
		return
	}
	if c.original != c.published && m.Original == Edited {
		if original := c.canonical(c.original, crate.ManifestOrigFile, true); original != nil {
			m.add(manifest.Compare(original, published), true)
		}
	}
	if git := c.canonical(c.git, "", true); git != nil {
		m.add(manifest.Compare(git, published), m.Original != Edited)
	}
}

// canonical brings a manifest into its canonical form; nil where it has none,
// which is noted.
func (c *comparison) canonical(parsed *crate.Manifest, file string, authored bool) *manifest.Canon {
	m := &c.out.Manifest
	if parsed == nil {
		m.Unreadable = append(m.Unreadable, Unreadable{File: file})
		return nil
	}
	in := manifest.Input{Manifest: parsed, Dir: c.out.Path, Files: c.paths()}
	if authored && c.root != nil {
		in.Root, in.RootDir = c.root.parsed, c.root.folder
	}
	canon, notes, err := manifest.Canonicalise(in)
	switch {
	case errors.Is(err, manifest.ErrInherit) && authored:
		m.NoWorkspace = true
	case err != nil:
		m.Unreadable = append(m.Unreadable, Unreadable{file, err})
	case file == "":
		m.Notes = notes
	}
	return canon
}

// paths lists the crate's files.
func (c *comparison) paths() []string {
	all := make([]string, len(c.in.Archive.Files))
	for i, f := range c.in.Archive.Files {
		all[i] = f.Path
	}
	return all
}

// add adds differences, those of one setting once.
func (m *Manifest) add(differences []manifest.Difference, generated bool) {
	for _, d := range differences {
		known := func(other Difference) bool {
			return slices.Equal(other.Path, d.Path) && other.Published == d.Published && other.Git == d.Git
		}
		if !slices.ContainsFunc(m.Differences, known) {
			m.Differences = append(m.Differences, Difference{d, generated})
		}
	}
}
