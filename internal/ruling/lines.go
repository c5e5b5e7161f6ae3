package ruling

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// Lines are the index files, and what people may change of them. Each method is
// one durable transaction; those that write take the audit entry and tell every
// gate.
type Lines interface {
	// IndexFile wraps store.ErrNotFound when there is none.
	IndexFile(ctx context.Context, key string) (store.IndexFile, []store.LineRecord, error)
	// AcceptLine puts the line that upstream offers in place of the accepted one.
	// offered is the SHA-256 of the line that the person saw; it wraps
	// store.ErrConflict when that is not the line offered now.
	AcceptLine(ctx context.Context, key, version string, offered [32]byte, at time.Time, audit store.AuditEntry) error
	// HonourYank lets a yank stand that a guard may keep back. It wraps
	// store.ErrConflict when the version is not yanked, or its yank honoured.
	//
	// Both wrap store.ErrNotFound where nothing ever happened to the line.
	HonourYank(ctx context.Context, key, version string, at time.Time, audit store.AuditEntry) error
}

// LineDigest names a line that somebody has read.
func LineDigest(line []byte) [32]byte { return sha256.Sum256(line) }

// AcceptLine takes the line that upstream has now for a version, after its
// dependencies, features or links were edited. offered is the LineDigest of the
// line that its author has seen.
func (d *Desk) AcceptLine(ctx context.Context, s Subject, offered [32]byte, reason, actor string) error {
	return d.onLine(ctx, s, reason, actor, "line.accept", func(key, version string, audit store.AuditEntry) error {
		return d.Lines.AcceptLine(ctx, key, version, offered, audit.At, audit)
	})
}

// HonourYank lets a yank stand that the guard keeps back.
func (d *Desk) HonourYank(ctx context.Context, s Subject, reason, actor string) error {
	return d.onLine(ctx, s, reason, actor, "yank.honour", func(key, version string, audit store.AuditEntry) error {
		return d.Lines.HonourYank(ctx, key, version, audit.At, audit)
	})
}

// onLine writes about a line. That belongs to every policy: where one asks for
// impartial deciders, it is not gone around by naming another.
func (d *Desk) onLine(ctx context.Context, s Subject, reason, actor, action string, write func(key, version string, audit store.AuditEntry) error) error {
	s.Policy = ""
	f, impartial, err := d.judge(ctx, s, reason, actor, d.anyImpartial())
	if err != nil {
		return err
	}
	audit := d.audit(actor, action, s, f.Checksum, map[string]any{"reason": reason, "impartial": impartial})
	err = write(store.IndexKey(f.Crate), f.Version, audit)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: nothing happened to the line", store.ErrConflict) // the release is there
	}
	if err != nil {
		return fmt.Errorf("write %s of %s: %w", action, s, err)
	}
	d.changed(ctx, f.Crate)
	return nil
}

// anyImpartial reports whether some policy asks that its deciders be known not to
// have published the release.
func (d *Desk) anyImpartial() bool {
	return slices.ContainsFunc(d.Policies.Policies(), func(name string) bool {
		p, ok := d.Policies.Policy(name)
		return ok && p.Impartial
	})
}
