package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/store"
)

// names asks for crates and returns their names.
func names(t testing.TB, db Store, q store.CrateQuery) []string {
	t.Helper()
	page := must(db.Crates(t.Context(), q))(t)
	var names []string
	for _, c := range page.Crates {
		names = append(names, c.Crate.Name)
	}
	return names
}

func testSearch(t *testing.T, db Database) {
	for _, c := range []struct{ name, description string }{
		{"serde_json", "A JSON serialization file format"},
		{"Serde", "A generic serialization framework"},
		{"miniserde", "Data structure serialization, 100% small"},
		{"serde-yaml", ""},
		{"json", "Parses what SERDE writes, über alles"},
		{"zebra", "Nothing of the kind"},
	} {
		p := publication(c.name, "1.0.0")
		p.Release.About.Description = c.description
		publish(t, db, p)
	}
	tests := []struct {
		text string
		want []string
	}{
		{"", []string{"json", "miniserde", "Serde", "serde_json", "serde-yaml", "zebra"}},
		// The very name, names that begin with it, names that hold it, descriptions.
		{"serde", []string{"Serde", "serde_json", "serde-yaml", "miniserde", "json"}},
		{"SERDE", []string{"Serde", "serde_json", "serde-yaml", "miniserde", "json"}},
		{"  serde  ", []string{"Serde", "serde_json", "serde-yaml", "miniserde", "json"}},
		{"serde-json", []string{"serde_json"}},
		{"serde_yaml", []string{"serde-yaml"}},
		{"json", []string{"json", "serde_json"}},
		{"serialization", []string{"miniserde", "Serde", "serde_json"}},
		{"ÜBER", []string{"json"}},
		{"100%", []string{"miniserde"}},
		// What would be wildcards elsewhere is text here.
		{"%", []string{"miniserde"}},
		{"s%e", nil},
		{"ser?e", nil},
		{"*", nil},
		{`\`, nil},
		{"_", []string{"serde_json", "serde-yaml"}},
		{"nothing like it", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, names(t, db, store.CrateQuery{Text: tt.text})); diff != "" {
			t.Errorf("search %q (-want +got):\n%s", tt.text, diff)
		}
	}
	page := must(db.Crates(t.Context(), store.CrateQuery{Text: "zebra"}))(t)
	r := must(db.Release(t.Context(), "zebra", "1.0.0"))(t)
	same(t, "a hit", []store.CrateSummary{{Crate: must(db.Crate(t.Context(), "zebra"))(t), Default: r}}, page.Crates)
}

func testSearchPages(t *testing.T, db Database) {
	var want []string
	for i := range 7 {
		publish(t, db, publication(fmt.Sprintf("tool-%d", i), "1.0.0"))
		want = append(want, fmt.Sprintf("tool-%d", i))
	}
	publish(t, db, publication("tool", "1.0.0"))
	want = append([]string{"tool"}, want...)
	for _, text := range []string{"tool", ""} {
		for limit := 1; limit <= 9; limit++ {
			var got []string
			q := store.CrateQuery{Text: text, Limit: limit}
			for range 10 {
				page := must(db.Crates(t.Context(), q))(t)
				for _, c := range page.Crates {
					got = append(got, c.Crate.Name)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
				if len(page.Crates) != limit {
					t.Errorf("text %q: a page of %d that is not the last has %d", text, limit, len(page.Crates))
				}
			}
			same(t, fmt.Sprintf("text %q in pages of %d", text, limit), want, got)
		}
	}
	for _, limit := range []int{-1, 0, 101, 1 << 40} {
		if got := names(t, db, store.CrateQuery{Limit: limit}); len(got) != 8 {
			t.Errorf("limit %d: %d crates, want all 8", limit, len(got))
		}
	}
}

// Whatever is asked for is text, and is answered or refused, never executed.
func testSearchHostile(t *testing.T, db Database) {
	publish(t, db, publication("serde", "1.0.0"))
	for _, text := range []string{
		"'", `"`, "';DROP TABLE crates;--", `' OR '1'='1`, "$1", "?", ":text", "@text", "\x00", "\xff", hostile,
		"serde' --", "NULL", strings.Repeat("é", 100_000), "(((((", "[a-z]", "{}",
	} {
		if got := names(t, db, store.CrateQuery{Text: text}); len(got) != 0 {
			t.Errorf("search %.20q found %v", text, got)
		}
	}
	for _, after := range []string{"serde", ":", "x:serde", "-1:serde", "999999999999:serde", "'", "\x00", hostile} {
		if page, err := db.Crates(t.Context(), store.CrateQuery{After: after}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("page after %q = %v, %v; want ErrNotFound", after, page, err)
		}
	}
	for _, after := range []string{"0:'; --", "0:\x00", "3:zzz"} {
		_ = must(db.Crates(t.Context(), store.CrateQuery{After: after}))(t)
	}
	if got := names(t, db, store.CrateQuery{Text: "serde"}); len(got) != 1 {
		t.Errorf("serde is gone: %v", got)
	}
}

func testReleases(t *testing.T, db Database) {
	ctx := t.Context()
	var serde, latest []store.Release
	for i, version := range []string{"1.0.0", "1.10.0", "1.9.0", "2.0.0-rc.1"} {
		p := publication("serde", version)
		p.Release.FirstSeenAt = noon.Add(time.Duration(i) * time.Minute)
		serde = append(serde, publish(t, db, p))
	}
	older := publication("log", "1.0.0") // seen before the others, stored after them
	older.Release.FirstSeenAt = noon.Add(-time.Hour)
	log := publish(t, db, older)

	same(t, "by version", []store.Release{serde[3], serde[1], serde[2], serde[0]}, must(db.Releases(ctx, serde[0].CrateID))(t))
	same(t, "of no crate", nil, must(db.Releases(ctx, 999))(t))
	latest = []store.Release{serde[3], serde[2], serde[1], serde[0], log}
	same(t, "latest", latest, must(db.LatestReleases(ctx, 10))(t))
	same(t, "latest two", latest[:2], must(db.LatestReleases(ctx, 2))(t))
}

func testNotFound(t *testing.T, db Database) {
	ctx := t.Context()
	publish(t, db, publication("serde", "1.0.0"))
	tests := []struct {
		name string
		read func(context.Context) error
	}{
		{"Crate", func(ctx context.Context) error { _, err := db.Crate(ctx, "serd"); return err }},
		{"Crate, empty", func(ctx context.Context) error { _, err := db.Crate(ctx, ""); return err }},
		{"Crate, NUL", func(ctx context.Context) error { _, err := db.Crate(ctx, "serde\x00"); return err }},
		{"Crate, invalid UTF-8", func(ctx context.Context) error { _, err := db.Crate(ctx, "\xff"); return err }},
		{"Release", func(ctx context.Context) error { _, err := db.Release(ctx, "serde", "1.0.1"); return err }},
		{"Release, crate", func(ctx context.Context) error { _, err := db.Release(ctx, "log", "1.0.0"); return err }},
		{"Release, NUL", func(ctx context.Context) error { _, err := db.Release(ctx, "serde", "1.0.0\x00"); return err }},
		{"ReleaseByID", func(ctx context.Context) error { _, err := db.ReleaseByID(ctx, 999); return err }},
		{"ReleaseByID, negative", func(ctx context.Context) error { _, err := db.ReleaseByID(ctx, -1); return err }},
		{"Run", func(ctx context.Context) error { _, err := db.Run(ctx, 999); return err }},
		{"Announcement", func(ctx context.Context) error { _, err := db.Announcement(ctx, 999); return err }},
		{"CrateFacts", func(ctx context.Context) error { _, err := db.CrateFacts(ctx, 1, "\x00"); return err }},
		{"TokenByHash", func(ctx context.Context) error { _, err := db.TokenByHash(ctx, [32]byte{}); return err }},
	}
	for _, tt := range tests {
		if err := tt.read(ctx); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", tt.name, err)
		}
	}
	if err := db.Ping(ctx); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

func testCounts(t *testing.T, db Database) {
	ctx := t.Context()
	counts := func() store.Counts { return must(db.Counts(ctx))(t) }
	same(t, "empty", store.Counts{Runs: map[store.Status]int{store.Queued: 0, store.InProgress: 0, store.Completed: 0}}, counts())

	r := publish(t, db, publication("serde", "1.0.0", twoChecks...))
	same(t, "published", store.Counts{
		Crates: 1, Releases: 1, OldestQueued: kept(noon),
		Runs: map[store.Status]int{store.Queued: 2, store.InProgress: 0, store.Completed: 0},
	}, counts())

	start(t, db, r.ID, "provenance")
	future := time.Now().Add(time.Hour)
	finish(t, db, start(t, db, r.ID, "archive"), func(f *store.Finish) { f.Retry = future })
	same(t, "only a retry in the future is queued", store.Counts{
		Crates: 1, Releases: 1,
		Runs: map[store.Status]int{store.Queued: 1, store.InProgress: 1, store.Completed: 1},
	}, counts())
}
