package mirror

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
)

func TestRefreshAsksOnceInATTL(t *testing.T) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0")
	for _, tt := range []struct {
		after time.Duration
		name  string
		want  int // questions so far
	}{
		{0, "tidy-int", 1},
		{59 * time.Second, "Tidy-Int", 1}, // by any case
		{time.Second, "tidy-int", 2},
		{time.Minute, "TIDY-INT", 3},
	} {
		w.pass(tt.after)
		if err := w.Refresh(t.Context(), tt.name); err != nil {
			t.Fatal(err)
		}
		if got := w.registry.asks(); got != tt.want {
			t.Errorf("%s after %s: upstream was asked %d times, want %d", tt.name, tt.after, got, tt.want)
		}
	}
	if w.store.saves != 1 || len(w.store.touches) != 0 {
		t.Errorf("%d saves and %d touches for a file that never changed, want 1 and 0", w.store.saves, len(w.store.touches))
	}
}

// What there is not, is not asked for at each request either.
func TestRefreshRemembersWhatThereIsNot(t *testing.T) {
	w := newWorld()
	for range 3 {
		if err := w.Refresh(t.Context(), "tidy-int"); !errors.Is(err, ErrNotFound) {
			t.Fatalf("Refresh = %v, want ErrNotFound", err)
		}
	}
	if w.registry.asks() != 1 || w.store.saves != 0 {
		t.Errorf("%d questions and %d saves, want 1 and 0", w.registry.asks(), w.store.saves)
	}
	w.registry.set("tidy-int", file("1.0.0"))
	w.pass(time.Minute)
	if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
		t.Errorf("a minute after it came: %v", err)
	}
}

func TestRefreshNames(t *testing.T) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0 =Tidy-Int")
	w.registry.files["tidy_int"] = file("1.0.0 =Tidy-Int") // a registry that makes no difference
	for name, want := range map[string]error{
		"tidy-int": nil, "Tidy-Int": nil, "tidy_int": ErrTrouble, "": ErrNotFound, "../tidy-int": ErrNotFound,
		"tidy%2dint": ErrNotFound, strings.Repeat("a", 65): ErrNotFound, "tidy-ınt": ErrNotFound,
	} {
		if err := w.Refresh(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("Refresh(%q) = %v, want %v", name, err, want)
		}
	}
	if got := w.store.files["tidy-int"].Name; got != "Tidy-Int" {
		t.Errorf("name kept = %q, want that of the lines", got)
	}
	if _, ok := w.store.files["tidy_int"]; ok {
		t.Error("the crate is kept under another name, too")
	}
}

// Who asks while a look is under way shares it.
func TestRefreshSharesALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.registry.files["tidy-int"] = file("1.0.0")
		answer := make(chan struct{})
		w.registry.answer = func(context.Context, string) { <-answer }
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(answer)
		all.Wait()
		if got := w.registry.asks(); got != 1 {
			t.Errorf("upstream was asked %d times, want once", got)
		}
	})
}

// A caller waits so long and no longer; the look goes on, and what it found is
// there for the next.
func TestRefreshWaitsSoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.Wait = 3 * time.Second
		w.registry.files["tidy-int"] = file("1.0.0")
		w.registry.answer = func(context.Context, string) { time.Sleep(10 * time.Second) }
		begun := time.Now()
		if err := w.Refresh(t.Context(), "tidy-int"); !errors.Is(err, ErrTrouble) {
			t.Errorf("Refresh = %v, want ErrTrouble", err)
		}
		if waited := time.Since(begun); waited != w.Wait {
			t.Errorf("it waited %s, want %s", waited, w.Wait)
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Refresh(impatient, "tidy-int"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Refresh = %v, want the caller's own end", err)
		}
		time.Sleep(10 * time.Second)
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil || w.registry.asks() != 1 {
			t.Errorf("afterwards: %v, and %d questions, want 1", err, w.registry.asks())
		}
	})
}

// A look that never ends is ended.
func TestRefreshEndsALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.registry.answer = func(ctx context.Context, _ string) {
			<-ctx.Done()
			w.registry.mu.Lock()
			w.registry.err = ctx.Err()
			w.registry.mu.Unlock()
		}
		if err := w.Refresh(t.Context(), "tidy-int"); !errors.Is(err, ErrTrouble) {
			t.Errorf("Refresh = %v, want ErrTrouble", err)
		}
		time.Sleep(lookTime)
		synctest.Wait()
		if n := len(w.flights.byKey); n != 0 {
			t.Errorf("%d looks are still under way", n)
		}
	})
}

// With upstream away, what is kept stays; after a few looks the others do not
// wait, and one in a while tries again.
func TestRefreshWhileUpstreamIsAway(t *testing.T) {
	w := newWorld()
	for n := range 20 {
		w.registry.files[fmt.Sprintf("c%d", n)] = file(fmt.Sprintf("1.0.0 =c%d", n))
	}
	look := func(n int, want error) {
		t.Helper()
		if err := w.Refresh(t.Context(), fmt.Sprintf("c%d", n)); !errors.Is(err, want) {
			t.Errorf("Refresh(c%d) = %v, want %v", n, err, want)
		}
	}
	look(0, nil)
	kept := w.store.kept(t, "c0")
	w.registry.err = fmt.Errorf("%w: %w", ErrUnreachable, errAway)
	w.pass(time.Hour)
	for n := range 10 {
		look(n, ErrTrouble)
	}
	if got := w.registry.asks() - 1; got != tripsAfter {
		t.Errorf("upstream was asked %d times while away, want %d", got, tripsAfter)
	}
	if w.store.kept(t, "c0") != kept || w.store.saves != 1 {
		t.Error("what was kept changed")
	}
	w.pass(triesEvery)
	look(10, ErrTrouble) // tries
	look(11, ErrTrouble) // does not
	if got := w.registry.asks() - 1; got != tripsAfter+1 {
		t.Errorf("upstream was asked %d times while away, want one more", got)
	}
	w.registry.err = nil
	w.pass(triesEvery)
	for n := range 20 {
		look(n, nil)
	}
}

// One crate's file that makes no sense keeps nobody from asking for others.
func TestRefreshWhileOneFileIsNonsense(t *testing.T) {
	w := newWorld()
	w.registry.err = errAway // an answer, and no sense in it
	for n := range 2 * tripsAfter {
		if err := w.Refresh(t.Context(), fmt.Sprintf("c%d", n)); !errors.Is(err, ErrTrouble) {
			t.Errorf("Refresh = %v, want ErrTrouble", err)
		}
	}
	if got := w.registry.asks(); got != 2*tripsAfter {
		t.Errorf("upstream was asked %d times, want %d", got, 2*tripsAfter)
	}
}

// A store that fails takes nothing back, and is asked again soon.
func TestRefreshWhileTheStoreIsAway(t *testing.T) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0")
	w.store.fail = errAway
	for range 2 * tripsAfter {
		if err := w.Refresh(t.Context(), "tidy-int"); !errors.Is(err, ErrTrouble) || !errors.Is(err, errAway) {
			t.Fatalf("Refresh = %v, want ErrTrouble for the store's", err)
		}
		w.pass(shortly)
	}
	w.store.fail = nil
	if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
		t.Errorf("with the store back: %v", err)
	}
}

// Another process that was quicker is not overwritten.
func TestRefreshLosesARace(t *testing.T) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0")
	if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.registry.set("tidy-int", file("1.0.0\n1.0.1"))
	w.store.before = func() { // the other saw 1.0.1 with other bytes, and first
		other := newWorld()
		other.pass(time.Minute)
		other.store.files, other.store.records = w.store.files, w.store.records
		other.registry.files["tidy-int"] = file("1.0.0\n1.0.1 #b")
		if err := other.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Error(err)
		}
	}
	if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("1.0.1 b +1m0s other-checksum +1m0s offered a\n", w.store.known("tidy-int")); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := w.registry.asks(); got != 2 {
		t.Errorf("upstream was asked %d times, want 2", got)
	}
}

func TestRefreshTells(t *testing.T) {
	w := newWorld()
	sight := func(version string) Sight {
		return Sight{Name: "tidy-int", Version: version, Checksum: crate.Checksum([]byte(strings.Repeat("\xaa", 32)))}
	}
	var first strings.Builder
	first.WriteString("0.1.0 @2020-01-01\n0.2.0\n") // old, and of no date
	for n := range maxFirstSights + 2 {
		fmt.Fprintf(&first, "1.0.%d @2026-11-%02d\n", n, n+1)
	}
	var wantFirst []Sight
	for n := maxFirstSights + 1; n > 1; n-- {
		wantFirst = append(wantFirst, sight(fmt.Sprintf("1.0.%d", n)))
	}
	for _, tt := range []struct {
		name    string
		file    string
		sights  []Sight
		changed []string
	}{
		{"a crate seen for the first time", first.String(), wantFirst, []string{"tidy-int"}},
		{"nothing new", first.String(), nil, nil},
		{"new versions, whatever date they claim", first.String() + "2.0.0 @2019-01-01\n2.0.1", []Sight{sight("2.0.0"), sight("2.0.1")}, []string{"tidy-int"}},
		{"a yank", strings.Replace(first.String()+"2.0.0 @2019-01-01\n2.0.1", "0.1.0", "0.1.0 yanked", 1), nil, []string{"tidy-int"}},
	} {
		w.sights, w.changed = nil, nil
		w.registry.set("tidy-int", file(tt.file))
		w.pass(time.Minute)
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.sights, w.sights); diff != "" {
			t.Errorf("%s: seen (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.changed, w.changed); diff != "" {
			t.Errorf("%s: changed (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Whoever takes new versions in is told before their lines are stored; should
// that fail, the lines are stored all the same.
func TestRefreshTellsBeforeItStores(t *testing.T) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0 @2026-11-20")
	told := 0
	w.Seen = func(context.Context, []Sight) error {
		told++
		if w.store.saves != 0 {
			t.Error("told after the lines were stored")
		}
		return errAway
	}
	if err := w.Refresh(t.Context(), "tidy-int"); err != nil || told != 1 || w.store.saves != 1 {
		t.Errorf("Refresh = %v, told %d times, with %d saves; want once each", err, told, w.store.saves)
	}
}

// The crates that a new version is the first to depend on are looked at, and
// theirs are not.
func TestRefreshLooksAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.registry.files["tidy-int"] = file("1.0.0 log")
		w.registry.files["log"] = file("1.0.0 =log")
		w.registry.files["fresh"] = file("1.0.0 @2026-11-20 further =fresh")
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Fatal(err)
		}
		w.registry.set("tidy-int", file("1.0.0 log\n1.0.1 log Fresh not/a/name @2026-11-22"))
		w.pass(time.Minute)
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"tidy-int", "tidy-int", "fresh"}, w.registry.asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

// New validators of a file that is as it was are noted; the file itself is not
// written again.
func TestRefreshNotesValidators(t *testing.T) {
	w := newWorld()
	w.registry.tagless = true
	w.registry.files["tidy-int"] = file("1.0.0")
	for n := range 5 {
		w.registry.tagless = n < 2 // from then on it has tags
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
	}
	if w.store.saves != 1 || len(w.store.touches) != 1 || w.store.files["tidy-int"].ETag == "" {
		t.Errorf("%d saves, touches %+v, want one each", w.store.saves, w.store.touches)
	}
}

// A gate may not have heard of what was imported: the first look tells it, though
// upstream has nothing new.
func TestRefreshTellsOfWhatWasImported(t *testing.T) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0")
	if _, err := importer(w).Run(t.Context(), whole{"ti/dy/tidy-int": file("1.0.0")}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.pass(time.Minute)
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"tidy-int"}, w.changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// What another process stored is told of, too, when this one first finds it: its
// gate may not have heard yet.
func TestRefreshTellsOfWhatAnotherStored(t *testing.T) {
	other, w := newWorld(), newWorld()
	w.Store, w.Upstream = other.store, other.registry
	refresh := func(m *world, want error) {
		t.Helper()
		m.pass(time.Minute)
		if err := m.Refresh(t.Context(), "tidy-int"); !errors.Is(err, want) {
			t.Fatalf("Refresh = %v, want %v", err, want)
		}
	}
	refresh(w, ErrNotFound)
	other.registry.set("tidy-int", file("1.0.0"))
	refresh(other, nil)
	for range 3 {
		refresh(w, nil)
	}
	if diff := cmp.Diff([]string{"tidy-int"}, w.changed); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// So many crates are looked at at once, and no more.
func TestRefreshIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		leave := make(chan struct{})
		w.registry.answer = func(context.Context, string) { <-leave }
		var all sync.WaitGroup
		for n := range maxFlights {
			all.Go(func() {
				if err := w.Refresh(t.Context(), fmt.Sprintf("c%d", n)); err == nil {
					t.Error("found what is not there")
				}
			})
		}
		synctest.Wait()
		if got := w.registry.asks(); got != maxAsking {
			t.Errorf("%d questions at once, want %d", got, maxAsking)
		}
		if err := w.Refresh(t.Context(), "one-more"); !errors.Is(err, ErrTrouble) {
			t.Errorf("one more: %v, want ErrTrouble", err)
		}
		close(leave)
		all.Wait()
	})
}

// Names that there are not, slowly answered, keep nobody from what there is.
func TestRefreshOfKnownCratesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.registry.set("tidy-int", file("1.0.0"))
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		leave := make(chan struct{})
		w.registry.answer = func(_ context.Context, name string) {
			if name != "tidy-int" {
				<-leave
			}
		}
		var all sync.WaitGroup
		for n := range 2 * maxAsking {
			all.Go(func() { w.Refresh(t.Context(), fmt.Sprintf("c%d", n)) })
		}
		synctest.Wait()
		w.registry.set("tidy-int", file("1.0.0\n1.0.1"))
		if err := w.Refresh(t.Context(), "tidy-int"); err != nil {
			t.Errorf("Refresh of a known crate = %v", err)
		}
		close(leave)
		all.Wait()
	})
}

func BenchmarkRefreshFresh(b *testing.B) {
	w := newWorld()
	w.registry.files["tidy-int"] = file("1.0.0")
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Refresh(b.Context(), "tidy-int"); err != nil {
			b.Fatal(err)
		}
	}
}
