package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// decisionOn has a value in every field.
func decisionOn(name, version string, state policy.State) store.DecisionRecord {
	return store.DecisionRecord{
		Policy: "default", Crate: name, Version: version, Checksum: sumOf(name, version),
		Line: [32]byte{1, 2, 3}, Rules: [32]byte{4, 5, 6}, At: noon,
		Decision: policy.Decision{
			State:   state,
			Reasons: []policy.Reason{{Rule: "cool-off", Verdict: policy.Hold, Text: "published 9 minutes ago", Until: noon.Add(time.Hour)}},
			Recheck: noon.Add(time.Hour), Pending: true, Observed: true,
		},
	}
}

func keptDecision(d store.DecisionRecord) store.DecisionRecord {
	d.At, d.Decision.Recheck = kept(d.At), kept(d.Decision.Recheck)
	reasons := append([]policy.Reason(nil), d.Decision.Reasons...)
	for i := range reasons {
		reasons[i].Until = kept(reasons[i].Until)
	}
	d.Decision.Reasons = reasons
	return d
}

func recordOne(t testing.TB, db Store, d store.DecisionRecord) store.DecisionRecord {
	t.Helper()
	got := must(db.RecordDecisions(t.Context(), []store.DecisionRecord{d}))(t)
	if len(got) != 1 {
		t.Fatalf("RecordDecisions of one = %d", len(got))
	}
	return got[0]
}

func testDecisions(t *testing.T, db Database) {
	ctx := t.Context()
	first := recordOne(t, db, decisionOn("Serde", "1.0.0", policy.Held))
	want := keptDecision(decisionOn("Serde", "1.0.0", policy.Held))
	want.ID, want.Code = first.ID, first.Code
	same(t, "recorded", want, first)
	if len(first.Code) != 10 {
		t.Errorf("code %q, want ten characters", first.Code)
	}

	// What a person would not read twice is not recorded twice.
	same1 := decisionOn("serde", "1.0.0", policy.Held)
	same1.Code, same1.At, same1.Rules = "mine", noon.Add(time.Hour), [32]byte{9}
	same1.Decision.Recheck, same1.Decision.Pending = time.Time{}, false
	same1.Decision.Reasons[0].Text = "published an hour ago"
	same(t, "the same again", want, recordOne(t, db, same1))

	differ := []func(*store.DecisionRecord){
		func(d *store.DecisionRecord) { d.Decision.State = policy.Quarantined },
		func(d *store.DecisionRecord) { d.Line[0]++ },
		func(d *store.DecisionRecord) { d.Decision.Observed = false },
		func(d *store.DecisionRecord) { d.Decision.Reasons[0].Until = noon },
		func(d *store.DecisionRecord) { d.Decision.Reasons[0].Rule = "floor" },
		func(d *store.DecisionRecord) { d.Decision.Reasons = nil },
	}
	next, history := decisionOn("serde", "1.0.0", policy.Held), []store.DecisionRecord{want}
	for i, edit := range differ {
		edit(&next)
		next.Code = "another"
		got := recordOne(t, db, next)
		wanted := keptDecision(next)
		wanted.ID, wanted.Code = got.ID, first.Code // a release keeps its code
		same(t, fmt.Sprint("differing ", i), wanted, got)
		if got.ID <= history[0].ID {
			t.Errorf("differing %d was not recorded", i)
		}
		history = append([]store.DecisionRecord{wanted}, history...)
	}
	// Back to what was is a change, too.
	back := recordOne(t, db, decisionOn("serde", "1.0.0", policy.Held))
	wanted := keptDecision(decisionOn("serde", "1.0.0", policy.Held))
	wanted.ID, wanted.Code = back.ID, first.Code
	history = append([]store.DecisionRecord{wanted}, history...)
	same(t, "history", history, must(db.Decisions(ctx, store.DecisionQuery{Crate: "SERDE", Version: "1.0.0", History: true}))(t))

	// Several at once, one of them twice: what counts is the order.
	allowed := decisionOn("tin", "1.0.0", policy.Allowed)
	allowed.Code = "tincode"
	elsewhere := decisionOn("tin", "1.0.0", policy.Held)
	elsewhere.Policy = "high"
	batch := []store.DecisionRecord{decisionOn("tin", "1.0.0", policy.Held), elsewhere, allowed, allowed}
	got := must(db.RecordDecisions(ctx, batch))(t)
	if len(got) != 4 || got[2].ID != got[3].ID || got[0].ID == got[2].ID || got[0].Code != got[2].Code || got[0].Code == got[1].Code {
		t.Errorf("recorded at once: %+v", got)
	}

	tests := []struct {
		name string
		q    store.DecisionQuery
		want []store.DecisionRecord
	}{
		{"in force", store.DecisionQuery{}, []store.DecisionRecord{got[2], got[1], back}},
		{"held", store.DecisionQuery{Verdict: policy.Hold}, []store.DecisionRecord{got[1], back}},
		{"allowed", store.DecisionQuery{State: policy.Allowed}, []store.DecisionRecord{got[2]}},
		{"under a policy", store.DecisionQuery{Policy: "high"}, []store.DecisionRecord{got[1]}},
		{"of a crate", store.DecisionQuery{Crate: "tin", Limit: 1}, []store.DecisionRecord{got[2]}},
		{"after a page", store.DecisionQuery{Before: got[1].ID}, []store.DecisionRecord{back}},
		{"that ever allowed", store.DecisionQuery{Verdict: policy.Allow, History: true}, []store.DecisionRecord{got[2]}},
		{"that ever held tin", store.DecisionQuery{Crate: "tin", Policy: "default", History: true}, []store.DecisionRecord{got[2], got[0]}},
		{"none", store.DecisionQuery{Crate: "nobody"}, nil},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, must(db.Decisions(ctx, tt.q))(t))
	}
	same(t, "by code", back, must(db.DecisionByCode(ctx, first.Code))(t))
	if _, err := db.DecisionByCode(ctx, "mine"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DecisionByCode of one that was not taken = %v, want ErrNotFound", err)
	}
	if got, err := db.RecordDecisions(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("RecordDecisions of none = %v, %v", got, err)
	}
}

// Replicas that see the same thing record it once.
func testDecisionsAtOnce(t *testing.T, db Database) {
	states := []policy.State{policy.Held, policy.Allowed}
	for round := range rounds {
		lists := make([][]store.DecisionRecord, 8)
		atOnce(func(i int) {
			var batch []store.DecisionRecord
			for n := range 10 {
				if i%2 == 0 {
					n = 9 - n // another order
				}
				batch = append(batch, decisionOn(fmt.Sprint("crate", n), "1.0.0", states[round%2]))
			}
			got, err := db.RecordDecisions(t.Context(), batch)
			if err != nil {
				t.Error(err)
			}
			lists[i] = got
		})
		for _, list := range lists[1:] {
			for _, d := range list {
				first := lists[0][0]
				if d.Crate == first.Crate && (d.ID != first.ID || d.Code != first.Code) {
					t.Errorf("two replicas were told %+v and %+v", d, first)
				}
			}
		}
	}
	if all := must(db.Decisions(t.Context(), store.DecisionQuery{History: true}))(t); len(all) != 10*rounds {
		t.Errorf("%d decisions recorded, want %d: each change once", len(all), 10*rounds)
	}
}

// A replica that was behind by a moment tells nothing new, and one that was
// elsewhere does.
func testDecisionEchoes(t *testing.T, db Database) {
	decision := func(state policy.State, at time.Duration) store.DecisionRecord {
		d := decisionOn("serde", "1.0.0", state)
		d.At = noon.Add(at)
		return d
	}
	first := []store.DecisionRecord{decision(policy.Held, 0), decision(policy.Allowed, time.Second), decision(policy.Quarantined, 2*time.Second)}
	second := []store.DecisionRecord{decision(policy.Held, 100*time.Millisecond), decision(policy.Allowed, 1100*time.Millisecond), decision(policy.Quarantined, 2100*time.Millisecond)}
	for _, list := range [][]store.DecisionRecord{first, second} {
		must(db.RecordDecisions(t.Context(), list))(t)
	}
	states := func() (list []policy.State) {
		for _, d := range must(db.Decisions(t.Context(), store.DecisionQuery{History: true}))(t) {
			list = append(list, d.Decision.State)
		}
		return list
	}
	same(t, "two replicas", []policy.State{policy.Quarantined, policy.Allowed, policy.Held}, states())
	// A clock that was set back does not keep decisions from being recorded.
	must(db.RecordDecisions(t.Context(), []store.DecisionRecord{decision(policy.Allowed, -time.Hour)}))(t)
	same(t, "an earlier clock", []policy.State{policy.Allowed, policy.Quarantined, policy.Allowed, policy.Held}, states())
}

func fetchOf(name, version, actor string, at time.Duration, passed bool) store.Fetch {
	return store.Fetch{
		At: noon.Add(at), Actor: actor, Policy: "default", Crate: name, Version: version,
		Checksum: sumOf(name, version), Passed: passed,
	}
}

func testFetches(t *testing.T, db Database) {
	ctx := t.Context()
	fetches := []store.Fetch{
		fetchOf("Serde", "1.0.0", "token:ci", 0, true),
		fetchOf("serde", "1.0.1", "token:ci", 1, false),
		fetchOf("serde", "1.0.0", "", 2*time.Second, true),
		fetchOf("tin", "1.0.0", "token:ada", 3*time.Second, true),
	}
	if err := db.RecordFetches(ctx, fetches); err != nil {
		t.Fatal(err)
	}
	if err := db.RecordFetches(ctx, fetches[1:3]); err != nil {
		t.Fatal(err)
	}
	if err := db.RecordFetches(ctx, nil); err != nil {
		t.Errorf("RecordFetches of none = %v", err)
	}
	all := must(db.Fetches(ctx, store.FetchQuery{}))(t)
	var want []store.Fetch
	for i, n := range []int{2, 1, 3, 2, 1, 0} {
		f := fetches[n]
		f.ID, f.At = all[i].ID, kept(f.At)
		want = append(want, f)
	}
	same(t, "all, newest first", want, all)
	tests := []struct {
		name string
		q    store.FetchQuery
		want []store.Fetch
	}{
		{"of a crate", store.FetchQuery{Crate: "tin"}, want[2:3]},
		{"of a version", store.FetchQuery{Crate: "SERDE", Version: "1.0.1"}, []store.Fetch{want[1], want[4]}},
		{"by somebody", store.FetchQuery{Actor: "token:ci", Limit: 2}, []store.Fetch{want[1], want[4]}},
		{"after a page", store.FetchQuery{Before: want[3].ID}, want[4:]},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, must(db.Fetches(ctx, tt.q))(t))
	}
	same(t, "totals", []store.FetchTotal{
		{Crate: "Serde", Version: "1.0.0", Checksum: fetches[0].Checksum, Passed: 3, Last: kept(noon.Add(2 * time.Second))},
		{Crate: "serde", Version: "1.0.1", Checksum: fetches[1].Checksum, Refused: 2, Last: kept(noon)},
	}, must(db.FetchTotals(ctx, "serde"))(t))
}

// What passed without being taken in is wanted, most used first.
func testWanted(t *testing.T, db Database) {
	ctx := t.Context()
	for name, times := range map[string]int{"rare": 1, "used": 3, "held": 0, "taken": 5, "asked": 4} {
		for n := range max(1, times) {
			f := fetchOf(name, "1.0.0", "token:ci", time.Duration(n), times > 0)
			if err := db.RecordFetches(ctx, []store.Fetch{f}); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, db, publication("taken", "1.0.0"))
	asked := announcement(crate.Sum([]byte("asked1.0.0")).String())
	asked.Via = store.ViaRequest
	if _, _, err := db.Announce(ctx, asked, announceAudit()); err != nil {
		t.Fatal(err)
	}
	names := func(limit int) (names []string) {
		for _, w := range must(db.Wanted(ctx, limit))(t) {
			names = append(names, fmt.Sprint(w.Crate, w.Passed))
		}
		return names
	}
	same(t, "wanted", []string{"used3", "rare1"}, names(10))
	same(t, "most wanted", []string{"used3"}, names(1))
}

// Counts are exact, however many count at once.
func testFetchesAtOnce(t *testing.T, db Database) {
	for range rounds {
		atOnce(func(i int) {
			var batch []store.Fetch
			for n := range 20 {
				if i%2 == 0 {
					n = 19 - n
				}
				batch = append(batch, fetchOf(fmt.Sprint("crate", n), "1.0.0", "token:ci", time.Duration(i), true))
			}
			if err := db.RecordFetches(t.Context(), batch); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range 20 {
		totals := must(db.FetchTotals(t.Context(), fmt.Sprint("crate", n)))(t)
		if len(totals) != 1 || totals[0].Passed != 8*rounds {
			t.Errorf("totals of crate %d = %+v, want %d fetches", n, totals, 8*rounds)
		}
	}
}

// An announcement is fetched anew when it was refused, or waits too far behind.
func testAnnounceAgain(t *testing.T, db Database) {
	ctx := t.Context()
	a := announcement("m")
	a.Via, a.Priority = store.ViaRequest, store.PriorityStale
	first, _, err := db.Announce(ctx, a, announceAudit())
	if err != nil {
		t.Fatal(err)
	}
	again := func(id store.ID, priority int) error {
		return db.AnnounceAgain(ctx, id, priority, noon.Add(time.Hour), announceAudit())
	}
	settle := func(status store.AnnouncementStatus) {
		t.Helper()
		if err := db.SettleAnnouncement(ctx, first.ID, status, "why", noon); err != nil {
			t.Fatal(err)
		}
	}
	refuses := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("AnnounceAgain %s = %v, want %v", name, err, want)
		}
	}
	refuses("of none", again(999, store.PriorityFresh), store.ErrNotFound)
	refuses("at the same priority", again(first.ID, store.PriorityStale), store.ErrConflict)
	refuses("at a higher one", again(first.ID, store.PriorityFresh), nil)
	refuses("at a lower one", again(first.ID, store.PriorityRetry), store.ErrConflict)
	settle(store.AnnouncementRefused)
	refuses("once refused", again(first.ID, store.PriorityStale), nil)
	want := first
	want.ReceivedAt, want.Priority, want.Reason = kept(noon.Add(time.Hour)), store.PriorityStale, "why"
	same(t, "announced again", want, must(db.Announcement(ctx, first.ID))(t))
	settle(store.AnnouncementStored)
	refuses("once stored", again(first.ID, store.PriorityFresh), store.ErrConflict)
	var priorities []int
	for _, j := range db.jobs(t) {
		priorities = append(priorities, j.Priority)
	}
	same(t, "jobs' priorities", []int{store.PriorityStale, store.PriorityFresh, store.PriorityStale}, priorities)
}
