package index

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, raw string) Line {
	t.Helper()
	line, err := ParseLine([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestDifferences(t *testing.T) {
	const before = `{"name":"tidy-int","vers":"1.0.0","deps":[` +
		`{"name":"log2","req":"^0.4","features":["a","b"],"optional":true,"kind":"normal","package":"log"},` +
		`{"name":"cc","req":"^1","kind":"build"}],` +
		`"cksum":"` + digits + `","features":{"std":["x","y"]},"features2":{"log":["dep:log2"]},"v":2,"yanked":false}`
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(before) }
	many := `,"features":{"a":[],"b":[],"c":[],"d":[],"e":[],"f":[],"std":["x","y"]}`
	tests := []struct {
		name  string
		after string
		want  []string
	}{
		{name: "nothing", after: before},
		{name: "yanked", after: edit(`"yanked":false`, `"yanked":true`)},
		{name: "dates, the Rust version and what cargo does not know", after: edit(`"v":2`, `"v":2,"pubtime":"2026-11-01T10:20:30Z","rust_version":"1.70","x":1`)},
		{name: "order in lists", after: edit(`["a","b"]`, `["b","a","b"]`, `["x","y"]`, `["y","x"]`)},
		{
			name: "order of dependencies",
			after: `{"deps":[{"kind":"build","name":"cc","req":"^1"},{"name":"log2","req":" ^0.4","features":["a","b"],"optional":true,"package":"log","target":null}],` +
				`"vers":"1.0.0","cksum":"` + digits + `","features2":{"log":["dep:log2"]},"features":{"std":["x","y"]},"v":2,"name":"tidy-int"}`,
		},
		{name: "a feature in the other map", after: edit(`"features":{`, `"features":{"log":["dep:log2"],`, `"features2":{"log":["dep:log2"]},`, "")},
		{name: "a dependency more", after: edit(`"deps":[`, `"deps":[{"name":"evil","req":"1"},`), want: []string{`adds normal dependency "evil" "1"`}},
		{name: "the same dependency twice", after: edit(`"deps":[`, `"deps":[{"name":"cc","req":"^1","kind":"build"},`), want: []string{`adds build dependency "cc" "^1"`}},
		{name: "a dependency less", after: edit(`,{"name":"cc","req":"^1","kind":"build"}`, ""), want: []string{`drops build dependency "cc" "^1"`}},
		{
			name: "another crate under the same name", after: edit(`"package":"log"`, `"package":"1og"`),
			want: []string{`adds normal dependency "1og" "^0.4"`, `drops normal dependency "log" "^0.4"`},
		},
		{
			name: "another requirement", after: edit(`"^1"`, `"=1.0.3"`),
			want: []string{`adds build dependency "cc" "=1.0.3"`, `drops build dependency "cc" "^1"`},
		},
		{
			name: "no longer optional", after: edit(`"optional":true`, `"optional":false`),
			want: []string{`adds normal dependency "log" "^0.4"`, `drops normal dependency "log" "^0.4"`},
		},
		{
			name: "features", after: edit(`["x","y"]`, `["x"]`, `"features":{`, `"features":{"new":[],`, `"log":["dep:log2"]`, ""),
			want: []string{`adds feature "new"`, `changes feature "std"`, `drops feature "log"`},
		},
		{name: "links", after: edit(`"v":2`, `"v":2,"links":"z"`), want: []string{`links "z" in place of ""`}},
		{name: "schema", after: edit(`,"v":2`, ""), want: []string{"is of schema 1 in place of 2"}},
		{
			name: "other bytes and spelling", after: edit(digits, strings.Repeat("ab", 32), "1.0.0", "1.0.0+b", "tidy-int", "Tidy-int"),
			want: []string{`names "Tidy-int" in place of "tidy-int"`, `states version "1.0.0+b" in place of "1.0.0"`, "states checksum " + strings.Repeat("ab", 32) + " in place of " + digits},
		},
		{
			name: "more than anybody reads", after: edit(`,"features":{"std":["x","y"]}`, many),
			want: []string{`adds feature "a"`, `adds feature "b"`, `adds feature "c"`, `adds feature "d"`, `adds feature "e"`, "1 more differences"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := parse(t, before), parse(t, tt.after)
			if diff := cmp.Diff(tt.want, Differences(&a, &b)); diff != "" {
				t.Errorf("Differences (-want +got):\n%s", diff)
			}
			if back := Differences(&b, &a); len(back) == 0 != (tt.want == nil) {
				t.Errorf("Differences the other way round = %q", back)
			}
		})
	}
}
