package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

func announcement(message string) store.Announcement {
	return store.Announcement{
		Via: store.ViaWebhook, MessageID: message, Crate: "serde", Version: "1.0.0",
		Checksum: crate.Sum([]byte("serde1.0.0")), DownloadURL: "https://example.org/serde.crate",
		Publisher: "dtolnay", PublishedAt: noon.Add(-time.Minute),
		Priority: store.PriorityFresh, Status: store.AnnouncementReceived, ReceivedAt: noon,
	}
}

func announceAudit() store.AuditEntry {
	return store.AuditEntry{At: noon, Actor: "webhook", Action: "release.announce", Object: "serde@1.0.0"}
}

func testAnnounce(t *testing.T, db Database) {
	ctx := t.Context()
	first, created, err := db.Announce(ctx, announcement("msg_1"), announceAudit())
	if err != nil || !created {
		t.Fatalf("Announce = created %t, %v; want created", created, err)
	}
	want := announcement("msg_1")
	want.ID, want.PublishedAt, want.ReceivedAt = first.ID, kept(want.PublishedAt), kept(want.ReceivedAt)
	same(t, "announced", want, first)
	same(t, "read back", want, must(db.Announcement(ctx, first.ID))(t))

	tests := []struct {
		name string
		edit func(*store.Announcement)
		want bool
	}{
		{"the message again", func(*store.Announcement) {}, false},
		{"the message again, saying something else", func(a *store.Announcement) { a.Version = "6.6.6" }, false},
		{"its id from another sender", func(a *store.Announcement) { a.Via = store.ViaSubmit }, true},
		{"another message", func(a *store.Announcement) { a.MessageID = "msg_2" }, true},
		{"without an id", func(a *store.Announcement) { a.MessageID = "" }, true},
		{"without an id, again", func(a *store.Announcement) { a.MessageID = "" }, true},
	}
	wantJobs := 1
	for _, tt := range tests {
		a := announcement("msg_1")
		tt.edit(&a)
		got, created, err := db.Announce(ctx, a, announceAudit())
		if err != nil || created != tt.want {
			t.Errorf("Announce %s = created %t, %v; want created %t", tt.name, created, err, tt.want)
		}
		if created {
			wantJobs++
		} else {
			same(t, tt.name, first, got)
		}
	}
	jobs := db.jobs(t)
	if len(jobs) != wantJobs {
		t.Fatalf("%d jobs, want %d", len(jobs), wantJobs)
	}
	same(t, "job", job{
		Kind: "intake", Args: fmt.Sprintf(`{"announcement":%d}`, first.ID), Queue: store.IntakeQueue,
		Priority: 1, Tries: store.IntakeTries,
	}, jobs[0])
	if audit := must(db.AuditLog(ctx, 0, 100))(t); len(audit) != wantJobs {
		t.Errorf("%d audit entries, want %d: a repeat is not a write", len(audit), wantJobs)
	}
	newest := must(db.Announcements(ctx, 2))(t)
	if len(newest) != 2 || newest[0].ID <= newest[1].ID {
		t.Errorf("Announcements(2) = %v, want the newest two, newest first", newest)
	}
}

// rounds is how often a race is run where nothing else makes it collide.
const rounds = 10

// atOnce calls fn from several goroutines that begin together.
func atOnce(fn func(i int)) {
	var (
		wg    sync.WaitGroup
		begin = make(chan struct{})
	)
	for i := range 8 {
		wg.Go(func() {
			<-begin
			fn(i)
		})
	}
	close(begin)
	wg.Wait()
}

func testAnnounceAtOnce(t *testing.T, db Database) {
	var created atomic.Int32
	atOnce(func(int) {
		_, isNew, err := db.Announce(t.Context(), announcement("msg_1"), announceAudit())
		if err != nil {
			t.Error(err)
		}
		if isNew {
			created.Add(1)
		}
	})
	if n := created.Load(); n != 1 {
		t.Errorf("%d of 8 announcements of one message were new, want 1", n)
	}
	if jobs := db.jobs(t); len(jobs) != 1 {
		t.Errorf("%d jobs, want 1", len(jobs))
	}
}

func testSettleAnnouncement(t *testing.T, db Database) {
	ctx := t.Context()
	tests := []struct {
		name   string
		steps  []store.AnnouncementStatus
		want   store.AnnouncementStatus
		reason string
		at     time.Time
	}{
		{"a failed try", []store.AnnouncementStatus{store.AnnouncementReceived}, store.AnnouncementReceived, "step 0", time.Time{}},
		{"stored", []store.AnnouncementStatus{store.AnnouncementStored}, store.AnnouncementStored, "step 0", kept(noon)},
		{"refused at last", []store.AnnouncementStatus{store.AnnouncementReceived, store.AnnouncementRefused}, store.AnnouncementRefused, "step 1", kept(noon.Add(time.Hour))},
		{"final stays", []store.AnnouncementStatus{store.AnnouncementRefused, store.AnnouncementStored, store.AnnouncementReceived}, store.AnnouncementRefused, "step 0", kept(noon)},
	}
	for _, tt := range tests {
		a, _, err := db.Announce(ctx, announcement(tt.name), announceAudit())
		if err != nil {
			t.Fatal(err)
		}
		for i, status := range tt.steps {
			at := noon.Add(time.Duration(i) * time.Hour)
			if err := db.SettleAnnouncement(ctx, a.ID, status, fmt.Sprintf("step %d", i), at); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		a.Status, a.Reason, a.FinishedAt = tt.want, tt.reason, tt.at
		same(t, tt.name, a, must(db.Announcement(ctx, a.ID))(t))
	}
	if err := db.SettleAnnouncement(ctx, 999, store.AnnouncementStored, "", noon); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SettleAnnouncement(999) = %v, want ErrNotFound", err)
	}
	a, _, _ := db.Announce(ctx, announcement("last"), announceAudit())
	if err := db.SettleAnnouncement(ctx, a.ID, "lost", "", noon); err == nil {
		t.Error(`SettleAnnouncement as "lost" succeeded: it is not a status`)
	}
}
