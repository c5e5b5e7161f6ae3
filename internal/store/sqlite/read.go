package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

const (
	crateColumns   = `c.id, c.name, c.created_at, c.updated_at, coalesce(c.default_release, 0)`
	releaseColumns = `r.id, r.crate_id, c.name, r.version, r.checksum, r.size, r.published_at, r.first_seen_at,
		r.publisher, r.via, r.yanked, r.about`
)

func crateFields(c *store.Crate) []any {
	return []any{&c.ID, &c.Name, (*instant)(&c.CreatedAt), (*instant)(&c.UpdatedAt), &c.Default}
}

func releaseFields(r *store.Release) []any {
	return []any{&r.ID, &r.CrateID, &r.Crate, &r.Version, (*digest)(&r.Checksum), &r.Size, (*instant)(&r.PublishedAt),
		(*instant)(&r.FirstSeenAt), &r.Publisher, &r.Via, &r.Yanked, document{&r.About}}
}

func scanCrate(row scanner) (c store.Crate, err error) {
	err = row.Scan(crateFields(&c)...)
	return c, found(err)
}

func scanRelease(row scanner) (r store.Release, err error) {
	err = row.Scan(releaseFields(&r)...)
	return r, found(err)
}

// Crate returns a crate by any spelling of its name.
func (s *Store) Crate(ctx context.Context, name string) (store.Crate, error) {
	c, err := scanCrate(s.reader.QueryRowContext(ctx, `
		SELECT `+crateColumns+` FROM crates c WHERE c.key = $1`, crate.Canonical(store.Clean(name))))
	if err != nil {
		return store.Crate{}, fmt.Errorf("read crate %q: %w", name, err)
	}
	return c, nil
}

// Release returns a release by any spelling of its crate's name; build metadata
// in the version makes no difference.
func (s *Store) Release(ctx context.Context, name, version string) (store.Release, error) {
	r, err := scanRelease(s.reader.QueryRowContext(ctx, `
		SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id
		WHERE c.key = $1 AND r.version_key = $2`,
		crate.Canonical(store.Clean(name)), index.VersionKey(store.Clean(version))))
	if err != nil {
		return store.Release{}, fmt.Errorf("read release %q %q: %w", name, version, err)
	}
	return r, nil
}

// ReleaseByID returns a release by id.
func (s *Store) ReleaseByID(ctx context.Context, id store.ID) (store.Release, error) {
	r, err := scanRelease(s.reader.QueryRowContext(ctx, `
		SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id WHERE r.id = $1`, id))
	if err != nil {
		return store.Release{}, fmt.Errorf("read release %d: %w", id, err)
	}
	return r, nil
}

// Releases returns the releases of a crate, newest version first.
func (s *Store) Releases(ctx context.Context, crateID store.ID) ([]store.Release, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id WHERE r.crate_id = $1`, crateID)
	releases, err := collect(rows, err, scanRelease)
	if err != nil {
		return nil, fmt.Errorf("read releases of crate %d: %w", crateID, err)
	}
	store.SortNewestFirst(releases)
	return releases, nil
}

// LatestReleases returns the releases seen last.
func (s *Store) LatestReleases(ctx context.Context, limit int) ([]store.Release, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id
		ORDER BY r.first_seen_at DESC, r.id DESC LIMIT $1`, max(0, limit))
	releases, err := collect(rows, err, scanRelease)
	if err != nil {
		return nil, fmt.Errorf("read latest releases: %w", err)
	}
	return releases, nil
}

// CrateFacts returns the facts of a check about a crate.
func (s *Store) CrateFacts(ctx context.Context, crateID store.ID, check string) (f store.CrateFacts, err error) {
	err = s.reader.QueryRowContext(ctx, `
		SELECT f.crate_id, c.name, f.check_name, r.version, f.run_id, f.facts, f.read_at
		FROM crate_facts f JOIN crates c ON c.id = f.crate_id
		JOIN check_runs cr ON cr.id = f.run_id JOIN releases r ON r.id = cr.release_id
		WHERE f.crate_id = $1 AND f.check_name = $2`, crateID, store.Clean(check)).Scan(
		&f.CrateID, &f.Crate, &f.Check, &f.Version, &f.RunID, (*raw)(&f.Facts), (*instant)(&f.ReadAt))
	if err != nil {
		return store.CrateFacts{}, fmt.Errorf("read facts of %q about crate %d: %w", check, crateID, found(err))
	}
	return f, nil
}

func scanIncident(row scanner) (i store.Incident, err error) {
	err = row.Scan(&i.ID, &i.ReleaseID, &i.Crate, &i.Version, (*digest)(&i.Known), (*digest)(&i.Offered), &i.Size, &i.Via, &i.Detail,
		(*instant)(&i.SeenAt), (*instant)(&i.LastSeen), &i.Times)
	return i, err
}

// Incidents returns incidents of a crate, or of all for 0, newest first.
func (s *Store) Incidents(ctx context.Context, crateID store.ID, limit int) ([]store.Incident, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT i.id, i.release_id, c.name, r.version, r.checksum, i.offered, i.size, i.via, i.detail, i.seen_at, i.last_seen, i.times
		FROM incidents i JOIN releases r ON r.id = i.release_id JOIN crates c ON c.id = r.crate_id
		WHERE $1 = 0 OR r.crate_id = $1
		ORDER BY i.id DESC LIMIT $2`, crateID, max(0, limit))
	incidents, err := collect(rows, err, scanIncident)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	return incidents, nil
}

// Counts returns what the store holds.
func (s *Store) Counts(ctx context.Context) (store.Counts, error) {
	counts, err := s.counts(ctx)
	if err != nil {
		return store.Counts{}, fmt.Errorf("count: %w", err)
	}
	return counts, nil
}

func (s *Store) counts(ctx context.Context) (store.Counts, error) {
	var (
		n                           store.Counts
		queued, inProgress, allRuns int
		oldest                      time.Time
	)
	if err := s.reader.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM crates), (SELECT count(*) FROM releases), (SELECT count(*) FROM incidents),
			(SELECT count(*) FROM check_runs),
			(SELECT count(*) FROM check_runs WHERE status = 'queued'),
			(SELECT count(*) FROM check_runs WHERE status = 'in_progress'),
			(SELECT min(coalesce(run_after, queued_at)) FROM check_runs WHERE status = 'queued')`).Scan(
		&n.Crates, &n.Releases, &n.Incidents, &allRuns, &queued, &inProgress, (*instant)(&oldest)); err != nil {
		return store.Counts{}, err
	}
	n.Runs = map[store.Status]int{store.Queued: queued, store.InProgress: inProgress, store.Completed: allRuns - queued - inProgress}
	if !oldest.After(time.Now()) {
		n.OldestQueued = oldest
	}
	return n, nil
}
