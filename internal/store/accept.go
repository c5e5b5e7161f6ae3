package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
)

// Accept says what becomes of f when a person takes the line that upstream
// offers for a version; offered is the SHA-256 of the line they saw. The error
// wraps ErrConflict when no such line is offered, or none that may be accepted:
// other bytes and removals are not for people to wave through.
func (f IndexFile) Accept(r LineRecord, offered [32]byte, at time.Time, audit AuditEntry) (IndexSave, error) {
	if r.Trouble != policy.LineChanged || sha256.Sum256(r.Offered) != offered {
		return IndexSave{}, ErrConflict
	}
	lines, err := f.Unpack()
	if err != nil {
		return IndexSave{}, err
	}
	if lines, err = replaceLine(lines, r); err != nil {
		return IndexSave{}, err
	}
	f.Lines, f.Size, f.ChangedAt = index.Pack(lines), len(lines), at
	r.Trouble, r.TroubleAt, r.Offered = "", time.Time{}, nil
	return IndexSave{
		File: f, Records: []LineRecord{r}, Audit: audit,
		Events: []LineEvent{{Version: r.Version, What: LineAccepted, At: at, Detail: "accepted by " + audit.Actor}},
	}, nil
}

// Honour says what becomes of f when a person lets a yank stand. The error wraps
// ErrConflict when there is none, or it does.
func (f IndexFile) Honour(r LineRecord, at time.Time, audit AuditEntry) (IndexSave, error) {
	if !r.Yanked || !r.HonouredAt.IsZero() {
		return IndexSave{}, ErrConflict
	}
	r.HonouredAt = at
	return IndexSave{
		File: f, Records: []LineRecord{r}, Audit: audit,
		Events: []LineEvent{{Version: r.Version, What: LineHonoured, At: at, Detail: "honoured by " + audit.Actor}},
	}, nil
}

// replaceLine puts the offered line of a version in the place of the accepted one.
func replaceLine(lines []byte, r LineRecord) ([]byte, error) {
	offered := bytes.TrimRight(r.Offered, "\n")
	found := 0
	var replaced []byte
	for line := range bytes.Lines(lines) {
		text := bytes.TrimRight(line, "\n")
		e, err := index.Scan(text)
		if err == nil && e.Key() == index.VersionKey(r.Version) {
			found++
			line = append(bytes.Clone(offered), line[len(text):]...)
		}
		replaced = append(replaced, line...)
	}
	if found != 1 {
		return nil, fmt.Errorf("replace line of %q: it stands %d times", r.Version, found)
	}
	return replaced, nil
}

// State returns r as its line in f has it: yanked or not, and published when the
// registry says, unless that is known. r stays as it is where no line speaks of
// its bytes.
func (f IndexFile) State(r Release) Release {
	lines, err := f.Unpack()
	if err != nil {
		return r // what cannot be read says nothing
	}
	for e, err := range index.Entries(lines) {
		if err != nil || e.Key() != index.VersionKey(r.Version) || e.Cksum != r.Checksum {
			continue
		}
		r.Yanked = e.Yanked
		if r.PublishedAt.IsZero() {
			r.PublishedAt = Instant(e.Pubtime)
		}
	}
	return r
}

// Unpack returns the lines of f.
func (f IndexFile) Unpack() ([]byte, error) {
	if f.Size == 0 {
		return nil, nil
	}
	lines, err := index.Unpack(f.Lines, f.Size)
	if err != nil {
		return nil, fmt.Errorf("read lines of %q: %w", f.Key, err)
	}
	return lines, nil
}

// Entry returns the accepted line that states a version, as it is written there.
// The error wraps ErrNotFound when none does.
func (f IndexFile) Entry(version string) (index.Entry, error) {
	lines, err := f.Unpack()
	if err != nil {
		return index.Entry{}, err
	}
	for e, err := range index.Entries(lines) {
		if err == nil && e.Vers == version {
			return e, nil
		}
	}
	return index.Entry{}, fmt.Errorf("find version %q of %q: %w", version, f.Key, ErrNotFound)
}
