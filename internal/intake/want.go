package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// wantAgain is how long a refusal stands before a release is fetched again for
// who asks: unlike a webhook's word, a request is no claim that may be wrong.
const wantAgain = time.Hour

// Want has a release taken in that stands in the index: the bytes are to have the
// checksum that its line gives. However often it is called, a release is fetched
// once; a higher priority (store.PriorityFresh before store.PriorityStale) gets
// it to the front. What is known costs no write.
func (in *Intake) Want(ctx context.Context, name, version string, sum crate.Checksum, priority int) error {
	if err := validate(name, version); err != nil {
		return err
	}
	known, err := in.Store.Release(ctx, name, version)
	if err == nil && known.Checksum == sum {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("want %q %q: %w", name, version, err)
	}
	a, created, err := in.Announce(ctx, store.Announcement{
		Via: store.ViaRequest, MessageID: sum.String(), Crate: name, Version: version, Checksum: sum, Priority: priority,
	}, "request")
	if err != nil || created || !in.worthAgain(a, priority) {
		return err
	}
	err = in.Store.AnnounceAgain(ctx, a.ID, priority, in.Now(), in.audit("request", "release.announce", name, version, sum))
	if errors.Is(err, store.ErrConflict) {
		return nil // somebody else was quicker
	}
	return err
}

func (in *Intake) worthAgain(a store.Announcement, priority int) bool {
	switch a.Status {
	case store.AnnouncementReceived:
		return priority < a.Priority
	case store.AnnouncementRefused:
		return in.Now().Sub(a.FinishedAt) >= wantAgain
	default:
		return false
	}
}

// Fetches are downloads that the fence answered.
type Fetches interface {
	// Wanted returns releases that passed most often, of those that were never
	// announced by request nor taken in.
	Wanted(ctx context.Context, limit int) ([]store.FetchTotal, error)
}

// Sweep has up to limit releases taken in that were let through without, most
// used first, behind everything else. It says how many it asked for.
func (in *Intake) Sweep(ctx context.Context, fetches Fetches, limit int) (int, error) {
	wanted, err := fetches.Wanted(ctx, limit)
	if err != nil {
		return 0, err
	}
	for i, w := range wanted {
		if err := in.Want(ctx, w.Crate, w.Version, w.Checksum, store.PriorityStale); err != nil {
			return i, err
		}
	}
	return len(wanted), nil
}
