package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

func testAcceptLine(t *testing.T, db Database) {
	ctx := t.Context()
	audit := store.AuditEntry{At: noon, Actor: "token:ada", Action: "line.accept", Object: "serde@1.0.1"}
	offered := line("serde", "1.0.1", `,"links":"z"`)
	record := store.LineRecord{
		Version: "1.0.1", Checksum: crate.Sum([]byte("serde1.0.1")), FirstSeenAt: noon,
		Trouble: policy.LineChanged, TroubleAt: noon, Offered: []byte(offered),
	}
	removed := record
	removed.Version, removed.Trouble = "1.0.2", policy.LineRemoved
	file := indexFile(t, "serde", "1.0.0", "1.0.1", "1.0.2")
	save(t, db, store.IndexSave{File: file, Records: []store.LineRecord{record, removed}})

	before := db.held(t)
	seen := sha256.Sum256([]byte(offered))
	tests := []struct {
		name         string
		key, version string
		offered      [32]byte
		want         error
	}{
		{"no such crate", "nobody", "1.0.1", seen, store.ErrNotFound},
		{"no such record", "serde", "1.0.0", seen, store.ErrNotFound},
		{"another line than was seen", "serde", "1.0.1", sha256.Sum256(nil), store.ErrConflict},
		{"a line that was removed", "serde", "1.0.2", seen, store.ErrConflict},
	}
	for _, tt := range tests {
		if err := db.AcceptLine(ctx, tt.key, tt.version, tt.offered, noon, audit); !errors.Is(err, tt.want) {
			t.Errorf("AcceptLine: %s = %v, want %v", tt.name, err, tt.want)
		}
	}
	same(t, "held", before, db.held(t))

	later := noon.Add(time.Hour)
	if err := db.AcceptLine(ctx, "Serde", "1.0.1", seen, later, audit); err != nil {
		t.Fatal(err)
	}
	got, records, err := db.IndexFile(ctx, "serde")
	if err != nil {
		t.Fatal(err)
	}
	text := line("serde", "1.0.0", "") + "\n" + offered + "\n" + line("serde", "1.0.2", "") + "\n"
	same(t, "lines", text, string(must(got.Unpack())(t)))
	if got.Size != len(text) || got.Revision != 2 || !got.ChangedAt.Equal(kept(later)) {
		t.Errorf("file of %d bytes, revision %d, changed %v; want %d, 2, %v", got.Size, got.Revision, got.ChangedAt, len(text), later)
	}
	i := slices.IndexFunc(records, func(r store.LineRecord) bool { return r.Version == "1.0.1" })
	want := record
	want.Key, want.FirstSeenAt, want.Trouble, want.TroubleAt, want.Offered = "serde", kept(noon), "", time.Time{}, nil
	same(t, "record", want, records[i])
	events := must(db.LineEvents(ctx, "serde", 0, 1))(t)
	if len(events) != 1 || events[0].What != store.LineAccepted || events[0].Version != "1.0.1" {
		t.Errorf("events = %+v, want the line accepted", events)
	}
	if log := must(db.AuditLog(ctx, 0, 1))(t); len(log) != 1 || log[0].Actor != "token:ada" {
		t.Errorf("audit log = %+v, want who accepted it", log)
	}
	if err := db.AcceptLine(ctx, "serde", "1.0.1", seen, later, audit); !errors.Is(err, store.ErrConflict) {
		t.Errorf("AcceptLine again = %v, want ErrConflict", err)
	}
}

func testHonourYank(t *testing.T, db Database) {
	ctx := t.Context()
	audit := store.AuditEntry{At: noon, Actor: "token:ada", Action: "yank.honour", Object: "serde@1.0.1"}
	yanked := store.LineRecord{Version: "1.0.1", Yanked: true, YankedAt: noon, FirstSeenAt: noon}
	standing := store.LineRecord{Version: "1.0.2", FirstSeenAt: noon}
	file := indexFile(t, "serde", "1.0.1", "1.0.2")
	save(t, db, store.IndexSave{File: file, Records: []store.LineRecord{yanked, standing}})
	before := db.held(t)
	for version, want := range map[string]error{"1.0.2": store.ErrConflict, "1.0.0": store.ErrNotFound} {
		if err := db.HonourYank(ctx, "serde", version, noon, audit); !errors.Is(err, want) {
			t.Errorf("HonourYank of %s = %v, want %v", version, err, want)
		}
	}
	same(t, "held", before, db.held(t))
	if err := db.HonourYank(ctx, "serde", "1.0.1", noon, audit); err != nil {
		t.Fatal(err)
	}
	got, records, err := db.IndexFile(ctx, "serde")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "file", keptFile(file, 2), got)
	i := slices.IndexFunc(records, func(r store.LineRecord) bool { return r.Version == "1.0.1" })
	if !records[i].HonouredAt.Equal(kept(noon)) {
		t.Errorf("honoured at %v, want %v", records[i].HonouredAt, kept(noon))
	}
	events := must(db.LineEvents(ctx, "serde", 0, 1))(t)
	if len(events) != 1 || events[0].What != store.LineHonoured {
		t.Errorf("events = %+v, want the yank honoured", events)
	}
	if err := db.HonourYank(ctx, "serde", "1.0.1", noon, audit); !errors.Is(err, store.ErrConflict) {
		t.Errorf("HonourYank again = %v, want ErrConflict", err)
	}
}

// A release is yanked as its line is, and who speaks for the crate follows.
func testYanks(t *testing.T, db Database) {
	ctx := t.Context()
	published := noon.Add(-48 * time.Hour).Truncate(time.Second)
	lines := line("Serde", "1.0.0", "") + "\n" +
		strings.Replace(line("Serde", "1.0.1+b", fmt.Sprintf(`,"pubtime":%q`, published.UTC().Format(time.RFC3339))), `"yanked":false`, `"yanked":true`, 1) + "\n"
	file := store.IndexFile{Key: "serde", Name: "Serde", Lines: index.Pack([]byte(lines)), Size: len(lines)}
	save(t, db, store.IndexSave{File: file})
	take := func(version string) store.Release {
		t.Helper()
		p := publication("Serde", version)
		p.Release.Checksum = sumOf("serde", version)
		p.Release.About.Description = "this is " + version
		return publish(t, db, p)
	}
	first, yanked := take("1.0.0"), take("1.0.1+b")
	if first.Yanked || !first.PublishedAt.IsZero() {
		t.Errorf("taken in: %+v, want it neither yanked nor dated, as its line", first)
	}
	if !yanked.Yanked || !yanked.PublishedAt.Equal(published) {
		t.Errorf("taken in: %+v, want it yanked and published %v, as its line", yanked, published)
	}
	odd := publication("Serde", "1.0.2")
	odd.Release.Checksum, odd.Release.PublishedAt = crate.Sum([]byte("other bytes")), noon
	publish(t, db, odd)

	speaks := func(want string) {
		t.Helper()
		c := must(db.Crate(ctx, "serde"))(t)
		if r := must(db.ReleaseByID(ctx, c.Default))(t); r.Version != want {
			t.Errorf("%s speaks for the crate, want %s", r.Version, want)
		}
		if page := must(db.Crates(ctx, store.CrateQuery{Text: "this is " + want}))(t); len(page.Crates) != 1 {
			t.Errorf("%d crates are found by what %s says, want 1", len(page.Crates), want)
		}
	}
	revision := 1
	yank := func(version string, sum crate.Checksum, yanked bool) {
		t.Helper()
		next := file
		next.Revision = revision
		save(t, db, store.IndexSave{File: next, Records: []store.LineRecord{{Version: version, Checksum: sum, Yanked: yanked}}})
		revision++
	}
	yank("1.0.2", odd.Release.Checksum, true)
	speaks("1.0.0")
	yank("1.0.1+b", sumOf("serde", "1.0.1+b"), false)
	speaks("1.0.1+b")
	if r := must(db.Release(ctx, "serde", "1.0.1"))(t); r.Yanked {
		t.Error("1.0.1 stays yanked")
	}
	yank("1.0.0", crate.Sum([]byte("bytes that were not taken in")), true)
	if r := must(db.Release(ctx, "serde", "1.0.0"))(t); r.Yanked {
		t.Error("1.0.0 is yanked for a line of other bytes")
	}
}

// badAudit is an entry that no store takes: whatever it is part of comes to
// nothing.
var badAudit = store.AuditEntry{At: noon, Detail: json.RawMessage("{")}

// A write that fails at its end leaves nothing behind, and tells nobody.
func testFenceFaults(t *testing.T, db Database) {
	ctx := t.Context()
	record := lineRecord("serde", "1.0.1")
	record.HonouredAt = time.Time{}
	save(t, db, store.IndexSave{File: indexFile(t, "serde", "1.0.0", "1.0.1"), Records: []store.LineRecord{record}})
	exception := must(db.AddException(ctx, exceptionFor("serde", "1.0.0"), announceAudit()))(t)
	announced, _, err := db.Announce(ctx, announcement("m"), announceAudit())
	if err != nil {
		t.Fatal(err)
	}
	refused := db.SettleAnnouncement(ctx, announced.ID, store.AnnouncementRefused, "gone", noon)
	if refused != nil {
		t.Fatal(refused)
	}
	next := indexFile(t, "serde", "1.0.0")
	next.Revision = 1
	tests := []struct {
		name  string
		write func(context.Context) error
	}{
		{"SaveIndex", func(ctx context.Context) error {
			return db.SaveIndex(ctx, store.IndexSave{File: next, Audit: store.AuditEntry{Action: "x", Detail: badAudit.Detail}})
		}},
		{"SaveIndex with another first sight", func(ctx context.Context) error {
			other := record
			other.FirstSeenAt = noon.Add(time.Hour)
			return db.SaveIndex(ctx, store.IndexSave{File: next, Records: []store.LineRecord{other}})
		}},
		{"SaveIndex with another checksum", func(ctx context.Context) error {
			other := record
			other.Checksum[0]++
			return db.SaveIndex(ctx, store.IndexSave{File: next, Records: []store.LineRecord{other}})
		}},
		{"ImportIndex with a record that cannot be", func(ctx context.Context) error {
			other := lineRecord("new", "1.0.0")
			other.Trouble = "odd"
			_, err := db.ImportIndex(ctx, []store.IndexFile{indexFile(t, "new", "1.0.0")}, []store.LineRecord{other})
			return err
		}},
		{"EndImport", func(ctx context.Context) error {
			return db.EndImport(ctx, []store.Baseline{{Policy: "low", At: noon, SetAt: noon}}, badAudit)
		}},
		{"SetBaseline", func(ctx context.Context) error {
			return db.SetBaseline(ctx, store.Baseline{Policy: "low", At: noon, SetAt: noon}, badAudit)
		}},
		{"AcceptLine", func(ctx context.Context) error {
			return db.AcceptLine(ctx, "serde", "1.0.1", sha256.Sum256(record.Offered), noon, store.AuditEntry{Action: "x", Detail: badAudit.Detail})
		}},
		{"HonourYank", func(ctx context.Context) error {
			return db.HonourYank(ctx, "serde", "1.0.1", noon, store.AuditEntry{Action: "x", Detail: badAudit.Detail})
		}},
		{"AddException", func(ctx context.Context) error {
			_, err := db.AddException(ctx, exceptionFor("serde", "1.0.0"), badAudit)
			return err
		}},
		{"EndException", func(ctx context.Context) error {
			_, err := db.EndException(ctx, exception.ID, "token:ada", noon, badAudit)
			return err
		}},
		{"AddRuling", func(ctx context.Context) error {
			_, err := db.AddRuling(ctx, rulingOn("serde", "1.0.0", 0), badAudit)
			return err
		}},
		{"AddReviewRequest", func(ctx context.Context) error {
			_, _, err := db.AddReviewRequest(ctx, reviewOf("serde", "1.0.0", "token:ci"), badAudit)
			return err
		}},
		{"RecordDecisions", func(ctx context.Context) error {
			odd := decisionOn("serde", "1.0.1", policy.Held)
			odd.Policy = ""
			_, err := db.RecordDecisions(ctx, []store.DecisionRecord{decisionOn("serde", "1.0.0", policy.Held), odd})
			return err
		}},
		{"AnnounceAgain", func(ctx context.Context) error {
			return db.AnnounceAgain(ctx, announced.ID, store.PriorityFresh, noon, badAudit)
		}},
		{"CreateToken", func(ctx context.Context) error {
			_, err := db.CreateToken(ctx, token("ci", 1), badAudit)
			return err
		}},
	}
	for _, tt := range tests {
		before, file := db.held(t), must(fileAndRecords(ctx, db, "serde"))(t)
		if err := tt.write(ctx); err == nil {
			t.Errorf("%s: succeeded", tt.name)
		}
		same(t, tt.name, before, db.held(t))
		same(t, tt.name, file, must(fileAndRecords(ctx, db, "serde"))(t))
	}
}
