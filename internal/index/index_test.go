package index

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cratefence/cratefence/internal/crate"
)

const digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func sum(t testing.TB) crate.Checksum {
	t.Helper()
	c, err := crate.ParseChecksum(digits)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// least is a line with only what cargo asks for, and more fields appended.
func least(more string) string {
	return `{"name":"tidy-int","vers":"1.0.0","deps":[],"cksum":"` + digits + `"` + more + `}`
}

func TestParseLine(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want Line
	}{
		{
			name: "only what is asked for",
			in:   least(""),
			want: Line{Name: "tidy-int", Vers: "1.0.0", Deps: []Dep{}, Cksum: sum(t)},
		},
		{
			name: "everything",
			in: `{"name":"tidy-int","vers":"0.2.0-rc.1+b2","deps":[` +
				`{"name":"log2","req":"^0.4","features":["std"],"optional":true,"default_features":false,"target":"cfg(unix)","kind":"build","registry":"https://example.com/","package":"log","public":true}],` +
				`"cksum":"` + digits + `","features":{"default":["std"]},"features2":{"std":["dep:log2"]},"yanked":true,` +
				`"links":"tidy","v":2,"rust_version":"1.70","pubtime":"2026-11-01T10:20:30Z"}`,
			want: Line{
				Name: "tidy-int", Vers: "0.2.0-rc.1+b2", Cksum: sum(t),
				Deps: []Dep{{
					Name: "log2", Req: "^0.4", Features: []string{"std"}, Optional: true, Target: "cfg(unix)",
					Kind: Build, Registry: "https://example.com/", Package: "log", Public: true,
				}},
				Features:  map[string][]string{"default": {"std"}},
				Features2: map[string][]string{"std": {"dep:log2"}},
				Yanked:    true, Links: "tidy", V: 2, RustVersion: "1.70",
				Pubtime: time.Date(2026, 11, 1, 10, 20, 30, 0, time.UTC),
			},
		},
		{ // cargo's defaults, and null for what is not there
			name: "defaults",
			in: `{"name":"a","vers":"1.0.0","deps":[{"name":"log","req":"*","target":null,"registry":null,"kind":null}],` +
				`"cksum":"` + digits + `","links":null,"yanked":null,"rust_version":null,"pubtime":null,"v":null}`,
			want: Line{
				Name: "a", Vers: "1.0.0", Cksum: sum(t),
				Deps: []Dep{{Name: "log", Req: "*", DefaultFeatures: true, Kind: Normal}},
			},
		},
		{ // what the fence or a future cargo adds; "Name" is a known key only in a line or a dependency
			name: "unknown fields",
			in:   least(`,"fence":[{"Name":1,"until":{"Vers":[{"Cksum":2}]}}],"features":{"Name":[],"name":[]}`),
			want: Line{
				Name: "tidy-int", Vers: "1.0.0", Deps: []Dep{}, Cksum: sum(t),
				Features: map[string][]string{"Name": {}, "name": {}},
			},
		},
		{
			name: "an escaped key is the key",
			in:   strings.Replace(least(""), `"vers"`, `"v\u0065rs"`, 1),
			want: Line{Name: "tidy-int", Vers: "1.0.0", Deps: []Dep{}, Cksum: sum(t)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseLine([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Raw) != tt.in {
				t.Errorf("Raw = %q, want the line itself", got.Raw)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Line{}, "Raw")); diff != "" {
				t.Errorf("ParseLine (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseLineRefuses(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want string
	}{
		{"empty", "", "not an index line: unexpected end of JSON input"},
		{"not an object", "[]", "not an index line: json: cannot unmarshal array into Go value of type index.Line"},
		{"two values", least("") + least(""), "not an index line: invalid character '{' after top-level value"},
		{"not UTF-8", least(",\"x\":\"\xff\""), "not an index line: not UTF-8"},
		{"no name", strings.Replace(least(""), `"name":"tidy-int",`, "", 1), `not an index line: validate name "": not a crate name: it is empty`},
		{"a name that climbs", strings.Replace(least(""), "tidy-int", "../../x", 1), `not an index line: validate name "../../x": not a crate name: it does not begin with a letter`},
		{"a version that climbs", strings.Replace(least(""), "1.0.0", "1.0.0/..", 1), `not an index line: parse version "1.0.0/..": not a semantic version: want MAJOR.MINOR.PATCH`},
		{"a short version", strings.Replace(least(""), "1.0.0", "1.0", 1), `not an index line: parse version "1.0": not a semantic version: want MAJOR.MINOR.PATCH`},
		{"no checksum", strings.Replace(least(""), `,"cksum":"`+digits+`"`, "", 1), "not an index line: no checksum"},
		{"no dependencies", strings.Replace(least(""), `"deps":[],`, "", 1), "not an index line: no dependencies stated"},
		{"another kind", strings.Replace(least(""), "[]", `[{"name":"a","req":"1","kind":"peer"}]`, 1), `not an index line: kind "peer" is not one of cargo's`},
		{"time with a fraction", least(`,"pubtime":"2026-11-01T10:20:30.5Z"`), "not an index line: pubtime 2026-11-01T10:20:30.5Z is not in UTC to the second"},
		{"time with an offset", least(`,"pubtime":"2026-11-01T10:20:30+02:00"`), "not an index line: pubtime 2026-11-01T10:20:30+02:00 is not in UTC to the second"},
		// Go would take the last, cargo refuses the line.
		{"a key twice", least(`,"yanked":true,"yanked":false`), `not an index line: key "yanked" stands twice`},
		{"a key twice, once escaped", least(`,"yanked":true,"yank\u0065d":false`), `not an index line: key "yanked" stands twice`},
		{"a key twice in a dependency", strings.Replace(least(""), "[]", `[{"name":"a","name":"b"}]`, 1), `not an index line: key "name" stands twice`},
		{"a feature twice", least(`,"features":{"std":[],"std":["log"]}`), `not an index line: key "std" stands twice`},
		// Go would accept it, cargo ignores it.
		{"a key in another case", least(`,"Yanked":true`), `not an index line: key "Yanked" is "yanked" in another case`},
		{"a dependency's key in another case", strings.Replace(least(""), "[]", `[{"NAME":"a"}]`, 1), `not an index line: key "NAME" is "name" in another case`},
		{"nested too deeply", least(`,"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200)), "not an index line: nested too deeply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line, err := ParseLine([]byte(tt.in))
			if !errors.Is(err, ErrLine) {
				t.Fatalf("ParseLine(%q) = %+v, %v, want ErrLine", tt.in, line, err)
			}
			if err.Error() != tt.want {
				t.Errorf("error = %q\n        want %q", err, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	// More than the 64 KiB at which a bufio.Scanner would stop.
	long := least(`,"x":"` + strings.Repeat("a", 200_000) + `"`)
	in := strings.Join([]string{least(""), "", "{", least(`,"yanked":true`) + "\r", long}, "\n")
	file, err := Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Lines) != 3 || !file.Lines[1].Yanked || string(file.Lines[2].Raw) != long {
		t.Errorf("got %d lines, want the first, the yanked and the long one", len(file.Lines))
	}
	if len(file.Bad) != 1 || file.Bad[0].Error() != "line 3: not an index line: unexpected end of JSON input" {
		t.Errorf("bad lines = %v, want line 3", file.Bad)
	}
}

func TestParseLimits(t *testing.T) {
	if _, err := Parse(make([]byte, MaxFile+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Parse of an over-large file: %v, want ErrTooLarge", err)
	}
	file, err := Parse(bytes.Repeat([]byte("x\n"), maxBad+7))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Bad) != maxBad || file.More != 7 {
		t.Errorf("kept %d bad lines and counted %d more, want %d and 7", len(file.Bad), file.More, maxBad)
	}
}

func TestPath(t *testing.T) {
	tests := []struct{ name, want string }{
		{"a", "1/a"},
		{"Ab", "2/ab"},
		{"AbC", "3/a/abc"},
		{"serde", "se/rd/serde"},
		{"Serde_JSON", "se/rd/serde_json"},
		{"x_", "2/x_"},
		{strings.Repeat("n", 64), "nn/nn/" + strings.Repeat("n", 64)},
		// No path.
		{"", ""}, {"..", ""}, {"a/b", ""}, {"-a", ""}, {"_a", ""}, {"1a", ""}, {"a b", ""}, {"é", ""}, {"a\x00", ""},
		{strings.Repeat("n", 65), ""},
	}
	for _, tt := range tests {
		got, err := Path(tt.name)
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, crate.ErrName) {
			t.Errorf("Path(%q) = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestDownloadURL(t *testing.T) {
	tests := []struct{ dl, name, version, want string }{
		{"https://dl.example", "serde", "1.0.0", "https://dl.example/serde/1.0.0/download"},
		{"https://dl.example/{crate}-{version}.crate", "serde", "1.0.0+x", "https://dl.example/serde-1.0.0+x.crate"},
		{"https://dl.example/{prefix}/{crate}", "SerDe", "1.0.0", "https://dl.example/Se/rD/SerDe"},
		{"https://dl.example/{lowerprefix}/{crate}", "SerDe", "1.0.0", "https://dl.example/se/rd/SerDe"},
		{"https://dl.example/{lowerprefix}/{crate}", "ABC", "1.0.0", "https://dl.example/3/a/ABC"},
		{"https://dl.example/{sha256-checksum}", "a", "1.0.0", "https://dl.example/" + digits},
		{"https://{crate}.example/{version}", "a", "1.0.0", "https://a.example/1.0.0"},
	}
	for _, tt := range tests {
		c, err := ParseConfig(fmt.Appendf(nil, `{"dl":%q}`, tt.dl))
		if err != nil {
			t.Errorf("ParseConfig with dl %q: %v", tt.dl, err)
			continue
		}
		got, err := c.DownloadURL(tt.name, tt.version, sum(t))
		if err != nil || got != tt.want {
			t.Errorf("DownloadURL of %q = %q, %v, want %q", tt.dl, got, err, tt.want)
		}
	}
	c := Config{DL: "https://dl.example"}
	if got, err := c.DownloadURL("../x", "1.0.0", sum(t)); !errors.Is(err, crate.ErrName) {
		t.Errorf("DownloadURL of a name that climbs = %q, %v, want crate.ErrName", got, err)
	}
	if got, err := c.DownloadURL("x", "..", sum(t)); !errors.Is(err, crate.ErrVersion) {
		t.Errorf("DownloadURL of a version that climbs = %q, %v, want crate.ErrVersion", got, err)
	}
}

func TestParseConfig(t *testing.T) {
	got, err := ParseConfig([]byte(`{"dl":"https://dl.example/{crate}","api":"https://example","auth-required":true,"later":[1]}`))
	want := Config{DL: "https://dl.example/{crate}", API: "https://example", AuthRequired: true}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("ParseConfig: %v (-want +got):\n%s", err, diff)
	}
	for _, in := range []string{
		``, `{}`, `{"dl":""}`, `{"dl":"/relative"}`, `{"dl":"file:///etc"}`, `{"dl":"https:///no-host"}`,
		`{"dl":"https://user:pass@dl.example"}`, `{"dl":"https://a","dl":"https://b"}`, `{"DL":"https://a"}`,
		`{"dl":"https://a","api":"ftp://b"}`, `{"dl":["https://a"]}`,
	} {
		if got, err := ParseConfig([]byte(in)); !errors.Is(err, ErrConfig) {
			t.Errorf("ParseConfig(%q) = %+v, %v, want ErrConfig", in, got, err)
		}
	}
	if _, err := ParseConfig(make([]byte, MaxConfig+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("ParseConfig of an over-large file: %v, want ErrTooLarge", err)
	}
}
