package index

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What a line says survives being written and read again, and a name that was
// accepted has a path that stays below the index.
func FuzzLine(f *testing.F) {
	f.Add([]byte(least("")))
	f.Add([]byte(least(`,"yanked":true,"links":null,"v":2,"pubtime":"2026-11-01T10:20:30Z"`)))
	f.Add([]byte(strings.Replace(least(`,"features":{"a\u0062":["x\"y"]}`), "[]", `[{"name":"a","req":"^1","kind":"dev"}]`, 1)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		line, err := ParseLine(raw)
		if err != nil {
			return
		}
		written, err := json.Marshal(line)
		if err != nil {
			t.Fatalf("write %+v: %v", line, err)
		}
		again, err := ParseLine(written)
		if err != nil {
			t.Fatalf("read %s again: %v", written, err)
		}
		same := cmp.Options{cmpopts.IgnoreFields(Line{}, "Raw"), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(line, again, same); diff != "" {
			t.Fatalf("written and read again (-first +again):\n%s", diff)
		}
		path, err := Path(line.Name)
		if err != nil || strings.Contains(path, "..") || strings.HasPrefix(path, "/") {
			t.Fatalf("Path(%q) = %q, %v", line.Name, path, err)
		}
	})
}

// Every line of a file is either kept as it stands, reported or blank.
func FuzzParse(f *testing.F) {
	f.Add([]byte(least("") + "\n\n{}\n" + least(`,"yanked":true`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		var filled int
		for line := range bytes.Lines(data) {
			if len(bytes.TrimSpace(line)) > 0 {
				filled++
			}
		}
		if got := len(file.Lines) + len(file.Bad) + file.More; got != filled {
			t.Fatalf("%d lines are accounted for, want %d", got, filled)
		}
		for _, line := range file.Lines {
			if !bytes.Contains(data, line.Raw) {
				t.Fatalf("line %q is not of the file", line.Raw)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	line := strings.Replace(least(`,"features":{"default":["std"],"std":[]},"yanked":false,"pubtime":"2026-11-01T10:20:30Z"`), "[]",
		"["+strings.TrimSuffix(strings.Repeat(`{"name":"log","req":"^0.4","features":["std"],"optional":false,"default_features":true,"target":null,"kind":"normal"},`, 6), ",")+"]", 1)
	data := []byte(strings.Repeat(line+"\n", 200))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if file, err := Parse(data); err != nil || len(file.Lines) != 200 {
			b.Fatal(err, len(file.Lines))
		}
	}
}
