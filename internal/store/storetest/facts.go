package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

func testFacts(t *testing.T, db Database) {
	ctx := t.Context()
	tests := []struct {
		name    string
		version string
		keep    bool
		facts   string
		want    string // the version whose facts are kept then
	}{
		{"not to be kept", "1.0.0", false, `{"n":0}`, ""},
		{"the first", "1.1.0", true, `{"n":1}`, "1.1.0"},
		{"an older release", "1.0.1", true, `{"n":2}`, "1.1.0"},
		{"a newer one", "1.10.0", true, `{"n":3}`, "1.10.0"},
		{"between", "1.9.0", true, `{"n":4}`, "1.10.0"},
		{"a pre-release of the next", "2.0.0-rc.1", true, `{"n":5}`, "2.0.0-rc.1"},
		{"it has none: that is news too", "2.0.0", true, ``, "2.0.0"},
	}
	want := map[string]store.CrateFacts{}
	var crateID store.ID
	for i, tt := range tests {
		r := publish(t, db, publication("serde", tt.version, twoChecks...))
		crateID = r.CrateID
		run := start(t, db, r.ID, "provenance")
		at := noon.Add(time.Duration(i) * time.Hour)
		finish(t, db, run, func(f *store.Finish) {
			f.KeepFacts, f.At, f.Report.Facts = tt.keep, at, json.RawMessage(tt.facts)
		})
		want[tt.version] = store.CrateFacts{
			CrateID: r.CrateID, Crate: "serde", Check: "provenance", Version: tt.version, RunID: run.ID,
			Facts: json.RawMessage(tt.facts), ReadAt: kept(at),
		}
		got, err := db.CrateFacts(ctx, r.CrateID, "provenance")
		if tt.want == "" {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: CrateFacts = %v, %v; want ErrNotFound", tt.name, got, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		same(t, tt.name, want[tt.want], got)
	}
	if _, err := db.CrateFacts(ctx, crateID, "archive"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("CrateFacts of another check = %v, want ErrNotFound", err)
	}

	// The same release again: by a newer version of the check, then late by an
	// older one.
	newest := must(db.Release(ctx, "serde", "2.0.0"))(t)
	for _, version := range []int{4, 3} {
		for must(db.QueueStale(ctx, store.CheckRef{Name: "provenance", Version: version}, noon, 100))(t) > 0 {
		}
		run := start(t, db, newest.ID, "provenance")
		finish(t, db, run, func(f *store.Finish) {
			f.KeepFacts, f.Report.Facts = true, json.RawMessage(fmt.Sprintf(`{"check":%d}`, version))
		})
	}
	if got := must(db.CrateFacts(ctx, crateID, "provenance"))(t); string(got.Facts) != `{"check":4}` {
		t.Errorf("facts %s, want those of check version 4", got.Facts)
	}
}

// However runs of several releases interleave, the newest release's facts win.
func testFactsAtOnce(t *testing.T, db Database) {
	for round := range rounds {
		name := fmt.Sprint("crate", round)
		var begun []store.CheckRun
		for i := range 8 {
			r := publish(t, db, publication(name, fmt.Sprintf("1.%d.0", i), twoChecks[0]))
			begun = append(begun, start(t, db, r.ID, "archive"))
		}
		atOnce(func(i int) {
			err := db.FinishRun(t.Context(), store.Finish{Run: begun[i].ID, Lease: "lease", At: noon, Report: report(check.Success), KeepFacts: true})
			if err != nil {
				t.Error(err)
			}
		})
		c := must(db.Crate(t.Context(), name))(t)
		if got := must(db.CrateFacts(t.Context(), c.ID, "archive"))(t); got.Version != "1.7.0" {
			t.Errorf("facts of %s, want of 1.7.0", got.Version)
		}
	}
}

func testLargeReport(t *testing.T, db Database) {
	r := publish(t, db, publication("serde", "1.0.0", twoChecks[0]))
	large := report(check.Failure)
	large.Text = strings.Repeat("x", check.MaxText)
	for i := range check.MaxFindings {
		large.Findings = append(large.Findings, check.Finding{
			Rule: "rule", Level: check.LevelNote, Message: strings.Repeat("m", 500), Snippet: strings.Repeat("é", 500), StartLine: i,
		})
	}
	large.Facts = json.RawMessage(`"` + strings.Repeat("f", check.MaxFacts-2) + `"`)
	run := start(t, db, r.ID, "archive")
	finish(t, db, run, func(f *store.Finish) { f.Report, f.KeepFacts = large, true })
	got := must(db.CheckStates(t.Context(), r.ID))(t)[r.ID][0].Counts.Report
	same(t, "report", large, got)
}
