package mirror

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A step is a look at upstream, a while after the one before.
type step struct {
	after   time.Duration
	file    string // as upstream has it; "-" is none
	events  string
	lines   string // as they are kept then; "" is as upstream has them
	records string
	err     error
}

// What becomes of a crate's lines, look by look. The first look finds 1.0.0 and
// 1.0.1; of what was there then there is no record.
func TestLooks(t *testing.T) {
	const (
		before = "1.0.0 @2026-01-01\n1.0.1 log @2026-01-02\n"
		later  = 2 * time.Minute
	)
	tests := []struct {
		name  string
		steps []step
	}{
		{
			name:  "nothing happens",
			steps: []step{{after: later, file: before}},
		},
		{
			name: "a version is published, with whatever date",
			steps: []step{{
				after: later, file: before + "1.0.2 log @2026-01-03",
				events: "published 1.0.2\n", records: "1.0.2 a @2026-01-03 +2m0s\n",
			}},
		},
		{
			name: "a version is published as another with build metadata is there",
			steps: []step{{
				after: later, file: before + "1.0.1+evil #b @2026-01-02",
				events: "unreadable-lines 1 lines are left out, the first of them: version \"1.0.1+evil\": it stands twice\n",
				lines:  before,
			}},
		},
		{
			name: "a version is yanked, and unyanked",
			steps: []step{
				{
					after: later, file: "1.0.0 yanked @2026-01-01\n1.0.1 log @2026-01-02\n",
					events: "yanked 1.0.0\n", records: "1.0.0 a @2026-01-01 +0s dated yanked +2m0s\n",
				},
				{after: later, file: before, events: "unyanked 1.0.0\n", records: "1.0.0 a @2026-01-01 +0s dated\n"},
			},
		},
		{ // as in the attack on arrayref, but for the yanks, which are taken back
			name: "a version is published as all others are yanked, which are unyanked",
			steps: []step{
				{
					after: later, file: "1.0.0 yanked @2026-01-01\n1.0.1 log yanked @2026-01-02\n1.0.2 evil\n",
					events: "yanked 1.0.0\nyanked 1.0.1\npublished 1.0.2\n",
					records: "1.0.0 a @2026-01-01 +0s dated yanked +2m0s\n1.0.1 a @2026-01-02 +0s dated yanked +2m0s\n" +
						"1.0.2 a +2m0s wave 2\n",
				},
				{
					after: later, file: before + "1.0.2 evil\n",
					events:  "unyanked 1.0.0\nunyanked 1.0.1\n",
					records: "1.0.0 a @2026-01-01 +0s dated\n1.0.1 a @2026-01-02 +0s dated\n1.0.2 a +2m0s wave 2\n",
				},
				{ // a yank that has nothing to do with it
					after: 48 * time.Hour, file: "1.0.0 yanked @2026-01-01\n1.0.1 log @2026-01-02\n1.0.2 evil\n",
					events:  "yanked 1.0.0\n",
					records: "1.0.0 a @2026-01-01 +0s dated yanked +48h4m0s\n1.0.1 a @2026-01-02 +0s dated\n1.0.2 a +2m0s wave 2\n",
				},
			},
		},
		{
			name: "a line is endless",
			steps: []step{{
				after: later, file: before + "1.0.2 log ?" + strings.Repeat("x", maxLine),
				events: "unreadable-lines 1 lines are left out, the first of them: version \"1.0.2\": its line has 1048754 bytes\n",
				lines:  before,
			}},
		},
		{
			name: "a line is written anew, to the same effect",
			steps: []step{{
				after: later, file: "1.0.0 @2026-01-01 ?new\n1.0.1 log @2026-01-02\n",
				events: "rewritten 1.0.0\n",
			}},
		},
		{
			name: "the first date stays the one that counts",
			steps: []step{{
				after: later, file: "1.0.0 @2020-01-01\n1.0.1 log @2026-01-02\n",
				events: "rewritten 1.0.0\n", records: "1.0.0 a @2026-01-01 +0s dated\n",
			}},
		},
		{
			name: "many lines are written anew",
			steps: []step{
				{
					after: later, file: before + "2.0.0\n2.0.1\n2.0.2\n2.0.3\n2.0.4",
					events:  "published 2.0.0\npublished 2.0.1\npublished 2.0.2\npublished 2.0.3\npublished 2.0.4\n",
					records: "2.0.0 a +2m0s\n2.0.1 a +2m0s\n2.0.2 a +2m0s\n2.0.3 a +2m0s\n2.0.4 a +2m0s\n",
				},
				{
					after: later, file: "1.0.0 @2026-01-01 ?x\n1.0.1 log @2026-01-02 ?x\n2.0.0 ?x\n2.0.1 ?x\n2.0.2 ?x\n2.0.3 ?x\n2.0.4 ?x",
					events:  "rewritten 1.0.0\nrewritten 1.0.1\nrewritten 2.0.0\nrewritten 2.0.1\nrewritten 2.0.2\nrewritten 2 more lines\n",
					records: "2.0.0 a +2m0s\n2.0.1 a +2m0s\n2.0.2 a +2m0s\n2.0.3 a +2m0s\n2.0.4 a +2m0s\n",
				},
			},
		},
		{
			name: "a line is edited, stays so, is yanked, and returns",
			steps: []step{
				{
					after: later, file: "1.0.0 evil @2026-01-01\n1.0.1 log @2026-01-02\n", lines: before,
					events:  "edited 1.0.0 adds normal dependency \"evil\" \"^1\"\n",
					records: "1.0.0 a @2026-01-01 +0s dated changed +2m0s offered a\n",
				},
				{
					after: later, file: "1.0.0 evil @2026-01-01\n1.0.1 log @2026-01-02\n", lines: before,
					records: "1.0.0 a @2026-01-01 +0s dated changed +2m0s offered a\n",
				},
				{
					after: later, file: "1.0.0 evil yanked @2026-01-01\n1.0.1 log @2026-01-02\n", lines: "1.0.0 yanked @2026-01-01\n1.0.1 log @2026-01-02\n",
					events:  "yanked 1.0.0\n",
					records: "1.0.0 a @2026-01-01 +0s dated yanked +6m0s changed +2m0s offered a\n",
				},
				{
					after: later, file: before,
					events:  "unyanked 1.0.0\nreturned 1.0.0 it was changed\n",
					records: "1.0.0 a @2026-01-01 +0s dated\n",
				},
			},
		},
		{
			name: "other bytes under a known version, and others again",
			steps: []step{
				{
					after: later, file: "1.0.0 #b @2026-01-01\n1.0.1 log @2026-01-02\n", lines: before,
					events:  "other-checksum 1.0.0 checksum bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb in place of aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
					records: "1.0.0 a @2026-01-01 +0s dated other-checksum +2m0s offered b\n",
				},
				{
					after: later, file: "1.0.0 #c @2026-01-01 yanked\n1.0.1 log @2026-01-02\n", lines: before,
					events:  "other-checksum 1.0.0 checksum cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc in place of aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
					records: "1.0.0 a @2026-01-01 +0s dated other-checksum +4m0s offered c\n",
				},
				{after: later, file: before, events: "returned 1.0.0 it was other-checksum\n", records: "1.0.0 a @2026-01-01 +0s dated\n"},
			},
		},
		{
			name: "a version is removed, comes back with other bytes, then as it was",
			steps: []step{
				{
					after: later, file: "1.0.1 log @2026-01-02\n", lines: before,
					events:  "removed 1.0.0 upstream has the crate without it\n",
					records: "1.0.0 a @2026-01-01 +0s dated removed +2m0s\n",
				},
				{
					after: later, file: "1.0.1 log @2026-01-02\n1.0.0 #b @2026-01-01", lines: before,
					events:  "other-checksum 1.0.0 checksum bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb in place of aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
					records: "1.0.0 a @2026-01-01 +0s dated other-checksum +4m0s offered b\n",
				},
				{
					after: later, file: "1.0.1 log @2026-01-02\n1.0.0 @2026-01-01", lines: before,
					events: "returned 1.0.0 it was other-checksum\n", records: "1.0.0 a @2026-01-01 +0s dated\n",
				},
			},
		},
		{
			name: "the crate is gone for a moment",
			steps: []step{
				{after: later, file: "-", lines: before, events: "file-gone\n", err: ErrNotFound},
				{after: later, file: "-", lines: before, err: ErrNotFound},
				{after: later, file: before},
				{after: time.Hour, file: "\n", lines: before, events: "file-gone\n", err: ErrNotFound},
			},
		},
		{
			name: "the crate is gone for good, and comes back",
			steps: []step{
				{after: later, file: "-", lines: before, events: "file-gone\n", err: ErrNotFound},
				{
					after: 10 * time.Minute, file: "", lines: before,
					events: "removed 1.0.0 upstream has no such crate since 2026-11-22 12:02 UTC\n" +
						"removed 1.0.1 upstream has no such crate since 2026-11-22 12:02 UTC\n",
					records: "1.0.0 a @2026-01-01 +0s dated removed +12m0s\n1.0.1 a @2026-01-02 +0s dated removed +12m0s\n",
					err:     ErrNotFound,
				},
				{
					after: time.Hour, file: "-", lines: before,
					records: "1.0.0 a @2026-01-01 +0s dated removed +12m0s\n1.0.1 a @2026-01-02 +0s dated removed +12m0s\n",
					err:     ErrNotFound,
				},
				{
					after: later, file: before,
					events:  "returned 1.0.0 it was removed\nreturned 1.0.1 it was removed\n",
					records: "1.0.0 a @2026-01-01 +0s dated\n1.0.1 a @2026-01-02 +0s dated\n",
				},
			},
		},
		{
			name: "lines that cannot be read, or are another crate's",
			steps: []step{
				{
					after: later, file: before + "!\n1.0.2 =tidy_int\n1.0.3 =Tidy-Int", lines: before,
					events: "unreadable-lines 3 lines are left out, the first of them: line 3: not an index line: unexpected end of JSON input\n",
				},
				{after: later, file: before, events: "unreadable-lines all lines can be read again\n"},
			},
		},
		{ // a proxy's error page, say
			name:  "nothing can be read",
			steps: []step{{after: later, file: "!\n!", lines: before, err: ErrTrouble}},
		},
		{
			name:  "the file of another crate",
			steps: []step{{after: later, file: "9.0.0 =other", lines: before, err: ErrTrouble}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			steps := append([]step{{file: before}}, tt.steps...)
			for n, s := range steps {
				w.pass(s.after)
				delete(w.registry.files, "tidy-int")
				if s.file != "-" {
					w.registry.files["tidy-int"] = file(s.file)
				}
				if err := w.Refresh(t.Context(), "tidy-int"); !errors.Is(err, s.err) {
					t.Fatalf("look %d: Refresh = %v, want %v", n, err, s.err)
				}
				lines := s.lines
				if lines == "" {
					lines = s.file
				}
				if diff := cmp.Diff(file(lines), w.store.kept(t, "tidy-int")); diff != "" {
					t.Errorf("look %d: lines kept (-want +got):\n%s", n, diff)
				}
				if diff := cmp.Diff(s.events, w.store.told()); diff != "" {
					t.Errorf("look %d: events (-want +got):\n%s", n, diff)
				}
				if diff := cmp.Diff(s.records, w.store.known("tidy-int")); diff != "" {
					t.Errorf("look %d: records (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}
