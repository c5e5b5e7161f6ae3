package intake

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Each archive may unpack to hundreds of megabytes: they are unpacked in turn.
func TestOneArchiveAtATime(t *testing.T) {
	in := &Intake{Limits: crate.DefaultLimits}
	in.reading.Lock() // as while another is unpacked
	done := make(chan struct{})
	go func() {
		in.describe([]byte("no gzip"), store.Release{Crate: "tin", Version: "1.0.0"})
		close(done)
	}()
	select {
	case <-done:
		t.Error("a second archive was unpacked beside the first")
		in.reading.Unlock()
		return
	case <-time.After(20 * time.Millisecond): // a slow machine only makes this pass
	}
	in.reading.Unlock()
	<-done
}

// settled is a store that notes what is settled on an announcement.
type settled struct {
	Store
	reason string
}

func (s *settled) Announcement(context.Context, store.ID) (store.Announcement, error) {
	return store.Announcement{ID: 1, Status: store.AnnouncementReceived}, nil
}

func (s *settled) SettleAnnouncement(ctx context.Context, _ store.ID, _ store.AnnouncementStatus, reason string, _ time.Time) error {
	s.reason = reason
	return ctx.Err()
}

// hangs is a registry that never answers.
type hangs struct{}

func (hangs) Download(ctx context.Context, _, _, _ string, _ crate.Checksum) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// That a registry hangs is noted, though no time is left for anything.
func TestFetchNotesATimeout(t *testing.T) {
	s := &settled{}
	in := &Intake{Store: s, Upstream: hangs{}, Now: time.Now}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Fetch(ctx, 1); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("Fetch() error = %v, want the timeout alone: the note was written", err)
	}
	if s.reason == "" {
		t.Error("nothing was noted")
	}
}
