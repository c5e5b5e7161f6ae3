package storetest

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// hostile is text that a crate may bring: NUL, invalid UTF-8 in a run, quotes, and
// what looks like SQL, JSON and HTML. Stores keep it as shown, which is the same
// in both.
const (
	hostile = "a\x00b\xff\xfec'\"\\%_;--\u2028</script>\U0001F980"
	shown   = "a\uFFFDb\uFFFDc'\"\\%_;--\u2028</script>\U0001F980"
)

func testText(t *testing.T, db Database) {
	ctx := t.Context()
	p := publication("serde", "1.0.0", twoChecks[0])
	p.Release.Publisher = hostile
	p.Release.About = store.About{
		Description: hostile, License: hostile, Repository: hostile, Homepage: hostile, Documentation: hostile,
		RustVersion: hostile, Edition: hostile, Keywords: []string{hostile}, Categories: []string{hostile},
		Dependencies: []store.Dependency{{Name: hostile, Req: hostile, Kind: hostile, Target: hostile}},
	}
	p.Audit.Actor, p.Audit.Object = hostile, hostile
	p.Audit.Detail = json.RawMessage("{\"a\":\"\xff\"}")
	want := p.Release
	want.Publisher = shown
	want.About = store.About{
		Description: shown, License: shown, Repository: shown, Homepage: shown, Documentation: shown,
		RustVersion: shown, Edition: shown, Keywords: []string{shown}, Categories: []string{shown},
		Dependencies: []store.Dependency{{Name: shown, Req: shown, Kind: shown, Target: shown}},
	}
	got := publish(t, db, p)
	want.ID, want.CrateID, want.FirstSeenAt = got.ID, got.CrateID, kept(noon)
	same(t, "published", want, got)
	same(t, "release", want, must(db.ReleaseByID(ctx, got.ID))(t))
	audit := must(db.AuditLog(ctx, 0, 1))(t)[0]
	same(t, "audit", store.AuditEntry{
		ID: audit.ID, At: kept(noon), Actor: shown, Action: "release.publish", Object: shown, Detail: json.RawMessage("{\"a\":\"\uFFFD\"}"),
	}, audit)

	a := announcement(hostile)
	a.DownloadURL, a.Publisher = hostile, hostile
	announced, _, err := db.Announce(ctx, a, announceAudit())
	if err != nil {
		t.Fatal(err)
	}
	if announced.MessageID != shown || announced.DownloadURL != shown || announced.Publisher != shown {
		t.Errorf("announced %+v, want text as shown", announced)
	}
	if _, created, err := db.Announce(ctx, a, announceAudit()); created || err != nil {
		t.Errorf("Announce again = created %t, %v; want the first", created, err)
	}
	if err := db.SettleAnnouncement(ctx, announced.ID, store.AnnouncementRefused, hostile, noon); err != nil {
		t.Fatal(err)
	}
	same(t, "reason", shown, must(db.Announcement(ctx, announced.ID))(t).Reason)

	other := publication("serde", "1.0.0")
	other.Release.Checksum[0]++
	other.Detail = hostile
	_, _, _ = db.Publish(ctx, other) // refused: the incident is what counts
	same(t, "incident", shown, must(db.Incidents(ctx, 0, 1))(t)[0].Detail)

	run := start(t, db, got.ID, "archive")
	finish(t, db, run, func(f *store.Finish) {
		f.Report = check.Report{
			Conclusion: check.Failure, Title: hostile, Summary: hostile, Text: hostile,
			Findings: []check.Finding{{Rule: hostile, Level: check.Level(hostile), Message: hostile, Path: hostile, Snippet: hostile, Help: hostile}},
			Metrics:  map[string]float64{hostile: 1, "nan": math.NaN(), "inf": math.Inf(1)},
			Facts:    json.RawMessage("{\"\xff\":1}"),
		}
	})
	same(t, "report", check.Report{
		Conclusion: check.Failure, Title: shown, Summary: shown, Text: shown,
		Findings: []check.Finding{{Rule: shown, Level: check.Level(shown), Message: shown, Path: shown, Snippet: shown, Help: shown}},
		Metrics:  map[string]float64{shown: 1},
		Facts:    json.RawMessage("{\"\uFFFD\":1}"),
	}, must(db.Run(ctx, run.ID))(t).Report)
}
