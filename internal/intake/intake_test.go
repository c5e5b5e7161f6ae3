package intake_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/blob"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/store/sqlite"
)

const manifest = `-- Cargo.toml --
[package]
name = "tin"
version = "1.0.0"
edition = "2021"
description = "A crate."
license = "MIT"

[dependencies]
pan = { version = "2", optional = true }
-- src/lib.rs --
//! %s
`

// registry is an upstream whose next answer is set by the test.
type registry struct {
	data []byte
	err  error
	asks int
}

func (r *registry) Download(context.Context, string, string, string, crate.Checksum) ([]byte, error) {
	r.asks++
	return r.data, r.err
}

type fixture struct {
	*intake.Intake
	db       *sqlite.Store
	blobs    *blob.Folder
	upstream *registry
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "intake.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	blobs, err := blob.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	upstream := &registry{}
	return fixture{
		Intake: &intake.Intake{
			Store: db, Blobs: blobs, Upstream: upstream,
			Checks: []*check.Check{{Name: "a", Version: 1}, {Name: "b", Version: 4}},
			Limits: crate.DefaultLimits,
			Now:    func() time.Time { return time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC) },
		},
		db: db, blobs: blobs, upstream: upstream,
	}
}

func announcement(data []byte) store.Announcement {
	return store.Announcement{
		Via: store.ViaWebhook, MessageID: "m1", Crate: "tin", Version: "1.0.0",
		Checksum: crate.Sum(data), Publisher: "ada",
	}
}

func pack(t *testing.T, comment string) []byte {
	t.Helper()
	return cratetest.MustPackText(t, "tin", "1.0.0", fmt.Sprintf(manifest, comment))
}

func TestFetchTakesInWhatWasAnnounced(t *testing.T) {
	f := newFixture(t)
	data := pack(t, "first")
	f.upstream.data = data
	a, created, err := f.Announce(t.Context(), announcement(data), "webhook")
	if err != nil || !created {
		t.Fatalf("Announce() created %v, error %v", created, err)
	}
	if err := f.Fetch(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	got, err := f.db.Release(t.Context(), "tin", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	want := store.About{
		Description: "A crate.", License: "MIT", Edition: "2021",
		Dependencies: []store.Dependency{{Name: "pan", Req: "2", Kind: "normal", Optional: true}},
	}
	if diff := cmp.Diff(want, got.About); diff != "" {
		t.Errorf("what the manifest says (-want +got):\n%s", diff)
	}
	if got.Publisher != "ada" || got.Via != store.ViaWebhook || got.Size != int64(len(data)) {
		t.Errorf("release %+v: want ada's, by webhook, of %d bytes", got, len(data))
	}
	runs, err := f.db.CheckRuns(t.Context(), got.ID)
	if err != nil || len(runs) != 2 {
		t.Errorf("%d check runs queued (%v), want one for each check", len(runs), err)
	}
	kept, err := f.blobs.Get(t.Context(), got.Checksum, 1<<20)
	if err != nil || !cmp.Equal(kept, data) {
		t.Errorf("kept bytes differ from the published (%v)", err)
	}
	// The queue may run a job twice: the second time there is nothing to do.
	if err := f.Fetch(t.Context(), a.ID); err != nil || f.upstream.asks != 1 {
		t.Errorf("second Fetch() = %v after %d downloads, want none", err, f.upstream.asks)
	}
}

func TestFetchThatFails(t *testing.T) {
	tests := []struct {
		name       string
		err        error
		wantStatus store.AnnouncementStatus
		wantAgain  bool
	}{
		{"a refusal is final", fmt.Errorf("%w: other bytes", intake.ErrRefused), store.AnnouncementRefused, false},
		{"anything else may pass", errors.New("connection reset"), store.AnnouncementReceived, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.upstream.err = tt.err
			a, _, err := f.Announce(t.Context(), announcement([]byte("x")), "webhook")
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Fetch(t.Context(), a.ID); (err != nil) != tt.wantAgain {
				t.Errorf("Fetch() = %v, want an error to try again: %v", err, tt.wantAgain)
			}
			got, err := f.db.Announcement(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tt.wantStatus || !strings.Contains(got.Reason, tt.err.Error()) {
				t.Errorf("announcement is %s because %q, want %s and the reason", got.Status, got.Reason, tt.wantStatus)
			}
			if err := f.GiveUp(t.Context(), a.ID, "given up"); err != nil {
				t.Fatal(err)
			}
			if got, _ := f.db.Announcement(t.Context(), a.ID); got.Status != store.AnnouncementRefused {
				t.Errorf("given up, the announcement is %s, want refused", got.Status)
			}
		})
	}
}

func TestOtherBytesNeverTakeTheFirstOnesPlace(t *testing.T) {
	f := newFixture(t)
	first, other := pack(t, "first"), pack(t, "other")
	if _, _, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, first, "token:ci"); err != nil {
		t.Fatal(err)
	}
	_, created, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, first, "token:ci")
	if err != nil || created {
		t.Errorf("the same bytes again: created %v, error %v; want known and none", created, err)
	}
	known, _, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, other, "token:ci")
	if !errors.Is(err, store.ErrOtherBytes) || known.Checksum != crate.Sum(first) {
		t.Errorf("other bytes: release %s, error %v; want the first and ErrOtherBytes", known.Checksum, err)
	}
	// By webhook, too, and then it is settled: nobody has to try again.
	f.upstream.data = other
	a, _, err := f.Announce(t.Context(), announcement(other), "webhook")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Fetch(t.Context(), a.ID); err != nil {
		t.Errorf("Fetch() of other bytes = %v, want it settled as refused", err)
	}
	incidents, err := f.db.Incidents(t.Context(), 0, 10)
	if err != nil || len(incidents) != 1 {
		t.Fatalf("%d incidents (%v), want one for the same other bytes", len(incidents), err)
	}
	if got := incidents[0]; got.Known != crate.Sum(first) || got.Offered != crate.Sum(other) || got.Times != 2 {
		t.Errorf("incident %+v, want first against other, twice", got)
	}
	if _, err := f.blobs.Get(t.Context(), crate.Sum(other), 1<<20); err != nil {
		t.Errorf("the other bytes are not kept: %v", err)
	}
	runs, err := f.db.CheckRuns(t.Context(), known.ID)
	if err != nil || len(runs) != 2 {
		t.Errorf("%d check runs (%v), want the first bytes' two alone", len(runs), err)
	}
}

// A registry that serves other bytes under a known name, version and checksum
// has been tampered with, or lies: what it served is kept.
func TestOtherBytesServedAreKept(t *testing.T) {
	f := newFixture(t)
	first, other := pack(t, "first"), pack(t, "other")
	f.upstream.data, f.upstream.err = other, fmt.Errorf("%w: other bytes", intake.ErrRefused)
	announce := func(id string) store.Announcement {
		t.Helper()
		a := announcement(first)
		a.MessageID = id
		a, _, err := f.Announce(t.Context(), a, "webhook")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Fetch(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		return a
	}
	// Before the release is known there is nothing to hold them against.
	announce("unknown")
	if incidents, err := f.db.Incidents(t.Context(), 0, 10); err != nil || len(incidents) != 0 {
		t.Errorf("%d incidents (%v) of a release that is not known, want none", len(incidents), err)
	}
	if _, _, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, first, "token:ci"); err != nil {
		t.Fatal(err)
	}
	a := announce("known")
	incidents, err := f.db.Incidents(t.Context(), 0, 10)
	if err != nil || len(incidents) != 1 {
		t.Fatalf("%d incidents (%v), want one", len(incidents), err)
	}
	if got := incidents[0]; got.Known != crate.Sum(first) || got.Offered != crate.Sum(other) || !strings.Contains(got.Detail, "served in place of") {
		t.Errorf("incident %+v, want the other bytes, served in place of the first", got)
	}
	if _, err := f.blobs.Get(t.Context(), crate.Sum(other), 1<<20); err != nil {
		t.Errorf("what was served is not kept: %v", err)
	}
	if got, err := f.db.Announcement(t.Context(), a.ID); err != nil || got.Status != store.AnnouncementRefused {
		t.Errorf("announcement is %s (%v), want refused", got.Status, err)
	}
}

func TestInvalidPublications(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name          string
		crate, vers   string
		data          []byte
		wantErrHolds  string
		limitPackedTo int64
	}{
		{name: "a path for a name", crate: "../etc", vers: "1.0.0", wantErrHolds: "../etc"},
		{name: "no version", crate: "tin", vers: "one", wantErrHolds: "one"},
		{name: "too many bytes", crate: "tin", vers: "1.0.0", data: make([]byte, 11), limitPackedTo: 10, wantErrHolds: "limit of 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.limitPackedTo > 0 {
				f.Limits.Packed = tt.limitPackedTo
			}
			_, _, err := f.Submit(t.Context(), store.Release{Crate: tt.crate, Version: tt.vers}, tt.data, "token:ci")
			if !errors.Is(err, intake.ErrInvalid) || !strings.Contains(err.Error(), tt.wantErrHolds) {
				t.Errorf("Submit() = %v, want ErrInvalid that holds %q", err, tt.wantErrHolds)
			}
		})
	}
	a := announcement(nil)
	a.Checksum = crate.Checksum{}
	if _, _, err := f.Announce(t.Context(), a, "webhook"); !errors.Is(err, intake.ErrInvalid) {
		t.Errorf("Announce() without a checksum = %v, want ErrInvalid", err)
	}
}

// A hostile archive is a release like any other: its checks say what it is.
func TestUnreadableArchiveIsTakenIn(t *testing.T) {
	f := newFixture(t)
	r, created, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, []byte("no gzip"), "token:ci")
	if err != nil || !created {
		t.Fatalf("Submit() created %v, error %v", created, err)
	}
	if diff := cmp.Diff(store.About{}, r.About); diff != "" {
		t.Errorf("about an unreadable archive (-want +got):\n%s", diff)
	}
}

// An archive that reads well and holds no manifest, or one that is no TOML.
func TestCrateWithoutManifestIsTakenIn(t *testing.T) {
	for name, text := range map[string]string{
		"none":  "-- src/lib.rs --\n//! x\n",
		"wrong": "-- Cargo.toml --\n[package\n-- Cargo.toml.orig --\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			data := cratetest.Raw{FileName: "tin-1.0.0.crate", Entries: entries(t, text)}
			packed, err := data.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if _, created, err := f.Submit(t.Context(), store.Release{Crate: "tin", Version: "1.0.0"}, packed, "token:ci"); err != nil || !created {
				t.Errorf("Submit() created %v, error %v", created, err)
			}
		})
	}
}

func entries(t *testing.T, text string) []cratetest.RawEntry {
	t.Helper()
	commits, err := cratetest.Commits(txtar.Parse([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	var list []cratetest.RawEntry
	for _, f := range commits[0].Files {
		list = append(list, cratetest.RawEntry{Name: "tin-1.0.0/" + f.Path, Data: f.Data})
	}
	return list
}
