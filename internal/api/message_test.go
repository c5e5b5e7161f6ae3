package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is described is what is read, and what is required.
func TestMessageIsDescribed(t *testing.T) {
	schema := described().Components.Schemas.Map()["PublishMessage"]
	if schema.AdditionalProperties != false {
		t.Error("further fields are described as allowed")
	}
	var whole map[string]any
	if err := json.Unmarshal([]byte(message(nil)), &whole); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(whole)), slices.Sorted(maps.Keys(schema.Properties))); diff != "" {
		t.Errorf("fields (-read +described):\n%s", diff)
	}
	for field := range whole {
		_, err := parseMessage([]byte(message(map[string]string{field: ""})))
		if required := slices.Contains(schema.Required, field); required != (err != nil) {
			t.Errorf("%s: described as required: %v; without it: %v", field, required, err)
		}
	}
}

// Whatever is accepted means the same to encoding/json, to which the senders'
// libraries are alike.
func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(message(nil)))
	f.Add([]byte(message(map[string]string{"publisher": `"\ud83d\ude00 \u0061"`})))
	f.Add([]byte(`{"name":"a","n\u0061me":"b"}`))
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseMessage(data)
		if err != nil {
			if p, ok := err.(*Problem); !ok || p.Status != 400 && len(p.Errors) == 0 {
				t.Fatalf("parseMessage(%q): %#v, want a problem that names a field", data, err)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		var m PublishMessage
		if err := dec.Decode(&m); err != nil {
			t.Fatalf("accepted %q: %v", data, err)
		}
		if m.Name != a.Crate || m.Version != a.Version || m.Checksum != a.Checksum.String() ||
			m.DownloadURL != a.DownloadURL || m.Publisher != a.Publisher || !m.PublishedAt.Equal(a.PublishedAt) {
			t.Fatalf("%q\nread as %+v\nmeans   %+v", data, a, m)
		}
	})
}
