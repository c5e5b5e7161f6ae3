package index_test

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
)

// manyFiles are those of a hundred crates with as many versions as the most used
// have.
func manyFiles(b *testing.B) [][]byte {
	b.Helper()
	x, err := cratetest.NewWholeIndex(cratetest.IndexSpec{Crates: 100, Versions: 9_000})
	if err != nil {
		b.Fatal(err)
	}
	files := make([][]byte, x.Len())
	for i := range files {
		files[i] = x.File(i)
	}
	return files
}

// BenchmarkPack is what the level of compression was chosen by.
func BenchmarkPack(b *testing.B) {
	files := manyFiles(b)
	for level := 1; level <= 9; level++ {
		b.Run(fmt.Sprint(level), func(b *testing.B) {
			var out counter
			z, err := gzip.NewWriterLevel(&out, level)
			if err != nil {
				b.Fatal(err)
			}
			in, n := 0, 0
			for b.Loop() {
				file := files[n%len(files)]
				z.Reset(&out)
				if _, err := z.Write(file); err != nil {
					b.Fatal(err)
				}
				if err := z.Close(); err != nil {
					b.Fatal(err)
				}
				in, n = in+len(file), n+1
			}
			b.SetBytes(int64(in / n))
			b.ReportMetric(float64(in)/float64(out), "ratio")
		})
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func BenchmarkUnpack(b *testing.B) {
	files := manyFiles(b)
	packed := make([][]byte, len(files))
	for i, f := range files {
		packed[i] = index.Pack(f)
	}
	in, n := 0, 0
	for b.Loop() {
		size := len(files[n%len(files)])
		if _, err := index.Unpack(packed[n%len(packed)], size); err != nil {
			b.Fatal(err)
		}
		in, n = in+size, n+1
	}
	b.SetBytes(int64(in / n))
}
