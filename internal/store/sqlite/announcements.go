package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

const announcementColumns = `a.id, a.via, a.message_id, a.crate, a.version, a.checksum, a.download_url,
	a.publisher, a.published_at, a.priority, a.status, a.reason, a.received_at, a.finished_at`

func scanAnnouncement(row scanner) (a store.Announcement, err error) {
	err = row.Scan(&a.ID, &a.Via, &a.MessageID, &a.Crate, &a.Version, (*digest)(&a.Checksum), &a.DownloadURL,
		&a.Publisher, (*instant)(&a.PublishedAt), &a.Priority, &a.Status, &a.Reason, (*instant)(&a.ReceivedAt), (*instant)(&a.FinishedAt))
	return a, found(err)
}

// Announce stores an announcement and queues its fetch.
func (s *Store) Announce(ctx context.Context, a store.Announcement, audit store.AuditEntry) (kept store.Announcement, created bool, err error) {
	a = a.Clean()
	a.Status, a.Reason, a.FinishedAt = store.AnnouncementReceived, "", time.Time{}
	// A repeat does not take the write lock: one release may be asked for often.
	if known, err := s.announced(ctx, s.reader, a); err == nil {
		return known, false, nil
	}
	err = s.write(ctx, func(tx *sql.Tx) (err error) {
		kept, created, err = s.announce(ctx, tx, a, audit)
		return err
	})
	if err != nil {
		return store.Announcement{}, false, fmt.Errorf("announce %q %q: %w", a.Crate, a.Version, err)
	}
	return kept, created, nil
}

func (s *Store) announce(ctx context.Context, tx *sql.Tx, a store.Announcement, audit store.AuditEntry) (store.Announcement, bool, error) {
	known, err := s.announced(ctx, tx, a)
	if !errors.Is(err, store.ErrNotFound) {
		return known, false, err
	}
	if err := tx.QueryRowContext(ctx, `
		INSERT INTO announcements (via, message_id, crate, version, checksum, download_url, publisher, published_at, priority, status, reason, received_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		RETURNING id`,
		a.Via, a.MessageID, a.Crate, a.Version, digest(a.Checksum), a.DownloadURL, a.Publisher, instant(a.PublishedAt),
		a.Priority, a.Status, a.Reason, instant(a.ReceivedAt)).Scan(&a.ID); err != nil {
		return a, false, err
	}
	if err := s.queueIntake(ctx, tx, a.ID, a.Priority); err != nil {
		return a, false, err
	}
	return a, true, record(ctx, tx, audit)
}

// announced returns the announcement that a is a repeat of.
func (s *Store) announced(ctx context.Context, db rowQuerier, a store.Announcement) (store.Announcement, error) {
	return scanAnnouncement(db.QueryRowContext(ctx, `
		SELECT `+announcementColumns+` FROM announcements a
		WHERE a.via = $1 AND a.message_id = $2 AND a.message_id <> ''`, a.Via, a.MessageID))
}

// AnnounceAgain queues the fetch of an announcement anew: of one that was
// refused, or at a higher priority.
func (s *Store) AnnounceAgain(ctx context.Context, id store.ID, priority int, at time.Time, audit store.AuditEntry) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		a, err := scanAnnouncement(tx.QueryRowContext(ctx, `SELECT `+announcementColumns+` FROM announcements a WHERE a.id = $1`, id))
		if err != nil {
			return err
		}
		if !a.Again(priority) {
			return store.ErrConflict
		}
		if _, err := tx.ExecContext(ctx, `
			UPDATE announcements SET status = 'received', priority = $2, received_at = $3, finished_at = NULL WHERE id = $1`,
			id, priority, instant(at)); err != nil {
			return err
		}
		if err := s.queueIntake(ctx, tx, id, priority); err != nil {
			return err
		}
		return record(ctx, tx, audit)
	})
	if err != nil {
		return fmt.Errorf("announce %d again: %w", id, err)
	}
	return nil
}

// Announcement returns an announcement by id.
func (s *Store) Announcement(ctx context.Context, id store.ID) (store.Announcement, error) {
	a, err := scanAnnouncement(s.reader.QueryRowContext(ctx, `
		SELECT `+announcementColumns+` FROM announcements a WHERE a.id = $1`, id))
	if err != nil {
		return store.Announcement{}, fmt.Errorf("read announcement %d: %w", id, err)
	}
	return a, nil
}

// Announcements returns the newest announcements.
func (s *Store) Announcements(ctx context.Context, limit int) ([]store.Announcement, error) {
	rows, err := s.reader.QueryContext(ctx, `
		SELECT `+announcementColumns+` FROM announcements a ORDER BY a.id DESC LIMIT $1`, max(0, limit))
	all, err := collect(rows, err, scanAnnouncement)
	if err != nil {
		return nil, fmt.Errorf("read announcements: %w", err)
	}
	return all, nil
}

// SettleAnnouncement moves an announcement that is not final.
func (s *Store) SettleAnnouncement(ctx context.Context, id store.ID, status store.AnnouncementStatus, reason string, at time.Time) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT 1 FROM announcements WHERE id = $1`, id).Scan(&known); err != nil {
			return found(err)
		}
		return settle(ctx, tx, id, status, reason, at)
	})
	if err != nil {
		return fmt.Errorf("settle announcement %d as %q: %w", id, status, err)
	}
	return nil
}

func settle(ctx context.Context, tx *sql.Tx, id store.ID, status store.AnnouncementStatus, reason string, at time.Time) error {
	if status == store.AnnouncementReceived {
		at = time.Time{}
	}
	_, err := tx.ExecContext(ctx, `
		UPDATE announcements SET status = $2, reason = $3, finished_at = $4
		WHERE id = $1 AND status = 'received'`,
		id, status, store.Clean(reason), instant(at))
	return err
}
