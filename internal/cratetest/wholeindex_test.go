package cratetest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/index"
)

// The made-up index has the proportions that make import and serving costly.
func TestWholeIndex(t *testing.T) {
	x, err := NewWholeIndex(IndexSpec{Crates: 4000, Versions: 34_000})
	if err != nil {
		t.Fatal(err)
	}
	var (
		lengths, files  []int
		yanked, undated int
		names           = map[string]bool{}
	)
	for i := range x.Len() {
		data := x.File(i)
		files = append(files, len(data))
		file, err := index.Parse(data)
		if err != nil || len(file.Bad) > 0 || len(file.Lines) != x.Versions(i) {
			t.Fatalf("file of %s: %d of %d lines, %v, bad: %v", x.Name(i), len(file.Lines), x.Versions(i), err, file.Bad)
		}
		names[strings.ToLower(x.Name(i))] = true
		for _, line := range file.Lines {
			lengths = append(lengths, len(line.Raw)+1)
			if line.Yanked {
				yanked++
			}
			if line.Pubtime.IsZero() {
				undated++
			}
		}
	}
	slices.Sort(lengths)
	slices.Sort(files)
	long := len(lengths) - slices.IndexFunc(lengths, func(n int) bool { return n > 64<<10 })
	total := 0
	for _, n := range files {
		total += n
	}
	t.Logf("lines: p50 %d, p99 %d, max %d, mean %d; files: p50 %d, p99 %d", lengths[len(lengths)/2], lengths[len(lengths)*99/100],
		lengths[len(lengths)-1], total/len(lengths), files[len(files)/2], files[len(files)*99/100])
	for _, tt := range []struct {
		what          string
		got, from, to int
	}{
		{"crates of different names", len(names), 4000, 4000},
		{"versions", len(lengths), 34_000, 34_000},
		{"half of the lines are shorter than", lengths[len(lengths)/2], 950, 1250},
		{"99 of 100 lines are shorter than", lengths[len(lengths)*99/100], 5_000, 10_000},
		{"lines over 64 KiB", long, 10, 88},
		{"half of the files are shorter than", files[len(files)/2], 1_500, 6_000},
		{"yanked of 1000", yanked * 1000 / len(lengths), 20, 40},
		{"undated of 10000", undated * 10_000 / len(lengths), 1, 300},
	} {
		if tt.got < tt.from || tt.got > tt.to {
			t.Errorf("%s: %d, want %d to %d", tt.what, tt.got, tt.from, tt.to)
		}
	}
}

func TestWholeIndexIsTheSameAgain(t *testing.T) {
	spec := IndexSpec{Crates: 50, Versions: 300, Seed: 7}
	a, errA := NewWholeIndex(spec)
	b, errB := NewWholeIndex(spec)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	for i := range 50 {
		if !bytes.Equal(a.File(49-i), b.File(49-i)) || !bytes.Equal(a.File(i), b.File(i)) {
			t.Fatalf("two files of %s", a.Name(i))
		}
	}
	spec.Seed++
	c, err := NewWholeIndex(spec)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.File(1), c.File(1)) {
		t.Error("another seed gave the same file")
	}
}

func TestWholeIndexOfEdges(t *testing.T) {
	x, err := NewWholeIndex(IndexSpec{Crates: 4, Versions: 4, Edges: strings.NewReader("b a 1\nc a 2\nc b 5\n")})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for i := range x.Len() {
		file, err := index.Parse(x.File(i))
		if err != nil {
			t.Fatal(err)
		}
		deps := []string{}
		for _, d := range file.Lines[0].Deps {
			deps = append(deps, string(d.Kind)+" "+d.Name)
		}
		got[x.Name(i)] = deps
	}
	want := map[string][]string{"a": {}, "b": {"normal a"}, "c": {"build a", "normal b"}, "lonely-" + inventName(3): {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dependencies (-want +got):\n%s", diff)
	}
}

func TestWholeIndexRefuses(t *testing.T) {
	for _, spec := range []IndexSpec{
		{Crates: 2, Versions: 1},
		{Crates: 1, Versions: 1, Edges: strings.NewReader("a b\n")},
		{Crates: 1, Versions: 1, Edges: strings.NewReader("a b many\n")},
	} {
		if x, err := NewWholeIndex(spec); err == nil {
			t.Errorf("NewWholeIndex(%+v) = %d crates, want an error", spec, x.Len())
		}
	}
}
