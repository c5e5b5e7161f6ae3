package cratetest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An IndexSpec asks for an index of made-up crates. Equal specs give equal bytes.
type IndexSpec struct {
	Crates   int
	Versions int // of all crates together
	Seed     uint64
	End      time.Time // nothing is published later; 2026-11-22 where zero
	// Edges, when set, names the crates and says which depends on which: a line
	// "DEPENDENT DEPENDENCY KINDS" for each pair, where KINDS adds up 1 for normal,
	// 2 for build and 4 for development dependencies.
	Edges io.Reader
}

// RealSize is as large as the index of crates.io was in September 2025.
var RealSize = IndexSpec{Crates: 197_960, Versions: 1_700_624}

// A WholeIndex is an index of made-up crates with the proportions of a real one:
// half of the lines are shorter than about 1.1 KB, one in a hundred is longer
// than 7 KB and a few exceed 64 KiB; most crates have a version or two, some have
// hundreds; 3 of 100 versions are yanked; one crate in 200 states no dates. The
// first crates are those most depended on. Safe for concurrent use.
type WholeIndex struct {
	spec   IndexSpec
	crates []madeCrate
}

type madeCrate struct {
	name     string
	versions int
	typical  int // bytes of a line
	deps     []madeDep
}

type madeDep struct {
	crate int32
	kinds uint8
}

// giants are how many crates have lines over 64 KiB, in an index of real size.
const giants = 14

// NewWholeIndex plans an index; the files are written when they are asked for.
func NewWholeIndex(spec IndexSpec) (*WholeIndex, error) {
	if spec.Crates < 1 || spec.Versions < spec.Crates {
		return nil, fmt.Errorf("make index of %d crates with %d versions: want a crate, and a version of each", spec.Crates, spec.Versions)
	}
	if spec.End.IsZero() {
		spec.End = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	}
	x := &WholeIndex{spec: spec, crates: make([]madeCrate, spec.Crates)}
	if spec.Edges == nil {
		x.inventEdges()
	} else if err := x.readEdges(spec.Edges); err != nil {
		return nil, err
	}
	x.shareVersions()
	return x, nil
}

// Len is how many crates there are.
func (x *WholeIndex) Len() int { return len(x.crates) }

// Name is the name of crate i.
func (x *WholeIndex) Name(i int) string { return x.crates[i].name }

// Versions is how many versions crate i has.
func (x *WholeIndex) Versions(i int) int { return x.crates[i].versions }

// rng returns the chance that decides on one thing, whatever else is asked for.
func (x *WholeIndex) rng(i int) *rand.Rand { return rand.New(rand.NewPCG(x.spec.Seed, uint64(i))) }

// inventEdges names the crates and lets each depend on a few, the first ones most.
func (x *WholeIndex) inventEdges() {
	for i := range x.crates {
		c := &x.crates[i]
		c.name = inventName(i)
		r := x.rng(-1 - i)
		for range min(i, int(math.Exp(r.NormFloat64()*0.9+1.2))) {
			c.deps = append(c.deps, madeDep{crate: int32(math.Pow(r.Float64(), 4) * float64(i)), kinds: 1})
		}
		c.deps = uniqueDeps(c.deps)
	}
}

// inventName spells a number in syllables: no two are the same.
func inventName(i int) string {
	syllables := [...]string{"ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "wa"}
	var name strings.Builder
	for n := i; ; n /= len(syllables) {
		name.WriteString(syllables[n%len(syllables)])
		if n < len(syllables) {
			break
		}
		if name.Len() == 6 {
			name.WriteByte("-_"[n/7%2])
		}
	}
	return name.String()
}

// readEdges takes the crates that are depended on most.
func (x *WholeIndex) readEdges(edges io.Reader) error {
	type edge struct {
		from, to int32
		kinds    uint8
	}
	var (
		ids        = map[string]int32{}
		names      []string
		dependents []int
		pairs      []edge
	)
	id := func(name string) int32 {
		n, ok := ids[name]
		if !ok {
			n = int32(len(names))
			ids[name], names, dependents = n, append(names, name), append(dependents, 0)
		}
		return n
	}
	for lines := bufio.NewScanner(edges); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return fmt.Errorf("read edges: %w", err)
			}
			break
		}
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return fmt.Errorf("read edges: %q is not DEPENDENT DEPENDENCY KINDS", lines.Text())
		}
		kinds, err := strconv.ParseUint(fields[2], 10, 3)
		if err != nil {
			return fmt.Errorf("read edges: kinds of %q: %w", lines.Text(), err)
		}
		pair := edge{from: id(fields[0]), to: id(fields[1]), kinds: uint8(kinds)}
		dependents[pair.to]++
		pairs = append(pairs, pair)
	}
	order := make([]int32, len(names))
	for n := range order {
		order[n] = int32(n)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(dependents[b], dependents[a]), cmp.Compare(names[a], names[b]))
	})
	place := make([]int32, len(names))
	for i, n := range order {
		place[n] = int32(i)
		if i < len(x.crates) {
			x.crates[i].name = names[n]
		}
	}
	for i := len(order); i < len(x.crates); i++ {
		x.crates[i].name = "lonely-" + inventName(i) // nobody depends on it, nor it on anybody
	}
	for _, p := range pairs {
		from, to := place[p.from], place[p.to]
		if int(from) < len(x.crates) && int(to) < len(x.crates) {
			x.crates[from].deps = append(x.crates[from].deps, madeDep{crate: to, kinds: p.kinds})
		}
	}
	for i := range x.crates {
		x.crates[i].deps = uniqueDeps(x.crates[i].deps)
	}
	return nil
}

func uniqueDeps(deps []madeDep) []madeDep {
	slices.SortFunc(deps, func(a, b madeDep) int { return cmp.Compare(a.crate, b.crate) })
	return slices.CompactFunc(deps, func(a, b madeDep) bool { return a.crate == b.crate })
}

// shareVersions gives each crate a version, and shares out the others so that
// few have many: most of all those that are depended on.
func (x *WholeIndex) shareVersions() {
	weights := make([]float64, len(x.crates))
	total := 0.0
	for i := range weights {
		r := x.rng(i)
		x.crates[i].typical = int(1150 * math.Exp(r.NormFloat64()*0.74))
		weights[i] = math.Exp(r.NormFloat64()*1.5) * (1 + 8/(1+float64(i)/1000))
		total += weights[i]
	}
	left, share := x.spec.Versions, 0.0
	every := max(1, len(x.crates)/giants)
	for i := range x.crates {
		// Rounding the running sum loses and adds nothing on the whole.
		before := math.Round(share)
		share += weights[i] / total * float64(x.spec.Versions-len(x.crates))
		x.crates[i].versions = 1 + int(math.Round(share)-before)
		if i%every == every-1 && len(x.crates) >= 100 {
			x.crates[i].typical = 70_000 + i%5*80_000
		}
		left -= x.crates[i].versions
	}
	x.crates[0].versions += left
}
