package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// CompareVersions orders versions as cargo does. Versions that cannot be read,
// which intake lets nobody store, come first.
func CompareVersions(a, b string) int {
	va, errA := crate.ParseVersion(a)
	vb, errB := crate.ParseVersion(b)
	switch {
	case errA != nil && errB != nil:
		return strings.Compare(a, b)
	case errA != nil:
		return -1
	case errB != nil:
		return 1
	}
	return va.Compare(vb)
}

// SpeaksBefore reports whether r rather than other speaks for their crate: see
// Crate.Default.
func (r Release) SpeaksBefore(other Release) bool {
	return cmp.Or(
		compareBool(r.standing(), other.standing()),
		compareBool(!r.Yanked, !other.Yanked),
		CompareVersions(r.Version, other.Version),
	) > 0
}

// Spokesman returns the one of releases that speaks for their crate.
func Spokesman(releases []Release) Release {
	speaks := releases[0]
	for _, r := range releases[1:] {
		if r.SpeaksBefore(speaks) {
			speaks = r
		}
	}
	return speaks
}

// standing reports whether a newcomer would be given r: stable and not yanked.
func (r Release) standing() bool {
	v, err := crate.ParseVersion(r.Version)
	return err == nil && !v.IsPrerelease() && !r.Yanked
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// SortNewestFirst orders releases by version, the newest first.
func SortNewestFirst(releases []Release) {
	slices.SortFunc(releases, func(a, b Release) int { return CompareVersions(b.Version, a.Version) })
}

// OtherBytes is the error that refuses p where known is kept.
func (p Publication) OtherBytes(known Release) error {
	return fmt.Errorf("publish %q %q: %w: the first had checksum %s, these have %s",
		p.Release.Crate, p.Release.Version, ErrOtherBytes, known.Checksum, p.Release.Checksum)
}

// OtherName is the error that refuses p where the crate is known by another
// spelling.
func (p Publication) OtherName(known string) error {
	return fmt.Errorf("publish %q %q: %w: the crate is %q", p.Release.Crate, p.Release.Version, ErrOtherName, known)
}

// Again reports whether a is to be fetched anew at a priority: it was refused, or
// waits behind that.
func (a Announcement) Again(priority int) bool {
	return a.Status == AnnouncementRefused || a.Status == AnnouncementReceived && priority < a.Priority
}

// Refusal is the audit entry of p when it is refused.
func (p Publication) Refusal() AuditEntry {
	e := p.Audit
	e.Action = "release.refuse"
	return e
}
