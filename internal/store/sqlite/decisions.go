package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cratefence/cratefence/internal/store"
)

const decisionColumns = `d.id, d.code, d.policy, d.crate, d.version, d.checksum, d.line, d.state, d.reasons, d.recheck,
	d.pending, d.observed, d.rules, d.at`

func scanDecision(row scanner) (d store.DecisionRecord, err error) {
	err = row.Scan(&d.ID, &d.Code, &d.Policy, &d.Crate, &d.Version, (*digest)(&d.Checksum), (*digest)(&d.Line), &d.Decision.State,
		document{&d.Decision.Reasons}, (*instant)(&d.Decision.Recheck), &d.Decision.Pending, &d.Decision.Observed,
		(*digest)(&d.Rules), (*instant)(&d.At))
	return d, found(err)
}

// RecordDecisions adds the decisions that differ from those in force, and returns
// those in force now.
func (s *Store) RecordDecisions(ctx context.Context, records []store.DecisionRecord) ([]store.DecisionRecord, error) {
	if len(records) == 0 {
		return nil, nil
	}
	inForce := make([]store.DecisionRecord, 0, len(records))
	err := s.write(ctx, func(tx *sql.Tx) error {
		for _, d := range records {
			d, err := recordDecision(ctx, tx, d.Clean())
			if err != nil {
				return fmt.Errorf("%q %q: %w", d.Crate, d.Version, err)
			}
			inForce = append(inForce, d)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("record decisions: %w", err)
	}
	return inForce, nil
}

func recordDecision(ctx context.Context, tx *sql.Tx, d store.DecisionRecord) (store.DecisionRecord, error) {
	var (
		key  = store.IndexKey(d.Crate)
		mark [32]byte
	)
	known, err := scanDecision(marked{tx.QueryRowContext(ctx, `
		SELECT f.mark, `+decisionColumns+` FROM decisions_in_force f JOIN decisions d ON d.id = f.decision
		WHERE f.key = $1 AND f.version = $2 AND f.checksum = $3 AND f.policy = $4`,
		key, d.Version, digest(d.Checksum), d.Policy), &mark})
	switch {
	case err == nil && mark == d.Mark():
		return known, nil
	case err == nil:
		if d.At.Before(known.At) {
			if past, err := past(ctx, tx, d); err != nil || d.Echoes(past) {
				return known, err
			}
		}
		d.Code = known.Code
	case !errors.Is(err, store.ErrNotFound):
		return d, err
	case d.Code == "":
		d.Code = store.NewCode()
	}
	if err := tx.QueryRowContext(ctx, `
		INSERT INTO decisions (code, policy, key, crate, version, checksum, line, state, verdict, reasons, recheck, pending, observed, rules, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		RETURNING id`,
		d.Code, d.Policy, key, d.Crate, d.Version, digest(d.Checksum), digest(d.Line), d.Decision.State, d.Decision.Verdict(),
		document{d.Decision.Reasons}, instant(d.Decision.Recheck), d.Decision.Pending, d.Decision.Observed, digest(d.Rules), instant(d.At)).Scan(&d.ID); err != nil {
		return d, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO decisions_in_force (key, version, checksum, policy, code, mark, decision) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (key, version, checksum, policy) DO UPDATE SET mark = excluded.mark, decision = excluded.decision`,
		key, d.Version, digest(d.Checksum), d.Policy, d.Code, digest(d.Mark()), d.ID)
	return d, err
}

// past reads what was decided on a release since shortly before a decision.
func past(ctx context.Context, tx *sql.Tx, d store.DecisionRecord) ([]store.DecisionRecord, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+decisionColumns+` FROM decisions d
		WHERE d.key = $1 AND d.version = $2 AND d.checksum = $3 AND d.policy = $4 AND d.at >= $5 ORDER BY d.id DESC LIMIT 100`,
		store.IndexKey(d.Crate), d.Version, digest(d.Checksum), d.Policy, instant(d.At.Add(-store.EchoTime)))
	return collect(rows, err, scanDecision)
}

// marked is a row whose first column is the mark.
type marked struct {
	scanner
	mark *[32]byte
}

// Scan reads the mark, and then the rest.
func (m marked) Scan(dest ...any) error {
	return m.scanner.Scan(append([]any{(*digest)(m.mark)}, dest...)...)
}

// Decisions returns decisions, newest first.
func (s *Store) Decisions(ctx context.Context, q store.DecisionQuery) ([]store.DecisionRecord, error) {
	var f filter
	f.is("d.policy", q.Policy)
	f.is("d.verdict", string(q.Verdict))
	f.is("d.state", string(q.State))
	f.crate("d.key", q.Crate)
	f.is("d.version", q.Version)
	table, id := `decisions_in_force f JOIN decisions d ON d.id = f.decision`, "f.decision"
	if q.History {
		table, id = `decisions d`, "d.id"
	}
	f.before(id, q.Before)
	where, args := f.sql(id, q.Limit)
	rows, err := s.reader.QueryContext(ctx, `SELECT `+decisionColumns+` FROM `+table+where, args...)
	all, err := collect(rows, err, scanDecision)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// DecisionByCode returns the decision in force that a code is of.
func (s *Store) DecisionByCode(ctx context.Context, code string) (store.DecisionRecord, error) {
	d, err := scanDecision(s.reader.QueryRowContext(ctx, `
		SELECT `+decisionColumns+` FROM decisions_in_force f JOIN decisions d ON d.id = f.decision
		WHERE f.code = $1 ORDER BY f.decision DESC LIMIT 1`, store.Clean(code)))
	if err != nil {
		return store.DecisionRecord{}, fmt.Errorf("read decision %q: %w", code, err)
	}
	return d, nil
}
