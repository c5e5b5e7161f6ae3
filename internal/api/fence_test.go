package api

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// ask sends a request with a token and, where it has one, a body.
func (w *world) ask(t *testing.T, secret, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	return w.call(t, r)
}

func TestReleaseHasDecisions(t *testing.T) {
	w := newWorld(t)
	_, secrets := w.fence()
	var doc ReleaseDocument
	if err := json.Unmarshal(w.get(t, "/api/v1/crates/serde-json/1.0.0").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	want := []Decision{
		{
			Policy: "default", Verdict: "hold", State: "held", Enforced: true, Until: noon.Add(167 * 3600e9), Recheck: noon.Add(3600e9), Code: "code1", Page: "https://fence.example/r/code1",
			Reasons: []Reason{
				{Rule: "cool-off", Verdict: "hold", Text: "published 1 hour ago (cool-off 7d)", Until: noon.Add(167 * 3600e9)},
				{Rule: "trusted", Verdict: "allow", Text: "of a publisher of long standing"},
			},
		},
		{ // what this program does not know holds
			Policy: "strict", Verdict: "hold", State: "unknown", Code: "code2", Page: "https://fence.example/r/code2", Reasons: []Reason{{Rule: "new", Verdict: "hold"}},
		},
	}
	if diff := cmp.Diff(want, doc.Release.Decisions); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	for _, target := range []string{"/api/v1/crates/serde-json", "/api/v1/crates/serde-json/1.0.0"} {
		if body := w.get(t, target).Body.String(); strings.Contains(body, `"secret"`) {
			t.Errorf("%s tells everybody of a policy that is not theirs", target)
		}
		// Who has a token may use a policy that others do not know of.
		rec := w.ask(t, secrets["reader"], "GET", target, "")
		if !strings.Contains(rec.Body.String(), `"policy":"secret"`) || !strings.Contains(rec.Header().Get("Cache-Control"), "private") || rec.Header().Get("Vary") != "Authorization" {
			t.Errorf("%s with a token: %v %s", target, rec.Header(), rec.Body)
		}
	}
}

func TestListDecisions(t *testing.T) {
	tests := []struct {
		name, as, query string
		want            []string
	}{
		{name: "all", want: []string{"never-came default", "Serde-Json strict", "Serde-Json default"}},
		{name: "all with a token", as: "reader", want: []string{"never-came default", "Serde-Json secret", "Serde-Json strict", "Serde-Json default"}},
		{name: "held", query: "?verdict=hold", want: []string{"Serde-Json strict", "Serde-Json default"}},
		{name: "of a policy", query: "?policy=default&verdict=block", want: []string{"never-came default"}},
		{name: "of a crate", query: "?crate=SERDE-JSON&limit=1", want: []string{"Serde-Json strict"}},
		{name: "in a state", query: "?state=quarantined", want: []string{"never-came default"}},
		{name: "none", query: "?state=waived"},
	}
	w := newWorld(t)
	_, secrets := w.fence()
	for _, tt := range tests {
		var page DecisionPage
		if err := json.Unmarshal(w.ask(t, secrets[tt.as], "GET", "/api/v1/decisions"+tt.query, "").Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range page.Decisions {
			got = append(got, d.Name+" "+d.Decision.Policy)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	w.fence()
	var all []int64
	next := ""
	for range 5 {
		var page DecisionPage
		if err := json.Unmarshal(w.get(t, "/api/v1/decisions?limit=2&cursor="+next).Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, d := range page.Decisions {
			all = append(all, d.ID)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]int64{4, 2, 1}, all); diff != "" {
		t.Errorf("decisions page by page (-want +got):\n%s", diff)
	}
}

// What was decided stays readable, and a later decision does not hide it.
func TestReleaseDecisionHistory(t *testing.T) {
	w := newWorld(t)
	f, _ := w.fence()
	f.put("default", "Serde-Json", "1.0.0", policy.Decision{State: policy.Allowed})
	var doc ReleaseDecisions
	if err := json.Unmarshal(w.get(t, "/api/v1/crates/serde-json/1.0.0/decisions").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, d := range doc.History {
		states = append(states, d.Decision.Policy+" "+d.Decision.State)
	}
	if diff := cmp.Diff([]string{"default allowed", "strict unknown", "default held"}, states); diff != "" || doc.Decisions[0].State != "allowed" {
		t.Errorf("now %+v; history (-want +got):\n%s", doc.Decisions, diff)
	}
	// A release that was never taken in has a history too.
	if rec := w.get(t, "/api/v1/crates/never-came/2.0.0/decisions"); rec.Code != 200 || !strings.Contains(rec.Body.String(), "yank-wave") {
		t.Errorf("of a release that was not taken in: %d %s", rec.Code, rec.Body)
	}
	// One that was taken in, and is in no index file yet, has none.
	var none ReleaseDecisions
	rec := w.get(t, "/api/v1/crates/serde-json/1.1.0-rc.1+build.5/decisions")
	if err := json.Unmarshal(rec.Body.Bytes(), &none); err != nil || rec.Code != 200 || len(none.Decisions)+len(none.History) != 0 {
		t.Errorf("of a release that the gate does not know: %d %s", rec.Code, rec.Body)
	}
}

// What the guard makes of a yank stands beside the decision.
func TestYankInDecision(t *testing.T) {
	w := newWorld(t)
	f, _ := w.fence()
	note := gate.GuardNote{Version: "1.0.0", Range: "1", Kept: true, Until: noon.Add(72 * time.Hour)}
	f.views["default/serde-json"].Versions[0].Guard = &note
	var doc ReleaseDecisions
	if err := json.Unmarshal(w.get(t, "/api/v1/crates/serde-json/1.0.0/decisions").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	want := &Yank{Kept: true, Text: note.Text(), Until: note.Until}
	if diff := cmp.Diff(want, doc.Decisions[0].Yank); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriting(t *testing.T) {
	const (
		rule   = `{"policy":"default","action":"allow","reason":"read it","after":1}`
		except = `{"policy":"default","name":"serde-json","version":"1.0.0","rule":"cool-off","reason":"read it"}`
		reason = `{"reason":"read it"}`
		serde  = "/api/v1/crates/serde-json/1.0.0"
	)
	line := func(digest string) string { return `{"offered":"` + digest + `","reason":"read it"}` }
	tests := []struct {
		name, as, target, body string
		want                   int
		says                   string
		wrote                  string
	}{
		{name: "a ruling", as: "alice", target: serde + "/rulings", body: rule, want: 201, says: `"impartial":true`, wrote: "token:alice release.allow serde-json@1.0.0"},
		{name: "by nobody", target: serde + "/rulings", body: rule, want: 401},
		{name: "without the scope", as: "reader", target: serde + "/rulings", body: rule, want: 403, says: "decide"},
		{name: "on one's own release", as: "mallory", target: serde + "/rulings", body: rule, want: 403, says: "somebody else has to decide"},
		{name: "past another", as: "alice", target: serde + "/rulings", body: strings.Replace(rule, "1}", "0}", 1), want: 409, says: `"standing":{"id":1`},
		{name: "of no kind", as: "alice", target: serde + "/rulings", body: strings.Replace(rule, "allow", "bless", 1), want: 422},
		{name: "without a reason", as: "alice", target: serde + "/rulings", body: strings.Replace(rule, "read it", " ", 1), want: 422, says: "no reason"},
		{name: "without after", as: "alice", target: serde + "/rulings", body: strings.Replace(rule, `,"after":1`, "", 1), want: 422},
		{name: "under no policy", as: "alice", target: serde + "/rulings", body: strings.Replace(rule, "default", "none", 1), want: 404},
		{name: "on no release", as: "alice", target: "/api/v1/crates/serde-json/9.9.9/rulings", body: rule, want: 404},
		{name: "of no JSON", as: "alice", target: serde + "/rulings", body: "{", want: 400},

		{name: "an exception", as: "alice", target: "/api/v1/exceptions", body: except, want: 201, says: `"expires_at":"2026-03-31T12:00:00Z"`, wrote: "token:alice exception.add serde-json@1.0.0"},
		{name: "one for ever", as: "alice", target: "/api/v1/exceptions", body: strings.Replace(except, "}", `,"expires_at":"9999-01-01T00:00:00Z"}`, 1), want: 422, says: "a year at most"},
		{name: "one on one's own release", as: "mallory", target: "/api/v1/exceptions", body: except, want: 403},
		{name: "one by nobody", target: "/api/v1/exceptions", body: except, want: 401},
		{name: "one under a policy of others", as: "alice", target: "/api/v1/exceptions", body: strings.Replace(except, "default", "none", 1), want: 404},
		{name: "the end of one", as: "alice", target: "/api/v1/exceptions/2/expire", want: 200, says: `"ended_by":"token:alice"`, wrote: "token:alice exception.expire exception 2"},
		{name: "the end of one that ended", as: "alice", target: "/api/v1/exceptions/1/expire", want: 409},
		{name: "the end of none", as: "alice", target: "/api/v1/exceptions/99/expire", want: 404},
		{name: "the end of nonsense", as: "alice", target: "/api/v1/exceptions/x/expire", want: 404},
		{name: "the end by nobody", target: "/api/v1/exceptions/2/expire", want: 401},

		{name: "a line", as: "alice", target: serde + "/accept-line", body: line("01" + strings.Repeat("0", 62)), want: 204, wrote: "token:alice line.accept serde-json@1.0.0"},
		{name: "a line that is not offered", as: "alice", target: serde + "/accept-line", body: line(strings.Repeat("0", 64)), want: 409},
		{name: "a line by no digest", as: "alice", target: serde + "/accept-line", body: line("01"), want: 422},
		{name: "a line by nobody", target: serde + "/accept-line", body: line(strings.Repeat("0", 64)), want: 401},
		{name: "a yank", as: "alice", target: serde + "/honour-yank", body: reason, want: 204, wrote: "token:alice yank.honour serde-json@1.0.0"},
		{name: "a yank by its publisher", as: "mallory", target: serde + "/honour-yank", body: reason, want: 403},
		{name: "a yank that is none", as: "alice", target: "/api/v1/crates/serde-json/1.1.0-rc.1+build.5/honour-yank", body: reason, want: 409},

		{name: "a wish", target: serde + "/review-requests", body: `{"policy":"default","reason":"the build is red"}`, want: 201, wrote: "anonymous review.ask serde-json@1.0.0"},
		{name: "a wish under a policy of others", target: serde + "/review-requests", body: `{"policy":"secret","reason":"the build is red"}`, want: 403},
		{name: "a wish under no policy", target: serde + "/review-requests", body: `{"policy":"","reason":"the build is red"}`, want: 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			f, secrets := w.fence()
			rec := w.ask(t, secrets[tt.as], "POST", tt.target, tt.body)
			if rec.Code != tt.want || !strings.Contains(rec.Body.String(), tt.says) {
				t.Errorf("answer %d %s\nwant %d with %s", rec.Code, rec.Body, tt.want, tt.says)
			}
			if got := strings.Join(f.written, "; "); got != tt.wrote {
				t.Errorf("wrote %q, want %q", got, tt.wrote)
			}
		})
	}
}

func TestReadingTheFence(t *testing.T) {
	tests := []struct {
		name, as, target string
		want             int
		says, hides      string
	}{
		{name: "exceptions", target: "/api/v1/exceptions", want: 200, says: `"id":2`, hides: `"id":1,`},
		{name: "exceptions with a token", as: "reader", target: "/api/v1/exceptions", want: 200, says: `"id":1,`},
		{name: "open ones", as: "reader", target: "/api/v1/exceptions?open=true", want: 200, says: `"id":2`, hides: `"id":1,`},
		{name: "rulings", target: "/api/v1/crates/serde-json/1.0.0/rulings", want: 200, says: `"author":"token:bob"`},
		{name: "line events", target: "/api/v1/crates/Serde-JSON/line-events", want: 200, says: `"what":"file-gone"`},
		{name: "a page of them", target: "/api/v1/crates/serde-json/line-events?limit=1", want: 200, says: `"next":"2"`, hides: "file-gone"},
		{name: "review requests", target: "/api/v1/crates/serde-json/1.0.0/review-requests", want: 200, says: "the build is red", hides: "hush"},
		{name: "fetches", as: "root", target: "/api/v1/crates/serde-json/1.0.0/fetches", want: 200, says: `"passed":false`},
		{name: "fetches by who decides", as: "alice", target: "/api/v1/crates/serde-json/1.0.0/fetches", want: 403},
		{name: "fetches by nobody", target: "/api/v1/crates/serde-json/1.0.0/fetches", want: 401},
		{name: "a policy of others", target: "/api/v1/decisions?policy=secret", want: 403, says: "not open to you"},
		{name: "policies", target: "/api/v1/policies", want: 200, says: `"index":"https://fence.example/p/default/index/"`, hides: "secret"},
		{name: "a policy", target: "/api/v1/policies/strict", want: 200, says: "How long releases wait"},
		{name: "one of others", target: "/api/v1/policies/secret", want: 403},
		{name: "none", target: "/api/v1/policies/none", want: 404},
		{name: "no policy", target: "/api/v1/decisions?policy=none", want: 404},
		{name: "no cursor of ours", target: "/api/v1/decisions?cursor=x", want: 422, says: "query.cursor"},
		{name: "a cursor below all", target: "/api/v1/exceptions?cursor=0", want: 422},
		{name: "no verdict", target: "/api/v1/decisions?verdict=perhaps", want: 422},
		{name: "no crate", target: "/api/v1/decisions?crate=..%2Fx", want: 422},
		{name: "a NUL", target: "/api/v1/exceptions?version=%00", want: 422},
		{name: "decisions on nothing", target: "/api/v1/crates/nobody/1.0.0/decisions", want: 404},
		{name: "decisions on no version", target: "/api/v1/crates/itoa/latest/decisions", want: 404},
		{name: "line events of no crate", target: "/api/v1/crates/%2e%2e/line-events", want: 404},
	}
	w := newWorld(t)
	_, secrets := w.fence()
	for _, tt := range tests {
		rec := w.ask(t, secrets[tt.as], "GET", tt.target, "")
		body := rec.Body.String()
		if rec.Code != tt.want || !strings.Contains(body, tt.says) || tt.hides != "" && strings.Contains(body, tt.hides) {
			t.Errorf("%s: answer %d %s\nwant %d with %s, without %s", tt.name, rec.Code, body, tt.want, tt.says, tt.hides)
		}
	}
}

// A server without a fence says so.
func TestWithoutAFence(t *testing.T) {
	for _, target := range []string{"/api/v1/decisions", "/api/v1/exceptions", "/api/v1/crates/itoa/line-events", "/api/v1/crates/itoa/1.0.0/rulings"} {
		if rec := newWorld(t).get(t, target); rec.Code != 501 {
			t.Errorf("%s: %d, want 501", target, rec.Code)
		}
	}
}

func TestFenceInTrouble(t *testing.T) {
	for _, target := range []string{
		"/api/v1/decisions", "/api/v1/exceptions", "/api/v1/crates/itoa/line-events", "/api/v1/crates/itoa/1.0.0/rulings",
		"/api/v1/crates/itoa/1.0.0/decisions", "/api/v1/crates/itoa/1.0.0/review-requests",
	} {
		w := newWorld(t)
		f, _ := w.fence()
		f.err = errStore
		if rec := w.get(t, target); rec.Code != 500 || strings.Contains(rec.Body.String(), "table") {
			t.Errorf("%s: %d %s, want a 500 that tells nothing", target, rec.Code, rec.Body)
		}
	}
}

// The words of what may happen to a line are those that stores keep.
func TestLineChangesAreDescribed(t *testing.T) {
	enum := described().Components.Schemas.Map()["LineEvent"].Properties["what"].Enum
	var words []string
	for _, word := range enum {
		words = append(words, word.(string))
	}
	want := []store.LineChange{
		store.LinePublished, store.LineYanked, store.LineUnyanked, store.LineRewritten, store.LineEdited, store.LineOtherBytes, store.LineRemoved,
		store.LineReturned, store.LineAccepted, store.LineHonoured, store.FileGone, store.FileUnreadable,
	}
	var names []string
	for _, one := range want {
		names = append(names, string(one))
	}
	if diff := cmp.Diff(names, words); diff != "" {
		t.Errorf("LineEvent.what (-stored +described):\n%s", diff)
	}
}
