package index

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
)

// crateOf reads a crate's versions from lines "VERSION DATE DEPENDENCY…", where a
// date of - is none. A dependency is NAME, NAME=PACKAGE, build:NAME or dev:NAME.
func crateOf(t *testing.T, text string) []Entry {
	t.Helper()
	var entries []Entry
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		var deps []string
		for _, d := range fields[2:] {
			kind, name, found := strings.Cut(d, ":")
			if !found {
				kind, name = "normal", d
			}
			name, pkg, _ := strings.Cut(name, "=")
			dep := fmt.Sprintf(`{"name":%q,"req":"^1","kind":%q`, name, kind)
			if pkg != "" {
				dep += fmt.Sprintf(`,"package":%q`, pkg)
			}
			deps = append(deps, dep+"}")
		}
		more := ""
		if fields[1] != "-" {
			more = `,"pubtime":"` + fields[1] + `T00:00:00Z"`
		}
		raw := strings.NewReplacer("1.0.0", fields[0], `"deps":[]`, `"deps":[`+strings.Join(deps, ",")+`]`).Replace(least(more))
		entry, err := Scan([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	return entries
}

func TestHistoryOf(t *testing.T) {
	const day = 24 * time.Hour
	normal := func(name string) DepChange { return DepChange{Crate: name, Req: "^1", Kind: Normal} }
	build := func(name string) DepChange { return DepChange{Crate: name, Req: "^1", Kind: Build} }
	tests := []struct {
		name  string
		lines string
		of    string // the version that is asked about
		want  History
	}{
		{
			name: "a first version", of: "0.1.0",
			lines: "0.1.0 2026-01-01 log build:cc dev:rand",
			want:  History{FirstVersion: true, Added: []DepChange{normal("log"), build("cc")}},
		},
		{
			name: "an update that changes nothing", of: "0.1.1",
			lines: "0.1.0 2026-01-01 log\n0.1.1 2026-01-11 log dev:rand",
			want:  History{Previous: "0.1.0", Silence: 10 * day},
		},
		{ // arrayref, 2026
			name: "a first dependency after long silence", of: "0.3.10",
			lines: "0.3.9 2025-08-20\n0.3.10 2026-08-20 proc-macro1",
			want:  History{Previous: "0.3.9", Silence: 365 * day, Added: []DepChange{normal("proc-macro1")}, FirstDependencies: true},
		},
		{
			name: "added, dropped and renamed", of: "1.1.0",
			lines: "1.0.0 2026-01-01 a b c=d\n1.1.0 2026-01-02 a e=b build:f d",
			want: History{
				Previous: "1.0.0", Silence: day,
				Added: []DepChange{build("f")}, Renamed: []DepRename{{Crate: "b", From: "b", To: "e"}, {Crate: "d", From: "c", To: "d"}},
			},
		},
		{ // the manifest's name stays, the crate behind it does not
			name: "a dependency swapped under its name", of: "1.1.0",
			lines: "1.0.0 2026-01-01 log\n1.1.0 2026-01-02 log=1og",
			want:  History{Previous: "1.0.0", Silence: day, Added: []DepChange{normal("1og")}, Dropped: []DepChange{normal("log")}},
		},
		{
			name: "a development dependency comes to be built", of: "1.1.0",
			lines: "1.0.0 2026-01-01 dev:log\n1.1.0 2026-01-02 log",
			want:  History{Previous: "1.0.0", Silence: day, Added: []DepChange{normal("log")}, FirstDependencies: true},
		},
		{
			name: "a new major", of: "2.0.0",
			lines: "1.0.0 2026-01-01\n1.1.0 2026-01-02\n2.0.0 2026-01-03",
			want:  History{Previous: "1.1.0", NewRange: true, Silence: day},
		},
		{
			name: "a fix of an older range is measured by that", of: "1.0.1",
			lines: "1.0.0 2026-01-01 a\n2.0.0 2026-01-02\n1.0.1 2026-01-03 a",
			want:  History{Previous: "1.0.0", Silence: day},
		},
		{
			name: "versions that came later are not before", of: "1.0.1",
			lines: "1.0.0 2026-01-01\n1.0.1 2026-01-02 a\n1.0.2 2026-01-03 a\n2.0.0 2026-01-04 a",
			want:  History{Previous: "1.0.0", Silence: day, Added: []DepChange{normal("a")}, FirstDependencies: true},
		},
		{ // a registry may sort its lines otherwise
			name: "dates go before the order of lines", of: "0.9.0",
			lines: "0.9.0 2026-01-05\n0.8.0 2026-01-01",
			want:  History{Previous: "0.8.0", NewRange: true, Silence: 4 * day},
		},
		{
			name: "without dates, the order of lines", of: "1.0.1",
			lines: "1.0.0 -\n1.0.1 -\n1.0.2 -",
			want:  History{Previous: "1.0.0"},
		},
		{
			name: "a release after its pre-releases is none that cargo would have taken", of: "1.0.0",
			lines: "0.9.0 2026-01-01\n1.0.0-rc.1 2026-01-02\n1.0.0 2026-01-03",
			want:  History{Previous: "1.0.0-rc.1", NewRange: true, Silence: day},
		},
		{
			name: "a pre-release after a pre-release", of: "1.0.0-rc.2",
			lines: "1.0.0-rc.1 2026-01-02\n1.0.0-rc.2 2026-01-03",
			want:  History{Previous: "1.0.0-rc.1", Silence: day},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries := crateOf(t, tt.lines)
			of := 0
			for entries[of].Vers != tt.of {
				of++
			}
			got, err := HistoryOf(entries, of)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("HistoryOf (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHistoryOfRefuses(t *testing.T) {
	entries := crateOf(t, "1.0.0 -\n1.0.1 -")
	entries[0].Vers = "1"
	for i := range entries {
		if h, err := HistoryOf(entries, i); !errors.Is(err, ErrLine) {
			t.Errorf("HistoryOf(%d) = %+v, %v, want ErrLine", i, h, err)
		}
	}
}

func TestRange(t *testing.T) {
	ranges := map[string]string{
		"1.2.3": "1", "1.0.0-rc.1": "1", "12.0.0": "12", "0.3.1": "0.3", "0.3.0+b": "0.3", "0.0.7": "0.0.7", "0.0.7-a": "0.0.7", "0.0.0": "0.0.0",
	}
	parse := func(version string) crate.Version {
		v, err := crate.ParseVersion(version)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for version, want := range ranges {
		if got := Range(parse(version)); got != want {
			t.Errorf("Range(%s) = %q, want %q", version, got, want)
		}
		for other, theirs := range ranges {
			if got := SameRange(parse(version), parse(other)); got != (want == theirs) {
				t.Errorf("SameRange(%s, %s) = %t", version, other, got)
			}
		}
	}
}

func BenchmarkHistoryOf(b *testing.B) {
	var entries []Entry
	for n := range 300 {
		e, err := Scan([]byte(strings.Replace(ordinary, "0.2.0", fmt.Sprintf("0.%d.%d", n/10, n%10), 1)))
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, e)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := HistoryOf(entries, len(entries)-1); err != nil {
			b.Fatal(err)
		}
	}
}
