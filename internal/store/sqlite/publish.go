package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

// Publish stores a release, its check runs and their jobs. What is refused is
// written down in the same transaction: the incident, and why the announcement
// was not taken.
func (s *Store) Publish(ctx context.Context, p store.Publication) (release store.Release, created bool, err error) {
	p = p.Clean()
	var refused error
	err = s.write(ctx, func(tx *sql.Tx) (err error) {
		release, created, refused, err = s.publish(ctx, tx, p)
		return err
	})
	if err != nil {
		return store.Release{}, false, fmt.Errorf("publish %q %q: %w", p.Release.Crate, p.Release.Version, err)
	}
	return release, created, refused
}

func (s *Store) publish(ctx context.Context, tx *sql.Tx, p store.Publication) (_ store.Release, created bool, refused, err error) {
	c, err := crateFor(ctx, tx, p.Release)
	if err != nil {
		return store.Release{}, false, nil, err
	}
	if c.Name != p.Release.Crate {
		refused = p.OtherName(c.Name)
		return store.Release{}, false, refused, refuse(ctx, tx, p, refused)
	}
	known, err := scanRelease(tx.QueryRowContext(ctx, `
		SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id
		WHERE r.crate_id = $1 AND r.version_key = $2`, c.ID, index.VersionKey(p.Release.Version)))
	switch {
	case errors.Is(err, store.ErrNotFound):
		release, err := s.addRelease(ctx, tx, c, p)
		return release, true, nil, err
	case err != nil:
		return store.Release{}, false, nil, err
	case known.Checksum != p.Release.Checksum:
		refused = p.OtherBytes(known)
		if err := addIncident(ctx, tx, known.ID, p); err != nil {
			return store.Release{}, false, nil, err
		}
		if err := refuse(ctx, tx, p, refused); err != nil {
			return store.Release{}, false, nil, err
		}
		return known, false, refused, tell(ctx, tx, store.IndexKey(c.Name))
	}
	return known, false, nil, settle(ctx, tx, p.Announcement, store.AnnouncementStored, "", p.Release.FirstSeenAt)
}

// crateFor returns the crate that a release belongs to, making it where it is
// new.
func crateFor(ctx context.Context, tx *sql.Tx, r store.Release) (c store.Crate, err error) {
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO crates (name, key, created_at, updated_at) VALUES ($1, $2, $3, $3)
		ON CONFLICT (key) DO NOTHING`, r.Crate, crate.Canonical(r.Crate), instant(r.FirstSeenAt)); err != nil {
		return store.Crate{}, err
	}
	return scanCrate(tx.QueryRowContext(ctx, `
		SELECT `+crateColumns+` FROM crates c WHERE c.key = $1`, crate.Canonical(r.Crate)))
}

// addRelease stores a release that is new, and all that follows from it.
func (s *Store) addRelease(ctx context.Context, tx *sql.Tx, c store.Crate, p store.Publication) (store.Release, error) {
	r := p.Release
	r.CrateID = c.ID
	file, err := scanFile(tx.QueryRowContext(ctx, `SELECT `+fileColumns+` FROM index_files f WHERE f.key = $1`, store.IndexKey(c.Name)))
	switch {
	case err == nil:
		r = file.State(r)
	case !errors.Is(err, store.ErrNotFound):
		return store.Release{}, err
	}
	if err := tx.QueryRowContext(ctx, `
		INSERT INTO releases (crate_id, version, version_key, checksum, size, published_at, first_seen_at, publisher, via, yanked, about)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		RETURNING id`,
		r.CrateID, r.Version, index.VersionKey(r.Version), digest(r.Checksum), r.Size, instant(r.PublishedAt),
		instant(r.FirstSeenAt), r.Publisher, r.Via, r.Yanked, document{r.About}).Scan(&r.ID); err != nil {
		return store.Release{}, err
	}
	if err := renew(ctx, tx, c, r); err != nil {
		return store.Release{}, err
	}
	if err := putFacts(ctx, tx, r.ID, p.Facts); err != nil {
		return store.Release{}, err
	}
	ids, err := addRuns(ctx, tx, r, p.Checks)
	if err != nil {
		return store.Release{}, err
	}
	for queue, ids := range store.ByQueue(p.Checks, ids) {
		if err := s.queueRuns(ctx, tx, queue, ids, p.Priority, time.Time{}); err != nil {
			return store.Release{}, err
		}
	}
	if err := settle(ctx, tx, p.Announcement, store.AnnouncementStored, "", r.FirstSeenAt); err != nil {
		return store.Release{}, err
	}
	if err := record(ctx, tx, p.Audit); err != nil {
		return store.Release{}, err
	}
	return r, tell(ctx, tx, store.IndexKey(c.Name))
}

// renew keeps the crate's default release and its time of change.
func renew(ctx context.Context, tx *sql.Tx, c store.Crate, r store.Release) error {
	if c.Default != 0 {
		spokesman, err := scanRelease(tx.QueryRowContext(ctx, `
			SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id WHERE r.id = $1`, c.Default))
		if err != nil {
			return err
		}
		if !r.SpeaksBefore(spokesman) {
			_, err := tx.ExecContext(ctx, `
				UPDATE crates SET updated_at = max(updated_at, $2) WHERE id = $1`, c.ID, instant(r.FirstSeenAt))
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `
		UPDATE crates SET updated_at = max(updated_at, $2), default_release = $3, search = $4 WHERE id = $1`,
		c.ID, instant(r.FirstSeenAt), r.ID, crate.Canonical(r.About.Description))
	return err
}

func addRuns(ctx context.Context, tx *sql.Tx, r store.Release, checks []store.CheckRef) ([]store.ID, error) {
	ids := make([]store.ID, 0, len(checks))
	for _, c := range checks {
		var id store.ID
		if err := tx.QueryRowContext(ctx, `
			INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at)
			VALUES ($1, $2, $3, 1, 'queued', $4)
			RETURNING id`, r.ID, c.Name, c.Version, instant(r.FirstSeenAt)).Scan(&id); err != nil {
			return nil, fmt.Errorf("queue check %q version %d: %w", c.Name, c.Version, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// addIncident keeps that other bytes were offered; the same bytes again are
// counted.
func addIncident(ctx context.Context, tx *sql.Tx, known store.ID, p store.Publication) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO incidents (release_id, offered, size, via, detail, seen_at, last_seen, times)
		VALUES ($1, $2, $3, $4, $5, $6, $6, 1)
		ON CONFLICT (release_id, offered) DO UPDATE SET last_seen = excluded.last_seen, times = times + 1`,
		known, digest(p.Release.Checksum), p.Release.Size, p.Release.Via, p.Detail, instant(p.Release.FirstSeenAt))
	return err
}

// refuse notes, where the publication came from an announcement, why it was not
// taken, and logs the refusal in place of the publication.
func refuse(ctx context.Context, tx *sql.Tx, p store.Publication, why error) error {
	if err := settle(ctx, tx, p.Announcement, store.AnnouncementRefused, why.Error(), p.Release.FirstSeenAt); err != nil {
		return err
	}
	return record(ctx, tx, p.Refusal())
}
