package crate

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sha1 = "0123456789abcdef0123456789abcdef01234567"

func TestParseVCSInfo(t *testing.T) {
	in := func(s string) *string { return &s }
	tests := []struct {
		name, json string
		want       VCSInfo
	}{
		{"cargo 1.30", `{"git":{"sha1":"` + sha1 + `"}}`, VCSInfo{SHA1: sha1}},
		{"cargo 1.57", "{\n  \"git\": {\n    \"sha1\": \"" + sha1 + "\"\n  },\n  \"path_in_vcs\": \"\"\n}", VCSInfo{SHA1: sha1, PathInVCS: in("")}},
		{"cargo 1.81", `{"git":{"sha1":"` + sha1 + `","dirty":true},"path_in_vcs":"crates/foo"}`, VCSInfo{SHA1: sha1, Dirty: true, PathInVCS: in("crates/foo")}},
		{"unknown keys", `{"git":{"sha1":"` + sha1 + `","tag":["v1",{}]},"more":{"n":1.5}}`, VCSInfo{SHA1: sha1}},
		{"a commit of 64 digits", `{"git":{"sha1":"` + strings.Repeat("ab", 32) + `"}}`, VCSInfo{SHA1: strings.Repeat("ab", 32)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseVCSInfo([]byte(test.json))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseVCSInfoRefuses(t *testing.T) {
	path := func(p string) string { return `{"git":{"sha1":"` + sha1 + `"},"path_in_vcs":` + p + `}` }
	tests := []struct{ name, json string }{
		{"empty", ""},
		{"cut short", `{"git":{"sha1":"`},
		{"not an object", `[]`},
		{"null", `null`},
		{"no git", `{"path_in_vcs":""}`},
		{"git is no object", `{"git":"` + sha1 + `"}`},
		{"no sha1", `{"git":{}}`},
		{"sha1 in capitals", `{"git":{"sha1":"` + strings.ToUpper(sha1) + `"}}`},
		{"sha1 too short", `{"git":{"sha1":"0123"}}`},
		{"sha1 with more", `{"git":{"sha1":"` + sha1 + ` --upload-pack=x"}}`},
		{"key in capitals", `{"GIT":{"SHA1":"` + sha1 + `"}}`},
		{"key twice", `{"git":{"sha1":"` + sha1 + `"},"git":{"sha1":"` + strings.Repeat("f", 40) + `"}}`},
		{"inner key twice", `{"git":{"sha1":"` + sha1 + `","sha1":"` + sha1 + `"}}`},
		{"data after", `{"git":{"sha1":"` + sha1 + `"}} {}`},
		{"dirty is no bool", `{"git":{"sha1":"` + sha1 + `","dirty":"no"}}`},
		{"not UTF-8", "{\"git\":{\"sha1\":\"" + sha1 + "\"},\"x\":\"\xff\"}"},
		{"path null", path(`null`)},
		{"path parent", path(`"../x"`)},
		{"path parent alone", path(`".."`)},
		{"path inner parent", path(`"a/../../x"`)},
		{"path absolute", path(`"/etc"`)},
		{"path dot", path(`"."`)},
		{"path trailing slash", path(`"a/"`)},
		{"path backslash", path(`"a\\b"`)},
		{"path NUL", path(`"a\u0000b"`)},
		{"path half a surrogate pair", path(`"a\ud800b"`)},
		{"nested deep", `{"x":` + strings.Repeat("[", 10_000)},
		{"too large", `{"x":"` + strings.Repeat("x", maxVCSInfo) + `"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseVCSInfo([]byte(test.json))
			if !errors.Is(err, ErrVCSInfo) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
