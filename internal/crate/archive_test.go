package crate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var foo = Release{Name: "foo", Version: "1.0.0"}

const fooManifest = "[package]\nname = \"foo\"\nversion = \"1.0.0\"\n"

func TestRead(t *testing.T) {
	long := "src/" + strings.Repeat("long/", 30) + "lib.rs"
	entries := []entry{
		file("Cargo.toml", fooManifest),
		{name: "foo-1.0.0/run.sh", body: "#!/bin/sh\n", edit: func(h *header) { copy(h.mode(), "0000755\x00") }},
		file("src/empty.rs", ""),
		file("src/lib.rs", strings.Repeat("x", blockSize)),
	}
	entries = append(entries, longNamed("foo-1.0.0/"+long)...)
	data := gzipped(t, stream(entries...))

	got, err := Read(data, foo, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Path: "Cargo.toml", Data: []byte(fooManifest)},
		{Path: "run.sh", Executable: true, Data: []byte("#!/bin/sh\n")},
		{Path: "src/empty.rs", Data: []byte{}},
		{Path: "src/lib.rs", Data: bytes.Repeat([]byte("x"), blockSize)},
		{Path: long, Data: []byte("long")},
	}
	if diff := cmp.Diff(want, got.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	// src/long/… sorts after src/lib.rs, so there is nothing to note.
	if len(got.Notes) > 0 {
		t.Errorf("notes %q, want none", got.Notes)
	}
	if want := int64(len(data)); got.Packed != want {
		t.Errorf("packed %d, want %d", got.Packed, want)
	}
	if want := int64(len(fooManifest) + 10 + blockSize + 4); got.Unpacked != want {
		t.Errorf("unpacked %d, want %d", got.Unpacked, want)
	}
	if f := got.File("src/lib.rs"); f == nil || len(f.Data) != blockSize {
		t.Errorf("File: got %v", f)
	}
	if f := got.File("foo-1.0.0/src/lib.rs"); f != nil {
		t.Errorf("File of an absent path: got %v", f)
	}
}

func TestReadRefusesGzip(t *testing.T) {
	whole := gzipped(t, stream(file("a.txt", "a")))
	bomb := gzipped(t, make([]byte, 1<<20))
	reserved := slices.Clone(whole)
	reserved[3] |= 0x80
	damaged := slices.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // in the CRC
	tests := []struct {
		name string
		data []byte
		want []string
	}{
		{"empty", nil, []string{RuleGzip}},
		{"not gzip", []byte("PK\x03\x04 something else"), []string{RuleGzip}},
		{"header cut short", whole[:7], []string{RuleGzip}},
		{"body cut short", whole[:len(whole)/2], []string{RuleGzip}},
		{"trailer cut short", whole[:len(whole)-1], []string{RuleGzip}},
		{"wrong CRC", damaged, []string{RuleGzip}},
		{"reserved flag", reserved, []string{RuleGzip}},
		// The member that Go reads by default and cargo does not.
		{"second member", append(slices.Clone(whole), whole...), []string{RuleTrailingData}},
		{"trailing bytes", append(slices.Clone(whole), 0), []string{RuleTrailingData}},
		{"bomb", bomb, []string{RuleUnpackedSize}},
		{"too large packed", make([]byte, 70_000), []string{RulePackedSize}},
		// One pass reports the gzip's problem and the tar's.
		{"trailing bytes and a link", append(gzipped(t, stream(entry{name: "foo-1.0.0/l", kind: typeSymlink})), 0),
			[]string{RuleTrailingData, RuleEntryType}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkRefused(t, test.data, Limits{Packed: 65_536, Unpacked: 65_536, Files: 10, Path: 100}, test.want)
		})
	}
}

func TestReadRefusesTar(t *testing.T) {
	set := func(from int, s string) func(h *header) {
		return func(h *header) { copy(h[from:], s) }
	}
	whole := stream(file("a.txt", "a"))
	tests := []struct {
		name string
		tar  []byte
		want []string
	}{
		{"symlink", stream(entry{name: "foo-1.0.0/l", kind: '2'}), []string{RuleEntryType}},
		{"hard link", stream(entry{name: "foo-1.0.0/l", kind: '1'}), []string{RuleEntryType}},
		{"device", stream(entry{name: "foo-1.0.0/d", kind: '3'}), []string{RuleEntryType}},
		{"contiguous file", stream(entry{name: "foo-1.0.0/c", kind: '7'}), []string{RuleEntryType}},
		{"file named like a directory", stream(file("a/", "a")), []string{RuleEntryType}},
		// Go skips a directory's body, others read the next header from it.
		{"directory with a body", stream(entry{name: "foo-1.0.0/d/", kind: '5', body: "x"}), []string{RuleEntryType}},
		{"PAX header", stream(entry{name: "pax", kind: 'x', body: "20 path=foo-1.0.0/b\n"}, file("a.txt", "a")), []string{RuleExtension}},
		{"PAX header for all", stream(entry{name: "pax", kind: 'g', body: "9 size=1\n"}, file("a.txt", "a")), []string{RuleExtension}},
		// The order of two differentials of 2025 and 2026.
		{"PAX header and a long name", stream(append([]entry{{name: "pax", kind: 'x', body: "9 size=1\n"}}, longNamed("foo-1.0.0/b")...)...), []string{RuleExtension}},
		{"sparse file", stream(entry{name: "foo-1.0.0/s", kind: 'S'}), []string{RuleExtension}},
		{"sparse map in a regular header", stream(edited(set(386, "00000000001\x00"))), []string{RuleExtension}},
		{"path prefix in a GNU header", stream(edited(set(345, "elsewhere"))), []string{RuleExtension}},
		{"long link name", stream(entry{name: longNameEntry, kind: 'K', body: "x\x00"}), []string{RuleEntryType}},
		{"two long names", stream(append([]entry{{name: longNameEntry, kind: 'L', body: "foo-1.0.0/b\x00"}}, longNamed("foo-1.0.0/c")...)...), []string{RuleLongName}},
		{"long name at the end", stream(file("a", ""), entry{name: longNameEntry, kind: 'L', body: "foo-1.0.0/b\x00"}), []string{RuleLongName}},
		{"NUL in a long name", stream(entry{name: longNameEntry, kind: 'L', body: "foo-1.0.0/b\x00c\x00"}, file("a", "")), []string{RuleLongName, RulePathCharacter}},
		{"long name in ustar", stream(entry{name: longNameEntry, kind: 'L', body: "foo-1.0.0/b\x00", edit: set(257, magicUSTAR)}, file("a", "")), []string{RuleLongName}},
		{"wrong checksum", stream(entry{name: "foo-1.0.0/a", edit: set(148, "0000001\x00"), bare: true}), []string{RuleHeader}},
		{"unknown magic", stream(edited(set(257, "ustar\x00  "))), []string{RuleHeader}},
		{"star's magic", stream(edited(func(h *header) { copy(h[257:], magicUSTAR); copy(h[508:], "tar\x00") })), []string{RuleHeader}},
		{"POSIX fields without magic", stream(edited(func(h *header) { copy(h[257:], magicV7); copy(h[345:], "x") })), []string{RuleHeader}},
		{"size in base 256", stream(edited(set(124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"))), []string{RuleHeader}},
		{"size with a sign", stream(edited(set(124, "+0000000001\x00"))), []string{RuleHeader}},
		{"size with a gap", stream(edited(set(124, "0000 000001\x00"))), []string{RuleHeader}},
		{"no size", stream(edited(set(124, strings.Repeat("\x00", 12)))), []string{RuleHeader}},
		{"mode not a number", stream(edited(set(100, "rw-r--r-"))), []string{RuleHeader}},
		{"owner not a number", stream(edited(set(108, "nobody\x00\x00"))), []string{RuleHeader}},
		{"time in base 256", stream(edited(set(136, "\x80\x00"))), []string{RuleHeader}},
		{"size beyond the end", stream(edited(set(124, "77777777777\x00"))), []string{RuleTruncated}},
		{"cut in a header", whole[:100], []string{RuleTruncated}},
		{"cut in a body", whole[:blockSize+1], []string{RuleTruncated}},
		{"no end mark", whole[:2*blockSize], []string{RuleTruncated}},
		{"nothing", nil, []string{RuleTruncated}},
		// cargo stops at the first zero block, Go at two.
		{"entry after one zero block", slices.Concat(file("a.txt", "a").bytes(), endMark[:blockSize], stream(file("b.txt", "b"))), []string{RuleTrailingData}},
		{"entry after the end", slices.Concat(whole, whole), []string{RuleTrailingData}},
		{"too many entries", stream(slices.Repeat([]entry{file("a", "")}, 11)...), []string{RuleFileCount, RuleDuplicate}},
		{"every problem is told", stream(file("../x", ""), entry{name: "bar", kind: '2'}, edited(set(257, "wrong"))),
			[]string{RulePath, RuleEntryType, RuleHeader}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkRefused(t, gzipped(t, test.tar), Limits{Packed: 1 << 20, Unpacked: 1 << 20, Files: 10, Path: 100}, test.want)
		})
	}
}

func TestReadRefusesPaths(t *testing.T) {
	tests := []struct {
		name  string
		paths []string // as the archive spells them
		want  []string
	}{
		{"absolute", []string{"/etc/passwd"}, []string{RulePath}},
		{"parent", []string{"foo-1.0.0/../evil"}, []string{RulePath}},
		{"parent last", []string{"foo-1.0.0/.."}, []string{RulePath}},
		{"dot", []string{"foo-1.0.0/./a"}, []string{RulePath}},
		{"dot first", []string{"./foo-1.0.0/a"}, []string{RulePath}},
		{"empty part", []string{"foo-1.0.0//a"}, []string{RulePath}},
		{"no path", []string{""}, []string{RulePath}},
		{"too long", []string{"foo-1.0.0/" + strings.Repeat("a", 80)}, []string{RulePath}},
		{"other crate", []string{"bar-1.0.0/a"}, []string{RuleOutside}},
		{"same beginning", []string{"foo-1.0.00/a"}, []string{RuleOutside}},
		{"root as a file", []string{"foo-1.0.0"}, []string{RuleOutside}},
		{"backslash", []string{`foo-1.0.0/a\b`}, []string{RulePathCharacter}},
		{"drive or stream", []string{"foo-1.0.0/a:b"}, []string{RulePathCharacter}},
		{"newline", []string{"foo-1.0.0/a\nb"}, []string{RulePathCharacter}},
		{"escape", []string{"foo-1.0.0/a\x1b[2J"}, []string{RulePathCharacter}},
		{"not UTF-8", []string{"foo-1.0.0/\xff"}, []string{RulePathCharacter}},
		{"star in a file name", []string{"foo-1.0.0/a*"}, []string{RulePathCharacter}},
		{"twice", []string{"foo-1.0.0/a", "foo-1.0.0/b", "foo-1.0.0/a"}, []string{RuleDuplicate}},
		{"case", []string{"foo-1.0.0/a/README", "foo-1.0.0/a/readme"}, []string{RuleCaseCollision}},
		// U+212A is the Kelvin sign.
		{"case beyond ASCII", []string{"foo-1.0.0/ÄK", "foo-1.0.0/ä\u212a"}, []string{RuleCaseCollision}},
		// é as one character and as e with an accent.
		{"accents", []string{"foo-1.0.0/caf\u00e9", "foo-1.0.0/cafe\u0301"}, []string{RuleCaseCollision}},
		{"case of a folder", []string{"foo-1.0.0/A/x", "foo-1.0.0/a/x"}, []string{RuleCaseCollision}},
		{"file and folder", []string{"foo-1.0.0/a", "foo-1.0.0/a.b", "foo-1.0.0/a/b"}, []string{RuleFileAndFolder}},
		{"file and folder in other case", []string{"foo-1.0.0/A", "foo-1.0.0/a/b"}, []string{RuleFileAndFolder}},
		{"two manifests", []string{"foo-1.0.0/Cargo.toml", "foo-1.0.0/cargo.toml"}, []string{RuleManifestCase, RuleCaseCollision}},
		{"manifest in other letters", []string{"foo-1.0.0/CARGO.TOML"}, []string{RuleManifestCase}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var entries []entry
			for i, path := range test.paths { // each its own bytes: which wins would matter
				entries = append(entries, entry{name: path, body: strconv.Itoa(i)})
			}
			checkRefused(t, gzipped(t, stream(entries...)), Limits{Packed: 1 << 20, Unpacked: 1 << 20, Files: 10, Path: 80}, test.want)
		})
	}
}

func checkRefused(t *testing.T, data []byte, lim Limits, want []string) {
	t.Helper()
	a, err := Read(data, foo, lim)
	refused, ok := errors.AsType[*FormatError](err)
	if !ok || a != nil {
		t.Fatalf("got archive %v and error %v, want a *FormatError", a, err)
	}
	var got []string
	for _, p := range refused.Problems {
		if !slices.Contains(got, p.Rule) {
			got = append(got, p.Rule)
		}
		if p.Message == "" {
			t.Errorf("rule %q: no message", p.Rule)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v\nrules (-want +got):\n%s", err, diff)
	}
}

// What honest crates of old cargos, and of some hands, have.
func TestReadNotes(t *testing.T) {
	tests := []struct {
		name string
		tar  []byte
		want []string
	}{
		{"directories", stream(entry{name: "foo-1.0.0/", kind: '5'}, entry{name: "foo-1.0.0/src/", kind: '5'}, file("src/lib.rs", "")), []string{NoteDirectory}},
		// windows-sys 0.61.0 and others: written by cargo where the disk ignores case.
		{"one file in two spellings", stream(file("README.md", "x"), file("readme.md", "x")), []string{NoteCaseTwin}},
		{"old regular file", stream(edited(func(h *header) { h[156] = 0 })), nil},
		{"ustar with a prefix", stream(edited(func(h *header) {
			clear(h.name())
			copy(h.name(), "a.txt")
			copy(h[257:], magicUSTAR)
			copy(h.prefix(), "foo-1.0.0")
		})), []string{NoteFormat}},
		{"v7", stream(edited(func(h *header) { copy(h[257:], magicV7) })), []string{NoteFormat}},
		{"group-writable", stream(edited(func(h *header) { copy(h.mode(), "0100664\x00") })), []string{NoteMode}},
		{"mode with the type of file", stream(edited(func(h *header) { copy(h.mode(), "0100755\x00") })), nil},
		{"owner", stream(edited(func(h *header) { copy(h.uid(), "0001750\x00") })), []string{NoteOwner}},
		{"owner in base 256", stream(edited(func(h *header) { copy(h.uid(), "\x80\x00\x00\x00\x49\x96\x02\xd2") })), []string{NoteOwner}},
		{"access time", stream(edited(func(h *header) { copy(h[345:], "00000000001\x00") })), []string{NoteSlack}},
		// A file from disk, as cargo wrote it before 1.43.
		{"all of an old cargo's", stream(edited(func(h *header) {
			copy(h.mode(), "0100640\x00")
			copy(h.uid(), "0001750\x00")
			copy(h.gid(), "0001750\x00")
			copy(h[257:], magicUSTAR)
		})), []string{NoteFormat, NoteOwner, NoteMode}},
		{"one zero block", slices.Concat(file("a.txt", "a").bytes(), endMark[:blockSize]), []string{NoteEnd}},
		{"twenty zero blocks", slices.Concat(file("a.txt", "a").bytes(), make([]byte, 20*blockSize)), []string{NoteEnd}},
		{"unsorted", stream(file("b", ""), file("a", "")), []string{NoteOrder}},
		// By parts, as cargo sorts: src/lib.rs comes before src.rs.
		{"sorted by parts", stream(file("src/lib.rs", ""), file("src.rs", "")), nil},
		{"cargo's own mark", stream(file("src/.cargo-ok", "x")), []string{NoteUnpackMark}},
		{"Windows device", stream(file("src/aux.rs", "")), []string{NoteWindows}},
		{"direction change", stream(file("src/a\u202egnp.rs", "")), []string{NoteInvisible}},
		{"folder in two cases", stream(file("Src/a", ""), file("src/b", "")), []string{NoteFolderCase}},
		{"long name without NUL", stream(entry{name: longNameEntry, kind: 'L', body: "foo-1.0.0/b"}, file("a", "")), []string{NoteSlack}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := Read(gzipped(t, test.tar), foo, DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, n := range a.Notes {
				got = append(got, n.Rule)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if len(a.Files) == 0 {
				t.Error("no files")
			}
		})
	}
}

// However bad an archive is, its report stays readable.
func TestReadBoundsProblems(t *testing.T) {
	var entries []entry
	for i := range 500 {
		entries = append(entries, entry{name: fmt.Sprintf("bar/%d", i), kind: "012"[i%3]})
	}
	_, err := Read(gzipped(t, stream(entries...)), foo, DefaultLimits)
	refused, ok := errors.AsType[*FormatError](err)
	if !ok {
		t.Fatal(err)
	}
	if got, want := len(refused.Problems), 2*maxProblemsPerRule; got != want {
		t.Errorf("%d problems kept, want %d", got, want)
	}
	if got := len(refused.Problems) + refused.More; got != len(entries) {
		t.Errorf("%d problems counted, want %d", got, len(entries))
	}
	if got := err.Error(); !strings.HasSuffix(got, ", and 499 more") {
		t.Errorf("error %q", got)
	}
}

func TestNotesAreCounted(t *testing.T) {
	a, err := Read(gzipped(t, stream(file("con", ""), file("nul", ""), file("prn.txt", ""))), foo, DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := []Problem{{
		Rule: NoteWindows, Path: "foo-1.0.0/con",
		Message: `the name "con" cannot be unpacked on Windows as it stands, and 2 more entries like it`,
	}}
	if diff := cmp.Diff(want, a.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}
