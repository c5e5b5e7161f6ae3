package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// line is an index line of a version; more is put into it.
func line(name, version, more string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false%s}`,
		name, version, sumOf(name, version), more)
}

// indexFile is a new file of versions, with a value in every field.
func indexFile(t testing.TB, name string, versions ...string) store.IndexFile {
	t.Helper()
	var text strings.Builder
	for _, v := range versions {
		text.WriteString(line(name, v, "") + "\n")
	}
	return store.IndexFile{
		Key: store.IndexKey(name), Name: name, Lines: index.Pack([]byte(text.String())), Size: text.Len(),
		ETag: `"abc"`, LastModified: "Sun, 01 Mar 2026 11:00:00 GMT",
		CheckedAt: noon, ChangedAt: noon.Add(-time.Minute), FirstSeenAt: noon.Add(-time.Hour), Imported: noon.Add(-time.Hour),
		GoneSince: noon.Add(-time.Second), Bad: 2,
	}
}

// keptFile is f as a store gives it back at a revision.
func keptFile(f store.IndexFile, revision int) store.IndexFile {
	f.CheckedAt, f.ChangedAt, f.FirstSeenAt = kept(f.CheckedAt), kept(f.ChangedAt), kept(f.FirstSeenAt)
	f.Imported, f.GoneSince = kept(f.Imported), kept(f.GoneSince)
	f.Revision = revision
	return f
}

// lineRecord is one with a value in every field.
func lineRecord(name, version string) store.LineRecord {
	return store.LineRecord{
		Key: store.IndexKey(name), Version: version, Checksum: sumOf(name, version),
		PublishedAt: noon.Add(-2 * time.Hour), FirstSeenAt: noon.Add(-time.Hour), Dated: true,
		Yanked: true, YankedAt: noon.Add(-time.Minute), HonouredAt: noon.Add(-time.Second), Wave: 3,
		Trouble: policy.LineChanged, TroubleAt: noon, Offered: []byte(line(name, version, `,"links":"z"`)),
	}
}

func keptRecord(r store.LineRecord) store.LineRecord {
	r.PublishedAt, r.FirstSeenAt = kept(r.PublishedAt), kept(r.FirstSeenAt)
	r.YankedAt, r.HonouredAt, r.TroubleAt = kept(r.YankedAt), kept(r.HonouredAt), kept(r.TroubleAt)
	return r
}

// save saves what has to succeed.
func save(t testing.TB, db Store, s store.IndexSave) {
	t.Helper()
	if err := db.SaveIndex(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func testSaveIndex(t *testing.T, db Database) {
	ctx := t.Context()
	if _, _, err := db.IndexFile(ctx, "serde"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("IndexFile of none = %v, want ErrNotFound", err)
	}
	first := store.IndexSave{
		File: indexFile(t, "Serde", "1.0.0", "1.0.1"), Records: []store.LineRecord{lineRecord("serde", "1.0.1")},
		Events: []store.LineEvent{{Version: "1.0.1", What: store.LinePublished, At: noon, Detail: "new"}},
	}
	save(t, db, first)
	file, records, err := db.IndexFile(ctx, "serde")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "file", keptFile(first.File, 1), file)
	same(t, "records", []store.LineRecord{keptRecord(first.Records[0])}, records)
	same(t, "audit log: nobody was behind it", nil, must(db.AuditLog(ctx, 0, 10))(t))

	second := store.IndexSave{File: store.IndexFile{Key: "serde", Name: "serde", Revision: 1, Lines: []byte("x"), Size: 1}}
	second.Records = []store.LineRecord{
		{Version: "1.0.1", Checksum: records[0].Checksum, FirstSeenAt: records[0].FirstSeenAt, Trouble: policy.LineRemoved, TroubleAt: noon},
		{Version: "1.0.2", Checksum: records[0].Checksum},
	}
	second.Events = []store.LineEvent{{Version: "1.0.1", What: store.LineRemoved, At: noon}, {What: store.FileGone, At: noon}}
	second.Audit = announceAudit()
	save(t, db, second)
	file, records, err = db.IndexFile(ctx, "serde")
	if err != nil {
		t.Fatal(err)
	}
	want := keptFile(second.File, 2)
	want.FirstSeenAt = kept(first.File.FirstSeenAt) // it stays
	same(t, "file saved again", want, file)
	wantRecords := slices.Clone(second.Records)
	for i := range wantRecords {
		wantRecords[i].Key = "serde"
		wantRecords[i].TroubleAt = kept(wantRecords[i].TroubleAt)
	}
	wantRecords[1].TroubleAt = time.Time{}
	same(t, "records saved again", wantRecords, records)
	events := must(db.LineEvents(ctx, "Serde", 0, 2))(t)
	same(t, "newest events", []store.LineEvent{
		{ID: events[0].ID, Key: "serde", What: store.FileGone, At: kept(noon)},
		{ID: events[1].ID, Key: "serde", Version: "1.0.1", What: store.LineRemoved, At: kept(noon)},
	}, events)
	older := must(db.LineEvents(ctx, "serde", events[1].ID, 10))(t)
	if len(older) != 1 || older[0].What != store.LinePublished || older[0].Detail != "new" {
		t.Errorf("events before those = %+v, want the first", older)
	}
	if audit := must(db.AuditLog(ctx, 0, 10))(t); len(audit) != 1 || audit[0].Action != second.Audit.Action {
		t.Errorf("audit log = %+v, want who was behind it", audit)
	}
}

// A save that comes late changes nothing.
func testSaveIndexConflicts(t *testing.T, db Database) {
	ctx := t.Context()
	save(t, db, store.IndexSave{File: indexFile(t, "serde", "1.0.0")})
	current := indexFile(t, "serde", "1.0.0")
	current.Revision = 1
	save(t, db, store.IndexSave{File: current})
	before := db.held(t)
	for revision, key := range map[int]string{0: "serde", 1: "serde", 3: "serde", 4: "unknown"} {
		file := indexFile(t, key, "1.0.0", "6.6.6")
		file.Revision = revision
		err := db.SaveIndex(ctx, store.IndexSave{
			File: file, Records: []store.LineRecord{lineRecord(key, "6.6.6")},
			Events: []store.LineEvent{{What: store.FileGone, At: noon}}, Audit: announceAudit(),
		})
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("SaveIndex of %q at revision %d = %v, want ErrConflict", key, revision, err)
		}
	}
	same(t, "held", before, db.held(t))
	_, records, err := db.IndexFile(ctx, "serde")
	same(t, "records", nil, records)
	if err != nil {
		t.Error(err)
	}
}

func testSaveIndexAtOnce(t *testing.T, db Database) {
	for round := range rounds {
		for _, revision := range []int{0, 1} { // a new file, and one that is there
			var saved atomic.Int32
			atOnce(func(i int) {
				file := indexFile(t, fmt.Sprint("crate", round), "1.0.0")
				file.Revision = revision
				err := db.SaveIndex(t.Context(), store.IndexSave{File: file, Events: []store.LineEvent{{What: store.LineRewritten, At: noon}}})
				if err == nil {
					saved.Add(1)
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			})
			if n := saved.Load(); n != 1 {
				t.Errorf("%d saves of one revision succeeded, want 1", n)
			}
		}
		if events := must(db.LineEvents(t.Context(), fmt.Sprint("crate", round), 0, 100))(t); len(events) != 2 {
			t.Errorf("%d events of two saves", len(events))
		}
	}
}

// To note that a file is as it was is no change, and never undoes one.
func testTouchIndex(t *testing.T, db Database) {
	ctx := t.Context()
	first, changed := indexFile(t, "first", "1.0.0"), indexFile(t, "changed", "1.0.0")
	save(t, db, store.IndexSave{File: first})
	save(t, db, store.IndexSave{File: changed})
	changed.Revision = 1
	save(t, db, store.IndexSave{File: changed})
	last := must(db.LastGateEvent(ctx))(t)
	later := noon.Add(time.Hour)
	if err := db.TouchIndex(ctx, []store.IndexTouch{
		{Key: "first", Revision: 1, CheckedAt: later, ETag: `"def"`, LastModified: "never"},
		{Key: "changed", Revision: 1, CheckedAt: later, ETag: `"old"`},
		{Key: "unknown", Revision: 1, CheckedAt: later},
	}); err != nil {
		t.Fatal(err)
	}
	want := keptFile(first, 1)
	want.CheckedAt, want.ETag, want.LastModified = kept(later), `"def"`, "never"
	got, _, err := db.IndexFile(ctx, "first")
	same(t, "touched", want, got)
	if err != nil {
		t.Error(err)
	}
	got, _, err = db.IndexFile(ctx, "changed")
	same(t, "changed meanwhile", keptFile(changed, 2), got)
	if err != nil {
		t.Error(err)
	}
	same(t, "last event", last, must(db.LastGateEvent(ctx))(t))
	if err := db.TouchIndex(ctx, nil); err != nil {
		t.Errorf("TouchIndex of nothing = %v", err)
	}
}

func testImportIndex(t *testing.T, db Database) {
	ctx := t.Context()
	known := indexFile(t, "known", "1.0.0")
	save(t, db, store.IndexSave{File: known})
	last := must(db.LastGateEvent(ctx))(t)

	zebra, ant := indexFile(t, "Zebra", "1.0.0"), indexFile(t, "ant-b", "0.1.0", "0.2.0")
	other := indexFile(t, "known", "1.0.0", "6.6.6")
	existing, err := db.ImportIndex(ctx, []store.IndexFile{zebra, other, ant},
		[]store.LineRecord{lineRecord("zebra", "1.0.0"), lineRecord("known", "6.6.6")})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "existing", []string{"known"}, existing)
	var got []store.IndexFile
	if err := db.IndexFiles(ctx, func(f store.IndexFile) error { got = append(got, f); return nil }); err != nil {
		t.Fatal(err)
	}
	same(t, "files, by key", []store.IndexFile{keptFile(ant, 1), keptFile(known, 1), keptFile(zebra, 1)}, got)
	_, records, err := db.IndexFile(ctx, "zebra")
	same(t, "records of what is new", []store.LineRecord{keptRecord(lineRecord("zebra", "1.0.0"))}, records)
	if err != nil {
		t.Error(err)
	}
	_, records, err = db.IndexFile(ctx, "known")
	same(t, "records of what was there", nil, records)
	if err != nil {
		t.Error(err)
	}
	same(t, "last event", last, must(db.LastGateEvent(ctx))(t))

	stop := errors.New("enough")
	seen := 0
	if err := db.IndexFiles(ctx, func(store.IndexFile) error { seen++; return stop }); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("IndexFiles stopped at the first = %v after %d, want the caller's error", err, seen)
	}
	if existing, err := db.ImportIndex(ctx, nil, nil); err != nil || len(existing) != 0 {
		t.Errorf("ImportIndex of nothing = %v, %v", existing, err)
	}
}

// Imports that meet store each file once, and do not stand in each other's way.
func testImportIndexAtOnce(t *testing.T, db Database) {
	for round := range rounds {
		var known atomic.Int32
		atOnce(func(i int) {
			var files []store.IndexFile
			for n := range 20 {
				files = append(files, indexFile(t, fmt.Sprintf("crate%d-%d", round, n), "1.0.0"))
			}
			if i%2 == 0 {
				slices.Reverse(files)
			}
			existing, err := db.ImportIndex(t.Context(), files, nil)
			if err != nil {
				t.Error(err)
			}
			known.Add(int32(len(existing)))
		})
		if n := known.Load(); n != 7*20 {
			t.Errorf("%d files were there already for seven of eight imports, want 140", n)
		}
	}
}

func testBaselines(t *testing.T, db Database) {
	ctx := t.Context()
	baseline := func(policy string, at time.Time) store.Baseline {
		return store.Baseline{Policy: policy, At: at, Actor: "cli:root", Source: "a folder", SetAt: noon}
	}
	same(t, "none", nil, must(db.Baselines(ctx))(t))
	audit := store.AuditEntry{At: noon, Actor: "cli:root", Action: "index.import"}
	if err := db.EndImport(ctx, []store.Baseline{baseline("low", noon), baseline("high", noon)}, audit); err != nil {
		t.Fatal(err)
	}
	audit.Action = "policy.baseline"
	if err := db.SetBaseline(ctx, baseline("low", noon.Add(-time.Hour)), audit); err != nil {
		t.Fatal(err)
	}
	want := []store.Baseline{baseline("high", kept(noon)), baseline("low", kept(noon.Add(-time.Hour)))}
	for i := range want {
		want[i].SetAt = kept(noon)
	}
	same(t, "in force", want, must(db.Baselines(ctx))(t))
	same(t, "events", []store.GateChange{store.GateAll, store.GateBaseline}, whats(db.eventsAfter(t, 0)))
	log := must(db.AuditLog(ctx, 0, 10))(t)
	if len(log) != 2 || log[0].Action != "policy.baseline" || log[1].Action != "index.import" {
		t.Errorf("audit log = %+v, want both", log)
	}
}

// A fileState is an index file with its records.
type fileState struct {
	File    store.IndexFile
	Records []store.LineRecord
}

func fileAndRecords(ctx context.Context, db Store, key string) (fileState, error) {
	f, r, err := db.IndexFile(ctx, key)
	return fileState{f, r}, err
}

// sumOf is the checksum of a version, however the crate is spelled.
func sumOf(name, version string) crate.Checksum {
	return crate.Sum([]byte(store.IndexKey(name) + version))
}
