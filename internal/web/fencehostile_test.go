package web

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/htmlcheck"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// hostileFence puts one text wherever pages of the fence show a text that
// somebody wrote.
func hostileFence(text string) (*fake, *fakeFence) {
	catalogue, f := fenced()
	f.decide("default", "silent", gate.VersionView{Version: "2.0.0", Offered: []byte(text), Decision: policy.Decision{
		State: policy.Quarantined, Reasons: []policy.Reason{{Rule: text, Verdict: policy.Verdict(text), Text: text}, {Rule: "ruling", Verdict: policy.Block, Text: text}},
	}})
	f.decide("default", "tampered", gate.VersionView{Version: "2.1.0", Decision: policy.Decision{State: policy.State(text)}})
	f.rulings = append(f.rulings, store.Ruling{ID: 7, Policy: "default", Crate: "silent", Version: "2.0.0", Action: policy.Action(text), Reason: text, Author: text})
	f.requests = append(f.requests, store.ReviewRequest{Policy: "default", Crate: "silent", Version: "2.0.0", Actor: text, Reason: text})
	f.exceptions = append(f.exceptions,
		store.Exception{ID: 7, Policy: "default", Crate: "silent", Version: "2.0.0", Rule: text, Reason: text, Author: text, ExpiresAt: now.AddDate(0, 0, 1)},
		store.Exception{ID: 8, Policy: "default", Crate: text, Version: text, Rule: text, Reason: text, Author: text, ExpiresAt: now, EndedAt: now, EndedBy: text},
	)
	f.events = append(f.events, store.LineEvent{Key: "silent", Version: text, What: store.LineChange(text), Detail: text}, store.LineEvent{Key: "silent", Version: "2.0.0", What: store.LineEdited, Detail: text})
	f.files["silent"] = packed("silent", fmt.Sprintf(`{"vers":"2.0.0","name":%q}`, text))
	f.lines["silent"] = []store.LineRecord{{Key: "silent", Version: "2.0.0", Trouble: policy.LineChanged, Offered: []byte(text)}}
	return catalogue, f
}

var hostileFencePages = []string{
	"/decisions", "/queue", "/exceptions", "/exceptions?crate=%s&version=%s&rule=%s", "/signin?back=%s", "/crates/silent/fence", "/crates/silent/security", "/crates/silent/versions",
	"/crates/tampered/fence", "/r/c0de9", "/r/%s", "/policy/%s", "/decisions?policy=%s", "/decisions?state=%s",
}

// Whatever somebody wrote, a page of the fence has the elements that it has with
// a harmless text.
func TestHostileTextsAtTheFence(t *testing.T) {
	elements := []string{"script", "style", "img", "iframe", "form", "button", "input", "textarea", "option", "base", "h1", "h2", "main", "#live", "meta", "svg"}
	count := func(doc *htmlcheck.Doc) map[string]int {
		counts := map[string]int{}
		for _, selector := range elements {
			counts[selector] = doc.Count(selector)
		}
		return counts
	}
	visit := func(t *testing.T, text string, see func(path string, status int, body []byte)) {
		catalogue, f := hostileFence(text)
		h := serveWith(catalogue, func(c *Config) { c.Fence = f.fence(catalogue) })
		for _, pattern := range hostileFencePages {
			w := as(h, "alices", "GET", strings.ReplaceAll(pattern, "%s", percent(cut(text, 900))), nil)
			see(pattern, w.Code, w.Body.Bytes())
		}
	}
	plain := map[string]map[string]int{}
	visit(t, "harmless", func(path string, _ int, body []byte) {
		doc, err := htmlcheck.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		plain[path] = count(doc)
	})
	for name, text := range hostileTexts {
		t.Run(name, func(t *testing.T) {
			visit(t, text, func(path string, status int, body []byte) {
				if status == 301 || status == 307 {
					return // the address itself is put right
				}
				if status != 200 && status != 404 || len(body) > 600_000 || !utf8.Valid(body) || strings.IndexFunc(string(body), hidden) >= 0 {
					t.Errorf("GET %s = %d of %d bytes, or something unseen in it", path, status, len(body))
				}
				doc, err := htmlcheck.Parse(body)
				if err != nil {
					t.Fatal(err)
				}
				for _, problem := range htmlcheck.Lint(doc) {
					t.Errorf("GET %s: %.300s", path, problem)
				}
				if diff := cmp.Diff(plain[path], count(doc)); diff != "" && status == 200 {
					t.Errorf("GET %s holds more than the page's own elements (-want +got):\n%s", path, diff)
				}
				for _, link := range doc.Links() {
					if !strings.HasPrefix(link, "https://") && !strings.HasPrefix(link, "http://") && !strings.HasPrefix(link, "#") && (!strings.HasPrefix(link, "/") || strings.HasPrefix(link, "//")) {
						t.Errorf("GET %s links to %q", path, link)
					}
				}
			})
		})
	}
}
