package web

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/htmlcheck"
	"github.com/cratefence/cratefence/internal/store"
)

// hostile puts one text wherever a page shows a text that came from outside.
func hostile(text string) *fake {
	f := &fake{}
	r := f.add("target",
		store.Release{
			Version: "1.0.0", Publisher: text, Via: store.Via(text), FirstSeenAt: now,
			About: store.About{
				Description: text, License: text, Repository: text, Homepage: "https://" + text, Documentation: "https://h.example/" + text,
				RustVersion: text, Edition: text, Keywords: []string{text}, Categories: []string{text},
				Dependencies: []store.Dependency{{Name: text, Req: text, Kind: "normal", Target: text}, {Name: "x", Req: "1", Kind: text}},
			},
		},
		store.Release{Version: "0.9.0", Publisher: text},
	)[0]
	report := func(c check.Conclusion) check.Report {
		return check.Report{
			Conclusion: c, Title: text, Summary: text, Text: text, Metrics: map[string]float64{text: 1},
			Findings: []check.Finding{{Rule: text, Level: check.Level(text), Message: text, Path: text, StartLine: 1, Snippet: text, Help: text}, {}},
		}
	}
	past := store.CheckRun{ID: 1, Check: "provenance", CheckVersion: 1, Report: check.Report{Conclusion: check.Conclusion(text), Title: text}}
	compared := traced(check.Failure, text, hostileFacts(text), check.Finding{Rule: "file-modified", Path: text, Message: text}, check.Finding{Rule: "file-modified", Path: "diff", Message: text})
	compared.Later = &past
	f.past = map[store.ID][]store.CheckRun{r.ID: {past, past}}
	f.set(r.ID, compared, did("archive", report(check.Failure)), did("changes", report(check.Success)), did("licence", report("strange")), did("checker/"+text, report(check.Inconclusive)))
	f.incidents = []store.Incident{{ReleaseID: r.ID, Crate: r.Crate, Version: r.Version, Via: store.Via(text), Detail: text, Times: 2}}
	f.keep(r, checks.SecurityPolicy{Found: true, Path: text, URL: "https://h.example/" + text, Repository: text, Commit: text, Text: text, Since: checks.PolicyChanged, Current: &checks.CurrentPolicy{Commit: text, Text: text}})
	return f
}

// hostileFacts have the text wherever facts have one.
func hostileFacts(text string) checks.ProvenanceFacts {
	return checks.ProvenanceFacts{
		Repository: text, Declared: text, Commit: text, Path: text, Workspace: &text, PathGuessed: true, Dirty: true, Origin: provenance.Origin(text), Absent: []string{text},
		Reach:      &checks.ProvenanceReach{Grade: provenance.Grade(text), Refs: []string{text, "refs/tags/" + text, "refs/heads/" + text}, VersionTags: []string{text}, Unread: text},
		Files:      map[provenance.Kind]int{provenance.Kind(text): 1, provenance.Exact: -1, provenance.Modified: 2},
		Differing:  []checks.ProvenanceFile{{Path: text, Diff: text}, {Path: "diff", Diff: "@@ -1 +" + text + " @@\n-" + text + "\n+" + text + "\n\\" + text + "\n " + text}},
		Submodules: []checks.ProvenanceSubmodule{{Path: text, Commit: text, Repository: text}},
		Missing:    []string{text}, ManifestNotes: []string{text},
		Settings: []checks.ProvenanceSetting{{Path: text, Origin: text, Published: text, From: text, Class: text, Text: text}},
		Lock:     &checks.ProvenanceLock{Resolved: []string{text}, Contradicted: []string{text}},
	}
}

var hostilePages = []string{
	"/", "/crates", "/crates?q=%s", "/crates/target", "/crates/target/versions", "/crates/target/dependencies", "/crates/target/security", "/crates/target/checks",
	"/incidents", "/crates/%s", "/crates/target/%s", "/checks/%s", "/%s",
}

// hostileTexts would do something if a page let them.
var hostileTexts = map[string]string{
	"a script":                  `<script>alert(1)</script>`,
	"the end of an attribute":   `"><img src=x onerror=alert(1)>`,
	"the end of another":        `' onmouseover='alert(1)`,
	"an event without quotes":   "x onfocus=alert(1) autofocus",
	"the end of a title":        `</title><script>alert(1)</script>`,
	"a script as an address":    "javascript:alert(1)",
	"an address of data":        "data:text/html,<script>alert(1)</script>",
	"the end of the page":       "</main></body></html>",
	"a comment":                 "<!-- <style>*{display:none}</style>",
	"code that is none":         "`<script>` `</code><script>alert(1)</script>` ` `` `",
	"a template":                "{{.Layout}} ${alert(1)} {{`x`}}",
	"an entity":                 "&lt;script&gt;&#x202e;",
	"text from right to left":   "safe\u202egnp.exe\u202c",
	"isolates":                  "\u2066a\u2069\u2067b",
	"characters of no width":    "ser\u200bde\u200d\u2060\ufeff",
	"tags":                      "a\U000E0041\U000E0042",
	"hidden data in selectors":  "a\U000E0100\U000E0101\ufe00\ufe01",
	"terminal escapes and NUL":  "a\x1b[31m\x00\x07\x9b",
	"broken UTF-8":              "a\xff\xfe\xc0\xaf",
	"lines in one":              "a\r\nSet-Cookie: x=1\r\n\r\n<p>",
	"marks upon marks":          "a" + strings.Repeat("\u0301", 500),
	"100 KB without a space":    strings.Repeat("a", 100_000),
	"100 KB of tags":            strings.Repeat("<b>", 33_000),
	"a link to another site":    "[x](//evil.example) <a href=//evil.example>y</a> <base href=//evil.example>",
	"an image from elsewhere":   "![x](https://evil.example/x.png) <img src=https://evil.example/y.png>",
	"a form to elsewhere":       "<form action=https://evil.example><button>Log in</button></form>",
	"a heading above the page":  "# Verified\n\n<h1>Verified</h1>",
	"identifiers of the page":   `<p id="live" class="unseen">x</p><details id="policy-rest">`,
	"a host that is not shown":  "https://crates.io@evil.example/",
	"an address that is no URL": "https://[::1",
}

// Whatever the text, a page has the same elements as with a harmless one, leads
// to no address but the web's, and shows no character that a reader cannot see.
func TestHostileTexts(t *testing.T) {
	for name, text := range hostileTexts {
		t.Run(name, func(t *testing.T) {
			h := serve(hostile(text))
			for _, path := range hostilePages {
				if strings.Contains(path, "%s") {
					path = fmt.Sprintf(path, percent(text))
				}
				w := get(h, path)
				if w.Code == 301 || w.Code == 307 { // the address itself is put right
					continue
				}
				body := w.Body.String()
				if !utf8.ValidString(body) || strings.IndexFunc(body, hidden) >= 0 {
					i := strings.IndexFunc(body, hidden)
					t.Errorf("GET %.60s: an unseen character at %d: %q", path, i, body[max(0, i):min(len(body), max(0, i)+20)])
				}
				if w.Code != 200 && w.Code != 404 || len(body) > 600_000 {
					t.Errorf("GET %.60s = %d of %d bytes", path, w.Code, len(body))
				}
				checkHarmless(t, path, w.Body.Bytes())
			}
		})
	}
}

func percent(text string) string {
	var b strings.Builder
	for i := range min(len(text), 3000) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

func checkHarmless(t *testing.T, path string, body []byte) {
	t.Helper()
	doc, err := htmlcheck.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range htmlcheck.Lint(doc) {
		t.Errorf("GET %.60s: %.300s", path, problem)
	}
	counts := map[string]int{}
	for selector := range harmless {
		counts[selector] = doc.Count(selector)
	}
	if diff := cmp.Diff(harmless, counts); diff != "" {
		t.Errorf("GET %.60s holds more than the page's own elements (-want +got):\n%s", path, diff)
	}
	for _, link := range doc.Links() {
		web := strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "http://")
		own := strings.HasPrefix(link, "#") || strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//")
		if !web && !own {
			t.Errorf("GET %.60s links to %q", path, link)
		}
	}
}

// harmless is how often the page's own elements stand on every page.
var harmless = map[string]int{"script": 1, "style": 0, "img": 0, "iframe": 0, "form": 1, "button": 1, "input": 1, "base": 0, "h1": 1, "main": 1, "#live": 1, "meta": 3, "svg": 0}

func TestVisible(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "naïve 日本 ✓ 👩", "naïve 日本 ✓ 👩"},
		{"an override", "a\u202eb", "a‹U+202E›b"},
		{"an isolate", "\u2066a\u2069", "‹U+2066›a‹U+2069›"},
		{"no width", "ser\u200bde", "ser‹U+200B›de"},
		{"controls", "a\x1b[31m\x00\x7f\u0085", "a␛[31m␀‹U+007F›‹U+0085›"},
		{"lines and tabs stay", "a\n\tb", "a\n\tb"},
		{"a coloured sign", "⚠\ufe0f", "⚠\ufe0f"},
		{"a selector after a letter", "a\ufe0f", "a‹U+FE0F›"},
		{"selectors upon selectors", "⚠\ufe0f\ufe0f", "⚠\ufe0f‹U+FE0F›"},
		{"accents", "e\u0301 ồ", "e\u0301 ồ"},
		{"too many", "e\u0301\u0301\u0301\u0301\u0301\u0301x", "e\u0301\u0301\u0301\u0301x"},
		{"broken", "a\xffb", "a\ufffdb"},
		{"a filler", "a\u3164b", "a‹U+3164›b"},
	}
	for _, tt := range tests {
		if got := string(visible([]byte(tt.text))); got != tt.want {
			t.Errorf("%s: visible(%+q) = %+q, want %+q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestTicked(t *testing.T) {
	tests := []struct{ text, want string }{
		{"plain & simple", "plain &amp; simple"},
		{"adds `slice-macro1`, `b`", "adds <code>slice-macro1</code>, <code>b</code>"},
		{"a ` alone <b>", "a ` alone &lt;b&gt;"},
		{"`<b>` ``", "<code>&lt;b&gt;</code> ``"},
	}
	for _, tt := range tests {
		if got := string(ticked(tt.text)); got != tt.want {
			t.Errorf("ticked(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestLinkTo(t *testing.T) {
	tests := []struct {
		stated string
		want   link
	}{
		{"https://github.com/a/b", link{"https://github.com/a/b", "github.com/a/b"}},
		{"http://h.example:8080/", link{"http://h.example:8080/", "h.example:8080"}},
		{"git@github.com:a/b.git", link{"", "git@github.com:a/b.git"}},
		{"javascript:alert(1)", link{"", "javascript:alert(1)"}},
		{"//evil.example/x", link{"", "//evil.example/x"}},
		{"https://good.example@evil.example/", link{"", "https://good.example@evil.example/"}},
		{"https://gооd.example/x", link{"https://xn--gd-fmca.example/x", "xn--gd-fmca.example/x"}},
		{"https:///x", link{"", "https:///x"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, linkTo(tt.stated)); diff != "" {
			t.Errorf("linkTo(%q) (-want +got):\n%s", tt.stated, diff)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"a\u202eb", "\x1b[0m", "⚠\ufe0f\ufe0f", "e\u0301\u0301", "\xff\u200d", "\U000E0041"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := visible([]byte(s))
		if !utf8.Valid(got) {
			t.Errorf("visible(%+q) is broken UTF-8", s)
		}
		for i, r := range string(got) {
			before, _ := utf8.DecodeLastRune(got[:i])
			if hidden(r) && !emojiStyle(before, r) {
				t.Errorf("visible(%+q) shows %U", s, r)
			}
		}
	})
}
