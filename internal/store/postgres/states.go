package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/cratefence/cratefence/internal/store"
)

// CheckStates returns where each check stands on each release: of its newest
// version, the newest completed run, the newest that knew, and the one under way.
func (s *Store) CheckStates(ctx context.Context, releases ...store.ID) (map[store.ID][]store.CheckState, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+runColumns+` FROM `+runTables+`
		WHERE cr.release_id = ANY ($1)
		AND cr.check_version = (
			SELECT max(n.check_version) FROM check_runs n
			WHERE n.release_id = cr.release_id AND n.check_name = cr.check_name)
		AND (cr.status <> 'completed' OR cr.attempt IN (
			SELECT max(n.attempt) FROM check_runs n
			WHERE n.release_id = cr.release_id AND n.check_name = cr.check_name
			AND n.check_version = cr.check_version AND n.status = 'completed'
			UNION ALL
			SELECT max(n.attempt) FROM check_runs n
			WHERE n.release_id = cr.release_id AND n.check_name = cr.check_name
			AND n.check_version = cr.check_version AND n.conclusion IN ('success', 'failure', 'neutral')))
		ORDER BY cr.release_id, cr.check_name, cr.attempt`, releases)
	runs, err := collect(rows, err, scanRun)
	if err != nil {
		return nil, fmt.Errorf("read check states: %w", err)
	}
	return store.States(runs), nil
}

// CheckRuns returns every attempt of every check on a release, newest first.
func (s *Store) CheckRuns(ctx context.Context, release store.ID) ([]store.CheckRun, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+runColumns+` FROM `+runTables+` WHERE cr.release_id = $1 ORDER BY cr.id DESC`, release)
	runs, err := collect(rows, err, scanRun)
	if err != nil {
		return nil, fmt.Errorf("read check runs of release %d: %w", release, err)
	}
	return runs, nil
}

// History returns completed runs of every check on a release, newest first, at
// most limit of each check. Of their reports they have conclusion and title alone.
func (s *Store) History(ctx context.Context, release store.ID, limit int) ([]store.CheckRun, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT id, check_name, check_version, attempt, again, completed_at, conclusion, title
		FROM (
			SELECT id, check_name, check_version, attempt, again, completed_at, conclusion, title,
				row_number() OVER (PARTITION BY check_name ORDER BY id DESC) AS nth
			FROM check_runs WHERE release_id = $1 AND status = 'completed') AS ranked
		WHERE nth <= $2 ORDER BY id DESC`, release, max(0, limit))
	runs, err := collect(rows, err, func(row pgx.Row) (run store.CheckRun, err error) {
		run.ReleaseID, run.Status = release, store.Completed
		err = row.Scan(&run.ID, &run.Check, &run.CheckVersion, &run.Attempt, &run.Again, (*instant)(&run.CompletedAt),
			&run.Report.Conclusion, &run.Report.Title)
		return run, err
	})
	if err != nil {
		return nil, fmt.Errorf("read history of release %d: %w", release, err)
	}
	return runs, nil
}
