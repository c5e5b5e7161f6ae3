package provenance

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A root is the manifest of a package's workspace.
type root struct {
	folder string
	parsed *crate.Manifest
}

func (r *root) workspacePackage() map[string]any {
	workspace, _ := r.parsed.Raw["workspace"].(map[string]any)
	table, _ := workspace["package"].(map[string]any)
	return table
}

// readOrigin reads the repository's manifest of the package and its workspace's.
// The former is fetched only where the crate does not hold the same text.
func (c *comparison) readOrigin(ctx context.Context) error {
	m := &c.out.Manifest
	at := path.Join(c.out.Path, crate.ManifestFile)
	roots := c.workspaceRoots(c.original)
	places, err := c.tree.findAll(ctx, append(roots, at))
	if err != nil {
		return err
	}
	m.Original = Edited
	var wanted []gitobj.ID
	if c.originalFile != nil {
		if kind, ok := spelled(spellings(c.originalFile.Data), places[at].entry.ID); ok {
			m.Original = kind
		}
	}
	if m.Original == Edited {
		wanted = append(wanted, places[at].entry.ID)
	}
	for _, r := range roots {
		if r != at && places[r].state == found {
			wanted = append(wanted, places[r].entry.ID)
		}
	}
	blobs, err := c.tree.blobs(ctx, wanted)
	if err != nil {
		return err
	}
	c.git = c.original
	if m.Original == Edited {
		c.git = nil
		if git, err := crate.ParseManifest(blobs[places[at].entry.ID]); err == nil {
			c.git = git
		}
	}
	for _, r := range roots {
		parsed := c.git
		if r != at {
			if places[r].state != found {
				continue
			}
			if parsed, err = crate.ParseManifest(blobs[places[r].entry.ID]); err != nil {
				continue
			}
		}
		if folder := parent(r); parsed != nil && isWorkspaceOf(parsed, folder, c.out.Path) {
			c.root = &root{folder, parsed}
			break
		}
	}
	return nil
}

// workspaceRoots lists the manifests that may be the workspace's, as cargo looks
// for it: the one that `package.workspace` names, or those of the package and the
// folders above, nearest first.
func (c *comparison) workspaceRoots(m *crate.Manifest) []string {
	if table, ok := packageTable(m)["workspace"].(string); ok {
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
