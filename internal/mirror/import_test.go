package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cratefence/cratefence/internal/store"
)

// ImportIndex stores new files.
func (s *memory) ImportIndex(_ context.Context, files []store.IndexFile, records []store.LineRecord) (existing []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return nil, s.fail
	}
	s.imports++
	fresh := map[string]bool{}
	for _, f := range files {
		if _, ok := s.files[f.Key]; ok {
			existing = append(existing, f.Key)
			continue
		}
		f = f.Clean()
		f.Revision = 1
		s.put(f, nil)
		fresh[f.Key] = true
	}
	for _, r := range records {
		if fresh[r.Key] {
			s.put(s.files[r.Key], []store.LineRecord{r.Clean()})
		}
	}
	return existing, nil
}

// whole is an index in memory, by path. A value of "!" cannot be read.
type whole map[string]string

func (w whole) Files(ctx context.Context, yield func(string, []byte, error) error) error {
	for _, path := range slices.Sorted(maps.Keys(w)) {
		data, err := []byte(w[path]), error(nil)
		if w[path] == "!" {
			data, err = nil, errAway
		}
		if err := yield(path, data, err); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func importer(w *world) *Import { return &Import{Store: w.store, Now: w.Now} }

func TestImport(t *testing.T) {
	w := newWorld()
	log := file("0.4.0 =log @2026-01-01\n0.4.1 =log yanked")
	src := whole{
		"3/l/log": log, "ti/dy/tidy-int": file("1.0.0\n!\n1.0.1 @2026-01-01"),
		"ti/dy/Upper": file("1.0.0 =Upper"), "README.md": "read me", "3/e/emp": "\n", "1/a": "!", "2/of": file("1.0.0 =other"),
	}
	got, err := importer(w).Run(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	want := ImportSummary{
		Crates: 2, Versions: 4, Bytes: int64(len(src["3/l/log"]) + len(src["ti/dy/tidy-int"])), New: 2,
		Yanked: 1, Undated: 2, Unreadable: 1, Skipped: 5,
		Problems: []string{
			`"1/a": away`,
			`"2/of": none of its lines can be read: version "1.0.0": it names crate "other"`,
			`"3/e/emp": it is empty`,
			`"README.md": its path is no crate's`,
			`"ti/dy/Upper": its path is no crate's`,
			`"ti/dy/tidy-int": line 2: not an index line: unexpected end of JSON input`,
		},
	}
	slices.Sort(got.Problems) // files are read by several at once
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	wantFile := store.IndexFile{
		Key: "log", Name: "log", Size: len(log), Revision: 1,
		CheckedAt: start, ChangedAt: start, FirstSeenAt: start, Imported: start,
	}
	if diff := cmp.Diff(wantFile, w.store.files["log"], cmpopts.IgnoreFields(store.IndexFile{}, "Lines")); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(log, w.store.kept(t, "log")); diff != "" {
		t.Errorf("lines kept (-want +got):\n%s", diff)
	}
	if w.store.files["tidy-int"].Bad != 1 || w.store.known("log") != "" || w.store.told() != "" {
		t.Errorf("%d bad lines, records %q, events %q, want 1 and none", w.store.files["tidy-int"].Bad, w.store.known("log"), w.store.told())
	}
}

func TestImportAgain(t *testing.T) {
	const before = "1.0.0 @2026-01-01\n1.0.1 @2026-01-02\n"
	tests := []struct {
		name    string
		between func(*testing.T, *world) // the two imports
		file    string                   // that the second one brings
		want    ImportSummary
		events  string
		records string
		kept    string
	}{
		{name: "the same", file: before, kept: before},
		{
			name: "a newer index", file: "1.0.0 @2026-01-01 yanked\n1.0.1 #b @2026-01-02\n1.0.2",
			want: ImportSummary{Merged: 1}, kept: "1.0.0 @2026-01-01 yanked\n1.0.1 @2026-01-02\n1.0.2",
			events: "yanked 1.0.0\nother-checksum 1.0.1 checksum " + strings.Repeat("b", 64) + " in place of " + strings.Repeat("a", 64) + "\npublished 1.0.2\n",
			records: "1.0.0 a @2026-01-01 +0s dated yanked +1h0m0s\n" +
				"1.0.1 a @2026-01-02 +0s dated other-checksum +1h0m0s offered b\n1.0.2 a +1h0m0s wave 1\n",
		},
		{ // a clone of yesterday takes nothing back of what upstream said today
			name: "upstream was asked meanwhile", file: "1.0.0 @2026-01-01",
			between: func(t *testing.T, w *world) {
				w.registry.set("tidy-int", file(before+"1.0.2 yanked"))
				if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
					t.Fatal(err)
				}
			},
			want: ImportSummary{Newer: 1}, kept: before + "1.0.2 yanked",
			events: "published 1.0.2\n", records: "1.0.2 a +0s yanked\n",
		},
		{
			name: "upstream found it as it was meanwhile", file: "1.0.0 @2026-01-01",
			between: func(t *testing.T, w *world) {
				w.registry.set("tidy-int", file(before))
				if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
					t.Fatal(err)
				}
			},
			want: ImportSummary{Newer: 1}, kept: before,
		},
		{name: "spelled otherwise by now", file: "1.0.0 =Tidy-Int", want: ImportSummary{Skipped: 1}, kept: before},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			if _, err := importer(w).Run(t.Context(), whole{"ti/dy/tidy-int": file(before)}); err != nil {
				t.Fatal(err)
			}
			if tt.between != nil {
				tt.between(t, w)
			}
			w.pass(time.Hour)
			got, err := importer(w).Run(t.Context(), whole{"ti/dy/tidy-int": file(tt.file)})
			if err != nil {
				t.Fatal(err)
			}
			counted := cmpopts.IgnoreFields(ImportSummary{}, "Crates", "Versions", "Bytes", "Yanked", "Undated", "Problems")
			if diff := cmp.Diff(tt.want, got, counted); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.events, w.store.told()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.records, w.store.known("tidy-int")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(file(tt.kept), w.store.kept(t, "tidy-int")); diff != "" {
				t.Errorf("lines kept (-want +got):\n%s", diff)
			}
		})
	}
}

// Undated versions are taken to be old when somebody says so: at once or later,
// but only those that were there at first sight.
func TestImportUndatedAsOld(t *testing.T) {
	const old = "1.0.0 a @2014-11-11 +0s dated\n"
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later=%t", later), func(t *testing.T) {
			w := newWorld()
			src := whole{"ti/dy/tidy-int": file("1.0.0\n1.0.1 @2026-01-01")}
			im := importer(w)
			im.UndatedAsOld = !later
			if _, err := im.Run(t.Context(), src); err != nil {
				t.Fatal(err)
			}
			w.registry.set("tidy-int", file("1.0.0\n1.0.1 @2026-01-01\n1.0.2"))
			if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
				t.Fatal(err)
			}
			im.UndatedAsOld = true
			for range 2 { // the second time changes nothing
				if _, err := im.Run(t.Context(), src); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(old+"1.0.2 a +0s\n", w.store.known("tidy-int")); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
			}
			want := 2 // the refresh, and the date where it came later
			if !later {
				want = 1
			}
			if w.store.saves != want {
				t.Errorf("%d saves, want %d", w.store.saves, want)
			}
		})
	}
}

// Young versions of an imported crate are taken in when upstream is first asked
// about it: somebody wants it, and their checks are yet to run.
func TestImportedVersionsAreTakenIn(t *testing.T) {
	for _, tags := range []bool{true, false} {
		w := newWorld()
		w.registry.tagless = !tags
		lines := file("1.0.0 @2020-01-01\n1.0.1 @2026-11-01\n1.0.2\n1.0.3 fresh @2026-11-02")
		if _, err := importer(w).Run(t.Context(), whole{"ti/dy/tidy-int": lines}); err != nil || len(w.sights) > 0 {
			t.Fatalf("import: %v, with %v seen", err, w.sights)
		}
		w.registry.set("tidy-int", lines+file("1.0.4"))
		for range 3 {
			w.pass(time.Minute)
			if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, s := range w.sights {
			got = append(got, s.Version)
		}
		if diff := cmp.Diff([]string{"1.0.4", "1.0.3", "1.0.1"}, got); diff != "" {
			t.Errorf("with tags %t: seen (-want +got):\n%s", tags, diff)
		}
	}
}

func TestImportInBatches(t *testing.T) {
	w := newWorld()
	src := whole{}
	for n := range 2*batchFiles + 1 {
		name := fmt.Sprintf("crate%d", n)
		src["cr/at/"+name] = file("1.0.0 =" + name)
	}
	var told []int
	im := importer(w)
	im.Progress = func(s ImportSummary) { told = append(told, s.Crates) }
	got, err := im.Run(t.Context(), src)
	if err != nil || got.New != 2*batchFiles+1 || w.store.imports != 3 {
		t.Errorf("%d new crates in %d batches, %v; want %d in 3", got.New, w.store.imports, err, 2*batchFiles+1)
	}
	if diff := cmp.Diff([]int{batchFiles, 2 * batchFiles, 2*batchFiles + 1}, told); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

// What ends an import is told, and ends all of it.
func TestImportEnds(t *testing.T) {
	src := whole{}
	for n := range 3 * batchFiles {
		name := fmt.Sprintf("crate%d", n)
		src["cr/at/"+name] = file("1.0.0 =" + name)
	}
	t.Run("the store fails", func(t *testing.T) {
		w := newWorld()
		w.store.fail = errAway
		if got, err := importer(w).Run(t.Context(), src); !errors.Is(err, errAway) {
			t.Errorf("Run = %+v, %v, want the store's error", got, err)
		}
	})
	t.Run("the source fails", func(t *testing.T) {
		w := newWorld()
		if got, err := importer(w).Run(t.Context(), broken{src}); !errors.Is(err, errAway) {
			t.Errorf("Run = %+v, %v, want the source's error", got, err)
		}
	})
	t.Run("somebody ends it", func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		im := importer(w)
		im.Progress = func(ImportSummary) { cancel() }
		if got, err := im.Run(ctx, src); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %+v, %v, want context.Canceled", got, err)
		}
		// And begun anew, it goes on to the end.
		got, err := importer(w).Run(t.Context(), src)
		if err != nil || len(w.store.files) != 3*batchFiles || got.New >= 3*batchFiles {
			t.Errorf("Run again = %+v, %v, with %d files kept", got, err, len(w.store.files))
		}
	})
}

// broken fails when all its files were read.
type broken struct{ whole }

func (b broken) Files(ctx context.Context, yield func(string, []byte, error) error) error {
	return errors.Join(b.whole.Files(ctx, yield), errAway)
}
