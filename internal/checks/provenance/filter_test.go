package provenance

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lay gives files of the crate other contents, which txtar could not hold.
func (f fixture) lay(contents map[string]string) fixture {
	for i, file := range f.archive.Files {
		if data, ok := contents[file.Path]; ok {
			f.archive.Files[i].Data = []byte(data)
		}
	}
	return f
}

func wide(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

func TestTranscoded(t *testing.T) {
	f := newFixture(t, "demo", `
-- .gitattributes --
*.rc working-tree-encoding=UTF-16LE-BOM
/demo/le/** working-tree-encoding=utf-16le
-- demo/.gitattributes --
plain.rc -working-tree-encoding
-- demo/Cargo.toml --
[package]
name = "demo"
-- demo/same.rc --
hi
-- demo/lines.rc --
hi
-- demo/mixed.rc --
hi
ho
-- demo/other.rc --
hi
-- demo/plain.rc --
hi
-- demo/named.txt --
hi
-- demo/le/same.txt --
hi
`).lay(map[string]string{
		"same.rc":     "\xff\xfe" + wide("hi\n"),
		"lines.rc":    "\xff\xfe" + wide("hi\r\n"),
		"mixed.rc":    "\xff\xfe" + wide("hi\r\nho\n"),
		"other.rc":    "\xff\xfe" + wide("ho\n"),
		"plain.rc":    "\xff\xfe" + wide("hi\n"),
		"named.txt":   "\xff\xfe" + wide("hi\n"), // of which .gitattributes say nothing
		"le/same.txt": wide("hi\n"),
	})
	want := "le/same.txt transcoded at demo/le/same.txt\nlines.rc transcoded source at demo/lines.rc ends windows\nmixed.rc transcoded source at demo/mixed.rc ends mixed\nnamed.txt modified source at demo/named.txt\n" +
		"other.rc modified source at demo/other.rc\nplain.rc modified source at demo/plain.rc\nsame.rc transcoded at demo/same.rc\n"
	if diff := cmp.Diff(want, told(compare(t, f, "demo"))); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestStored(t *testing.T) {
	const content = "large\x00file"
	pointer := func(of string, size int) string {
		return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%x\nsize %d\n", sha256.Sum256([]byte(of)), size)
	}
	f := newFixture(t, "", demoManifest+`
-- .gitattributes --
*.bin filter=lfs diff=lfs merge=lfs -text
-- same.bin --
`+pointer(content, len(content))+`-- other.bin --
`+pointer("something else", len(content))+`-- size.bin --
`+pointer(content, len(content)+1)+`-- twice.bin --
`+pointer(content, len(content))+`size 10
-- pointer.bin --
`+pointer("not fetched when packaging", 3)+`-- plain.dat --
`+pointer(content, len(content)))
	f = f.lay(map[string]string{
		"same.bin": content, "other.bin": content, "size.bin": content, "twice.bin": content, "plain.dat": content,
	})
	want := "other.bin modified source at other.bin\nplain.dat modified source at plain.dat\nsame.bin stored at same.bin\n" +
		"size.bin modified source at size.bin\ntwice.bin modified source at twice.bin\n"
	if diff := cmp.Diff(want, told(compare(t, f, ""))); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// A keyword is folded where git would have expanded it so: where the repository
// says so, and to the id of the very blob.
func TestIdent(t *testing.T) {
	const blob = "// $Id$\nfn f() {}\n"
	expanded := strings.Replace(blob, "$Id$", "$Id: "+blobID([]byte(blob)).String()+" $", 1)
	other := strings.Replace(blob, "$Id$", "$Id: "+strings.Repeat("0f", 20)+" $", 1)
	f := newFixture(t, "", demoManifest+`
-- .gitattributes --
*.rs ident
plain.rs -ident
-- same.rs --
`+blob+`-- windows.rs --
`+blob+`-- digits.rs --
`+blob+`-- plain.rs --
`+blob+`-- named.txt --
`+blob)
	f = f.lay(map[string]string{
		"same.rs": expanded, "windows.rs": strings.ReplaceAll(expanded, "\n", "\r\n"), "digits.rs": other, "plain.rs": expanded,
		"named.txt": expanded, // of which .gitattributes say nothing
	})
	want := `digits.rs modified source at digits.rs lines 1-1
named.txt modified source at named.txt lines 1-1
plain.rs modified source at plain.rs lines 1-1
same.rs ident at same.rs
windows.rs ident at windows.rs
`
	if diff := cmp.Diff(want, told(compare(t, f, ""))); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// What a decoder takes for the same is not: half a surrogate pair is no text, and
// a mark of the other order, or none, is another file.
func TestDecoded(t *testing.T) {
	const mark = "\xff\xfe"
	tests := []struct {
		name, encoding, data string
		want                 bool
	}{
		{"little-endian", "UTF-16LE", wide("hi"), true},
		{"with its mark", "utf-16le-bom", mark + wide("hi"), true},
		{"by its mark", "UTF-16", mark + wide("hi"), true},
		{"by its other mark", "UTF-16", "\xfe\xff\x00h\x00i", true},
		{"a replacement character", "UTF-16LE", "\xfd\xff", true},
		{"half a pair", "UTF-16LE", "\x00\xd8" + wide("h"), false},
		{"the other half", "UTF-16", mark + "\x00\xdc", false},
		{"half a character", "UTF-16LE", "h", false},
		{"without a mark", "UTF-16", wide("hi"), false},
		{"with the other mark", "UTF-16LE-BOM", "\xfe\xff\x00h", false},
		{"an encoding that git does not name", "EBCDIC", "hi", false},
	}
	for _, test := range tests {
		if text, ok := decoded([]byte(test.data), test.encoding); ok != test.want {
			t.Errorf("%s: %q, %v, want %v", test.name, text, ok, test.want)
		}
	}
}
