package provenance

import (
	"strings"
	"testing"
)

// Line ends that no checkout makes are told where a program may take in the file
// as it is.
func TestLineEnds(t *testing.T) {
	tests := []struct {
		name, file, attributes, git, crate string
		want                               string // what told says; "" for the same
	}{
		{name: "a list", file: "src/list", git: "a\nb\n", crate: "a\r\nb\r\n", want: "line-ends source at src/list ends windows"},
		{name: "the other way", file: "src/list", git: "a\r\nb\r\n", crate: "a\nb\n", want: "line-ends source at src/list ends unix"},
		{name: "some of its lines", file: "src/list", git: "a\nb\n", crate: "a\r\nb\n", want: "line-ends source at src/list ends mixed"},

		{name: "called text", file: "src/list", attributes: "list text", git: "a\n", crate: "a\r\n", want: "line-ends at src/list"},
		{name: "if it looks so", file: "src/list", attributes: "* text=auto", git: "a\n", crate: "a\r\n", want: "line-ends at src/list"},
		{name: "for Windows", file: "src/list", attributes: "list eol=crlf", git: "a\n", crate: "a\r\n", want: "line-ends at src/list"},
		{name: "for Unix", file: "src/list", attributes: "list text eol=lf", git: "a\n", crate: "a\r\n", want: "line-ends source at src/list ends windows"},
		{name: "called data", file: "src/list", attributes: "* text\nlist binary", git: "a\n", crate: "a\r\n", want: "line-ends source at src/list ends windows"},
		// No checkout writes what git holds with fewer bytes.
		{name: "text the other way", file: "src/list", attributes: "list text", git: "a\r\n", crate: "a\n", want: "line-ends source at src/list ends unix"},
		{name: "some lines of a text", file: "src/list", attributes: "list text", git: "a\nb\n", crate: "a\r\nb\n", want: "line-ends source at src/list ends mixed"},

		{name: "a source file", file: "src/a.rs", git: "a\nb\n", crate: "a\r\nb\n", want: "line-ends at src/a.rs"},
		{name: "a document", file: "docs/a", git: "a\nb\n", crate: "a\r\nb\r\n", want: "line-ends at docs/a"},
		{name: "some lines of a document", file: "docs/a", git: "a\nb\n", crate: "a\r\nb\n", want: "line-ends at docs/a ends mixed"},

		// What git takes for data it never writes otherwise.
		{name: "a carriage return alone", file: "src/list", git: "a\rb\n", crate: "a\rb\r\n", want: "modified source at src/list"},
		{name: "a NUL, late", file: "src/list", git: lateNUL + "\n", crate: lateNUL + "\r\n", want: "modified source at src/list"},
		{name: "control characters", file: "src/list", git: "\x01\x02\n", crate: "\x01\x02\r\n", want: "modified source at src/list"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, "", demoManifest+"-- .gitattributes --\n"+test.attributes+"\n-- "+test.file+" --\n"+test.git+"-- crate/"+test.file+" --\n"+test.crate)
			got := told(compare(t, f, ""))
			if want := test.file + " " + test.want + "\n"; got != want {
				t.Errorf("got  %qwant %q", got, want)
			}
		})
	}
}

// lateNUL has a NUL behind where git looks for one before it shows a file.
var lateNUL = strings.Repeat("a", 9000) + "\x00"
