package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// Bench measures a store where its users wait for it.
func Bench(b *testing.B, open func(t testing.TB) Database) {
	b.Run("Runs", func(b *testing.B) { benchRuns(b, open(b)) })
	b.Run("ReadRelease", func(b *testing.B) { benchReadRelease(b, open(b)) })
	b.Run("ReadPage", func(b *testing.B) { benchReadPage(b, open(b)) })
	b.Run("Search", func(b *testing.B) { benchSearch(b, open(b)) })
	b.Run("NothingStale", func(b *testing.B) { benchNothingStale(b, open(b)) })
	benchFence(b, open)
}

// benchRuns takes runs through their life without the queue's part in it:
// publish, start, finish. Each release has one check.
func benchRuns(b *testing.B, db Database) {
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			name := fmt.Sprint("crate", n.Add(1))
			r, _, err := db.Publish(b.Context(), publication(name, "1.0.0", twoChecks[0]))
			if err != nil {
				b.Error(err)
				return
			}
			finish(b, db, start(b, db, r.ID, "archive"), nil)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchQueue takes runs through their life by the queue: published, picked up by
// one of eight workers, started, finished.
func BenchQueue[TTx any](b *testing.B, db Store, newClient func(*river.Config) (*river.Client[TTx], error)) {
	w := startWorkers(b, db, newClient)
	b.ResetTimer()
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := db.Publish(b.Context(), publication(fmt.Sprint("crate", n.Add(1)), "1.0.0", twoChecks[0])); err != nil {
				b.Error(err)
			}
		}
	})
	for range b.N {
		if err := <-w.done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// populate publishes releases with finished runs, ten to a crate.
func populate(b *testing.B, db Database, releases int) {
	b.Helper()
	text := report(check.Neutral)
	text.Summary = "Looked at what there was to look at, and it is all there."
	for i := range 5 {
		text.Findings = append(text.Findings, check.Finding{Rule: "rule", Level: check.LevelNote, Message: "something to be told", StartLine: i})
	}
	for i := range releases {
		p := publication(fmt.Sprint("crate", i/10), fmt.Sprintf("1.%d.0", i%10), twoChecks...)
		p.Release.About.Description = "A crate that does what crates do"
		r := publish(b, db, p)
		for _, c := range twoChecks {
			finish(b, db, start(b, db, r.ID, c.Name), func(f *store.Finish) { f.Report = text })
		}
	}
	b.ResetTimer()
}

func benchReadRelease(b *testing.B, db Database) {
	populate(b, db, 200)
	for b.Loop() {
		if _, err := db.Release(b.Context(), "crate7", "1.7.0"); err != nil {
			b.Fatal(err)
		}
	}
}

// benchReadPage reads what a Security page shows.
func benchReadPage(b *testing.B, db Database) {
	populate(b, db, 200)
	ctx := b.Context()
	for b.Loop() {
		c := must(db.Crate(ctx, "crate7"))(b)
		r := must(db.ReleaseByID(ctx, c.Default))(b)
		_ = must(db.Releases(ctx, c.ID))(b)
		_ = must(db.CheckStates(ctx, r.ID))(b)
		_ = must(db.Incidents(ctx, c.ID, 20))(b)
	}
}

func benchSearch(b *testing.B, db Database) {
	populate(b, db, 200)
	for b.Loop() {
		if page := must(db.Crates(b.Context(), store.CrateQuery{Text: "what crates do", Limit: 20}))(b); len(page.Crates) != 20 {
			b.Fatalf("%d hits, want 20", len(page.Crates))
		}
	}
}

// benchNothingStale asks for stale runs where there are none, as servers do all
// day long.
func benchNothingStale(b *testing.B, db Database) {
	populate(b, db, 200)
	for b.Loop() {
		if n := must(db.QueueStale(b.Context(), twoChecks[0], time.Now(), 100))(b); n != 0 {
			b.Fatalf("%d stale runs, want 0", n)
		}
	}
}
