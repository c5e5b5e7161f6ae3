package provenance

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
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
func (c *comparison) compareManifests(ctx context.Context) error {
	m := &c.out.Manifest
	if c.published == nil {
		m.Unreadable = append(m.Unreadable, crate.ManifestFile)
	}
	if c.original == nil {
		if c.originalFile != nil && c.originalFile.Path != crate.ManifestFile {
			m.Unreadable = append(m.Unreadable, c.originalFile.Path)
		}
		return nil
	}
	git, err := c.gitManifest(ctx)
	if err != nil {
		return err
	}
	workspace, err := c.workspace(ctx, c.original, git)
	if err != nil {
		return err
	}
	original := side{manifest: c.original, workspace: workspace, archive: c.in.Archive, file: c.originalFile.Path}
	if git != nil {
		if git.Package.Name != c.in.Name {
			m.OtherName = git.Package.Name
		}
		repository := side{manifest: git, workspace: workspace, archive: c.in.Archive}
		m.Differences = append(m.Differences, diff(original, repository, authored)...)
	}
	if c.published != nil && c.published != c.original {
		published := side{manifest: c.published, archive: c.in.Archive, file: crate.ManifestFile}
		m.Differences = append(m.Differences, diff(published, original, generated)...)
	}
	return nil
}

// gitManifest returns the repository's manifest of the package where it is not
// the same as the original; nil where it is, or cannot be read.
func (c *comparison) gitManifest(ctx context.Context) (*crate.Manifest, error) {
	m := &c.out.Manifest
	at := path.Join(c.out.Path, crate.ManifestFile)
	places, err := c.tree.findAll(ctx, []string{at})
	if err != nil {
		return nil, err
	}
	id := places[at].entry.ID
	ids := spellings(c.originalFile.Data)
	switch {
	case id == ids[0]:
		m.Original = Exact
	case slices.Contains(ids, id):
		m.Original = LineEnds
	default:
		m.Original = Edited
	}
	if m.Original != Edited {
		if c.original.Package.Name != c.in.Name {
			m.OtherName = c.original.Package.Name
		}
		return nil, nil
	}
	blobs, err := c.tree.blobs(ctx, []gitobj.ID{id})
	if err != nil {
		return nil, err
	}
	git, err := crate.ParseManifest(blobs[id])
	if err != nil { // then it is not what the crate was packaged from
		m.Differences = append(m.Differences, Difference{
			Rule: RuleBuildKey, File: c.originalFile.Path, Message: "The repository's Cargo.toml cannot be read",
		})
		return nil, nil
	}
	return git, nil
}

// workspace returns the manifest that the given ones inherit from; nil where
// they do not, or where it is not to be found.
func (c *comparison) workspace(ctx context.Context, manifests ...*crate.Manifest) (*crate.Manifest, error) {
	inherits := slices.ContainsFunc(manifests, func(m *crate.Manifest) bool { return m != nil && inherits(m) })
	if !inherits {
		return nil, nil
	}
	roots := c.workspaceRoots()
	places, err := c.tree.findAll(ctx, roots)
	if err != nil {
		return nil, err
	}
	var ids []gitobj.ID
	for _, root := range roots {
		if places[root].state == found {
			ids = append(ids, places[root].entry.ID)
		}
	}
	blobs, err := c.tree.blobs(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		m, err := crate.ParseManifest(blobs[places[root].entry.ID])
		folder := parent(root)
		if err != nil || !isWorkspaceOf(m, folder, c.out.Path) {
			continue
		}
		c.out.Manifest.Workspace = &folder
		return m, nil
	}
	c.out.Manifest.NoWorkspace = true
	return nil, nil
}

// workspaceRoots lists the manifests that may be the workspace's, as cargo looks
// for it: the one that `package.workspace` names, or those of the package and the
// folders above, nearest first.
func (c *comparison) workspaceRoots() []string {
	if table, ok := packageTable(c.original)["workspace"].(string); ok {
		return []string{path.Join("/", c.out.Path, table, crate.ManifestFile)[1:]}
	}
	roots := []string{path.Join(c.out.Path, crate.ManifestFile)}
	for folder := c.out.Path; folder != ""; {
		folder = parent(folder)
		roots = append(roots, path.Join(folder, crate.ManifestFile))
	}
	return roots
}

// isWorkspaceOf reports whether a manifest is of a workspace that does not
// exclude a package below it. What it excludes stands in Cargo's reference under
// "The exclude field": the folders named, but for members below them.
func isWorkspaceOf(m *crate.Manifest, root, member string) bool {
	table, ok := m.Raw["workspace"].(map[string]any)
	if !ok {
		return false
	}
	below := func(key string) bool {
		list, _ := table[key].([]any)
		return slices.ContainsFunc(list, func(v any) bool {
			folder, _ := v.(string)
			folder = path.Join(root, folder)
			return member == folder || strings.HasPrefix(member, folder+"/")
		})
	}
	return member == root || !below("exclude") || below("members")
}

func inherits(m *crate.Manifest) bool {
	return len(m.Package.Inherited) > 0 ||
		slices.ContainsFunc(m.Dependencies, func(d crate.Dependency) bool { return d.Workspace })
}

func packageTable(m *crate.Manifest) map[string]any {
	if m == nil {
		return nil
	}
	if table, ok := m.Raw["package"].(map[string]any); ok {
		return table
	}
	table, _ := m.Raw["project"].(map[string]any)
	return table
}
