// Package intake is the one way a release enters: by the publish webhook, by
// `cratefence submit`, and when a cargo asks the fence for it.
//
// It is idempotent: the same bytes under the same name and version are the same
// release however often they come. Other bytes under a known name and version
// are kept as an incident and never take the first ones' place.
package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// ErrInvalid wraps what is wrong with an announcement or a submission.
var ErrInvalid = errors.New("invalid publication")

// ErrRefused wraps why an upstream's answer to a download is final: the bytes
// are not what was announced, or are too many. Any other error of Upstream may
// pass, and is worth another try.
var ErrRefused = errors.New("download refused")

// ErrTrouble wraps what went wrong on this server rather than upstream: it is for
// its log, and for nobody outside.
var ErrTrouble = errors.New("not stored")

// Store keeps announcements and releases. Each method is one durable
// transaction: when it returns nil, a crash loses nothing of it.
type Store interface {
	Announcements
	Releases
}

// Announcements is somebody's word that there are releases.
type Announcements interface {
	// Announce stores an announcement and queues its IntakeJob. A repeated
	// (Via, MessageID) returns the first one, and false.
	Announce(ctx context.Context, a store.Announcement, audit store.AuditEntry) (store.Announcement, bool, error)
	// AnnounceAgain queues the fetch of an announcement anew: of one that was
	// refused, or at a higher priority. Otherwise it wraps store.ErrConflict.
	AnnounceAgain(ctx context.Context, id store.ID, priority int, at time.Time, audit store.AuditEntry) error
	// Announcement wraps store.ErrNotFound when there is none.
	Announcement(ctx context.Context, id store.ID) (store.Announcement, error)
	// SettleAnnouncement moves a received announcement to a final status, or
	// notes a reason while it stays received. One that is final does not move.
	SettleAnnouncement(ctx context.Context, id store.ID, status store.AnnouncementStatus, reason string, at time.Time) error
}

// Releases are what was taken in.
type Releases interface {
	// Release wraps store.ErrNotFound when there is none.
	Release(ctx context.Context, name, version string) (store.Release, error)
	// Publish stores a release, its check runs and their jobs. Known bytes return
	// the known release and false; other bytes are kept as an incident and return
	// the known release and an error that wraps store.ErrOtherBytes. A crate known
	// by another spelling is refused with store.ErrOtherName. Whatever becomes of
	// the publication, its announcement is settled with it.
	Publish(ctx context.Context, p store.Publication) (store.Release, bool, error)
}

// Blobs keeps crates by checksum. Put is durable when it returns, and putting
// what is there already does nothing.
type Blobs interface {
	Put(ctx context.Context, sum crate.Checksum, data []byte) error
}

// Upstream downloads a release from url, or from the configured registry when
// url is "". The bytes' checksum equals sum, or the error wraps ErrRefused and
// the bytes are those that came instead, where they did.
type Upstream interface {
	Download(ctx context.Context, name, version, url string, sum crate.Checksum) ([]byte, error)
}

// An Intake takes releases in.
type Intake struct {
	Store    Store
	Blobs    Blobs
	Upstream Upstream
	Checks   []*check.Check // to be run on every release
	Limits   crate.Limits
	Now      func() time.Time
	// Lines are the index files that are known; nil knows none.
	Lines Lines
	// Publishers tells who published; nil asks nobody.
	Publishers Publishers
	// Taken is told of each release once it is stored. It may be nil, and does not
	// block: a crash may come first.
	Taken func(ctx context.Context, r store.Release)

	reading sync.Mutex // held while an archive is unpacked: see describe
}

// Announce stores the word that a version was published; a worker fetches it.
// created is false when the message is a repeat.
func (in *Intake) Announce(ctx context.Context, a store.Announcement, actor string) (_ store.Announcement, created bool, err error) {
	if err := validate(a.Crate, a.Version); err != nil {
		return store.Announcement{}, false, err
	}
	if a.Checksum.IsZero() {
		return store.Announcement{}, false, fmt.Errorf("%w: no checksum: send the SHA-256 of the .crate", ErrInvalid)
	}
	a.Status, a.ReceivedAt = store.AnnouncementReceived, in.Now()
	return in.Store.Announce(ctx, a, in.audit(actor, "release.announce", a.Crate, a.Version, a.Checksum))
}

// Fetch downloads what was announced and takes it in. An error means that
// another try may succeed; what is final is settled on the announcement and is
// no error.
func (in *Intake) Fetch(ctx context.Context, id store.ID) error {
	a, err := in.Store.Announcement(ctx, id)
	if err != nil {
		return err
	}
	if a.Status != store.AnnouncementReceived {
		return nil
	}
	if err := in.indexed(ctx, a.Crate, a.Version, a.Checksum); errors.Is(err, ErrInvalid) {
		return in.Store.SettleAnnouncement(ctx, id, store.AnnouncementRefused, err.Error(), in.Now())
	} else if err != nil {
		return fmt.Errorf("%w: %w", ErrTrouble, err)
	}
	data, err := in.Upstream.Download(ctx, a.Crate, a.Version, a.DownloadURL, a.Checksum)
	if errors.Is(err, ErrRefused) {
		if err := in.keepOther(ctx, a, data); err != nil {
			return fmt.Errorf("%w: %w", ErrTrouble, err)
		}
		return in.Store.SettleAnnouncement(ctx, id, store.AnnouncementRefused, err.Error(), in.Now())
	}
	if err != nil {
		// The time for this try may be over: that it is, is to be noted too.
		settle := in.Store.SettleAnnouncement(context.WithoutCancel(ctx), id, store.AnnouncementReceived, err.Error(), in.Now())
		return errors.Join(err, settle)
	}
	p := store.Publication{
		Release: store.Release{
			Crate: a.Crate, Version: a.Version, Checksum: a.Checksum,
			PublishedAt: a.PublishedAt, Publisher: a.Publisher, Via: a.Via,
		},
		Announcement: id,
		Priority:     a.Priority,
		Detail:       a.Publisher,
		Audit:        in.audit("system", "release.publish", a.Crate, a.Version, a.Checksum),
	}
	in.askPublisher(ctx, &p)
	_, _, err = in.take(ctx, p, data)
	if errors.Is(err, store.ErrOtherBytes) || errors.Is(err, store.ErrOtherName) {
		return nil // refused for good, and the announcement settled with it
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTrouble, err)
	}
	return nil
}

// keepOther keeps as an incident what was served in place of a release that is
// known. Of one that is not known nothing is kept: who announced it may be wrong.
func (in *Intake) keepOther(ctx context.Context, a store.Announcement, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	known, err := in.Store.Release(ctx, a.Crate, a.Version)
	got := crate.Sum(data)
	if errors.Is(err, store.ErrNotFound) || err == nil && known.Checksum == got {
		return nil
	}
	if err != nil {
		return err
	}
	_, _, err = in.take(ctx, store.Publication{
		Release: store.Release{Crate: known.Crate, Version: known.Version, Checksum: got, Via: a.Via},
		Detail:  "served in place of " + a.Checksum.String(),
		Audit:   in.audit("system", "release.refuse", a.Crate, a.Version, got),
	}, data)
	if errors.Is(err, store.ErrOtherBytes) {
		return nil // which is what keeps it
	}
	return err
}

// GiveUp settles an announcement whose every try has failed.
func (in *Intake) GiveUp(ctx context.Context, id store.ID, reason string) error {
	return in.Store.SettleAnnouncement(ctx, id, store.AnnouncementRefused, reason, in.Now())
}

// Submit takes in bytes that the caller brings. created is false when they are
// known. An error that wraps store.ErrOtherBytes comes with the known release.
func (in *Intake) Submit(ctx context.Context, r store.Release, data []byte, actor string) (_ store.Release, created bool, err error) {
	if err := validate(r.Crate, r.Version); err != nil {
		return store.Release{}, false, err
	}
	if int64(len(data)) > in.Limits.Packed {
		return store.Release{}, false, fmt.Errorf("%w: %d bytes, over the limit of %d", ErrInvalid, len(data), in.Limits.Packed)
	}
	r.Checksum, r.Via = crate.Sum(data), store.ViaSubmit
	if err := in.indexed(ctx, r.Crate, r.Version, r.Checksum); err != nil {
		return store.Release{}, false, err
	}
	return in.take(ctx, store.Publication{
		Release: r,
		Detail:  actor,
		Audit:   in.audit(actor, "release.publish", r.Crate, r.Version, r.Checksum),
	}, data)
}

// take stores the bytes first, so that no release ever stands without them. A
// crash in between leaves bytes that nothing names: harmless, and the next try
// finds them there.
func (in *Intake) take(ctx context.Context, p store.Publication, data []byte) (store.Release, bool, error) {
	if err := in.Blobs.Put(ctx, p.Release.Checksum, data); err != nil {
		return store.Release{}, false, fmt.Errorf("store crate %q %q: %w", p.Release.Crate, p.Release.Version, err)
	}
	p.Release.Size = int64(len(data))
	p.Release.FirstSeenAt = in.Now()
	about, facts := in.describe(data, p.Release)
	p.Release.About, p.Facts.VCS, p.Facts.BuildScript = about, facts.VCS, facts.BuildScript
	for _, c := range in.Checks {
		p.Checks = append(p.Checks, store.RefOf(c))
	}
	r, created, err := in.Store.Publish(ctx, p)
	if created && in.Taken != nil {
		in.Taken(ctx, r)
	}
	return r, created, err
}

// describe unpacks one archive at a time: however many arrive at once, what they
// unpack to is in memory once.
func (in *Intake) describe(data []byte, r store.Release) (store.About, store.PublishFacts) {
	in.reading.Lock()
	defer in.reading.Unlock()
	return describe(data, r, in.Limits)
}

func validate(name, version string) error {
	if err := crate.ValidateName(name); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := crate.ParseVersion(version); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (in *Intake) audit(actor, action, name, version string, sum crate.Checksum) store.AuditEntry {
	detail, err := json.Marshal(map[string]string{"checksum": sum.String()})
	if err != nil {
		panic(err) // a map of strings marshals
	}
	return store.AuditEntry{At: in.Now(), Actor: actor, Action: action, Object: name + "@" + version, Detail: detail}
}
