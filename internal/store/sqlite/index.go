package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cratefence/cratefence/internal/store"
)

const (
	fileColumns = `f.key, f.name, f.size, f.etag, f.last_modified, f.checked_at, f.changed_at, f.first_seen_at,
		f.imported_at, f.gone_since, f.bad, f.revision, f.lines`
	recordColumns = `l.key, l.version, l.checksum, l.published_at, l.first_seen_at, l.dated, l.yanked, l.yanked_at,
		l.honoured_at, l.wave, l.trouble, l.trouble_at, l.offered`
)

func scanFile(row scanner) (f store.IndexFile, err error) {
	err = row.Scan(&f.Key, &f.Name, &f.Size, &f.ETag, &f.LastModified, (*instant)(&f.CheckedAt), (*instant)(&f.ChangedAt),
		(*instant)(&f.FirstSeenAt), (*instant)(&f.Imported), (*instant)(&f.GoneSince), &f.Bad, &f.Revision, &f.Lines)
	return f, found(err)
}

func scanRecord(row scanner) (r store.LineRecord, err error) {
	err = row.Scan(&r.Key, &r.Version, (*digest)(&r.Checksum), (*instant)(&r.PublishedAt), (*instant)(&r.FirstSeenAt), &r.Dated,
		&r.Yanked, (*instant)(&r.YankedAt), (*instant)(&r.HonouredAt), &r.Wave, &r.Trouble, (*instant)(&r.TroubleAt), &r.Offered)
	return r, found(err)
}

// IndexFile returns a crate's file and the records of its versions.
func (s *Store) IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	f, records, err := s.indexFile(ctx, store.Clean(key))
	if err != nil {
		return store.IndexFile{}, nil, fmt.Errorf("read index file %q: %w", key, err)
	}
	return f, records, nil
}

func (s *Store) indexFile(ctx context.Context, key string) (f store.IndexFile, records []store.LineRecord, err error) {
	err = s.read(ctx, func(tx *sql.Tx) error {
		if f, err = scanFile(tx.QueryRowContext(ctx, `SELECT `+fileColumns+` FROM index_files f WHERE f.key = $1`, key)); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT `+recordColumns+` FROM line_records l WHERE l.key = $1`, key)
		records, err = collect(rows, err, scanRecord)
		return err
	})
	return f, records, err
}

// IndexFiles streams all files, by key.
func (s *Store) IndexFiles(ctx context.Context, yield func(store.IndexFile) error) error {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+fileColumns+` FROM index_files f ORDER BY f.key`)
	if err == nil {
		err = each(rows, scanFile, yield)
	}
	if err != nil {
		return fmt.Errorf("read index files: %w", err)
	}
	return nil
}

// SaveIndex stores a file whose revision is still the one that was read.
func (s *Store) SaveIndex(ctx context.Context, save store.IndexSave) error {
	save = save.Clean()
	err := s.write(ctx, func(tx *sql.Tx) error { return saveIndex(ctx, tx, save) })
	if err != nil {
		return fmt.Errorf("save index file %q: %w", save.File.Key, err)
	}
	return nil
}

func saveIndex(ctx context.Context, tx *sql.Tx, save store.IndexSave) error {
	if err := putFile(ctx, tx, save.File); err != nil {
		return err
	}
	for _, r := range save.Records {
		if err := putRecord(ctx, tx, r); err != nil {
			return fmt.Errorf("version %q: %w", r.Version, err)
		}
	}
	if err := yankReleases(ctx, tx, save.File.Key, save.Records); err != nil {
		return fmt.Errorf("yank releases: %w", err)
	}
	if err := addLineEvents(ctx, tx, save.Events); err != nil {
		return err
	}
	if save.Audit.Action != "" {
		if err := record(ctx, tx, save.Audit); err != nil {
			return err
		}
	}
	return tell(ctx, tx, save.File.Key)
}

func putFile(ctx context.Context, tx *sql.Tx, f store.IndexFile) error {
	if f.Revision == 0 {
		added, err := addFile(ctx, tx, f)
		if err == nil && !added {
			err = store.ErrConflict
		}
		return err
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE index_files SET name = $3, size = $4, etag = $5, last_modified = $6, checked_at = $7, changed_at = $8,
			imported_at = $9, gone_since = $10, bad = $11, lines = $12, revision = revision + 1
		WHERE key = $1 AND revision = $2`,
		f.Key, f.Revision, f.Name, f.Size, f.ETag, f.LastModified, instant(f.CheckedAt), instant(f.ChangedAt),
		instant(f.Imported), instant(f.GoneSince), f.Bad, f.Lines)
	if err != nil {
		return err
	}
	return swapped(result)
}

// addFile stores a new file, and reports whether there was none.
func addFile(ctx context.Context, tx *sql.Tx, f store.IndexFile) (bool, error) {
	result, err := tx.ExecContext(ctx, `
		INSERT INTO index_files (key, name, size, etag, last_modified, checked_at, changed_at, first_seen_at,
			imported_at, gone_since, bad, revision, lines)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12)
		ON CONFLICT (key) DO NOTHING`,
		f.Key, f.Name, f.Size, f.ETag, f.LastModified, instant(f.CheckedAt), instant(f.ChangedAt), instant(f.FirstSeenAt),
		instant(f.Imported), instant(f.GoneSince), f.Bad, f.Lines)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func putRecord(ctx context.Context, tx *sql.Tx, r store.LineRecord) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO line_records (key, version, checksum, published_at, first_seen_at, dated, yanked, yanked_at,
			honoured_at, wave, trouble, trouble_at, offered)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (key, version) DO UPDATE
		SET checksum = excluded.checksum, published_at = excluded.published_at, first_seen_at = excluded.first_seen_at,
			dated = excluded.dated, yanked = excluded.yanked, yanked_at = excluded.yanked_at, honoured_at = excluded.honoured_at,
			wave = excluded.wave, trouble = excluded.trouble, trouble_at = excluded.trouble_at, offered = excluded.offered`,
		r.Key, r.Version, digest(r.Checksum), instant(r.PublishedAt), instant(r.FirstSeenAt), r.Dated, r.Yanked, instant(r.YankedAt),
		instant(r.HonouredAt), r.Wave, r.Trouble, instant(r.TroubleAt), r.Offered)
	return err
}

// TouchIndex notes that files are as they were.
func (s *Store) TouchIndex(ctx context.Context, touches []store.IndexTouch) error {
	if len(touches) == 0 {
		return nil
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		touch, err := tx.PrepareContext(ctx, `
			UPDATE index_files SET checked_at = $3, etag = $4, last_modified = $5 WHERE key = $1 AND revision = $2`)
		if err != nil {
			return err
		}
		defer touch.Close()
		for _, t := range touches {
			t = t.Clean()
			if _, err := touch.ExecContext(ctx, t.Key, t.Revision, instant(t.CheckedAt), t.ETag, t.LastModified); err != nil {
				return fmt.Errorf("file %q: %w", t.Key, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("touch index files: %w", err)
	}
	return nil
}

// ImportIndex stores files that are new, with their records.
func (s *Store) ImportIndex(ctx context.Context, files []store.IndexFile, records []store.LineRecord) (existing []string, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		existing, err = importIndex(ctx, tx, files, records)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("import %d index files: %w", len(files), err)
	}
	return existing, nil
}

func importIndex(ctx context.Context, tx *sql.Tx, files []store.IndexFile, records []store.LineRecord) (existing []string, err error) {
	fresh := make(map[string]bool, len(files))
	for _, f := range files {
		f = f.Clean()
		added, err := addFile(ctx, tx, f)
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", f.Key, err)
		}
		if added {
			fresh[f.Key] = true
		} else {
			existing = append(existing, f.Key)
		}
	}
	for _, r := range records {
		if r = r.Clean(); !fresh[r.Key] {
			continue
		}
		if err := putRecord(ctx, tx, r); err != nil {
			return nil, fmt.Errorf("record of %q %q: %w", r.Key, r.Version, err)
		}
	}
	return existing, nil
}

// EndImport tells gates that an import ended, with the baselines that came of it.
func (s *Store) EndImport(ctx context.Context, baselines []store.Baseline, audit store.AuditEntry) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := addBaselines(ctx, tx, baselines); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tellAll(ctx, tx, store.GateAll)
	})
	if err != nil {
		return fmt.Errorf("end import: %w", err)
	}
	return nil
}

// SetBaseline sets a policy's baseline.
func (s *Store) SetBaseline(ctx context.Context, b store.Baseline, audit store.AuditEntry) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := addBaselines(ctx, tx, []store.Baseline{b}); err != nil {
			return err
		}
		if err := record(ctx, tx, audit); err != nil {
			return err
		}
		return tellAll(ctx, tx, store.GateBaseline)
	})
	if err != nil {
		return fmt.Errorf("set baseline of policy %q: %w", b.Policy, err)
	}
	return nil
}

func addBaselines(ctx context.Context, tx *sql.Tx, baselines []store.Baseline) error {
	for _, b := range baselines {
		b = b.Clean()
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO baselines (policy, at, actor, source, set_at) VALUES ($1, $2, $3, $4, $5)`,
			b.Policy, instant(b.At), b.Actor, b.Source, instant(b.SetAt)); err != nil {
			return fmt.Errorf("policy %q: %w", b.Policy, err)
		}
	}
	return nil
}

// Baselines returns the one in force of each policy, by name.
func (s *Store) Baselines(ctx context.Context) ([]store.Baseline, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT policy, at, actor, source, set_at FROM baselines b
		WHERE id = (SELECT max(n.id) FROM baselines n WHERE n.policy = b.policy) ORDER BY policy`)
	all, err := collect(rows, err, func(row scanner) (b store.Baseline, err error) {
		err = row.Scan(&b.Policy, (*instant)(&b.At), &b.Actor, &b.Source, (*instant)(&b.SetAt))
		return b, err
	})
	if err != nil {
		return nil, fmt.Errorf("read baselines: %w", err)
	}
	return all, nil
}
