package gate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// wholeIndex is an index whose files are those most asked for.
func wholeIndex(tb testing.TB, crates, versions int) *cratetest.WholeIndex {
	tb.Helper()
	x, err := cratetest.NewWholeIndex(cratetest.IndexSpec{Crates: crates, Versions: versions, End: day})
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

// benchGate is a gate with a thousand crates of the sizes that the most used have.
func benchGate(b *testing.B) (*Gate, *cratetest.WholeIndex) {
	x := wholeIndex(b, 1000, 90_000)
	f := newFakeStore()
	for i := range x.Len() {
		f.put(x.Name(i), day, strings.Split(strings.TrimSuffix(string(x.File(i)), "\n"), "\n")...)
	}
	g, _ := open(b, f)
	return g, x
}

func BenchmarkIndex(b *testing.B) {
	g, x := benchGate(b)
	keys := make([]string, x.Len())
	for i := range keys {
		keys[i] = store.IndexKey(x.Name(i))
		if _, err := g.Index("default", keys[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, err := g.Index("default", keys[i%len(keys)]); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkView makes views from nothing, of every crate in turn.
func BenchmarkView(b *testing.B) {
	g, x := benchGate(b)
	r := g.all()[0]
	var bytes int64
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		s := g.crates.get(store.IndexKey(x.Name(i % x.Len())))
		v, err := g.makeView(r, s, day)
		if err != nil {
			b.Fatal(err)
		}
		bytes += int64(v.served.Size)
	}
	b.SetBytes(bytes / int64(b.N))
}

// BenchmarkViewUnsettled makes the view of a crate of 2,000 versions without any
// baseline: each is compared with those before it.
func BenchmarkViewUnsettled(b *testing.B) {
	f := newFakeStore()
	var lines []string
	for n := range 2000 {
		lines = append(lines, line("app", fmt.Sprintf("1.%d.%d", n/20, n%20), day.Add(-time.Duration(4000-n)*time.Hour), "lib"))
	}
	f.put("app", day, lines...)
	g, err := Open(b.Context(), Config{Store: f, Policies: policy.Default(), Now: func() time.Time { return day }})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := g.makeView(g.all()[0], g.crates.get("app"), day); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	g, x := benchGate(b)
	entries := map[string][]index.Entry{}
	for _, young := range []bool{false, true} {
		name := "old"
		if young {
			name = "young"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				name := x.Name(i % 200)
				list := entries[name]
				if list == nil {
					l, err := g.pages.read(g.crates.get(store.IndexKey(name)).entry.Load())
					if err != nil {
						b.Fatal(err)
					}
					list = l.entries
					entries[name] = list
				}
				e := &list[0]
				if young {
					e = &list[len(list)-1]
				}
				if _, err := g.Admit(b.Context(), "default", name, e.Vers, e.Cksum); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApply brings a decision into the served index, under three policies.
func BenchmarkApply(b *testing.B) {
	x := wholeIndex(b, 100, 9_000)
	f := newFakeStore()
	name := x.Name(0)
	f.put(name, day, strings.Split(strings.TrimSuffix(string(x.File(0)), "\n"), "\n")...)
	set, err := policy.Parse([]byte("[policy.a]\npreset = \"low\"\n[policy.b]\npreset = \"medium\"\n[policy.c]\npreset = \"high\"\n"))
	if err != nil {
		b.Fatal(err)
	}
	f.baselines = []store.Baseline{{Policy: "a", At: day}, {Policy: "b", At: day}, {Policy: "c", At: day}}
	g, err := Open(b.Context(), Config{Store: f, Policies: set, Now: func() time.Time { return day }})
	if err != nil {
		b.Fatal(err)
	}
	entries := readLines(name, x.File(0)).entries
	for n := 0; b.Loop(); n++ {
		f.change(store.IndexKey(name), func(s *store.CrateState) {
			e := &entries[n%len(entries)]
			s.Rulings = []store.Ruling{{ID: store.ID(n), Policy: "a", Version: e.Vers, Checksum: e.Cksum, Action: policy.ActBlock, At: day}}
		})
		if err := g.Apply(b.Context(), store.IndexKey(name)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWholeIndex measures memory and time with an index of the real size. It
// wants CRATEFENCE_WHOLE_INDEX to name a file, which it writes when it is not
// there: run it once to write and once to measure, so that what writing takes is
// not measured. With -short not every view is made.
func TestWholeIndex(t *testing.T) {
	path := os.Getenv("CRATEFENCE_WHOLE_INDEX")
	if path == "" {
		t.Skip("CRATEFENCE_WHOLE_INDEX names no file")
	}
	if _, err := os.Stat(path); err != nil {
		writeWholeIndex(t, path)
		t.Skip("written; run again to measure")
	}
	policies := ""
	for _, preset := range []string{"low", "medium", "high"} {
		policies += fmt.Sprintf("[policy.%s]\npreset = %q\nbaseline = 2026-11-20\n", preset, preset)
	}
	set, err := policy.Parse([]byte(policies))
	if err != nil {
		t.Fatal(err)
	}
	f := &fileStore{fakeStore: newFakeStore(), path: path}
	start := time.Now()
	g, err := Open(t.Context(), Config{Store: f, Policies: set, Checks: map[string]int{"archive": 1}, Now: func() time.Time { return day }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("opened %d crates in %s; %s", g.Health().Crates, time.Since(start).Round(time.Millisecond), memory(t))
	var all, used []string
	g.crates.each(func(key string, s *slot) {
		all = append(all, key)
		if len(used) < 1000 && s.entry.Load().size > 40<<10 {
			used = append(used, key)
		}
	})
	for _, p := range g.Policies() {
		for range 5 {
			for _, key := range used {
				s, err := g.Index(p, key)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, bytes.NewReader(s.Gzip)); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Logf("served a thousand large crates under %s; %s", p, memory(t))
	}
	if testing.Short() {
		return
	}
	for _, p := range g.Policies() {
		start := time.Now()
		own, size := lookAt(t, g, p, all)
		t.Logf("looked at all under %s in %s: %d files of its own, %d MB; %s", p, time.Since(start).Round(time.Millisecond), own, size>>20, memory(t))
	}
}

// lookAt has views made, and tells how many are other than upstream's file and
// what they come to.
func lookAt(t *testing.T, g *Gate, policy string, keys []string) (own, size int) {
	for _, key := range keys {
		s, err := g.Index(policy, key)
		if err != nil {
			t.Fatal(err)
		}
		if e := g.crates.get(key).entry.Load(); &s.Gzip[0] != &e.body[0] {
			own++
			size += len(s.Gzip)
		}
	}
	return own, size
}

// memory reads what the process takes, and how much of it is in use.
func memory(t *testing.T) string {
	before := rss(t)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("RSS %s, in use %d MB", before, m.HeapAlloc>>20)
}

func rss(t *testing.T) string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("there is no /proc here")
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	var kb int
	if _, err := fmt.Sscan(line, &kb); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d MB", kb>>10)
}

// fileStore has its index files in one file: for each its name, its size and its
// gzip bytes.
type fileStore struct {
	*fakeStore
	path string
}

func writeWholeIndex(t *testing.T, path string) {
	x, err := cratetest.NewWholeIndex(cratetest.RealSize)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(out)
	var raw []byte
	for i := range x.Len() {
		raw = x.AppendFile(raw[:0], i)
		zipped := index.Pack(raw)
		head := binary.AppendUvarint(nil, uint64(len(x.Name(i))))
		head = append(head, x.Name(i)...)
		head = binary.AppendUvarint(head, uint64(len(raw)))
		head = binary.AppendUvarint(head, uint64(len(zipped)))
		if _, err := w.Write(append(head, zipped...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func (f *fileStore) IndexFiles(_ context.Context, yield func(store.IndexFile) error) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	r := bufio.NewReader(in)
	for {
		n, err := binary.ReadUvarint(r)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := make([]byte, n)
		if _, err := io.ReadFull(r, name); err != nil {
			return err
		}
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return err
		}
		if n, err = binary.ReadUvarint(r); err != nil {
			return err
		}
		file := store.IndexFile{Key: store.IndexKey(string(name)), Name: string(name), Size: int(size), Lines: make([]byte, n), FirstSeenAt: day, Imported: day}
		if _, err := io.ReadFull(r, file.Lines); err != nil {
			return err
		}
		if err := yield(file); err != nil {
			return err
		}
	}
}
