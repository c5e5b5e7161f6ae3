package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// message is a publish message with some members replaced or, where "", left out.
func message(replace map[string]string) string {
	members := [][2]string{
		{"name", `"serde"`}, {"version", `"1.0.0"`}, {"checksum", `"` + strings.Repeat("ab", 32) + `"`},
		{"download_url", `"https://crates.example/serde-1.0.0.crate?key=1"`},
		{"publisher", `"github:serde-rs"`}, {"published_at", `"2026-03-01T13:00:00+02:00"`},
	}
	var kept []string
	for _, m := range members {
		value := m[1]
		if other, ok := replace[m[0]]; ok {
			value = other
		}
		if value != "" {
			kept = append(kept, fmt.Sprintf("%q:%s", m[0], value))
		}
	}
	return "{" + strings.Join(kept, ",") + "}"
}

// signed is a publish webhook.
func (w *world) signed(id, body string) *http.Request {
	r := httptest.NewRequest("POST", "/api/v1/webhooks/publish", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w.secret.Sign(r.Header, id, noon, []byte(body))
	return r
}

func TestAnnounce(t *testing.T) {
	w := newWorld(t)
	w.announcements = nil
	rec := w.call(t, w.signed("msg_1", message(nil)))
	if rec.Code != http.StatusAccepted || rec.Header().Get("Location") != "/api/v1/announcements/1" {
		t.Fatalf("answer %d at %q: %s", rec.Code, rec.Header().Get("Location"), rec.Body)
	}
	checksum, err := crate.ParseChecksum(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Announcement{{
		ID: 1, Via: store.ViaWebhook, MessageID: "msg_1", Crate: "serde", Version: "1.0.0", Checksum: checksum,
		DownloadURL: "https://crates.example/serde-1.0.0.crate?key=1", Publisher: "github:serde-rs",
		PublishedAt: noon.Add(-time.Hour), Status: store.AnnouncementReceived, ReceivedAt: noon,
	}}
	if diff := cmp.Diff(want, w.announcements); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"webhook"}, w.actors); diff != "" {
		t.Errorf("actors (-want +got):\n%s", diff)
	}
	first := rec.Body.String()

	if rec := w.call(t, w.signed("msg_1", message(nil))); rec.Code != http.StatusOK || rec.Body.String() != first {
		t.Errorf("a repeat: %d %s, want 200 with the first", rec.Code, rec.Body)
	}
	if got := w.get(t, "/api/v1/announcements/1").Body.String(); got != first {
		t.Errorf("read again: %s, want %s", got, first)
	}
	// 200 would lose the other release without a word.
	for field, value := range map[string]string{"name": "itoa", "version": "1.0.1", "checksum": strings.Repeat("cd", 32)} {
		rec = w.call(t, w.signed("msg_1", message(map[string]string{field: `"` + value + `"`})))
		if rec.Code != http.StatusConflict || len(w.announcements) != 1 {
			t.Errorf("the id of a message with another %s: %d %s", field, rec.Code, rec.Body)
		}
	}
}

func TestAnnounceOnlyWhatIsNeeded(t *testing.T) {
	w := newWorld(t)
	body := message(map[string]string{"download_url": "", "publisher": "", "published_at": ""})
	if rec := w.call(t, w.signed("msg_1", "\n "+body+"\n")); rec.Code != http.StatusAccepted {
		t.Errorf("answer %d %s", rec.Code, rec.Body)
	}
}

func TestAnnounceRefusesMessages(t *testing.T) {
	with := func(key, value string) string { return message(map[string]string{key: value}) }
	tests := []struct {
		name, body string
		want       int
		wantBody   string // held by the body, most often the field
	}{
		{name: "no name", body: with("name", ""), want: 422, wantBody: `{"location":"body.name","message":"is missing"}`},
		{name: "no version", body: with("version", ""), want: 422, wantBody: `{"location":"body.version","message":"is missing"}`},
		{name: "no checksum", body: with("checksum", ""), want: 422, wantBody: `{"location":"body.checksum","message":"is missing"}`},
		{name: "nothing", body: `{}`, want: 422, wantBody: `"body.checksum"`},
		{name: "bad name", body: with("name", `"../etc"`), want: 422, wantBody: `"body.name"`},
		{name: "bad version", body: with("version", `"1.0"`), want: 422, wantBody: `"body.version"`},
		{name: "bad checksum", body: with("checksum", `"ABAB"`), want: 422, wantBody: `"body.checksum"`},
		{name: "number for a name", body: with("name", `1`), want: 422, wantBody: `want a string`},
		{name: "null for a publisher", body: with("publisher", `null`), want: 422, wantBody: `"body.publisher"`},
		{name: "object for a version", body: with("version", `{"a":[1]}`), want: 422, wantBody: `"body.version"`},
		{name: "control character", body: with("publisher", `"a\u001b[31m"`), want: 422, wantBody: `"body.publisher"`},
		{name: "long publisher", body: with("publisher", `"`+strings.Repeat("a", 201)+`"`), want: 422, wantBody: `"body.publisher"`},
		{name: "a day for a time", body: with("published_at", `"2026-03-01"`), want: 422, wantBody: `"body.published_at"`},
		{ // in UTC it is year 10000, which JSON cannot say again
			name: "the far future", body: with("published_at", `"9999-12-31T23:59:59-23:00"`), want: 422, wantBody: `"body.published_at"`,
		},
		{name: "year 1", body: with("published_at", `"0001-01-01T00:00:00Z"`), want: 422, wantBody: `"body.published_at"`},
		{name: "file URL", body: with("download_url", `"file:///etc/passwd"`), want: 422, wantBody: `"body.download_url"`},
		{name: "relative URL", body: with("download_url", `"/serde.crate"`), want: 422, wantBody: `"body.download_url"`},
		{name: "URL without a host", body: with("download_url", `"https://:443/x"`), want: 422, wantBody: `"body.download_url"`},
		{name: "URL with a password", body: with("download_url", `"https://u:p@h.example/"`), want: 422, wantBody: `without user name`},
		{name: "URL with a fragment", body: with("download_url", `"https://h.example/#x"`), want: 422, wantBody: `"body.download_url"`},
		{name: "long URL", body: with("download_url", `"https://h.example/`+strings.Repeat("a", 2048)+`"`), want: 422, wantBody: `"body.download_url"`},
		{name: "unknown field", body: `{"cksum":"x",` + message(nil)[1:], want: 422, wantBody: `{"location":"body.cksum","message":"is not a field of this message"}`},
		{name: "known in other case", body: with("name", "")[:1] + `"Name":"serde",` + with("name", "")[1:], want: 422, wantBody: `"body.Name"`},
		{name: "long unknown field", body: `{"` + strings.Repeat("k", 500) + `":1}`, want: 422, wantBody: `"body.` + strings.Repeat("k", 40) + `…"`},
		{ // readers differ in which of the two they believe
			name: "key twice", body: `{"name":"itoa",` + message(nil)[1:], want: 422, wantBody: `{"location":"body.name","message":"is there twice"}`,
		},
		{name: "key twice, once escaped", body: `{"n\u0061me":"itoa",` + message(nil)[1:], want: 422, wantBody: `is there twice`},
		{name: "something after it", body: message(nil) + "{}", want: 400, wantBody: "something follows it"},
		{name: "cut", body: message(nil)[:50], want: 400},
		{name: "comma at the end", body: strings.Replace(message(nil), "}", ",}", 1), want: 400},
		{name: "a list", body: "[" + message(nil) + "]", want: 400},
		{name: "null", body: "null", want: 400},
		{name: "empty", body: "", want: 400},
		{name: "no JSON", body: "name=serde", want: 400},
		{name: "no UTF-8", body: with("publisher", "\"a\xff\""), want: 400, wantBody: "UTF-8"},
		{name: "deep", body: with("name", strings.Repeat("[", 20_000)), want: 400},
		{name: "too long", body: with("publisher", `"`+strings.Repeat("a", 64<<10)+`"`), want: 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			before := len(w.announcements)
			rec := w.call(t, w.signed("msg_1", tt.body))
			if rec.Code != tt.want || !strings.Contains(rec.Body.String(), tt.wantBody) {
				t.Errorf("answer %d %s\nwant %d with %s", rec.Code, rec.Body, tt.want, tt.wantBody)
			}
			if len(w.announcements) != before {
				t.Error("it was announced all the same")
			}
		})
	}
}

func TestAnnounceRefusesSenders(t *testing.T) {
	foreign, err := auth.ParseWebhookSecret(auth.NewWebhookSecret())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(r *http.Request)
		want   int
		detail string
	}{
		{"as it should be", func(*http.Request) {}, 202, ""},
		{"charset", func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, 202, ""},
		{"by another secret", func(r *http.Request) { foreign.Sign(r.Header, "msg_1", noon, []byte(message(nil))) }, 401, "Signature does not match"},
		{"unsigned", func(r *http.Request) { r.Header.Del("Webhook-Signature") }, 401, "want one webhook-signature header, and there are 0"},
		{"two ids", func(r *http.Request) { r.Header.Add("Webhook-Id", "msg_2") }, 401, "webhook-id"},
		{"two signatures that disagree", func(r *http.Request) { r.Header.Add("Webhook-Signature", "v1,AAAA") }, 401, "webhook-signature"},
		{"form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 415, "application/json"},
		{"no type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, ""},
		{"compressed", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, "Content-Encoding"},
		{"said to be long", func(r *http.Request) { r.ContentLength = 1 << 20 }, 413, "takes 65536"},
		{"query", func(r *http.Request) { r.URL.RawQuery = "name=x" }, 202, ""}, // a sender may add what it likes to its URL
		{"a token besides", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.signed("msg_1", message(nil))
			tt.change(r)
			rec := w.call(t, r)
			if rec.Code != tt.want || !strings.Contains(rec.Body.String(), tt.detail) {
				t.Errorf("answer %d %s\nwant %d with %s", rec.Code, rec.Body, tt.want, tt.detail)
			}
			if rec.Code == 401 && rec.Header().Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
			if (rec.Code == 202) != (len(w.announcements) == 2) {
				t.Errorf("%d announcements", len(w.announcements))
			}
		})
	}

	w := newWorld(t)
	r := w.signed("msg_1", message(nil))
	w.secret.Sign(r.Header, "msg_1", noon.Add(-10*time.Minute), []byte(message(nil)))
	if rec := w.call(t, r); rec.Code != 401 || !strings.Contains(rec.Body.String(), "webhook-timestamp is 600 seconds behind") {
		t.Errorf("old message: %d %s", rec.Code, rec.Body)
	}
}

// Without a length, the limit is found while reading.
func TestAnnounceEndless(t *testing.T) {
	w := newWorld(t)
	r := w.signed("msg_1", message(nil))
	r.Body, r.ContentLength = http.NoBody, -1
	endless := httptest.NewRequest("POST", r.URL.String(), zeros{})
	endless.Header = r.Header
	if rec := w.call(t, endless); rec.Code != 413 {
		t.Errorf("endless body: %d %s", rec.Code, rec.Body)
	}
	broken := httptest.NewRequest("POST", r.URL.String(), iotest.ErrReader(fmt.Errorf("peer at 10.0.0.1 gone")))
	broken.Header = r.Header
	if rec := w.call(t, broken); rec.Code < 400 || strings.Contains(rec.Body.String(), "10.0.0.1") {
		t.Errorf("broken body: %d %s", rec.Code, rec.Body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAnnounceNotConfigured(t *testing.T) {
	w := newWorld(t)
	for _, hook := range []*auth.Webhook{nil, {}} {
		w.handler = New(Deps{Auth: &auth.Auth{}, Webhook: hook, Log: discard()})
		rec := w.call(t, w.signed("msg_1", message(nil)))
		if rec.Code != http.StatusNotImplemented || !strings.Contains(rec.Body.String(), "webhook.secret_files") {
			t.Errorf("answer %d %s", rec.Code, rec.Body)
		}
	}
}

func (w *world) submission(target string, data []byte) *http.Request {
	r := httptest.NewRequest("PUT", target, bytes.NewReader(data))
	r.Header.Set("Content-Type", "application/gzip")
	r.Header.Set("Authorization", "Bearer "+w.token)
	return r
}

func TestSubmit(t *testing.T) {
	tests := []struct {
		name, target string
		data         []byte
		change       func(r *http.Request)
		want         int
		wantBody     string
		location     string
	}{
		{
			name: "new", target: "/api/v1/crates/serde/2.0.0+b?published_at=2026-02-01T00:00:00Z&publisher=ada", data: []byte("new"), want: 201,
			wantBody: `"published_at":"2026-02-01T00:00:00Z","first_seen_at":"2026-03-01T12:00:00Z","publisher":"ada","via":"submit"`,
			location: "/api/v1/crates/serde/2.0.0+b",
		},
		{name: "known", target: "/api/v1/crates/Serde-Json/1.0.0", data: serdeBytes, want: 200, wantBody: `"size":24`, location: "/api/v1/crates/Serde-Json/1.0.0"},
		{
			name: "other bytes", target: "/api/v1/crates/Serde-Json/1.0.0", data: []byte("other"), want: 409,
			wantBody: `"offered":"` + crate.Sum([]byte("other")).String() + `","incident":"/api/v1/crates/Serde-Json"`,
		},
		{name: "other spelling", target: "/api/v1/crates/serde_json/1.0.0", data: serdeBytes, want: 409, wantBody: `The crate is known as \"Serde-Json\", and stays so.`},
		{name: "refused by intake", target: "/api/v1/crates/serde/9.9.9", data: []byte("x"), want: 422, wantBody: "this version is not to be"},
		{name: "bad name", target: "/api/v1/crates/9lives/1.0.0", data: []byte("x"), want: 422, wantBody: `"path.name"`},
		{name: "slash in a name", target: "/api/v1/crates/a%2Fb/1.0.0", data: []byte("x"), want: 422, wantBody: `"path.name"`},
		{name: "bad version", target: "/api/v1/crates/serde/one", data: []byte("x"), want: 422, wantBody: `"path.version"`},
		{name: "bad time", target: "/api/v1/crates/serde/1.0.0?published_at=yesterday", data: []byte("x"), want: 422, wantBody: `"query.published_at"`},
		{name: "implausible time", target: "/api/v1/crates/serde/1.0.0?published_at=9999-12-31T23:59:59-23:00", data: []byte("x"), want: 422, wantBody: `"query.published_at"`},
		{name: "bad publisher", target: "/api/v1/crates/serde/1.0.0?publisher=a%0Ab", data: []byte("x"), want: 422, wantBody: `"query.publisher"`},
		{name: "unknown parameter", target: "/api/v1/crates/serde/1.0.0?publish=x", data: []byte("x"), want: 422, wantBody: `"query.publish"`},
		{name: "empty", target: "/api/v1/crates/serde/2.0.0", want: 400},
		{name: "as long as may be", target: "/api/v1/crates/serde/2.0.0", data: make([]byte, 1000), want: 201, location: "/api/v1/crates/serde/2.0.0"},
		{name: "too long", target: "/api/v1/crates/serde/2.0.0", data: make([]byte, 1001), want: 413, wantBody: "takes 1000"},
		{
			name: "too long, and not said", target: "/api/v1/crates/serde/2.0.0", data: make([]byte, 1001), want: 413,
			change: func(r *http.Request) { r.ContentLength = -1 },
		},
		{
			name: "bytes", target: "/api/v1/crates/serde/2.0.0", data: []byte("new"), want: 201, location: "/api/v1/crates/serde/2.0.0",
			change: func(r *http.Request) { r.Header.Set("Content-Type", "application/octet-stream") },
		},
		{
			name: "form", target: "/api/v1/crates/serde/2.0.0", data: []byte("new"), want: 415,
			change: func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") },
		},
		{
			name: "nobody", target: "/api/v1/crates/serde/2.0.0", data: []byte("new"), want: 401, wantBody: "Authorization: Bearer TOKEN",
			change: func(r *http.Request) { r.Header.Del("Authorization") },
		},
		{
			name: "unknown token", target: "/api/v1/crates/serde/2.0.0", data: []byte("new"), want: 401,
			change: func(r *http.Request) { r.Header.Set("Authorization", "cf_nonsense") },
		},
		{
			name: "bare token", target: "/api/v1/crates/serde/2.0.0", data: []byte("new"), want: 201, location: "/api/v1/crates/serde/2.0.0",
			change: func(r *http.Request) {
				r.Header.Set("Authorization", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.submission(tt.target, tt.data)
			if tt.change != nil {
				tt.change(r)
			}
			rec := w.call(t, r)
			if rec.Code != tt.want || !strings.Contains(rec.Body.String(), tt.wantBody) || rec.Header().Get("Location") != tt.location {
				t.Errorf("answer %d at %q %s\nwant %d at %q with %s", rec.Code, rec.Header().Get("Location"), rec.Body, tt.want, tt.location, tt.wantBody)
			}
			if rec.Code == 401 && rec.Header().Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
			if taken := rec.Code < 300; taken && !cmp.Equal(w.actors, []string{"token:ci"}) {
				t.Errorf("actors %v", w.actors)
			}
		})
	}
}

// A token whose scope is not enough is known and still refused, before any of
// the body is read.
func TestSubmitWithoutScope(t *testing.T) {
	w := newWorld(t)
	w.tokens[0].Scopes = nil
	r := w.submission("/api/v1/crates/serde/2.0.0", nil)
	r.Body, r.ContentLength = unread{t}, -1
	rec := w.call(t, r)
	if rec.Code != 403 || rec.Header().Get("WWW-Authenticate") != `Bearer realm="cratefence", error="insufficient_scope"` {
		t.Errorf("answer %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

// unread is a body that nobody is to read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func (unread) Close() error { return nil }
