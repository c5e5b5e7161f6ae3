package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// benchFence measures a store where the fence waits for it.
func benchFence(b *testing.B, open func(t testing.TB) Database) {
	b.Run("ImportIndex", func(b *testing.B) { benchImport(b, open(b)) })
	b.Run("IndexFiles", func(b *testing.B) { benchIndexFiles(b, open(b)) })
	b.Run("SaveIndex", func(b *testing.B) { benchSaveIndex(b, open(b)) })
	b.Run("TouchIndex", func(b *testing.B) { benchTouchIndex(b, open(b)) })
	b.Run("CrateState", func(b *testing.B) { benchCrateState(b, open(b)) })
	b.Run("CrateStates", func(b *testing.B) { benchCrateStates(b, open(b)) })
	b.Run("GateEventsIdle", func(b *testing.B) { benchGateEventsIdle(b, open(b)) })
	b.Run("RecordFetches", func(b *testing.B) { benchRecordFetches(b, open(b)) })
	b.Run("RecordDecisions", func(b *testing.B) { benchRecordDecisions(b, open(b)) })
}

const importBatch = 500

// packed is as many bytes as an index file has on average once it is packed, and
// cannot be packed again.
func packed(r *rand.Rand) []byte {
	lines := make([]byte, 400+r.IntN(800))
	for i := range lines {
		lines[i] = byte(r.Uint32())
	}
	return lines
}

func importFiles(b *testing.B, db Store, files int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; n < files; n += importBatch {
		batch := make([]store.IndexFile, 0, importBatch)
		for i := range min(importBatch, files-n) {
			name := fmt.Sprintf("crate-%07d", n+i)
			batch = append(batch, store.IndexFile{
				Key: name, Name: name, Lines: packed(r), Size: 8000, ETag: `"0123456789abcdef0123456789abcdef"`,
				CheckedAt: noon, ChangedAt: noon, FirstSeenAt: noon, Imported: noon,
			})
		}
		if existing, err := db.ImportIndex(b.Context(), batch, nil); err != nil || len(existing) > 0 {
			b.Fatal(existing, err)
		}
	}
}

func benchImport(b *testing.B, db Database) {
	importFiles(b, db, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// benchIndexFiles streams 20,000 files, a tenth of crates.io.
func benchIndexFiles(b *testing.B, db Database) {
	const files = 20_000
	importFiles(b, db, files)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		seen, size := 0, 0
		if err := db.IndexFiles(b.Context(), func(f store.IndexFile) error {
			seen++
			size += len(f.Lines)
			return nil
		}); err != nil || seen != files {
			b.Fatal(seen, err)
		}
		b.SetBytes(int64(size))
	}
	b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
}

func benchSaveIndex(b *testing.B, db Database) {
	save(b, db, store.IndexSave{File: indexFile(b, "serde", "1.0.0")})
	file := indexFile(b, "serde", "1.0.0")
	file.Lines = bytes.Repeat([]byte("0123456789abcdef"), 1000)
	b.ResetTimer()
	for i := range b.N {
		file.Revision = i + 1
		save(b, db, store.IndexSave{
			File: file, Records: []store.LineRecord{{Version: "1.0.0", FirstSeenAt: noon, Yanked: i%2 == 0}},
			Events: []store.LineEvent{{Version: "1.0.0", What: store.LineYanked, At: noon}},
		})
	}
}

// benchTouchIndex notes that the 700 files of a resolve are as they were.
func benchTouchIndex(b *testing.B, db Database) {
	importFiles(b, db, 2000)
	var touches []store.IndexTouch
	for i := range 700 {
		touches = append(touches, store.IndexTouch{Key: fmt.Sprintf("crate-%07d", i), Revision: 1, CheckedAt: noon, ETag: `"x"`})
	}
	b.ResetTimer()
	for range b.N {
		if err := db.TouchIndex(b.Context(), touches); err != nil {
			b.Fatal(err)
		}
	}
}

// populateFence publishes releases with finished runs and a record each, ten to a
// crate.
func populateFence(b *testing.B, db Database, crates int) {
	b.Helper()
	for i := range crates {
		name := fmt.Sprint("crate", i)
		var records []store.LineRecord
		for v := range 10 {
			version := fmt.Sprintf("1.%d.0", v)
			r := publish(b, db, publication(name, version, twoChecks...))
			records = append(records, store.LineRecord{Version: version, Checksum: r.Checksum, FirstSeenAt: noon})
			for _, c := range twoChecks {
				finish(b, db, start(b, db, r.ID, c.Name), func(f *store.Finish) {
					f.Report = report(check.Success)
					f.Report.Metrics = map[string]float64{"files": 12, "bytes": 40_000}
				})
			}
		}
		save(b, db, store.IndexSave{File: indexFile(b, name, "1.0.0"), Records: records})
	}
	b.ResetTimer()
}

func benchCrateState(b *testing.B, db Database) {
	populateFence(b, db, 30)
	for b.Loop() {
		if state := must(db.CrateState(b.Context(), "crate7"))(b); len(state.Releases) != 10 {
			b.Fatalf("%d releases, want 10", len(state.Releases))
		}
	}
}

func benchCrateStates(b *testing.B, db Database) {
	populateFence(b, db, 30)
	n := 0
	for b.Loop() {
		if err := db.CrateStates(b.Context(), func(s store.CrateState) error { n += len(s.Releases); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "releases/s")
}

// benchGateEventsIdle asks for events where there are none, as every server does
// many times a second.
func benchGateEventsIdle(b *testing.B, db Database) {
	for i := range 200 {
		must(db.AddException(b.Context(), exceptionFor(fmt.Sprint("crate", i), "1.0.0"), announceAudit()))(b)
	}
	last := must(db.LastGateEvent(b.Context()))(b)
	b.ResetTimer()
	for b.Loop() {
		if events := must(db.GateEvents(b.Context(), last))(b); len(events) > 0 {
			b.Fatal(events)
		}
	}
}

// benchRecordFetches records the 700 downloads of a cold build.
func benchRecordFetches(b *testing.B, db Database) {
	var batch []store.Fetch
	for i := range 700 {
		batch = append(batch, fetchOf(fmt.Sprint("crate", i), "1.0.0", "token:ci", time.Duration(i), true))
	}
	b.ResetTimer()
	for range b.N {
		if err := db.RecordFetches(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "fetches/s")
}

// benchRecordDecisions records a thousand decisions, of which every other changes.
func benchRecordDecisions(b *testing.B, db Database) {
	states := []policy.State{policy.Held, policy.Allowed}
	b.ResetTimer()
	for n := range b.N {
		var batch []store.DecisionRecord
		for i := range 1000 {
			batch = append(batch, decisionOn(fmt.Sprint("crate", i), "1.0.0", states[n*(i%2)%2]))
		}
		if _, err := db.RecordDecisions(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "decisions/s")
}
