package provenance

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// An Origin says who names the commit that a release was packaged from.
type Origin string

// The origins, most trusted first.
const (
	OriginAttested Origin = "attested" // the registry, who had it from the publisher's CI
	OriginRecorded Origin = "recorded" // the crate: cargo wrote it, or whoever wants us to think so
	OriginTag      Origin = "tag"      // nobody: a tag is named for the version, and its manifest has it
	OriginHistory  Origin = "history"  // nobody: the default branch had this version then
)

// A CommitQuery is a release whose commit is looked for.
type CommitQuery struct {
	Source        check.Source
	Repository    string
	Name, Version string
	Archive       *crate.Archive
	Path          *string   // the package's folder, where recorded
	PublishedAt   time.Time // zero where unknown
	// Attested and Recorded are zero where there is none.
	Attested, Recorded gitobj.ID
}

// A Choice is the commit to compare a release with.
type Choice struct {
	Origin   Origin
	Ref      string // full name of the tag or branch it was found by; "" where it was named
	Snapshot check.Snapshot
	// Absent are commits named by better origins that the repository does not have.
	Absent []gitobj.ID
}

// Bounds on a search for a commit that nobody names.
const (
	maxTagged  = 6    // tags whose commits are opened
	maxHistory = 2000 // commits of the default branch that are searched, by halves
)

// clockSkew is by how much a commit may seem to be younger than what was
// published from it.
const clockSkew = time.Hour

// ErrNoCommit: nobody names a commit, and none was found that has the version.
var ErrNoCommit = errors.New("no commit of this version")

// FindCommit opens the commit that a release was packaged from: the attested
// one, else the recorded one, else the one that a tag of the version leads to.
// Where none is named at all it looks for the version in the default branch, too.
//
// The error wraps check.ErrCommitMissing where commits are named and nothing was
// found in their place, ErrNoCommit where none is named; others are the source's.
func FindCommit(ctx context.Context, q CommitQuery) (*Choice, error) {
	out := &Choice{}
	var missing error
	for _, named := range []struct {
		origin Origin
		commit gitobj.ID
	}{{OriginAttested, q.Attested}, {OriginRecorded, q.Recorded}} {
		if named.commit.IsZero() || slices.Contains(out.Absent, named.commit) {
			continue
		}
		snapshot, err := q.Source.Snapshot(ctx, q.Repository, named.commit)
		if err == nil {
			out.Origin, out.Snapshot = named.origin, snapshot
			return out, nil
		}
		if !errors.Is(err, check.ErrCommitMissing) {
			return nil, err
		}
		missing = err
		out.Absent = append(out.Absent, named.commit)
	}
	g := &guess{q: q, opened: map[gitobj.ID]*dated{}}
	best, err := g.tagged(ctx)
	if err == nil && best == nil && missing == nil {
		best, err = g.past(ctx)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("find the commit of %s %s: %w", q.Name, q.Version, err)
	case best != nil:
		out.Origin, out.Ref, out.Snapshot = best.origin, best.ref, best.snapshot
		return out, nil
	case missing != nil:
		return nil, missing
	}
	return nil, fmt.Errorf("find the commit of %s %s: %w", q.Name, q.Version, ErrNoCommit)
}

// A guess is a search for a commit that nobody names.
type guess struct {
	q      CommitQuery // its Path is set to where the package was seen first
	opened map[gitobj.ID]*dated
	ids    map[string]gitobj.ID // of the crate's files, by path; made when needed
}

// A dated is a commit, and the version that the package has in it.
type dated struct {
	origin   Origin
	ref      string
	snapshot check.Snapshot
	folder   string
	version  string // "" where there is no such package, or it has none
}

// tagged returns the commit of this version's tags that is most like the crate,
// of those whose manifest has the version; nil if none has.
func (g *guess) tagged(ctx context.Context) (*dated, error) {
	names := versionTags(g.q.Name, g.q.Version)
	refs, err := g.q.Source.Refs(ctx, g.q.Repository, names...)
	if err != nil {
		return nil, err
	}
	refs = slices.DeleteFunc(refs, func(ref check.Ref) bool { return !slices.Contains(names, ref.Name) })
	var found []*dated
	for _, ref := range refs[:min(len(refs), maxTagged)] {
		d, err := g.open(ctx, ref.Commit)
		if errors.Is(err, check.ErrCommitMissing) || errors.Is(err, check.ErrRepositoryProtocol) {
			continue // a tag of something else than a commit
		}
		if err != nil {
			return nil, err
		}
		if d.version == g.q.Version {
			d.origin, d.ref = OriginTag, ref.Name
			found = append(found, d)
		}
	}
	return g.likest(found), nil
}

// past looks for the version in the default branch as it was when the crate was
// published. Versions are taken to grow along a branch. Of the commits that have
// the version the first and the last are compared: whoever publishes does it
// either at once or when all is done.
func (g *guess) past(ctx context.Context) (*dated, error) {
	refs, err := g.q.Source.Refs(ctx, g.q.Repository, "HEAD")
	if err != nil || len(refs) == 0 {
		return nil, err
	}
	line, err := g.q.Source.History(ctx, g.q.Repository, refs[0].Commit, maxHistory)
	if errors.Is(err, check.ErrRepositoryTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	line = slices.DeleteFunc(line, func(c *gitobj.Commit) bool {
		return !g.q.PublishedAt.IsZero() && c.Committed.After(g.q.PublishedAt.Add(clockSkew))
	})
	wanted, err := crate.ParseVersion(g.q.Version)
	if err != nil {
		return nil, nil
	}
	last, err := g.newest(ctx, line, func(v crate.Version) bool { return v.Compare(wanted) <= 0 })
	if err != nil || last < 0 {
		return nil, err
	}
	before, err := g.newest(ctx, line, func(v crate.Version) bool { return v.Compare(wanted) < 0 })
	if err != nil {
		return nil, err
	}
	first := len(line) - 1
	if before >= 0 {
		first = before - 1
	}
	var found []*dated
	for _, i := range []int{last, first} {
		if i < last {
			continue
		}
		d, err := g.open(ctx, line[i].ID)
		if err != nil {
			return nil, err
		}
		if d.version == g.q.Version {
			d.origin, d.ref = OriginHistory, refs[0].Target
			found = append(found, d)
		}
	}
	return g.likest(found), nil
}

// newest returns the index of the newest commit of a line, newest first, whose
// version is one of those below some point; -1 if none is. Commits before the
// package was there are older than any.
func (g *guess) newest(ctx context.Context, line []*gitobj.Commit, below func(crate.Version) bool) (int, error) {
	low, high := 0, len(line) // the answer is in [low, high]
	for low < high {
		middle := (low + high) / 2
		d, err := g.open(ctx, line[middle].ID)
		if err != nil {
			return 0, err
		}
		if v, err := crate.ParseVersion(d.version); err != nil || below(v) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low == len(line) {
		return -1, nil
	}
	return low, nil
}

// open fetches a commit and reads the version that the package has in it.
func (g *guess) open(ctx context.Context, commit gitobj.ID) (*dated, error) {
	if d := g.opened[commit]; d != nil {
		return d, nil
	}
	snapshot, err := g.q.Source.Snapshot(ctx, g.q.Repository, commit)
	if err != nil {
		return nil, err
	}
	d := &dated{snapshot: snapshot}
	c := &comparison{
		in:   Input{Name: g.q.Name, Archive: g.q.Archive, Snapshot: snapshot, Path: g.q.Path, Repository: g.q.Repository},
		tree: tree{snap: snapshot, links: map[gitobj.ID]string{}},
	}
	c.readManifests()
	err = c.locate(ctx)
	if err == nil {
		d.folder = c.out.Path
		g.q.Path = &d.folder
		d.version, err = c.tree.packageVersion(ctx, c.out.Path, g.q.Name)
	}
	if err != nil && !errors.Is(err, ErrNoPackage) {
		return nil, err
	}
	g.opened[commit] = d
	return d, nil
}

// packageVersion reads the version of the package in a folder, which it may have
// from its workspace; "" where it is another package or cannot be read.
func (t *tree) packageVersion(ctx context.Context, folder, name string) (string, error) {
	var paths []string
	for at := folder; ; at = parent(at) {
		paths = append(paths, path.Join(at, crate.ManifestFile))
		if at == "" {
			break
		}
	}
	places, err := t.findAll(ctx, paths)
	if err != nil {
		return "", err
	}
	var ids []gitobj.ID
	for _, p := range paths {
		if places[p].state == found {
			ids = append(ids, places[p].entry.ID)
		}
	}
	blobs, err := t.blobs(ctx, ids)
	if err != nil {
		return "", err
	}
	own, err := crate.ParseManifest(blobs[places[paths[0]].entry.ID])
	if err != nil || own.Package.Name != name {
		return "", nil
	}
	if !own.Package.Inherited["version"] {
		return own.Package.Version, nil
	}
	for _, p := range paths {
		m, err := crate.ParseManifest(blobs[places[p].entry.ID])
		if err != nil {
			continue
		}
		if workspace, ok := m.Raw["workspace"].(map[string]any); ok {
			settings, _ := workspace["package"].(map[string]any)
			version, _ := settings["version"].(string)
			return version, nil
		}
	}
	return "", nil
}

// likest returns the one that holds most of the crate's files as they are, the
// first of equals; nil of none.
func (g *guess) likest(all []*dated) (best *dated) {
	if len(all) == 1 {
		return all[0] // without hashing
	}
	most := -1
	for _, d := range all {
		if n := g.same(d); n > most {
			best, most = d, n
		}
	}
	return best
}

func (g *guess) same(d *dated) (n int) {
	if g.ids == nil {
		g.ids = map[string]gitobj.ID{}
		for _, f := range g.q.Archive.Files {
			g.ids[f.Path], _ = gitobj.BlobID(f.Data)
		}
	}
	c := comparison{out: Result{Path: d.folder}, tree: tree{snap: d.snapshot}}
	for file, id := range g.ids {
		if e, ok := c.tree.literal(c.inRepository(file)); ok && e.ID == id {
			n++
		}
	}
	return n
}
