package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

const (
	runColumns = `cr.id, cr.release_id, c.name, r.version, r.checksum, cr.check_name, cr.check_version, cr.attempt, cr.again,
		cr.status, cr.queued_at, cr.run_after, cr.started_at, cr.deadline, cr.completed_at, cr.lease, cr.report`
	runTables = `check_runs cr JOIN releases r ON r.id = cr.release_id JOIN crates c ON c.id = r.crate_id`
)

func scanRun(row scanner) (run store.CheckRun, err error) {
	err = row.Scan(&run.ID, &run.ReleaseID, &run.Crate, &run.Version, (*digest)(&run.Checksum), &run.Check, &run.CheckVersion, &run.Attempt, &run.Again,
		&run.Status, (*instant)(&run.QueuedAt), (*instant)(&run.RunAfter), (*instant)(&run.StartedAt), (*instant)(&run.Deadline),
		(*instant)(&run.CompletedAt), &run.Lease, document{&run.Report})
	return run, found(err)
}

// Run returns a check run by id.
func (s *Store) Run(ctx context.Context, id store.ID) (store.CheckRun, error) {
	run, err := scanRun(s.reader.QueryRowContext(ctx, `SELECT `+runColumns+` FROM `+runTables+` WHERE cr.id = $1`, id))
	if err != nil {
		return store.CheckRun{}, fmt.Errorf("read check run %d: %w", id, err)
	}
	return run, nil
}

// StartRun moves a queued run to in_progress under a lease.
func (s *Store) StartRun(ctx context.Context, id store.ID, lease string, at, deadline time.Time) (run store.CheckRun, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE check_runs SET status = 'in_progress', lease = $2, started_at = $3, deadline = $4
			WHERE id = $1 AND status = 'queued'`, id, lease, instant(at), instant(deadline))
		if err != nil {
			return err
		}
		if run, err = scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM `+runTables+` WHERE cr.id = $1`, id)); err != nil {
			return err
		}
		return swapped(result)
	})
	if err != nil {
		return store.CheckRun{}, fmt.Errorf("start check run %d: %w", id, err)
	}
	return run, nil
}

// swapped turns an update that met no row into store.ErrConflict.
func swapped(result sql.Result) error {
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return store.ErrConflict
	}
	return err
}

// FinishRun completes a run in progress.
func (s *Store) FinishRun(ctx context.Context, f store.Finish) error {
	f = f.Clean()
	if err := s.write(ctx, func(tx *sql.Tx) error { return s.finish(ctx, tx, f) }); err != nil {
		return fmt.Errorf("finish check run %d: %w", f.Run, err)
	}
	return nil
}

func (s *Store) finish(ctx context.Context, tx *sql.Tx, f store.Finish) error {
	run, err := scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM `+runTables+` WHERE cr.id = $1`, f.Run))
	if err != nil {
		return err
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE check_runs SET status = 'completed', lease = '', deadline = NULL, completed_at = $3, conclusion = $4, report = $5, title = $6
		WHERE id = $1 AND status = 'in_progress' AND lease = $2`,
		f.Run, f.Lease, instant(f.At), f.Report.Conclusion, document{f.Report}, f.Report.Title)
	if err != nil {
		return err
	}
	if err := swapped(result); err != nil {
		return err
	}
	if err := keepMetrics(ctx, tx, run.ID, f.Report.Metrics); err != nil {
		return fmt.Errorf("keep metrics: %w", err)
	}
	if f.KeepFacts {
		if err := keepFacts(ctx, tx, run, f); err != nil {
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
func (s *Store) retry(ctx context.Context, tx *sql.Tx, run store.CheckRun, f store.Finish) error {
	var next store.ID
	if err := tx.QueryRowContext(ctx, `
		INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at, run_after)
		VALUES ($1, $2, $3, $4, 'queued', $5, $6)
		RETURNING id`,
		run.ReleaseID, run.Check, run.CheckVersion, run.Attempt+1, instant(f.At), instant(f.Retry)).Scan(&next); err != nil {
		return fmt.Errorf("queue next attempt: %w", err)
	}
	return s.queueRuns(ctx, tx, f.Queue, []store.ID{next}, store.PriorityRetry, f.Retry)
}

func keepMetrics(ctx context.Context, tx *sql.Tx, run store.ID, metrics map[string]float64) error {
	if len(metrics) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO run_metrics (run_id, metrics) VALUES ($1, $2)`, run, document{metrics})
	return err
}

// keepFacts keeps the facts of a run for its crate, unless those of a newer
// release, or of a newer version of the check, are kept already.
func keepFacts(ctx context.Context, tx *sql.Tx, run store.CheckRun, f store.Finish) error {
	var (
		crateID store.ID
		kept    store.CheckRun
	)
	if err := tx.QueryRowContext(ctx, `SELECT crate_id FROM releases WHERE id = $1`, run.ReleaseID).Scan(&crateID); err != nil {
		return err
	}
	err := tx.QueryRowContext(ctx, `
		SELECT r.version, cr.check_version FROM crate_facts f
		JOIN check_runs cr ON cr.id = f.run_id JOIN releases r ON r.id = cr.release_id
		WHERE f.crate_id = $1 AND f.check_name = $2`, crateID, run.Check).Scan(&kept.Version, &kept.CheckVersion)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err == nil && !run.FactsReplace(kept) {
		return nil
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO crate_facts (crate_id, check_name, run_id, facts, read_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (crate_id, check_name) DO UPDATE
		SET run_id = excluded.run_id, facts = excluded.facts, read_at = excluded.read_at`,
		crateID, run.Check, run.ID, raw(f.Report.Facts), instant(f.At))
	return err
}

// OverdueRuns returns runs in progress past their deadline.
func (s *Store) OverdueRuns(ctx context.Context, now time.Time, limit int) ([]store.CheckRun, error) {
	rows, err := s.reader.QueryContext(ctx, `
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
		rows, err := s.reader.QueryContext(ctx, `
			SELECT r.id FROM releases r
			WHERE r.id < $4 AND NOT EXISTS (
				SELECT 1 FROM check_runs cr
				WHERE cr.release_id = r.id AND cr.check_name = $1 AND cr.check_version = $2)
			ORDER BY r.id DESC LIMIT $3`, ref.Name, ref.Version, max(0, limit), below)
		return collect(rows, err, scanID)
	})
	var ids []store.ID
	if err == nil && len(releases) > 0 {
		err = s.write(ctx, func(tx *sql.Tx) (err error) {
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
func (s *Store) addStale(ctx context.Context, tx *sql.Tx, ref store.CheckRef, releases []store.ID, at time.Time) ([]store.ID, error) {
	rows, err := tx.QueryContext(ctx, `
		INSERT INTO check_runs (release_id, check_name, check_version, attempt, status, queued_at)
		SELECT value, $1, $2, 1, 'queued', $3 FROM json_each($4) WHERE true
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

func scanID(row scanner) (id store.ID, err error) {
	err = row.Scan(&id)
	return id, err
}
