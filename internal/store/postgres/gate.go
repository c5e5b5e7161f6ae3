package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

// CrateState returns what is known of a crate beyond its index file.
func (s *Store) CrateState(ctx context.Context, key string) (store.CrateState, error) {
	key = store.IndexKey(store.Clean(key))
	states, err := s.crateStates(ctx, []string{key})
	if err != nil {
		return store.CrateState{}, fmt.Errorf("read state of crate %q: %w", key, err)
	}
	return states[0], nil
}

// CrateStates streams the states of all crates of which anything is known, by key.
func (s *Store) CrateStates(ctx context.Context, yield func(store.CrateState) error) error {
	if err := s.eachState(ctx, yield); err != nil {
		return fmt.Errorf("read states of crates: %w", err)
	}
	return nil
}

func (s *Store) eachState(ctx context.Context, yield func(store.CrateState) error) error {
	rows, err := s.pool.Query(ctx, `
		SELECT key FROM line_records
		UNION SELECT lower(name COLLATE "C") FROM crates
		UNION SELECT key FROM exceptions WHERE ended_at IS NULL
		UNION SELECT key FROM rulings
		ORDER BY 1`)
	keys, err := collect(rows, err, func(row pgx.Row) (key string, err error) {
		err = row.Scan(&key)
		return key, err
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(keys, store.StatesAtOnce) {
		states, err := s.crateStates(ctx, some)
		if err != nil {
			return err
		}
		for _, state := range states {
			if err := yield(state); err != nil {
				return err
			}
		}
	}
	return nil
}

// crateStates reads the states of some crates, in the order of their keys, by one
// query for each of its parts.
func (s *Store) crateStates(ctx context.Context, keys []string) ([]store.CrateState, error) {
	states := store.NewStates(keys)
	err := s.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT `+recordColumns+` FROM line_records l WHERE l.key = ANY ($1) ORDER BY l.id`, keys)
		records, err := collect(rows, err, scanRecord)
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
			SELECT `+exceptionColumns+` FROM exceptions
			WHERE key = ANY ($1) AND ended_at IS NULL ORDER BY id`, keys)
		exceptions, err := collect(rows, err, scanException)
		if err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
			SELECT `+rulingColumns+` FROM rulings r
			WHERE key = ANY ($1) AND NOT EXISTS (
				SELECT 1 FROM rulings n WHERE n.key = r.key AND n.version = r.version AND n.checksum = r.checksum
				AND n.policy = r.policy AND n.previous = r.id)
			ORDER BY id`, keys)
		rulings, err := collect(rows, err, scanRuling)
		if err != nil {
			return err
		}
		releases, checks, err := gateReleases(ctx, tx, keys)
		if err != nil {
			return err
		}
		states.Fill(records, releases, checks, exceptions, rulings)
		return nil
	})
	return states.List, err
}

func gateReleases(ctx context.Context, tx pgx.Tx, keys []string) ([]store.GateRelease, map[store.ID][]store.GateCheck, error) {
	rows, err := tx.Query(ctx, `
		SELECT r.id, r.crate_id, c.name, r.version, r.checksum, r.size, r.published_at, r.first_seen_at, r.publisher, r.via, r.yanked,
			(SELECT count(*) FROM incidents i WHERE i.release_id = r.id),
			coalesce(p.vcs, false), coalesce(p.build_script, false), coalesce(p.trusted, false), coalesce(p.trusted_known, false), p.two_factor,
			p.since, coalesce(p.releases, 0)
		FROM crates c JOIN releases r ON r.crate_id = c.id LEFT JOIN publish_facts p ON p.release_id = r.id
		WHERE lower(c.name COLLATE "C") = ANY ($1) ORDER BY r.id`, keys)
	releases, err := collect(rows, err, scanGateRelease)
	if err != nil || len(releases) == 0 {
		return nil, nil, err
	}
	rows, err = tx.Query(ctx, `
		SELECT cr.release_id, cr.check_name, cr.check_version, cr.attempt, cr.status, cr.queued_at, cr.run_after, coalesce(cr.conclusion, ''), m.metrics
		FROM check_runs cr LEFT JOIN run_metrics m ON m.run_id = cr.id
		WHERE cr.release_id = ANY ($1)
		AND (cr.status <> 'completed' OR cr.check_version = (
				SELECT max(n.check_version) FROM check_runs n
				WHERE n.release_id = cr.release_id AND n.check_name = cr.check_name AND n.status = 'completed')
			AND cr.attempt IN (
				SELECT max(n.attempt) FROM check_runs n
				WHERE n.release_id = cr.release_id AND n.check_name = cr.check_name
				AND n.check_version = cr.check_version AND n.status = 'completed'
				UNION ALL
				SELECT max(n.attempt) FROM check_runs n
				WHERE n.release_id = cr.release_id AND n.check_name = cr.check_name
				AND n.check_version = cr.check_version AND n.conclusion IN ('success', 'failure', 'neutral')))
		ORDER BY cr.release_id, cr.check_name, cr.check_version, cr.attempt`, store.IDs(releases))
	runs, err := collect(rows, err, func(row pgx.Row) (run store.CheckRun, err error) {
		err = row.Scan(&run.ReleaseID, &run.Check, &run.CheckVersion, &run.Attempt, &run.Status, (*instant)(&run.QueuedAt), (*instant)(&run.RunAfter),
			&run.Report.Conclusion, document{&run.Report.Metrics})
		return run, err
	})
	return releases, store.GateChecks(runs), err
}

func scanGateRelease(row pgx.Row) (g store.GateRelease, err error) {
	r := &g.Release
	err = row.Scan(&r.ID, &r.CrateID, &r.Crate, &r.Version, (*digest)(&r.Checksum), &r.Size, (*instant)(&r.PublishedAt),
		(*instant)(&r.FirstSeenAt), &r.Publisher, &r.Via, &r.Yanked,
		&g.Incidents, &g.Facts.VCS, &g.Facts.BuildScript, &g.Facts.Trusted, &g.Facts.TrustedKnown, &g.Facts.TwoFactor,
		(*instant)(&g.Facts.PublisherSince), &g.Facts.PublisherReleases)
	return g, err
}

// SetPublishFacts replaces what is known of how a release came to be.
func (s *Store) SetPublishFacts(ctx context.Context, release store.ID, facts store.PublishFacts) error {
	err := s.write(ctx, func(tx pgx.Tx) error {
		if _, err := scanRelease(tx.QueryRow(ctx, `
			SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id WHERE r.id = $1`, release)); err != nil {
			return err
		}
		if err := putFacts(ctx, tx, release, facts); err != nil {
			return err
		}
		return tellOf(ctx, tx, []store.ID{release})
	})
	if err != nil {
		return fmt.Errorf("set publish facts of release %d: %w", release, err)
	}
	return nil
}

func putFacts(ctx context.Context, tx pgx.Tx, release store.ID, f store.PublishFacts) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO publish_facts (release_id, vcs, build_script, trusted, trusted_known, two_factor, since, releases)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (release_id) DO UPDATE
		SET vcs = excluded.vcs, build_script = excluded.build_script, trusted = excluded.trusted,
			trusted_known = excluded.trusted_known, two_factor = excluded.two_factor,
			since = excluded.since, releases = excluded.releases`,
		release, f.VCS, f.BuildScript, f.Trusted, f.TrustedKnown, f.TwoFactor,
		instant(f.PublisherSince), f.PublisherReleases)
	return err
}
