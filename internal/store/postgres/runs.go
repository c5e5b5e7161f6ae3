package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

const (
	runColumns = `cr.id, cr.release_id, c.name, r.version, r.checksum, cr.check_name, cr.check_version, cr.attempt, cr.again,
		cr.status, cr.queued_at, cr.run_after, cr.started_at, cr.deadline, cr.completed_at, cr.lease, cr.report`
	runTables = `check_runs cr JOIN releases r ON r.id = cr.release_id JOIN crates c ON c.id = r.crate_id`
)

func scanRun(row pgx.Row) (run store.CheckRun, err error) {
	err = row.Scan(&run.ID, &run.ReleaseID, &run.Crate, &run.Version, (*digest)(&run.Checksum), &run.Check, &run.CheckVersion, &run.Attempt, &run.Again,
		&run.Status, (*instant)(&run.QueuedAt), (*instant)(&run.RunAfter), (*instant)(&run.StartedAt), (*instant)(&run.Deadline),
		(*instant)(&run.CompletedAt), &run.Lease, document{&run.Report})
	return run, found(err)
}

// Run returns a check run by id.
func (s *Store) Run(ctx context.Context, id store.ID) (store.CheckRun, error) {
	run, err := scanRun(s.pool.QueryRow(ctx, `SELECT `+runColumns+` FROM `+runTables+` WHERE cr.id = $1`, id))
	if err != nil {
		return store.CheckRun{}, fmt.Errorf("read check run %d: %w", id, err)
	}
	return run, nil
}

// StartRun moves a queued run to in_progress under a lease.
func (s *Store) StartRun(ctx context.Context, id store.ID, lease string, at, deadline time.Time) (run store.CheckRun, err error) {
	run, err = scanRun(s.pool.QueryRow(ctx, `
		UPDATE check_runs cr SET status = 'in_progress', lease = $2, started_at = $3, deadline = $4
		FROM releases r, crates c
		WHERE cr.id = $1 AND cr.status = 'queued' AND r.id = cr.release_id AND c.id = r.crate_id
		RETURNING `+runColumns, id, lease, instant(at), instant(deadline)))
	if errors.Is(err, store.ErrNotFound) {
		err = lost(ctx, s.pool, id)
	}
	if err != nil {
		return store.CheckRun{}, fmt.Errorf("start check run %d: %w", id, err)
	}
	return run, nil
}

// lost says why a swap met no row: the run has moved on, or there is none.
func lost(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, id store.ID) error {
	var known int
	if err := db.QueryRow(ctx, `SELECT 1 FROM check_runs WHERE id = $1`, id).Scan(&known); err != nil {
		return found(err)
	}
	return store.ErrConflict
}

// FinishRun completes a run in progress.
func (s *Store) FinishRun(ctx context.Context, f store.Finish) error {
	f = f.Clean()
	if err := s.write(ctx, func(tx pgx.Tx) error { return s.finish(ctx, tx, f) }); err != nil {
		return fmt.Errorf("finish check run %d: %w", f.Run, err)
	}
	return nil
}

func (s *Store) finish(ctx context.Context, tx pgx.Tx, f store.Finish) error {
	var (
		run     = store.CheckRun{ID: f.Run}
		crateID store.ID
	)
	err := tx.QueryRow(ctx, `
		UPDATE check_runs cr
		SET status = 'completed', lease = '', deadline = NULL, completed_at = $3, conclusion = $4, report = $5, title = $6
		FROM releases r JOIN crates c ON c.id = r.crate_id
		WHERE cr.id = $1 AND cr.status = 'in_progress' AND cr.lease = $2 AND r.id = cr.release_id
		RETURNING r.crate_id, c.name, r.id, r.version, cr.check_name, cr.check_version, cr.attempt`,
		f.Run, f.Lease, instant(f.At), f.Report.Conclusion, document{f.Report}, f.Report.Title).Scan(
		&crateID, &run.Crate, &run.ReleaseID, &run.Version, &run.Check, &run.CheckVersion, &run.Attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return lost(ctx, tx, f.Run)
	}
	if err != nil {
		return err
	}
	if err := keepMetrics(ctx, tx, run.ID, f.Report.Metrics); err != nil {
		return fmt.Errorf("keep metrics: %w", err)
	}
	if f.KeepFacts {
		if err := keepFacts(ctx, tx, crateID, run, f); err != nil {
			return fmt.Errorf("keep facts: %w", err)
		}
	}
	if !f.Recheck.IsZero() {
		if err := dueAgain(ctx, tx, run, f.Recheck); err != nil {
			return fmt.Errorf("note when to ask again: %w", err)
		}
	}
	if !f.Retry.IsZero() {
		if err := s.retry(ctx, tx, run, f); err != nil {
			return err
		}
	}
	return tell(ctx, tx, store.IndexKey(run.Crate))
}

// retry queues the attempt after a run.
func (s *Store) retry(ctx context.Context, tx pgx.Tx, run store.CheckRun, f store.Finish) error {
	var next store.ID
	if err := tx.QueryRow(ctx, `
		INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at, run_after)
		VALUES ($1, $2, $3, $4, 'queued', $5, $6)
		RETURNING id`,
		run.ReleaseID, run.Check, run.CheckVersion, run.Attempt+1, instant(f.At), instant(f.Retry)).Scan(&next); err != nil {
		return fmt.Errorf("queue next attempt: %w", err)
	}
	return s.queueRuns(ctx, tx, f.Queue, []store.ID{next}, store.PriorityRetry, f.Retry)
}

func keepMetrics(ctx context.Context, tx pgx.Tx, run store.ID, metrics map[string]float64) error {
	if len(metrics) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO run_metrics (run_id, metrics) VALUES ($1, $2)`, run, document{metrics})
	return err
}

// keepFacts keeps the facts of a run for its crate, unless those of a newer
// release, or of a newer version of the check, are kept already.
//
// It locks the crate, lest two runs each find the other's facts missing.
func keepFacts(ctx context.Context, tx pgx.Tx, crateID store.ID, run store.CheckRun, f store.Finish) error {
	if _, err := tx.Exec(ctx, `SELECT 1 FROM crates WHERE id = $1 FOR NO KEY UPDATE`, crateID); err != nil {
		return err
	}
	var kept store.CheckRun
	err := tx.QueryRow(ctx, `
		SELECT r.version, cr.check_version FROM crate_facts f
		JOIN check_runs cr ON cr.id = f.run_id JOIN releases r ON r.id = cr.release_id
		WHERE f.crate_id = $1 AND f.check_name = $2`, crateID, run.Check).Scan(&kept.Version, &kept.CheckVersion)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if err == nil && !run.FactsReplace(kept) {
		return nil
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO crate_facts (crate_id, check_name, run_id, facts, read_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (crate_id, check_name) DO UPDATE
		SET run_id = excluded.run_id, facts = excluded.facts, read_at = excluded.read_at`,
		crateID, run.Check, run.ID, raw(f.Report.Facts), instant(f.At))
	return err
}

// OverdueRuns returns runs in progress past their deadline.
func (s *Store) OverdueRuns(ctx context.Context, now time.Time, limit int) ([]store.CheckRun, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+runColumns+` FROM `+runTables+`
		WHERE cr.status = 'in_progress' AND cr.deadline < $1
		ORDER BY cr.deadline, cr.id LIMIT $2`, instant(now), max(0, limit))
	overdue, err := collect(rows, err, scanRun)
	if err != nil {
		return nil, fmt.Errorf("read overdue check runs: %w", err)
	}
	return overdue, nil
}

// QueueStale queues runs of a check version for releases that have none.
func (s *Store) QueueStale(ctx context.Context, ref store.CheckRef, at time.Time, limit int) (int, error) {
	releases, err := s.frontier.Next(ref, limit, func(below store.ID) ([]store.ID, error) {
		rows, err := s.pool.Query(ctx, `
			SELECT r.id FROM releases r
			WHERE r.id < $4 AND NOT EXISTS (
				SELECT 1 FROM check_runs cr
				WHERE cr.release_id = r.id AND cr.check_name = $1 AND cr.check_version = $2)
			ORDER BY r.id DESC LIMIT $3`, ref.Name, ref.Version, max(0, limit), below)
		return collect(rows, err, scanID)
	})
	var ids []store.ID
	if err == nil && len(releases) > 0 {
		err = s.write(ctx, func(tx pgx.Tx) (err error) {
			ids, err = s.addStale(ctx, tx, ref, releases, at)
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("queue stale runs of %q version %d: %w", ref.Name, ref.Version, err)
	}
	return len(ids), nil
}

// addStale queues runs for releases that were found without; somebody may have
// been quicker.
func (s *Store) addStale(ctx context.Context, tx pgx.Tx, ref store.CheckRef, releases []store.ID, at time.Time) ([]store.ID, error) {
	rows, err := tx.Query(ctx, `
		INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at)
		SELECT id, $1, $2, 1, 'queued', $3 FROM unnest($4::bigint[]) WITH ORDINALITY AS r (id, nth) ORDER BY r.nth
		ON CONFLICT DO NOTHING
		RETURNING id`, ref.Name, ref.Version, instant(at), releases)
	ids, err := collect(rows, err, scanID)
	if err != nil {
		return nil, err
	}
	if err := s.queueRuns(ctx, tx, ref.Queue, ids, store.PriorityStale, time.Time{}); err != nil {
		return nil, err
	}
	return ids, tellOf(ctx, tx, releases)
}

func scanID(row pgx.Row) (id store.ID, err error) {
	err = row.Scan(&id)
	return id, err
}
