package provenance

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Bounds on the search for a package whose folder is not recorded.
const (
	maxVisits    = 200_000 // folders; one tree may stand in many
	maxManifests = 200     // manifests that are fetched to read their names
	anyDepth     = math.MaxInt
)

// locate finds the folder of the package: the recorded one if it holds a
// manifest, else one whose manifest is the crate's own, else one whose manifest
// names the crate; of several that which the repository's URL points at, or the
// shallowest.
func (c *comparison) locate(ctx context.Context) error {
	if c.in.Path != nil {
		at := path.Join(*c.in.Path, crate.ManifestFile)
		places, err := c.tree.findAll(ctx, []string{at})
		if err != nil {
			return err
		}
		// A package may stand in a submodule only where its note names the
		// submodule's own commit: then this is not its repository's path.
		if places[at].state == found {
			c.out.Path = *c.in.Path
			return nil
		}
	}
	c.out.PathGuessed = true
	manifests := hintedFirst(c.tree.manifests(anyDepth), hints(c.in.Repository))
	if folder, ok := c.byID(manifests); ok {
		c.out.Path = folder
		return nil
	}
	folder, ok, err := c.byName(ctx, manifests)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("find package %q: %w", c.in.Name, ErrNoPackage)
	}
	c.out.Path = folder
	return nil
}

// A candidate is a manifest in the repository.
type candidate struct {
	folder string
	id     gitobj.ID
	same   bool // as the package's
}

// manifests lists the manifests of the commit that are no deeper than some depth,
// shallowest first.
func (t *tree) manifests(deepest int) []candidate {
	var all []candidate
	type level struct {
		id     gitobj.ID
		folder string
		depth  int
	}
	work := []level{{t.snap.Commit().Tree, "", 0}}
	for visits := 0; len(work) > 0 && visits < maxVisits; visits++ {
		at := work[0]
		work = work[1:]
		for _, e := range t.folder(at.id).Entries {
			switch {
			case e.Mode == gitobj.ModeTree && at.depth < deepest && len(work) < maxVisits && len(at.folder) < crate.DefaultLimits.Path:
				work = append(work, level{e.ID, path.Join(at.folder, e.Name), at.depth + 1})
			case e.Mode.IsFile() && e.Name == crate.ManifestFile:
				all = append(all, candidate{folder: at.folder, id: e.ID})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(depth(a.folder), depth(b.folder)), cmp.Compare(a.folder, b.folder))
	})
	return all
}

// pageMarks stand in the URLs of forges between a repository and what a page shows
// of it: a ref, and a folder.
var pageMarks = []string{"tree", "src", "+"}

// hints lists the folders that a repository's URL may point at, as that of the page
// of a package does: https://github.com/rust-random/rand/tree/master/rand_core. Where
// the ref ends is not known, so that each is shorter than the one before.
func hints(repository string) (folders []string) {
	const most = 20 // segments
	_, rest, found := strings.Cut(repository, "://")
	if !found {
		rest = repository
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "#")
	segments := strings.Split(strings.Trim(rest, "/"), "/")
	for i := 3; i < len(segments); i++ { // behind host, owner and name
		if !slices.Contains(pageMarks, segments[i]) {
			continue
		}
		for shown := segments[i+1:]; len(shown) > 1 && len(shown) <= most; shown = shown[1:] {
			folders = append(folders, path.Join(shown[1:]...))
		}
		break
	}
	return folders
}

// hintedFirst puts what is hinted at before the rest.
func hintedFirst(manifests []candidate, hints []string) []candidate {
	at := map[string]int{}
	for i, folder := range slices.Backward(hints) {
		at[folder] = i - len(hints)
	}
	if len(at) > 0 {
		slices.SortStableFunc(manifests, func(a, b candidate) int { return cmp.Compare(at[a.folder], at[b.folder]) })
	}
	return manifests
}

func depth(folder string) int {
	if folder == "" {
		return 0
	}
	return strings.Count(folder, "/") + 1
}

func (c *comparison) byID(manifests []candidate) (folder string, ok bool) {
	if c.originalFile == nil {
		return "", false
	}
	ids := slices.Values(slices.Collect(spellings(c.originalFile.Data))) // made once for all manifests
	for _, m := range manifests {
		if _, ok := spelled(ids, m.id); ok {
			return m.folder, true
		}
	}
	return "", false
}

func (c *comparison) byName(ctx context.Context, manifests []candidate) (folder string, ok bool, err error) {
	manifests = manifests[:min(len(manifests), maxManifests)]
	ids := make([]gitobj.ID, len(manifests))
	for i, m := range manifests {
		ids[i] = m.id
	}
	blobs, err := c.tree.blobs(ctx, ids)
	if err != nil {
		return "", false, err
	}
	for _, m := range manifests {
		if parsed, err := crate.ParseManifest(blobs[m.id]); err == nil && parsed.Package.Name == c.in.Name {
			return m.folder, true, nil
		}
	}
	return "", false, nil
}
