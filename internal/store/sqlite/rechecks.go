package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// Answer returns the first run before the given one, of the same check on the same
// release, that knew: of its version of the check, else of the newest that has
// one. The error wraps store.ErrNotFound when there is none.
func (s *Store) Answer(ctx context.Context, before store.CheckRun) (store.CheckRun, error) {
	run, err := scanRun(s.reader.QueryRowContext(ctx, `
		SELECT `+runColumns+` FROM `+runTables+`
		WHERE cr.release_id = $1 AND cr.check_name = $2 AND cr.id < $3 AND cr.conclusion IN ('success', 'failure', 'neutral')
		ORDER BY cr.check_version DESC, cr.id LIMIT 1`, before.ReleaseID, before.Check, before.ID))
	if err != nil {
		return store.CheckRun{}, fmt.Errorf("read answer before check run %d: %w", before.ID, err)
	}
	return run, nil
}

// dueAgain notes when the answer of a run has grown old. A late run of an older
// version of the check says nothing about the newer one's.
func dueAgain(ctx context.Context, tx *sql.Tx, run store.CheckRun, due time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO rechecks (release_id, check_name, check_version, due_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (release_id, check_name) DO UPDATE
		SET check_version = excluded.check_version, due_at = excluded.due_at
		WHERE excluded.check_version >= rechecks.check_version`,
		run.ReleaseID, run.Check, run.CheckVersion, instant(due))
	return err
}

// QueueRechecks queues runs of a check version whose answers have grown old, the
// oldest first, and says how many.
func (s *Store) QueueRechecks(ctx context.Context, ref store.CheckRef, at time.Time, pace store.Pace) (int, error) {
	n, err := s.queueRechecks(ctx, ref, at, pace)
	if err != nil {
		return 0, fmt.Errorf("queue rechecks of %q version %d: %w", ref.Name, ref.Version, err)
	}
	return n, nil
}

func (s *Store) queueRechecks(ctx context.Context, ref store.CheckRef, at time.Time, pace store.Pace) (int, error) {
	// The write lock is not taken to find nothing.
	var due bool
	if err := s.reader.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM rechecks WHERE check_name = $1 AND check_version = $2 AND due_at <= $3)`,
		ref.Name, ref.Version, instant(at)).Scan(&due); err != nil || !due {
		return 0, err
	}
	var ids []store.ID
	err := s.write(ctx, func(tx *sql.Tx) error {
		spent, err := rechecksSince(ctx, tx, at.Add(-time.Hour))
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `
			DELETE FROM rechecks WHERE check_name = $1 AND release_id IN (
				SELECT release_id FROM rechecks WHERE check_name = $1 AND check_version = $2 AND due_at <= $3
				ORDER BY due_at, release_id LIMIT $4)
			RETURNING release_id`, ref.Name, ref.Version, instant(at), pace.Left(spent))
		releases, err := collect(rows, err, scanID)
		if err != nil {
			return err
		}
		ids, err = s.askAgain(ctx, tx, ref, releases, at)
		return err
	})
	return len(ids), err
}

// Recheck queues one run of a check version on a release, unless one is on its
// way, the newest was completed after since, or the hour is spent.
func (s *Store) Recheck(ctx context.Context, ref store.CheckRef, release store.ID, since, at time.Time, hour int) (bool, error) {
	var ids []store.ID
	err := s.write(ctx, func(tx *sql.Tx) error {
		spent, err := rechecksSince(ctx, tx, at.Add(-time.Hour))
		if err != nil || spent >= hour {
			return err
		}
		var newest time.Time
		if err := tx.QueryRowContext(ctx, `
			SELECT max(completed_at) FROM check_runs WHERE release_id = $1 AND check_name = $2 AND check_version = $3`,
			release, ref.Name, ref.Version).Scan((*instant)(&newest)); err != nil || newest.IsZero() || newest.After(since) {
			return err
		}
		ids, err = s.askAgain(ctx, tx, ref, []store.ID{release}, at)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("recheck %q version %d of release %d: %w", ref.Name, ref.Version, release, err)
	}
	return len(ids) > 0, nil
}

func rechecksSince(ctx context.Context, tx *sql.Tx, since time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM check_runs WHERE again = 1 AND queued_at > $1`, instant(since)).Scan(&n)
	return n, err
}

// askAgain queues the next attempt on each release that has none on its way.
func (s *Store) askAgain(ctx context.Context, tx *sql.Tx, ref store.CheckRef, releases []store.ID, at time.Time) ([]store.ID, error) {
	if len(releases) == 0 {
		return nil, nil
	}
	rows, err := tx.QueryContext(ctx, `
		INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at, again)
		SELECT r.value, $1, $2, 1 + (
				SELECT max(n.attempt) FROM check_runs n
				WHERE n.release_id = r.value AND n.check_name = $1 AND n.check_version = $2),
			'queued', $3, 1
		FROM json_each($4) r WHERE true
		ON CONFLICT DO NOTHING
		RETURNING id`, ref.Name, ref.Version, instant(at), document{releases})
	ids, err := collect(rows, err, scanID)
	if err != nil {
		return nil, err
	}
	if err := s.queueRuns(ctx, tx, ref.Queue, ids, store.PriorityStale, time.Time{}); err != nil {
		return nil, err
	}
	return ids, tellOf(ctx, tx, releases)
}
