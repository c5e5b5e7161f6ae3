package mirror

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A stated line is what upstream may say of a version.
type stated struct {
	version, letter, dep, date string
	yanked, strange            bool
}

func (s stated) text() string {
	words := []string{s.version, "#" + s.letter}
	if s.dep != "" {
		words = append(words, s.dep)
	}
	if s.date != "" {
		words = append(words, "@"+s.date)
	}
	if s.yanked {
		words = append(words, "yanked")
	}
	if s.strange {
		words = append(words, "?x")
	}
	return strings.Join(words, " ")
}

var anyLine = rapid.Custom(func(t *rapid.T) stated {
	return stated{
		version: rapid.SampledFrom([]string{"1.0.0", "1.0.1", "1.0.1+b", "2.0.0", "2.0.0-rc.1"}).Draw(t, "version"),
		letter:  rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "bytes"),
		dep:     rapid.SampledFrom([]string{"", "", "log"}).Draw(t, "dependency"),
		date:    rapid.SampledFrom([]string{"", "2026-01-01", "2026-01-02"}).Draw(t, "date"),
		yanked:  rapid.Bool().Draw(t, "yanked"),
		strange: rapid.Bool().Draw(t, "strange"),
	}
})

// A seen version is what an independent memory knows of it.
type seen struct {
	first  stated
	at     time.Time
	dated  bool
	yanked bool
	want   policy.LineTrouble
}

// oracle says, from the looks alone, what has to be kept of each version.
type oracle struct {
	versions  map[string]*seen
	looked    bool
	goneSince time.Time
}

func (o *oracle) look(lines []stated, at time.Time) {
	if len(lines) == 0 {
		if !o.looked {
			return
		}
		if o.goneSince.IsZero() {
			o.goneSince = at
		}
		if at.Sub(o.goneSince) >= goneAfter {
			for _, v := range o.versions {
				v.want = policy.LineRemoved
			}
		}
		return
	}
	o.goneSince = time.Time{}
	offered := map[string]bool{}
	for _, l := range lines {
		key := index.VersionKey(l.version)
		if offered[key] {
			continue
		}
		offered[key] = true
		v := o.versions[key]
		if v == nil {
			o.versions[key] = &seen{first: l, at: at, dated: !o.looked, yanked: l.yanked}
			continue
		}
		v.want = ""
		switch {
		case l.letter != v.first.letter:
			v.want = policy.LineOtherBytes
			continue
		case l.dep != v.first.dep, l.version != v.first.version:
			v.want = policy.LineChanged
		}
		v.yanked = l.yanked
	}
	for key, v := range o.versions {
		if !offered[key] {
			v.want = policy.LineRemoved
		}
	}
	o.looked = true
}

// Whatever upstream says, one look after the other: what was first seen of a
// version stays, but for yanks; what differs from it is known as trouble, and
// trouble ends with what made it. The same look again changes nothing.
func TestWhatWasFirstSeenStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		o := &oracle{versions: map[string]*seen{}}
		for range rapid.IntRange(1, 12).Draw(t, "looks") {
			w.pass(time.Duration(rapid.IntRange(1, 8).Draw(t, "minutes")) * time.Minute)
			lines := rapid.SliceOfN(anyLine, 0, 5).Draw(t, "lines")
			var text strings.Builder
			for _, l := range lines {
				fmt.Fprintln(&text, l.text())
			}
			if rapid.Bool().Draw(t, "bad line") && len(lines) > 0 {
				text.WriteString("!\n")
			}
			w.registry.set("tidy-int", file(text.String()))
			o.look(lines, w.Now())
			if err := w.Refresh(t.Context(), "tidy-int"); err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
			o.compare(t, w)
			saves := w.store.saves
			w.pass(time.Minute)
			o.look(lines, w.Now())
			if err := w.Refresh(t.Context(), "tidy-int"); err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
			o.compare(t, w)
			if w.store.saves != saves && len(lines) > 0 {
				t.Fatal("the same look again was stored again")
			}
		}
	})
}

func (o *oracle) compare(t *rapid.T, w *world) {
	f, records, err := w.store.IndexFile(t.Context(), "tidy-int")
	if errors.Is(err, store.ErrNotFound) {
		if o.looked {
			t.Fatal("nothing is kept")
		}
		return
	}
	lines, err := f.Unpack()
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[string]store.LineRecord{}
	for _, r := range records {
		byKey[index.VersionKey(r.Version)] = r
	}
	kept := 0
	for e, err := range index.Entries(lines) {
		if err != nil {
			t.Fatal(err)
		}
		kept++
		v := o.versions[e.Key()]
		if v == nil {
			t.Fatalf("kept %s, which upstream never had", e.Raw)
		}
		want, err := index.ParseLine([]byte(strings.TrimSpace(file(v.first.text()))))
		if err != nil {
			t.Fatal(err)
		}
		got, err := index.ParseLine(e.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if different := index.Differences(&want, &got); len(different) > 0 {
			t.Fatalf("kept %s, first seen as %s: %q", e.Raw, v.first.text(), different)
		}
		r, ok := byKey[e.Key()]
		if !ok { // what holds of a version without a record
			r = store.LineRecord{Version: e.Vers, Checksum: e.Cksum, PublishedAt: e.Pubtime, FirstSeenAt: f.FirstSeenAt, Dated: true, Yanked: e.Yanked}
		}
		if e.Yanked != v.yanked || r.Yanked != v.yanked {
			t.Fatalf("%s: yanked is %t in its line and %t in its record, want %t", e.Vers, e.Yanked, r.Yanked, v.yanked)
		}
		if r.Checksum != want.Cksum || !r.PublishedAt.Equal(want.Pubtime) || r.Dated != v.dated || !r.FirstSeenAt.Equal(v.at) || r.Version != v.first.version {
			t.Fatalf("%s: record %+v, first seen at %s, dated %t, as %s", e.Vers, r, v.at, v.dated, v.first.text())
		}
		if r.Trouble != v.want {
			t.Fatalf("%s: trouble %q, want %q", e.Vers, r.Trouble, v.want)
		}
	}
	if kept != len(o.versions) {
		t.Fatalf("%d lines are kept, want %d", kept, len(o.versions))
	}
}
