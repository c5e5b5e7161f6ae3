package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

func testPublish(t *testing.T, db Database) {
	ctx := t.Context()
	p := publication("serde", "1.0.0+build.1", twoChecks...)
	p.Release.PublishedAt = noon.Add(-time.Hour)
	p.Release.Publisher = "dtolnay"
	p.Release.About = store.About{
		Description: "A <generic> framework & more", License: "MIT", Repository: "https://example.org/serde",
		Homepage: "https://serde.rs", Documentation: "https://docs.rs/serde", RustVersion: "1.56", Edition: "2021",
		Keywords: []string{"serde", "no_std"}, Categories: []string{"encoding"},
		Dependencies: []store.Dependency{{Name: "serde_derive", Req: "^1", Kind: "normal", Target: "cfg(any())", Optional: true}},
	}
	p.Audit.Detail = json.RawMessage(`{"size":1234}`)

	got := publish(t, db, p)
	want := p.Release
	want.ID, want.CrateID = got.ID, got.CrateID
	want.PublishedAt, want.FirstSeenAt = kept(want.PublishedAt), kept(want.FirstSeenAt)
	if got.ID == 0 || got.CrateID == 0 {
		t.Errorf("Publish gave ids %d and %d", got.ID, got.CrateID)
	}
	same(t, "published", want, got)
	same(t, "by name", want, must(db.Release(ctx, "SERDE", "1.0.0"))(t))
	same(t, "by id", want, must(db.ReleaseByID(ctx, got.ID))(t))
	same(t, "of the crate", []store.Release{want}, must(db.Releases(ctx, got.CrateID))(t))
	same(t, "crate", store.Crate{
		ID: got.CrateID, Name: "serde", CreatedAt: kept(noon), UpdatedAt: kept(noon), Default: got.ID,
	}, must(db.Crate(ctx, "Serde"))(t))

	runs := must(db.CheckRuns(ctx, got.ID))(t)
	var wantRuns []store.CheckRun
	for i, c := range []store.CheckRef{twoChecks[1], twoChecks[0]} { // newest first
		wantRuns = append(wantRuns, store.CheckRun{
			ID: runs[i].ID, ReleaseID: got.ID, Crate: "serde", Version: want.Version, Checksum: want.Checksum,
			Check: c.Name, CheckVersion: c.Version, Attempt: 1, Status: store.Queued, QueuedAt: kept(noon),
		})
	}
	same(t, "runs", wantRuns, runs)
	wantJobs := []job{runJob(runs[1].ID, store.PriorityFresh, time.Time{}), runJob(runs[0].ID, store.PriorityFresh, time.Time{})}
	same(t, "jobs", wantJobs, db.jobs(t))

	again, created, err := db.Publish(ctx, p)
	if err != nil || created {
		t.Errorf("Publish again = created %t, %v; want known", created, err)
	}
	same(t, "published again", want, again)
	same(t, "jobs after the repeat", wantJobs, db.jobs(t))
	audit := must(db.AuditLog(ctx, 0, 10))(t)
	wantAudit := p.Audit
	wantAudit.ID, wantAudit.At = audit[0].ID, kept(wantAudit.At)
	same(t, "audit log", []store.AuditEntry{wantAudit}, audit)
}

// Whatever becomes of a publication, its announcement is settled with it.
func testPublishSettles(t *testing.T, db Database) {
	ctx := t.Context()
	publish(t, db, publication("known", "1.0.0"))
	tests := []struct {
		name string
		edit func(*store.Publication)
		want store.AnnouncementStatus
	}{
		{"new", func(p *store.Publication) {}, store.AnnouncementStored},
		{"repeated", func(p *store.Publication) {}, store.AnnouncementStored},
		{"other bytes", func(p *store.Publication) { p.Release.Checksum = crate.Sum([]byte("evil")) }, store.AnnouncementRefused},
		{"other name", func(p *store.Publication) { p.Release.Crate = "SERDE" }, store.AnnouncementRefused},
	}
	for _, tt := range tests {
		a, _, err := db.Announce(ctx, announcement(tt.name), announceAudit())
		if err != nil {
			t.Fatal(err)
		}
		p := publication("serde", "1.0.0")
		p.Announcement = a.ID
		tt.edit(&p)
		_, _, publishErr := db.Publish(ctx, p)
		a.Status, a.FinishedAt = tt.want, kept(noon)
		if publishErr != nil {
			a.Reason = publishErr.Error()
		}
		same(t, tt.name, a, must(db.Announcement(ctx, a.ID))(t))
	}
}

func testPublishOtherBytes(t *testing.T, db Database) {
	ctx := t.Context()
	first := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	before := db.held(t)
	other := publication("serde", "1.0.0", twoChecks...)
	other.Release.Checksum, other.Release.Size, other.Detail = crate.Sum([]byte("other")), 99, "mallory"
	for i := range 3 {
		other.Release.FirstSeenAt = noon.Add(time.Duration(i) * time.Hour)
		got, created, err := db.Publish(ctx, other)
		if !errors.Is(err, store.ErrOtherBytes) || created {
			t.Fatalf("Publish of other bytes = created %t, %v; want ErrOtherBytes", created, err)
		}
		for _, sum := range []crate.Checksum{first.Checksum, other.Release.Checksum} {
			if !strings.Contains(err.Error(), sum.String()) {
				t.Errorf("error %q does not name checksum %s", err, sum)
			}
		}
		same(t, "known release", first, got)
	}
	third := other
	third.Release.Checksum = crate.Sum([]byte("third"))
	if _, _, err := db.Publish(ctx, third); !errors.Is(err, store.ErrOtherBytes) {
		t.Errorf("Publish of third bytes = %v, want ErrOtherBytes", err)
	}
	if _, created, err := db.Publish(ctx, publication("serde", "1.0.0")); created || err != nil {
		t.Errorf("Publish of the first bytes = created %t, %v; want known still", created, err)
	}

	incidents := must(db.Incidents(ctx, first.CrateID, 10))(t)
	if len(incidents) != 2 {
		t.Fatalf("%d incidents, want 2", len(incidents))
	}
	same(t, "incident", store.Incident{
		ID: incidents[1].ID, ReleaseID: first.ID, Crate: "serde", Version: "1.0.0", Known: first.Checksum,
		Offered: other.Release.Checksum, Size: 99, Via: store.ViaSubmit, Detail: "mallory",
		SeenAt: kept(noon), LastSeen: kept(noon.Add(2 * time.Hour)), Times: 3,
	}, incidents[1])
	same(t, "all incidents", incidents, must(db.Incidents(ctx, 0, 10))(t))
	same(t, "newest incident", incidents[:1], must(db.Incidents(ctx, 0, 1))(t))
	same(t, "incidents of another crate", nil, must(db.Incidents(ctx, first.CrateID+1, 10))(t))

	after := db.held(t)
	same(t, "jobs", before.Jobs, after.Jobs)
	same(t, "runs", before.Counts.Runs, after.Counts.Runs)
	same(t, "release", first, must(db.Release(ctx, "serde", "1.0.0"))(t))
	if action := after.Audit[0].Action; action != "release.refuse" {
		t.Errorf("audited as %q, want release.refuse", action)
	}
}

// As on crates.io, names that differ only in case or in - and _ collide, and
// the first spelling stays.
func testPublishOtherName(t *testing.T, db Database) {
	publish(t, db, publication("foo-bar", "1.0.0"))
	before := db.held(t)
	for _, name := range []string{"foo_bar", "Foo-bar", "FOO_BAR"} {
		for _, version := range []string{"1.0.0", "2.0.0"} {
			_, created, err := db.Publish(t.Context(), publication(name, version, twoChecks...))
			if !errors.Is(err, store.ErrOtherName) || created {
				t.Errorf("Publish(%s %s) = created %t, %v; want ErrOtherName", name, version, created, err)
			}
		}
	}
	publish(t, db, publication("foobar", "1.0.0"))
	after := db.held(t)
	if n := after.Counts; n.Crates != before.Counts.Crates+1 || n.Incidents != 0 || len(after.Jobs) != 0 {
		t.Errorf("counts went from %+v to %+v with %d jobs, want one more crate and nothing else", before.Counts, n, len(after.Jobs))
	}
}

// A registry has 1.0.0 once, whatever build metadata is put behind it.
func testPublishBuildMetadata(t *testing.T, db Database) {
	first := publish(t, db, publication("serde", "1.0.0+one"))
	got, created, err := db.Publish(t.Context(), publication("serde", "1.0.0+two"))
	if !errors.Is(err, store.ErrOtherBytes) || created {
		t.Errorf("Publish of 1.0.0+two = created %t, %v; want ErrOtherBytes", created, err)
	}
	same(t, "known release", first, got)
	same(t, "by other metadata", first, must(db.Release(t.Context(), "serde", "1.0.0+three"))(t))
	publish(t, db, publication("serde", "1.0.0-rc.1+one"))
}

func testPublishAtOnce(t *testing.T, db Database) {
	for round := range rounds { // the first makes the crate, too
		var created atomic.Int32
		p := publication("serde", fmt.Sprintf("1.%d.0", round), twoChecks...)
		atOnce(func(int) {
			r, isNew, err := db.Publish(t.Context(), p)
			if err != nil {
				t.Error(err)
			}
			if isNew {
				created.Add(1)
			}
			if r.Checksum != p.Release.Checksum {
				t.Errorf("Publish = %+v, want the release", r)
			}
		})
		if n := created.Load(); n != 1 {
			t.Errorf("%d of 8 publications were new, want 1", n)
		}
	}
	held := db.held(t)
	if n := held.Counts; n.Crates != 1 || n.Releases != rounds || n.Runs[store.Queued] != 2*rounds || len(held.Jobs) != 2*rounds || len(held.Audit) != rounds {
		t.Errorf("held %+v, %d jobs, %d audit entries; want %d releases, one set of runs and jobs for each", n, len(held.Jobs), len(held.Audit), rounds)
	}
	if c := must(db.Crate(t.Context(), "serde"))(t); c.Default != must(db.Release(t.Context(), "serde", "1.9.0"))(t).ID {
		t.Errorf("default is release %d, want 1.9.0", c.Default)
	}
}

// Whoever comes first is the release; all others are incidents of it.
func testPublishOtherBytesAtOnce(t *testing.T, db Database) {
	var refused atomic.Int32
	atOnce(func(i int) {
		p := publication("serde", "1.0.0", twoChecks...)
		p.Release.Checksum = crate.Sum(fmt.Append(nil, i))
		if _, _, err := db.Publish(t.Context(), p); errors.Is(err, store.ErrOtherBytes) {
			refused.Add(1)
		} else if err != nil {
			t.Error(err)
		}
	})
	n := must(db.Counts(t.Context()))(t)
	if refused.Load() != 7 || n.Releases != 1 || n.Incidents != 7 {
		t.Errorf("%d refused, %+v; want 7 refused, 1 release, 7 incidents", refused.Load(), n)
	}
}

func testDefault(t *testing.T, db Database) {
	tests := []struct {
		versions []string // "!" before a yanked one
		want     string
	}{
		{[]string{"1.0.0", "1.2.0", "1.1.0"}, "1.2.0"},
		{[]string{"1.9.0", "1.10.0"}, "1.10.0"}, // by number, not by letter
		{[]string{"1.0.0", "2.0.0-rc.1"}, "1.0.0"},
		{[]string{"2.0.0-rc.1", "1.0.0"}, "1.0.0"},
		{[]string{"1.0.0-rc.2", "1.0.0-rc.10"}, "1.0.0-rc.10"},
		{[]string{"1.0.0", "!2.0.0"}, "1.0.0"},
		{[]string{"!2.0.0", "1.0.0-alpha"}, "1.0.0-alpha"}, // not yanked before stable
		{[]string{"!1.0.0", "!3.0.0-rc.1", "!2.0.0"}, "3.0.0-rc.1"},
	}
	for i, tt := range tests {
		name := fmt.Sprintf("crate%d", i)
		for j, version := range tt.versions {
			p := publication(name, strings.TrimPrefix(version, "!"))
			p.Release.Yanked = strings.HasPrefix(version, "!")
			p.Release.FirstSeenAt = noon.Add(time.Duration(j) * time.Minute)
			p.Release.About.Description = "text of " + p.Release.Version
			publish(t, db, p)
		}
		page := must(db.Crates(t.Context(), store.CrateQuery{Text: name, Limit: 1}))(t)
		got := page.Crates[0]
		if got.Default.Version != tt.want || got.Default.ID != got.Crate.Default {
			t.Errorf("default of %v = %q (release %d, crate says %d), want %q", tt.versions, got.Default.Version, got.Default.ID, got.Crate.Default, tt.want)
		}
		if want := kept(noon.Add(time.Duration(len(tt.versions)-1) * time.Minute)); !got.Crate.UpdatedAt.Equal(want) {
			t.Errorf("%v: updated at %v, want %v", tt.versions, got.Crate.UpdatedAt, want)
		}
		// What is searched is what the default says, not what was published last.
		if found := must(db.Crates(t.Context(), store.CrateQuery{Text: "text of " + tt.want}))(t); len(found.Crates) == 0 {
			t.Errorf("%v: nothing found by the description of %s", tt.versions, tt.want)
		}
	}
}

// A write that fails half way leaves nothing, whether it fails in the middle of
// our tables or at the queue, which comes last.
func testFaults(t *testing.T, db Database) {
	ctx := t.Context()
	seed := publication("seed", "1.0.0", twoChecks...)
	r := publish(t, db, seed)
	run := start(t, db, r.ID, "archive")
	a, _, err := db.Announce(ctx, announcement("seed"), announceAudit())
	if err != nil {
		t.Fatal(err)
	}
	fromAnnouncement := func(checks ...store.CheckRef) store.Publication {
		p := publication("serde", "1.0.0", checks...)
		p.Announcement = a.ID
		return p
	}
	publishing := func(p store.Publication) func(context.Context) error {
		return func(ctx context.Context) error { _, _, err := db.Publish(ctx, p); return err }
	}
	lastly := store.Finish{
		Run: run.ID, Lease: run.Lease, At: noon, Report: report(check.Error), Retry: noon.Add(time.Hour), KeepFacts: true,
	}
	tests := []struct {
		name  string
		queue bool // whether it is the queue that fails
		write func(context.Context) error
	}{
		{"publish: a check twice", false, publishing(fromAnnouncement(twoChecks[0], twoChecks[1], twoChecks[0]))},
		{"publish: no check version", false, publishing(fromAnnouncement(twoChecks[0], store.CheckRef{Name: "odd"}))},
		{"publish: audit detail is not JSON", false, publishing(store.Publication{
			Release: fromAnnouncement().Release, Checks: twoChecks, Announcement: a.ID, Audit: store.AuditEntry{Detail: json.RawMessage("{")},
		})},
		{"publish: no queue", true, publishing(fromAnnouncement(twoChecks...))},
		{"announce: no queue", true, func(ctx context.Context) error {
			_, _, err := db.Announce(ctx, announcement("new"), announceAudit())
			return err
		}},
		{"finish: no queue", true, func(ctx context.Context) error { return db.FinishRun(ctx, lastly) }},
		{"finish: facts are not JSON", false, func(ctx context.Context) error {
			f := lastly
			f.Report.Facts = json.RawMessage("{")
			return db.FinishRun(ctx, f)
		}},
		{"finish: no such conclusion", false, func(ctx context.Context) error {
			f := lastly
			f.Report.Conclusion = "fine"
			return db.FinishRun(ctx, f)
		}},
		{"queue stale: no queue", true, func(ctx context.Context) error {
			_, err := db.QueueStale(ctx, store.CheckRef{Name: "archive", Version: 2}, noon, 10)
			return err
		}},
	}
	for _, tt := range tests {
		before := db.held(t)
		if tt.queue {
			exec(t, db, `ALTER TABLE river_job RENAME TO river_job_away`)
		}
		if err := tt.write(ctx); err == nil {
			t.Errorf("%s: succeeded", tt.name)
		}
		if tt.queue {
			exec(t, db, `ALTER TABLE river_job_away RENAME TO river_job`)
		}
		same(t, tt.name, before, db.held(t))
	}
	// All of them succeed once nothing is in their way.
	publish(t, db, fromAnnouncement(twoChecks...))
	if err := db.FinishRun(ctx, lastly); err != nil {
		t.Error(err)
	}
}

func exec(t testing.TB, db Database, sql string) {
	t.Helper()
	if err := db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// A caller who has gone away gets an error, and nothing was stored.
func testCanceled(t *testing.T, db Database) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := db.held(t)
	if _, _, err := db.Publish(ctx, publication("serde", "1.0.0", twoChecks...)); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish = %v, want context.Canceled", err)
	}
	if _, _, err := db.Announce(ctx, announcement("m"), announceAudit()); !errors.Is(err, context.Canceled) {
		t.Errorf("Announce = %v, want context.Canceled", err)
	}
	same(t, "held", before, db.held(t))
}
