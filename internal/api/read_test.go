package api

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// indented is an answer as a person would want to read it.
func indented(t *testing.T, rec *httptest.ResponseRecorder) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, rec.Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		crate.Sum(serdeBytes).String(), "(sum of serde)",
		crate.Sum([]byte("itoa")).String(), "(sum of itoa)",
		crate.Sum([]byte("other")).String(), "(sum of other)",
	).Replace(out.String())
}

func TestGetCrate(t *testing.T) {
	// The crate is Serde-Json; the registry takes any of these for it.
	for _, name := range []string{"Serde-Json", "serde_json", "SERDE-json"} {
		w := newWorld(t)
		rec := w.get(t, "/api/v1/crates/"+name)
		want := `{
  "crate": {
    "name": "Serde-Json",
    "created_at": "2026-03-01T12:00:00Z",
    "updated_at": "2026-03-01T12:00:00Z",
    "default_version": {
      "name": "Serde-Json",
      "version": "1.0.0",
      "checksum": "(sum of serde)",
      "size": 24,
      "published_at": "2026-03-01T11:00:00Z",
      "first_seen_at": "2026-03-01T12:00:00Z",
      "publisher": "github:serde-rs",
      "via": "webhook",
      "manifest": {
        "description": "Evil \u0000\u001b[31m\ufffd <script>",
        "license": "MIT",
        "keywords": [
          "json"
        ],
        "dependencies": [
          {
            "name": "itoa",
            "req": "^1",
            "kind": "normal"
          }
        ]
      },
      "url": "/api/v1/crates/Serde-Json/1.0.0"
    },
    "url": "/api/v1/crates/Serde-Json"
  },
  "versions": [
    {
      "name": "Serde-Json",
      "version": "1.1.0-rc.1+build.5",
      "checksum": "0000000000000000000000000000000000000000000000000000000000000000",
      "first_seen_at": "2026-03-01T12:00:00Z",
      "via": "webhook",
      "yanked": true,
      "url": "/api/v1/crates/Serde-Json/1.1.0-rc.1+build.5"
    },
    {
      "name": "Serde-Json",
      "version": "1.0.0",
      "checksum": "(sum of serde)",
      "size": 24,
      "published_at": "2026-03-01T11:00:00Z",
      "first_seen_at": "2026-03-01T12:00:00Z",
      "publisher": "github:serde-rs",
      "via": "webhook",
      "url": "/api/v1/crates/Serde-Json/1.0.0"
    }
  ],
  "security_policy": {
    "check": "security-policy",
    "version": "1.0.0",
    "check_run": "/api/v1/check-runs/11",
    "read_at": "2026-03-01T12:00:00Z",
    "facts": {
      "source": "SECURITY.md"
    }
  },
  "incidents": [
    {
      "version": "1.0.0",
      "known": "(sum of serde)",
      "offered": "(sum of other)",
      "size": 5,
      "via": "submit",
      "detail": "token:ci",
      "first_seen_at": "2026-03-01T12:00:00Z",
      "last_seen_at": "2026-03-01T13:00:00Z",
      "times": 2
    }
  ]
}
`
		if diff := cmp.Diff(want, indented(t, rec)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A crate without anything more, and with a time that JSON has no word for.
func TestGetBareCrate(t *testing.T) {
	got := decode(t, newWorld(t).get(t, "/api/v1/crates/itoa"))
	if _, there := got["security_policy"]; there {
		t.Error("there are facts of a check that told nothing")
	}
	release := got["versions"].([]any)[0].(map[string]any)
	if _, there := release["published_at"]; there {
		t.Errorf("published_at is %v", release["published_at"])
	}
}

func TestListRuns(t *testing.T) {
	tests := []struct {
		target string
		want   []string
	}{
		{
			target: "/api/v1/crates/serde_json/1.0.0/check-runs",
			want:   []string{"archive 1 failure counts", "provenance 2 inconclusive counts", "provenance 3 queued"},
		},
		{
			target: "/api/v1/crates/serde_json/1.0.0/check-runs?all=true",
			want:   []string{"archive 1 failure counts", "provenance 2 inconclusive counts", "provenance 3 queued", "provenance 1 error"},
		},
		{target: "/api/v1/crates/itoa/1.0.0/check-runs?all=false", want: nil},
		{target: "/api/v1/crates/itoa/1.0.0/check-runs", want: nil},
	}
	for _, tt := range tests {
		var doc CheckDocument
		rec := newWorld(t).get(t, tt.target)
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range doc.CheckRuns {
			words := []string{r.Check, string(rune('0' + r.Attempt)), r.Conclusion}
			if r.Conclusion == "" {
				words[2] = r.Status
			}
			if r.Counts {
				words = append(words, "counts")
			}
			got = append(got, strings.Join(words, " "))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.target, diff)
		}
		if tt.want == nil && !strings.Contains(rec.Body.String(), `"check_runs":[]`) {
			t.Errorf("%s: no runs read %s", tt.target, rec.Body)
		}
	}
}

// Whatever a report holds comes out as JSON that anybody can read, and nothing
// in it is null.
func TestGetRun(t *testing.T) {
	tests := []struct{ target, want string }{
		{"/api/v1/check-runs/11", `{
    "check": "archive",
    "check_version": 1,
    "status": "completed",
    "conclusion": "failure",
    "title": "1 entry is strange",
    "summary": "It *was* read.",
    "findings": [
      {
        "rule": "link",
        "level": "error",
        "message": "a link \ufffd",
        "path": "a\u0007b",
        "start_line": 1,
        "end_line": 2,
        "snippet": "fn main() { a && b < c }\u2028",
        "help": "Leave it out."
      }
    ],
    "metrics": {},
    "id": 11,
    "url": "/api/v1/check-runs/11",
    "counts": true,
    "attempt": 1,
    "queued_at": "2026-03-01T12:00:00Z",
    "started_at": "2026-03-01T12:00:01Z",
    "completed_at": "2026-03-01T12:00:02Z"
  }`},
		{"/api/v1/check-runs/13", `{
    "check": "provenance",
    "check_version": 1,
    "status": "completed",
    "conclusion": "inconclusive",
    "title": "The repository did not answer",
    "findings": [],
    "metrics": {
      "tries": 2
    },
    "facts": {
      "host": "�"
    },
    "retry_at": "2026-03-01T13:00:00Z",
    "id": 13,
    "url": "/api/v1/check-runs/13",
    "counts": true,
    "attempt": 2,
    "queued_at": "2026-03-01T12:00:00Z",
    "started_at": "2026-03-01T12:00:01Z",
    "completed_at": "2026-03-01T12:00:02Z"
  }`},
		{"/api/v1/check-runs/14", `{
    "check": "provenance",
    "check_version": 1,
    "status": "queued",
    "findings": [],
    "metrics": {},
    "id": 14,
    "url": "/api/v1/check-runs/14",
    "attempt": 3,
    "queued_at": "2026-03-01T12:00:00Z",
    "run_after": "2026-03-01T12:01:00Z"
  }`},
	}
	for _, tt := range tests {
		rec := newWorld(t).get(t, tt.target)
		_, run, _ := strings.Cut(indented(t, rec), `"check_run": `)
		if diff := cmp.Diff(tt.want+"\n}\n", run); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.target, diff)
		}
	}
}

func TestChecks(t *testing.T) {
	want := `{
  "name": "archive",
  "version": 2,
  "title": "The archive is what cargo would accept",
  "category": "security",
  "about": "release",
  "doc": "The archive is what cargo would accept\n\nAnd *nothing* more.",
  "timeout_seconds": 1.5,
  "url": "/api/v1/checks/archive"
}
`
	w := newWorld(t)
	if diff := cmp.Diff(want, indented(t, w.get(t, "/api/v1/checks/archive"))); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	list := decode(t, w.get(t, "/api/v1/checks"))
	one := decode(t, w.get(t, "/api/v1/checks/archive"))
	if diff := cmp.Diff(map[string]any{"checks": []any{one}}, list); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

// Where it was to be fetched is nobody's business: that URL may hold a key.
func TestGetAnnouncement(t *testing.T) {
	want := `{
  "announcement": {
    "id": 1,
    "status": "refused",
    "reason": "download refused: 404",
    "via": "webhook",
    "name": "itoa",
    "version": "1.0.0",
    "checksum": "(sum of itoa)",
    "received_at": "2026-03-01T12:00:00Z",
    "finished_at": "2026-03-01T12:00:01Z",
    "url": "/api/v1/announcements/1",
    "release_url": "/api/v1/crates/itoa/1.0.0"
  }
}
`
	if diff := cmp.Diff(want, indented(t, newWorld(t).get(t, "/api/v1/announcements/1"))); diff != "" {
		t.Errorf("announcement (-want +got):\n%s", diff)
	}
}

// Following Link, and following next, visits every crate once.
func TestPagination(t *testing.T) {
	w := newWorld(t)
	w.crates = nil
	var want []string
	for letter := 'a'; letter <= 'g'; letter++ {
		name := string(letter) + "-crate"
		w.crates, want = append(w.crates, store.Crate{Name: name, Default: 3}), append(want, name)
	}
	follow := map[string]func(link string, page CratePage) string{
		"Link": func(link string, _ CratePage) string {
			target, rel, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">; ")
			if rel != `rel="next"` {
				return ""
			}
			return target
		},
		"next": func(_ string, page CratePage) string {
			if page.Next == "" {
				return ""
			}
			return "/api/v1/crates?q=-crate&limit=3&cursor=" + url.QueryEscape(page.Next)
		},
	}
	for name, next := range follow {
		var got []string
		for target, pages := "/api/v1/crates?q=-crate&limit=3", 0; target != ""; pages++ {
			if pages == 3 {
				t.Fatalf("%s: still on the way at %s", name, target)
			}
			var page CratePage
			rec := w.get(t, target)
			if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			for _, c := range page.Crates {
				got = append(got, c.Name)
			}
			target = next(rec.Header().Get("Link"), page)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", name, diff)
		}
	}
	w.get(t, "/api/v1/crates?q=a%20b&cursor=c")
	if diff := cmp.Diff(store.CrateQuery{Text: "a b", After: "c", Limit: 20}, w.query); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if rec := w.get(t, "/api/v1/crates?q=none"); rec.Body.String() != `{"crates":[]}`+"\n" {
		t.Errorf("nothing found: %s", rec.Body)
	}
}
