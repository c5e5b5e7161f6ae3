package advisory

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// osv is an advisory for tidy-int with the given events and more fields.
func osv(id, events, more string) string {
	return `{"id":"` + id + `","modified":"2026-11-01T00:00:00Z","affected":[{"package":{"ecosystem":"crates.io","name":"tidy-int"},` +
		`"ranges":[{"type":"SEMVER","events":[` + events + `]}]` + more + `}]}`
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(list []*Advisory) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.ID)
	}
	return out
}

func TestAffecting(t *testing.T) {
	tests := []struct {
		name     string
		file     string
		version  string
		affected bool
		fixes    bool
	}{
		{"before the fix", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"}`, ""), "1.1.9", true, false},
		{"the fix", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"}`, ""), "1.2.0", false, true},
		{"after the fix", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"}`, ""), "2.0.0", false, true},
		{"a pre-release of the fix", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"}`, ""), "1.2.0-rc.1", true, false},
		{"events in another order", osv("RUSTSEC-1", `{"fixed":"1.2.0"},{"introduced":"0"}`, ""), "1.1.0", true, false},
		{"before it came", osv("RUSTSEC-1", `{"introduced":"1.0.0"},{"fixed":"1.2.0"}`, ""), "0.9.0", false, false},
		{"came back", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"},{"introduced":"2.0.0"},{"fixed":"2.0.3"}`, ""), "2.0.2", true, false},
		{"fixed between", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"},{"introduced":"2.0.0"},{"fixed":"2.0.3"}`, ""), "1.9.0", false, true},
		{"last affected", osv("RUSTSEC-1", `{"introduced":"0"},{"last_affected":"1.2.0"}`, ""), "1.2.0", true, false},
		{"after the last affected, no fix is named", osv("RUSTSEC-1", `{"introduced":"0"},{"last_affected":"1.2.0"}`, ""), "1.2.1", false, false},
		{"no fix", osv("RUSTSEC-1", `{"introduced":"0"}`, ""), "9.0.0", true, false},
		{"named one by one", osv("RUSTSEC-1", "", `,"versions":["0.3.10"]`), "0.3.10", true, false},
		{"named one by one, build metadata aside", osv("RUSTSEC-1", "", `,"versions":["0.3.10"]`), "0.3.10+b", true, false},
		{"the first pre-release of all", osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.0.0"}`, ""), "0.0.0-alpha", true, false},
		{"withdrawn", `{"withdrawn":"2026-11-02T00:00:00Z",` + osv("RUSTSEC-1", `{"introduced":"0"}`, "")[1:], "1.0.0", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"crates/a.json": tt.file})
			f, reading, err := Open(t.Context(), dir)
			if err != nil || reading.Skipped != 0 {
				t.Fatal(err, reading.Why)
			}
			// However the crate is spelled.
			if got := len(f.Affecting("Tidy_Int", tt.version)) == 1; got != tt.affected {
				t.Errorf("affected = %v, want %v", got, tt.affected)
			}
			if got := len(f.Fixing("tidy-int", tt.version)) == 1; got != tt.fixes {
				t.Errorf("fixes = %v, want %v", got, tt.fixes)
			}
			if other := f.Affecting("other", tt.version); other != nil {
				t.Errorf("another crate is affected: %v", ids(other))
			}
		})
	}
}

func TestOpenSkips(t *testing.T) {
	tests := []struct{ name, file string }{
		{"not JSON", `{`},
		{"no id", `{"affected":[]}`},
		{"an id with markup", osv("<b>-1", `{"introduced":"0"}`, "")},
		{"a name that is none", `{"id":"RUSTSEC-1","affected":[{"package":{"ecosystem":"crates.io","name":"../x"}}]}`},
		{"a version that is none", osv("RUSTSEC-1", `{"introduced":"1.0"}`, "")},
		{"too large", osv("RUSTSEC-1", "", `,"x":"`+string(make([]byte, maxFile))+`"`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"bad.json": tt.file, "good.json": osv("RUSTSEC-2", `{"introduced":"0"}`, "")})
			f, reading, err := Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if !errors.Is(reading.Why, ErrOSV) || reading.Skipped != 1 {
				t.Errorf("skipped %d: %v, want one that wraps ErrOSV", reading.Skipped, reading.Why)
			}
			if diff := cmp.Diff([]string{"RUSTSEC-2"}, ids(f.Affecting("tidy-int", "1.0.0"))); diff != "" {
				t.Errorf("the good file beside it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.json": osv("RUSTSEC-1", `{"introduced":"0"}`, "")})
	f, _, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := f.Refresh(t.Context()); changed || err != nil {
		t.Fatalf("Refresh of what did not change = %v, %v", changed, err)
	}
	write(t, dir, map[string]string{"b.json": osv("GHSA-2", `{"introduced":"0"}`, ""), "notes.txt": "{", ".git/c.json": "{"})
	reading, changed, err := f.Refresh(t.Context())
	if want := (Reading{Advisories: 2, Files: 2}); err != nil || !changed || reading != want {
		t.Fatalf("Refresh = %+v, %v, %v, want %+v", reading, changed, err, want)
	}
	if diff := cmp.Diff([]string{"GHSA-2", "RUSTSEC-1"}, ids(f.Affecting("tidy-int", "1.0.0"))); diff != "" {
		t.Errorf("after it (-want +got):\n%s", diff)
	}
	// A folder that is gone leaves what was known.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Refresh(t.Context()); err == nil {
		t.Error("Refresh of a folder that is gone succeeded")
	}
	if got := ids(f.Affecting("tidy-int", "1.0.0")); len(got) != 2 {
		t.Errorf("what was known is forgotten: %v", got)
	}
}

// The same advisory in two files is one; the later word counts.
func TestSameAdvisoryTwice(t *testing.T) {
	dir := t.TempDir()
	older := osv("RUSTSEC-1", `{"introduced":"0"}`, "")
	newer := `{"id":"RUSTSEC-1","modified":"2026-11-05T00:00:00Z",` + osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.0.0"}`, "")[len(`{"id":"RUSTSEC-1","modified":"2026-11-01T00:00:00Z",`):]
	write(t, dir, map[string]string{"a/1.json": newer, "b/1.json": older})
	f, reading, err := Open(t.Context(), dir)
	if err != nil || reading.Advisories != 1 {
		t.Fatalf("Open = %+v, %v, want one advisory", reading, err)
	}
	if got := f.Affecting("tidy-int", "1.0.0"); got != nil {
		t.Errorf("the older word counts: %v", ids(got))
	}
	fixing := f.Fixing("tidy-int", "1.0.0")
	if len(fixing) != 1 || fixing[0].Source != "RUSTSEC" || !fixing[0].Modified.Equal(time.Date(2026, 11, 5, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("Fixing = %+v", fixing)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(osv("RUSTSEC-1", `{"introduced":"0"},{"fixed":"1.2.0"}`, `,"versions":["1.0.0"]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := parse(data, func(_ string, a *Advisory) {
			for _, s := range a.ranges {
				if s.fixed != nil && a.Affects(*s.fixed) && a.Fixes(*s.fixed) {
					t.Errorf("%s is affected and fixed at once", s.fixed)
				}
			}
		})
		if err != nil && !errors.Is(err, ErrOSV) {
			t.Errorf("parse = %v, want ErrOSV", err)
		}
	})
}
