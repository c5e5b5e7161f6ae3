package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

func addLineEvents(ctx context.Context, tx *sql.Tx, events []store.LineEvent) error {
	for _, e := range events {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO line_events (key, version, what, at, detail) VALUES ($1, $2, $3, $4, $5)`,
			e.Key, e.Version, e.What, instant(e.At), e.Detail); err != nil {
			return fmt.Errorf("event %q: %w", e.What, err)
		}
	}
	return nil
}

// LineEvents returns what happened to a crate's lines, newest first.
func (s *Store) LineEvents(ctx context.Context, key string, before store.ID, limit int) ([]store.LineEvent, error) {
	var f filter
	f.crate("key", key)
	f.before("id", before)
	where, args := f.sql("id", limit)
	rows, err := s.reader.QueryContext(ctx, `SELECT id, key, version, what, at, detail FROM line_events`+where, args...)
	events, err := collect(rows, err, func(row scanner) (e store.LineEvent, err error) {
		err = row.Scan(&e.ID, &e.Key, &e.Version, &e.What, (*instant)(&e.At), &e.Detail)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read line events of %q: %w", key, err)
	}
	return events, nil
}

// AcceptLine puts the line that upstream offers in place of the accepted one.
func (s *Store) AcceptLine(ctx context.Context, key, version string, offered [32]byte, at time.Time, audit store.AuditEntry) error {
	err := s.onLine(ctx, key, version, func(f store.IndexFile, r store.LineRecord) (store.IndexSave, error) {
		return f.Accept(r, offered, at, audit)
	})
	if err != nil {
		return fmt.Errorf("accept line of %q %q: %w", key, version, err)
	}
	return nil
}

// HonourYank lets a yank stand that a guard keeps back.
func (s *Store) HonourYank(ctx context.Context, key, version string, at time.Time, audit store.AuditEntry) error {
	err := s.onLine(ctx, key, version, func(f store.IndexFile, r store.LineRecord) (store.IndexSave, error) {
		return f.Honour(r, at, audit)
	})
	if err != nil {
		return fmt.Errorf("honour yank of %q %q: %w", key, version, err)
	}
	return nil
}

// onLine stores what becomes of a file and the record of one of its versions.
func (s *Store) onLine(ctx context.Context, key, version string, change func(store.IndexFile, store.LineRecord) (store.IndexSave, error)) error {
	key, version = store.IndexKey(store.Clean(key)), store.Clean(version)
	return s.write(ctx, func(tx *sql.Tx) error {
		f, err := scanFile(tx.QueryRowContext(ctx, `SELECT `+fileColumns+` FROM index_files f WHERE f.key = $1`, key))
		if err != nil {
			return err
		}
		r, err := scanRecord(tx.QueryRowContext(ctx, `
			SELECT `+recordColumns+` FROM line_records l WHERE l.key = $1 AND l.version = $2`, key, version))
		if err != nil {
			return err
		}
		save, err := change(f, r)
		if err != nil {
			return err
		}
		return saveIndex(ctx, tx, save.Clean())
	})
}

// yankReleases has the releases that were taken in yanked as their lines are, and
// the crate spoken for by who may.
func yankReleases(ctx context.Context, tx *sql.Tx, key string, records []store.LineRecord) error {
	changed := false
	for _, r := range records {
		result, err := tx.ExecContext(ctx, `
			UPDATE releases SET yanked = $4
			WHERE crate_id = (SELECT id FROM crates WHERE lower(name) = $1) AND version_key = $2 AND checksum = $3 AND yanked <> $4`,
			r.Key, index.VersionKey(r.Version), digest(r.Checksum), r.Yanked)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		changed = changed || n > 0
	}
	if !changed {
		return nil
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT `+releaseColumns+` FROM releases r JOIN crates c ON c.id = r.crate_id WHERE lower(c.name) = $1`, key)
	releases, err := collect(rows, err, scanRelease)
	if err != nil {
		return err
	}
	speaks := store.Spokesman(releases)
	_, err = tx.ExecContext(ctx, `
		UPDATE crates SET default_release = $2, search = $3 WHERE id = $1`,
		speaks.CrateID, speaks.ID, crate.Canonical(speaks.About.Description))
	return err
}
