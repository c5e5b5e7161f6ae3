package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ordinary is a line as crates.io writes it.
const ordinary = `{"name":"tidy-int","vers":"0.2.0","deps":[` +
	`{"name":"log2","req":"^0.4","features":["std"],"optional":true,"default_features":false,"target":"cfg(target_os = \"linux\")","kind":"build","package":"log"},` +
	`{"name":"proc","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}],` +
	`"cksum":"` + digits + `","features":{"default":["std"],"std":[]},"yanked":false,"links":null,"rust_version":"1.70","v":2,` +
	`"features2":{"log":["dep:log2"]},"pubtime":"2026-11-01T10:20:30Z"}`

func TestScan(t *testing.T) {
	got, err := Scan([]byte(ordinary))
	if err != nil {
		t.Fatal(err)
	}
	want := Entry{
		Name: "tidy-int", Vers: "0.2.0", Cksum: sum(t),
		Pubtime: time.Date(2026, 11, 1, 10, 20, 30, 0, time.UTC),
		Raw:     []byte(ordinary),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Entry{})); diff != "" {
		t.Errorf("Scan (-want +got):\n%s", diff)
	}
	if got := ordinary[got.member.start:got.member.end]; got != `"yanked":false` {
		t.Errorf("member = %q", got)
	}
}

// Lines as registries write them, today and long ago, do not take the slow way.
func TestScanKnowsTheUsual(t *testing.T) {
	for _, line := range []string{
		ordinary,
		least(""),
		strings.NewReplacer(":", ": ", ",", ", ").Replace(strings.Replace(ordinary, `"2026-11-01T10:20:30Z"`, "null", 1)), // as Python writes it
		least(`,"features":{"std":[],"default":["std"]}`),                                                                 // not sorted
		least(`,"features":null,"yanked":true,"links":"git2"`),
		least(`,"size":1234,"edition":"2021","fresh":null,"tags":["a","b"]`), // keys of a day to come
		strings.Replace(least(""), "1.0.0", "1.0.0-rc.1+2026", 1),
		" " + least("") + "\t",
	} {
		s := scanner{data: []byte(line)}
		if !s.line() {
			t.Errorf("line takes the slow way: %s", line)
		}
	}
}

// strange are lines at the edge of what ParseLine takes.
func strange() []string {
	dep := func(d string) string { return strings.Replace(least(""), "[]", "["+d+"]", 1) }
	lines := []string{
		"", "{}", "[]", "null", "{", `{"name"`, least("") + "}", least("") + least(""), least(",") + " ",
		ordinary, least(""), least(`,"yanked":null`), least(`,"yanked":"true"`), least(`,"yanked":1`), least(`,"yanked":truex`),
		least(`,"yank\u0065d":true`), least(`,"yanked" : true`), least(`,"yanked":true `), least(`,"Yanked":true`), least(`,"yanKed":true`),
		least(`,"yanked":true,"yanked":false`), least(`,"yanked":true,"yank\u0065d":false`), least(`,"x":{"yanked":true}`),
		least(`,"x":{"yanked":true},"yanked":false`), least(`,"x":[{"yanked":true}],"yank\u0065d":false,"y":"}"`),
		least(`,"v":2`), least(`,"v":02`), least(`,"v":2.0`), least(`,"v":2e1`), least(`,"v":-1`), least(`,"v":99999999999999999999`), least(`,"v":"2"`), least(`,"v":null`),
		least(`,"links":"a\n"`), least(`,"links":"a\q"`), least(`,"links":"\u12"`), least(`,"links":"\u12x4"`), least(`,"links":"\ud800"`), least(",\"links\":\"a\nb\""), least(",\"links\":\"\x7f\""), least(`,"links":"\`),
		least(`,"links":1`), least(`,"rust_version":[]`), least(",\"x\":\"\xff\""), least(`,"ſ":1`), least(`,"linkſ":1`), least(`,"K":1,"K":2`),
		least(`,"features":{"b":[],"a":[],"b":[]}`), least(`,"features":{"a":["x"],"a":[]}`), least(`,"features":{"a":null}`), least(`,"features":{"a":[null]}`),
		least(`,"features":{"a":[1]}`), least(`,"features":{"a":"b"}`), least(`,"features":{"é":[],"\u00e9":[]}`), least(`,"features":[]`), least(`,"features":{"":[""]}`), least(`,"features":{"a":[],}`),
		least(`,"features2":{"a":[]},"features":{"a":[]}`), least(`,"x":1.5e3`), least(`,"x":-0`), least(`,"x":[1,"a"]`), least(`,"x":{"a":1,"a":2}`), least(`,"x":1,"x":2`), least(`,"x":tru`),
		least(`,"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9`),
		least(`,"pubtime":null`), least(`,"pubtime":""`), least(`,"pubtime":"2026-11-01t10:20:30z"`), least(`,"pubtime":"2026-02-30T10:20:30Z"`), least(`,"pubtime":"2026-11-01T24:00:00Z"`),
		least(`,"pubtime":"2026-11-01T23:59:60Z"`), least(`,"pubtime":"0001-01-01T00:00:00Z"`), least(`,"pubtime":"2026-11-01T1:20:30.Z"`), least(`,"pubtime":"2026-11-01T10:20:30+00:00"`), least(`,"pubtime":"2026-11-01T10:20:30.000Z"`), least(`,"pubtime":17`),
		dep(`{"name":"a","req":"1"}`), dep(`{}`), dep(`null`), dep(`{"name":"a"},`), dep(`[]`), dep(`{"name":"a","NAME":"b"}`), dep(`{"name":"a","kind":"peer"}`), dep(`{"kind":null,"features":null,"optional":null}`),
		dep(`{"name":null,"features":[null]}`), dep(`{"features":["a",1]}`), dep(`{"optional":"no"}`), dep(`{"name":"a","artifact":["bin"],"lib":true}`), dep(`{"name":"a","x":{"a":[]}}`), dep(`{"name":"a"}{"name":"b"}`), dep(`{"name":"a","name":"b"}`),
		strings.Replace(least(""), `"deps":[]`, `"deps":null`, 1), strings.Replace(least(""), `"deps":[]`, `"deps":{}`, 1), strings.Replace(least(""), `"deps":[],`, ``, 1),
		strings.Replace(least(""), "tidy-int", "tidy\\u002dint", 1), strings.Replace(least(""), "tidy-int", "../x", 1), strings.Replace(least(""), "tidy-int", "", 1), strings.Replace(least(""), `"tidy-int"`, "null", 1),
		strings.Replace(least(""), digits, strings.ToUpper(digits), 1), strings.Replace(least(""), digits, digits[1:], 1), strings.Replace(least(""), digits, strings.Repeat("0", 64), 1), strings.Replace(least(""), digits, strings.Repeat("g", 64), 1),
	}
	for _, v := range []string{"1.0", "1.0.0.0", "01.0.0", "1.00.0", "0.0.0", "1..0", "1.0.", ".1.0", "1.0.0-", "1.0.0-a", "1.0.0+b", "1.0.0-01", "18446744073709551615.0.0", "18446744073709551616.0.0", "1234567890.0.0", "1.0.0 ", "v1.0.0", ""} {
		lines = append(lines, strings.Replace(least(""), "1.0.0", v, 1))
	}
	return lines
}

func TestScanAgreesWithParseLine(t *testing.T) {
	taken, refused := 0, 0
	for _, line := range strange() {
		if agree(t, []byte(line)) {
			taken++
		} else {
			refused++
		}
	}
	if taken < 20 || refused < 50 {
		t.Errorf("%d lines are taken and %d refused: the table lost its point", taken, refused)
	}
}

// agree reports whether a line is taken, and fails the test when Scan and
// ParseLine read it differently.
func agree(t *testing.T, raw []byte) bool {
	t.Helper()
	line, errLine := ParseLine(raw)
	entry, errEntry := Scan(raw)
	if (errLine == nil) != (errEntry == nil) {
		t.Fatalf("%s\nParseLine: %v\n     Scan: %v", raw, errLine, errEntry)
	}
	if errLine != nil {
		if !errors.Is(errEntry, ErrLine) {
			t.Fatalf("%s\nScan: %v, want ErrLine", raw, errEntry)
		}
		return false
	}
	want := Entry{Name: line.Name, Vers: line.Vers, Cksum: line.Cksum, Pubtime: line.Pubtime, Yanked: line.Yanked, Raw: raw}
	if diff := cmp.Diff(want, entry, cmpopts.IgnoreUnexported(Entry{})); diff != "" {
		t.Fatalf("%s\nScan and ParseLine differ (-line +entry):\n%s", raw, diff)
	}
	return true
}

func FuzzScan(f *testing.F) {
	for _, line := range strange() {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, raw) })
}

func TestVersionKey(t *testing.T) {
	tests := map[string]string{
		"1.0.0": "1.0.0", "1.0.0+a": "1.0.0", "1.0.0-rc.1+a-b.c": "1.0.0-rc.1", "1.0.0+": "1.0.0", "": "", "+": "",
	}
	for version, want := range tests {
		if got := VersionKey(version); got != want {
			t.Errorf("VersionKey(%q) = %q, want %q", version, got, want)
		}
	}
}

// setYanked returns a copy of the line that states that it is yanked or not.
func setYanked(raw []byte, yanked bool) ([]byte, error) {
	e, err := Scan(raw)
	if err != nil {
		return nil, err
	}
	return e.AppendYanked(nil, yanked), nil
}

func TestAppendYanked(t *testing.T) {
	tests := []struct {
		name string
		more string
		want string // as yanked
	}{
		{"in its place", `,"yanked":false,"v":1`, `,"yanked":true,"v":1`},
		{"as it is", `,"yanked":true`, `,"yanked":true`},
		{"a registry that does not say", `,"x":{"yanked":false}`, `,"x":{"yanked":false},"yanked":true`},
		{"null", `,"yanked":null,"v":1`, `,"yanked":true,"v":1`},
		{"escaped", `,"yan\u006bed" :  false ,"v":1`, `,"yan\u006bed" :  true ,"v":1`},
		{"beside one in a string", `,"links":"\"yanked\":false","yanked": false`, `,"links":"\"yanked\":false","yanked": true`},
		{"beside one in a list", `,"x":[{"yanked":false}],"yanked":false`, `,"x":[{"yanked":false}],"yanked":true`},
		{"a line over a mebibyte", `,"x":"` + strings.Repeat("a", 1<<20) + `","yanked":false`, `,"x":"` + strings.Repeat("a", 1<<20) + `","yanked":true`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(least(tt.more))
			got, err := setYanked(in, true)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != least(tt.want) {
				t.Errorf("setYanked(%.300s)\n     = %.300s\n  want %.300s", in, got, least(tt.want))
			}
			if string(in) != least(tt.more) {
				t.Error("the line that was given changed")
			}
		})
	}
}

func TestAppendYankedRefuses(t *testing.T) {
	for _, line := range []string{"", "{}", least(`,"yanked":true,"yanked":false`), least(`,"yanked":true,"yank\u0065d":false`), least(`,"yanked":"no"`)} {
		if got, err := setYanked([]byte(line), true); !errors.Is(err, ErrLine) {
			t.Errorf("setYanked(%q) = %q, %v, want ErrLine", line, got, err)
		}
	}
}

func TestDigest(t *testing.T) {
	digest := func(raw string) [32]byte {
		t.Helper()
		d, err := Digest([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := digest(least(""))
	for _, same := range []string{
		least(`,"yanked":true`), least(`,"yanked":false`), least(`,"yanked":null`), least(`, "yan\u006bed" : true`),
		strings.Replace(least(""), "{", `{"yanked":true,`, 1),
		strings.Replace(least(""), "{", `{"yanked": false ,`, 1),
		strings.Replace(least(""), `"deps"`, `"yanked":true,"deps"`, 1),
	} {
		if digest(same) != want {
			t.Errorf("digest of %s is not that of the line without yanked", same)
		}
	}
	for _, other := range []string{least(" "), least(`,"v":1`), least(`,"x":{"yanked":true}`), strings.Replace(least(""), "1.0.0", "1.0.1", 1)} {
		if digest(other) == want {
			t.Errorf("digest of %s is that of another line", other)
		}
	}
	if _, err := Digest([]byte("{}")); !errors.Is(err, ErrLine) {
		t.Errorf("Digest({}): %v, want ErrLine", err)
	}
}

// Setting what a line says of yanks changes nothing else in it.
func FuzzAppendYanked(f *testing.F) {
	for _, line := range strange() {
		f.Add([]byte(line), true)
		f.Add([]byte(line), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, yanked bool) {
		before, err := ParseLine(raw)
		if err != nil {
			return
		}
		set, err := setYanked(raw, yanked)
		if err != nil {
			t.Fatalf("AppendYanked of a line: %v", err)
		}
		after, err := ParseLine(set)
		if err != nil || after.Yanked != yanked {
			t.Fatalf("%s\nset: %s\nyanked = %v, %v", raw, set, after.Yanked, err)
		}
		after.Yanked = before.Yanked
		if diff := cmp.Diff(before, after, cmpopts.IgnoreFields(Line{}, "Raw")); diff != "" {
			t.Fatalf("the line differs (-before +after):\n%s", diff)
		}
		back, err := setYanked(set, !yanked)
		if err != nil {
			t.Fatal(err)
		}
		again, err := setYanked(back, yanked)
		if err != nil || !bytes.Equal(again, set) {
			t.Fatalf("set twice: %s, then %s, %v", set, again, err)
		}
		one, _ := Digest(raw)
		for _, line := range [][]byte{set, back} {
			if two, err := Digest(line); err != nil || one != two {
				t.Fatalf("digests of %s and %s differ, %v", raw, line, err)
			}
		}
		if !sameButYanked(t, raw, set) {
			t.Fatalf("more than one value differs:\n%s\n%s", raw, set)
		}
	})
}

// sameButYanked compares the members of two lines as raw JSON.
func sameButYanked(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	delete(x, "yanked")
	delete(y, "yanked")
	return cmp.Equal(x, y)
}

func TestEntries(t *testing.T) {
	data := least("") + "\n\r\n{}\n" + least(`,"yanked":true`)
	var got []string
	for e, err := range Entries([]byte(data)) {
		if bad, ok := errors.AsType[*LineError](err); ok {
			got = append(got, bad.Error())
			continue
		}
		got = append(got, string(e.Raw))
	}
	want := []string{least(""), `line 3: not an index line: validate name "": not a crate name: it is empty`, least(`,"yanked":true`)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
}

func BenchmarkScan(b *testing.B) {
	raw := []byte(ordinary)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendYanked(b *testing.B) {
	raw := []byte(ordinary)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := setYanked(raw, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	e, err := Scan([]byte(ordinary))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(e.Raw)))
	for b.Loop() {
		e.Digest()
	}
}
