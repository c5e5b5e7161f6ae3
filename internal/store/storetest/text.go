package storetest

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/policy"
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

func testFenceText(t *testing.T, db Database) {
	ctx := t.Context()
	audit := announceAudit()
	save(t, db, store.IndexSave{
		File:    store.IndexFile{Key: "serde", Name: hostile, ETag: hostile, LastModified: hostile},
		Records: []store.LineRecord{{Version: hostile, Offered: []byte(hostile)}},
		Events:  []store.LineEvent{{Version: hostile, What: store.LineEdited, At: noon, Detail: hostile}},
	})
	file, records, err := db.IndexFile(ctx, "serde")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "file", store.IndexFile{Key: "serde", Name: shown, ETag: shown, LastModified: shown, Revision: 1}, file)
	// What upstream offers is bytes, and stays what it is.
	same(t, "records", []store.LineRecord{{Key: "serde", Version: shown, Offered: []byte(hostile)}}, records)
	events := must(db.LineEvents(ctx, "serde", 0, 1))(t)
	same(t, "line event", store.LineEvent{
		ID: events[0].ID, Key: "serde", Version: shown, What: store.LineEdited, At: kept(noon), Detail: shown,
	}, events[0])

	e := exceptionFor(hostile, hostile)
	e.Policy, e.Rule, e.Reason, e.Author = hostile, hostile, hostile, hostile
	got := must(db.AddException(ctx, e, audit))(t)
	want := keptException(e)
	want.ID, want.Policy, want.Crate, want.Version = got.ID, shown, shown, shown
	want.Rule, want.Reason, want.Author = shown, shown, shown
	same(t, "exceptions", []store.Exception{want}, must(db.Exceptions(ctx, store.ExceptionQuery{Crate: hostile, Version: hostile, Policy: hostile}))(t))

	r := rulingOn(hostile, hostile, 0)
	r.Policy, r.Reason, r.Author = hostile, hostile, hostile
	ruled := must(db.AddRuling(ctx, r, audit))(t)
	same(t, "rulings", []store.Ruling{ruled}, must(db.Rulings(ctx, store.RulingQuery{Crate: shown, Policy: shown}))(t))
	again := r
	again.After = ruled.ID
	must(db.AddRuling(ctx, again, audit))(t)

	review := reviewOf(hostile, hostile, hostile)
	review.Reason = hostile
	asked, _, err := db.AddReviewRequest(ctx, review, audit)
	if err != nil || asked.Reason != shown || asked.Actor != shown {
		t.Errorf("AddReviewRequest = %+v, %v; want text as shown", asked, err)
	}

	d := decisionOn(hostile, hostile, policy.Held)
	d.Code, d.Policy = hostile, hostile
	d.Decision.Reasons[0].Rule, d.Decision.Reasons[0].Text = hostile, hostile
	recorded := recordOne(t, db, d)
	if text := recorded.Decision.Reasons[0].Text; text != shown || recorded.Code != shown {
		t.Errorf("recorded code %q, text %q; want both as shown", recorded.Code, text)
	}
	same(t, "recorded again", recorded, recordOne(t, db, d))
	same(t, "by code", recorded, must(db.DecisionByCode(ctx, hostile))(t))

	f := fetchOf(hostile, hostile, hostile, 0, true)
	if err := db.RecordFetches(ctx, []store.Fetch{f, f}); err != nil {
		t.Fatal(err)
	}
	if fetches := must(db.Fetches(ctx, store.FetchQuery{Actor: hostile}))(t); len(fetches) != 2 || fetches[0].Crate != shown {
		t.Errorf("Fetches = %+v, want two, text as shown", fetches)
	}
	if totals := must(db.FetchTotals(ctx, hostile))(t); len(totals) != 1 || totals[0].Passed != 2 {
		t.Errorf("FetchTotals = %+v, want both", totals)
	}
	if err := db.SetBaseline(ctx, store.Baseline{Policy: hostile, At: noon, Actor: hostile, Source: hostile, SetAt: noon}, audit); err != nil {
		t.Fatal(err)
	}
	same(t, "baseline", []store.Baseline{{Policy: shown, At: kept(noon), Actor: shown, Source: shown, SetAt: kept(noon)}}, must(db.Baselines(ctx))(t))
	// Lists ask for what cannot be there, and find nothing.
	for _, q := range []string{"\x00", "\xff", "' OR 1=1 --", "%"} {
		if found := must(db.Decisions(ctx, store.DecisionQuery{Crate: q}))(t); len(found) != 0 {
			t.Errorf("Decisions of %q = %+v, want none", q, found)
		}
	}
}
