package provenance

import (
	"slices"

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
	// Workspace is the folder of the workspace that settings are inherited from;
	// nil where none are.
	Workspace *string
	// Unreadable names the manifests of the crate that could not be parsed, and
	// were therefore not compared.
	Unreadable []string
	// NoWorkspace says that settings are inherited and the workspace was not
	// found: they were not compared.
	NoWorkspace bool
	Differences []Difference
}

// A Difference is something a manifest says that what it was made from does not
// account for.
type Difference struct {
	Rule    string // stable name, as in a finding
	Message string
	// Harmless differences do not reach who depends on the crate: what is needed
	// for its tests only, and a version raised when publishing.
	Harmless bool
	File     string // the manifest of the crate that says it
	Line     int    // 0 unknown
}

// The rules of differences.
const (
	RuleDependencyAdded   = "dependency-added"
	RuleDependencyChanged = "dependency-changed"
	RuleDependencyRemoved = "dependency-removed"
	RuleFeatureAdded      = "feature-added"
	RuleFeatureChanged    = "feature-changed"
	RuleFeatureRemoved    = "feature-removed"
	RuleBuildKey          = "build-key"
)

// compareManifests holds the published manifest against the original, and the
// original, where its text is another, against the repository's.
func (c *comparison) compareManifests() {
	m := &c.out.Manifest
	if c.published == nil {
		m.Unreadable = append(m.Unreadable, crate.ManifestFile)
	}
	if c.git != nil && c.git.Package.Name != c.in.Name {
		m.OtherName = c.git.Package.Name
	}
	if c.original == nil {
		if c.originalFile != nil && c.originalFile.Path != crate.ManifestFile {
			m.Unreadable = append(m.Unreadable, c.originalFile.Path)
		}
		return
	}
	var workspace *crate.Manifest
	inheriting := inherits(c.original) || c.git != nil && inherits(c.git)
	switch {
	case inheriting && c.root == nil:
		m.NoWorkspace = true
	case inheriting:
		m.Workspace, workspace = &c.root.folder, c.root.parsed
	}
	original := side{manifest: c.original, workspace: workspace, archive: c.in.Archive, file: c.originalFile.Path}
	switch {
	case m.Original != Edited:
	case c.git == nil: // then it is not what the crate was packaged from
		m.Differences = append(m.Differences, Difference{
			Rule: RuleBuildKey, File: c.originalFile.Path, Message: "The repository's Cargo.toml cannot be read",
		})
	default:
		repository := side{manifest: c.git, workspace: workspace, archive: c.in.Archive}
		m.Differences = append(m.Differences, diff(original, repository, authored)...)
	}
	if c.published != nil && c.published != c.original {
		published := side{manifest: c.published, archive: c.in.Archive, file: crate.ManifestFile}
		m.Differences = append(m.Differences, diff(published, original, generated)...)
	}
}

func inherits(m *crate.Manifest) bool {
	return len(m.Package.Inherited) > 0 ||
		slices.ContainsFunc(m.Dependencies, func(d crate.Dependency) bool { return d.Workspace })
}
