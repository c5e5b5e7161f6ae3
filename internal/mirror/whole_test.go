package mirror

import (
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store/sqlite"
)

// generated is an index that is made up while it is read.
type generated struct{ *cratetest.WholeIndex }

func (g generated) Files(ctx context.Context, yield func(string, []byte, error) error) error {
	for i := range g.Len() {
		path, err := index.Path(g.Name(i))
		if err != nil {
			return err
		}
		if err := yield(path, g.File(i), nil); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// wholeIndex is a hundredth of a real index; all of it where CRATEFENCE_WHOLE is
// set. CRATEFENCE_EDGES may name a gzip'd file of edges: see cratetest.IndexSpec.
func wholeIndex(b *testing.B) *cratetest.WholeIndex {
	b.Helper()
	spec := cratetest.IndexSpec{Crates: cratetest.RealSize.Crates / 100, Versions: cratetest.RealSize.Versions / 100}
	if os.Getenv("CRATEFENCE_WHOLE") != "" {
		spec = cratetest.RealSize
	}
	if path := os.Getenv("CRATEFENCE_EDGES"); path != "" {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if spec.Edges, err = gzip.NewReader(f); err != nil {
			b.Fatal(err)
		}
	}
	x, err := cratetest.NewWholeIndex(spec)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

func BenchmarkImport(b *testing.B) {
	src := generated{wholeIndex(b)}
	for b.Loop() {
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "import.db"))
		if err != nil {
			b.Fatal(err)
		}
		im := Import{Store: db, Now: time.Now}
		begun := time.Now()
		summary, err := im.Run(b.Context(), src)
		if err != nil || summary.Crates != src.Len() || summary.Skipped+summary.Unreadable > 0 {
			b.Fatalf("%+v, %v", summary, err)
		}
		b.ReportMetric(float64(summary.Crates)/time.Since(begun).Seconds(), "crates/s")
		b.ReportMetric(float64(summary.Bytes)/1e6/time.Since(begun).Seconds(), "MB/s")
		b.ReportMetric(peak(b), "peak-MB")
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// peak is the most memory that the process ever held, in MB; 0 where the system
// does not tell.
func peak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kB, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			d, err := time.ParseDuration(strings.TrimSuffix(strings.TrimSpace(kB), " kB") + "us")
			if err != nil {
				b.Fatal(err)
			}
			return float64(d.Microseconds()) / 1000
		}
	}
	return 0
}
