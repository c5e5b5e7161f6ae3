package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

func (db Database) eventsAfter(t testing.TB, after int64) []store.GateEvent {
	t.Helper()
	return must(db.GateEvents(t.Context(), after))(t)
}

func whats(events []store.GateEvent) []store.GateChange {
	var all []store.GateChange
	for _, e := range events {
		all = append(all, e.What)
	}
	return all
}

// Whatever changes what a gate knows tells of the crate, and nothing else does.
func testGateEvents(t *testing.T, db Database) {
	ctx := t.Context()
	if last := must(db.LastGateEvent(ctx))(t); last != 0 {
		t.Errorf("the last event of an empty database is %d", last)
	}
	audit := announceAudit()
	release := publish(t, db, publication("Serde", "1.0.0", twoChecks...))
	run := start(t, db, release.ID, "archive")
	exception := must(db.AddException(ctx, exceptionFor("serde", "1.0.0"), audit))(t)
	record := lineRecord("serde", "1.0.0")
	record.HonouredAt = time.Time{}
	file := indexFile(t, "Serde", "1.0.0")
	save(t, db, store.IndexSave{File: file, Records: []store.LineRecord{record}})
	other := publication("Serde", "1.0.0")
	other.Release.Checksum[0]++

	crateEvent := func(keys ...string) []store.GateEvent {
		var events []store.GateEvent
		for _, key := range keys {
			events = append(events, store.GateEvent{What: store.GateCrate, Key: key})
		}
		return events
	}
	all := func(what store.GateChange) []store.GateEvent { return []store.GateEvent{{What: what}} }
	tests := []struct {
		name string
		do   func() error
		want []store.GateEvent
	}{
		{"publish", func() error { _, _, err := db.Publish(ctx, publication("Tin", "1.0.0", twoChecks...)); return err }, crateEvent("tin")},
		{"publish again", func() error { _, _, err := db.Publish(ctx, publication("Tin", "1.0.0", twoChecks...)); return err }, nil},
		{"publish other bytes", func() error { _, _, _ = db.Publish(ctx, other); return nil }, crateEvent("serde")},
		{"start a run", func() error {
			runs := must(db.CheckRuns(ctx, release.ID))(t)
			_, err := db.StartRun(ctx, runs[0].ID, "lease", noon, noon.Add(time.Minute))
			return err
		}, nil},
		{"finish a run", func() error {
			return db.FinishRun(ctx, store.Finish{Run: run.ID, Lease: run.Lease, At: noon, Report: report(check.Success), Recheck: noon})
		}, crateEvent("serde")},
		{"queue stale runs", func() error {
			_, err := db.QueueStale(ctx, store.CheckRef{Name: "new", Version: 1}, noon, 100)
			return err
		}, crateEvent("serde", "tin")},
		{"queue rechecks", func() error {
			_, err := db.QueueRechecks(ctx, twoChecks[0], noon, store.Pace{Batch: 10, Hour: 10})
			return err
		}, crateEvent("serde")},
		{"queue rechecks where none is due", func() error {
			_, err := db.QueueRechecks(ctx, twoChecks[0], noon, store.Pace{Batch: 10, Hour: 10})
			return err
		}, nil},
		{"set publish facts", func() error { return db.SetPublishFacts(ctx, release.ID, store.PublishFacts{}) }, crateEvent("serde")},
		{"save a file", func() error { file.Revision = 1; return db.SaveIndex(ctx, store.IndexSave{File: file}) }, crateEvent("serde")},
		{"touch a file", func() error { return db.TouchIndex(ctx, []store.IndexTouch{{Key: "serde", Revision: 2}}) }, nil},
		{"import files", func() error {
			_, err := db.ImportIndex(ctx, []store.IndexFile{indexFile(t, "new", "1.0.0")}, nil)
			return err
		}, nil},
		{"end an import", func() error { return db.EndImport(ctx, nil, audit) }, all(store.GateAll)},
		{"set a baseline", func() error { return db.SetBaseline(ctx, store.Baseline{Policy: "low", At: noon, SetAt: noon}, audit) }, all(store.GateBaseline)},
		{"accept a line", func() error { return db.AcceptLine(ctx, "serde", "1.0.0", sha256.Sum256(record.Offered), noon, audit) }, crateEvent("serde")},
		{"honour a yank", func() error { return db.HonourYank(ctx, "serde", "1.0.0", noon, audit) }, crateEvent("serde")},
		{"add an exception", func() error { _, err := db.AddException(ctx, exceptionFor("Tin", "1.0.0"), audit); return err }, crateEvent("tin")},
		{"end an exception", func() error { _, err := db.EndException(ctx, exception.ID, "token:ada", noon, audit); return err }, crateEvent("serde")},
		{"close expired exceptions", func() error { _, err := db.CloseExpired(ctx, noon.Add(24*time.Hour)); return err }, crateEvent("tin")},
		{"close none", func() error { _, err := db.CloseExpired(ctx, noon.Add(24*time.Hour)); return err }, nil},
		{"rule", func() error { _, err := db.AddRuling(ctx, rulingOn("serde", "1.0.0", 0), audit); return err }, crateEvent("serde")},
		{"ask for a review", func() error {
			_, _, err := db.AddReviewRequest(ctx, reviewOf("serde", "1.0.0", "token:ci"), audit)
			return err
		}, nil},
		{"record a decision", func() error {
			_, err := db.RecordDecisions(ctx, []store.DecisionRecord{decisionOn("serde", "1.0.0", policy.Held)})
			return err
		}, nil},
		{"record a fetch", func() error {
			return db.RecordFetches(ctx, []store.Fetch{{At: noon, Crate: "serde", Version: "1.0.0", Checksum: crate.Sum(nil)}})
		}, nil},
		{"announce", func() error { _, _, err := db.Announce(ctx, announcement("m"), audit); return err }, nil},
		{"create a token", func() error { _, err := db.CreateToken(ctx, token("ci", 1), audit); return err }, all(store.GateToken)},
		{"use a token", func() error { return db.TouchToken(ctx, 1, noon) }, nil},
		{"revoke a token", func() error { _, err := db.RevokeToken(ctx, "ci", noon, audit); return err }, all(store.GateToken)},
	}
	for _, tt := range tests {
		last := must(db.LastGateEvent(ctx))(t)
		if err := tt.do(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		got := db.eventsAfter(t, last)
		for i := range got {
			if got[i].Seq <= last {
				t.Errorf("%s: event %d after %d", tt.name, got[i].Seq, last)
			}
			last = got[i].Seq
			got[i].Seq = 0
		}
		slices.SortFunc(got, func(a, b store.GateEvent) int { return slices.Compare([]byte(a.Key), []byte(b.Key)) })
		same(t, tt.name, tt.want, got)
	}
}

// Who has read up to an event misses none below it, whoever commits when and
// however many read.
func testGateEventsInOrder(t *testing.T, db Database) {
	const each = 60
	ctx, written := context.WithCancel(t.Context())
	defer written()
	var followers [3][]store.GateEvent
	var reading sync.WaitGroup
	for i := range followers {
		reading.Go(func() { followers[i] = follow(ctx, t, db) })
	}
	atOnce(func(i int) {
		for n := range each {
			name := fmt.Sprintf("crate%d-%d", i, n)
			if _, err := db.AddException(t.Context(), exceptionFor(name, "1.0.0"), announceAudit()); err != nil {
				t.Error(err)
			}
		}
	})
	written()
	reading.Wait()
	all := db.eventsAfter(t, 0)
	if len(all) != 8*each {
		t.Errorf("%d events, want %d", len(all), 8*each)
	}
	for i, seen := range followers {
		same(t, fmt.Sprint("events, as follower ", i, " read them"), all, seen)
	}
}

// follow reads events without pause, until ctx ends and no more are left.
func follow(ctx context.Context, t testing.TB, db Store) []store.GateEvent {
	var seen []store.GateEvent
	after := int64(0)
	for {
		over := ctx.Err() != nil
		events, err := db.GateEvents(context.WithoutCancel(ctx), after)
		if err != nil {
			t.Error(err)
			return seen
		}
		seen = append(seen, events...)
		if len(events) > 0 {
			after = events[len(events)-1].Seq
		} else if over {
			return seen
		}
	}
}

// Whoever was away for longer than events are kept is told to read everything.
func testGateEventsForgotten(t *testing.T, db Database) {
	ctx := t.Context()
	for i := range 5 {
		must(db.AddException(ctx, exceptionFor(fmt.Sprint("crate", i), "1.0.0"), announceAudit()))(t)
	}
	all := db.eventsAfter(t, 0)
	last := all[4].Seq
	if err := db.PruneGateEvents(ctx, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	same(t, "nothing is old yet", all, db.eventsAfter(t, 0))
	if err := db.PruneGateEvents(ctx, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	everything := []store.GateEvent{{Seq: last, What: store.GateAll}}
	same(t, "from the beginning", everything, db.eventsAfter(t, 0))
	same(t, "from where events were forgotten", everything, db.eventsAfter(t, all[2].Seq))
	same(t, "from the last but one", all[4:], db.eventsAfter(t, all[3].Seq))
	same(t, "from the last", nil, db.eventsAfter(t, last))
	same(t, "from another database's", everything, db.eventsAfter(t, last+7))
	same(t, "last", last, must(db.LastGateEvent(ctx))(t))
	must(db.AddException(ctx, exceptionFor("later", "1.0.0"), announceAudit()))(t)
	if got := db.eventsAfter(t, last); len(got) != 1 || got[0].Key != "later" || got[0].Seq <= last {
		t.Errorf("after the last: %+v, want the new one alone", got)
	}
}

// A follower hears of an event at once, not at the next stroke of the clock.
func testWake(t *testing.T, db Database) {
	ctx, cancel := context.WithCancel(t.Context())
	wake := db.Wake(ctx)
	begin := time.Now()
	const events = 20
	for i := range events {
		last := must(db.LastGateEvent(ctx))(t)
		must(db.AddException(ctx, exceptionFor(fmt.Sprint("crate", i), "1.0.0"), announceAudit()))(t)
		for len(db.eventsAfter(t, last)) == 0 {
			<-wake
		}
		<-wake // for this event, or the stroke
	}
	if took := time.Since(begin); took > events/2*time.Second {
		t.Errorf("%d events took %v to be heard: each waited for the stroke", events, took)
	}
	quiet := time.Now()
	<-wake
	<-wake
	if took := time.Since(quiet); took > 10*time.Second {
		t.Errorf("two signals took %v where nothing happens, want one a second", took)
	}
	cancel()
	for range wake { // ends
	}
}
