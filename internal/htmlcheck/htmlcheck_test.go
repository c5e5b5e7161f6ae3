package htmlcheck

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good is a page in order; the rows of TestLint break it in one place each.
const good = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tidy-int</title>
<link rel="stylesheet" href="/static/page.css">
<script src="/static/page.js" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
<nav aria-label="Main"><ul><li aria-current="page"><a href="/">Home</a></li></ul></nav>
<nav aria-label="Tabs"><a href="/crates/tidy-int"><img src="/logo.svg" alt="Crate"></a></nav>
<main id="content">
<h1>tidy-int <small class="version latest">0.2.0</small></h1>
<form action="/search"><label for="q">Search</label><input id="q" name="q"><input type="hidden" name="x"><input type="submit"></form>
<label>Level <select name="level"><option>low</option></select></label>
<h2>Checks</h2>
<table><thead><tr><th>Check</th><th>Found</th></tr></thead><tbody><tr><td>archive</td><td>nothing</td></tr></tbody></table>
<details><summary>1 finding</summary><pre>fn main() {}</pre></details>
<h3>Metrics</h3>
<h2>About</h2>
<img src="/badge.svg" alt="">
<button aria-label="Copy"><svg aria-hidden="true"><path d="M0 0"/></svg></button>
</main>
</body>
</html>
`

func parse(t *testing.T, body string) *Doc {
	t.Helper()
	d, err := Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLintGood(t *testing.T) {
	if problems := Lint(parse(t, good)); problems != nil {
		t.Errorf("Lint of a page in order:\n%s", strings.Join(problems, "\n"))
	}
}

func TestLint(t *testing.T) {
	tests := []struct {
		old, new string // what is changed in the good page
		want     string
	}{
		{` lang="en"`, ``, `page: html has no lang`},
		{`<title>tidy-int</title>`, `<title> </title>`, `page: no title`},
		{`name="viewport"`, `name="robots"`, `page: no viewport, a phone shows it tiny`},
		{`<nav aria-label="Tabs">`, `<nav>`, `nav: one of several without a label: <nav>`},
		{`<h2>Checks</h2>`, ``, `headings: h3 "Metrics" after h1`},
		{`<h2>About</h2>`, `<h1>About</h1>`, `headings: 2 h1, want 1`},
		{`<h2>About</h2>`, `<h2></h2>`, `headings: empty h2`},
		{`<details>`, `<details id="q">`, `id: "q" stands 2 times`},
		{` alt=""`, ``, `img: no alt: <img src="/badge.svg">`},
		{`alt="Crate"`, `alt=""`, `a: no text: <a href="/crates/tidy-int">`},
		{`<a href="/">`, `<a>`, `a: no href, the keyboard cannot reach it: <a>`},
		{`>Home<`, `><span aria-hidden="true">⌂</span><`, `a: no text: <a href="/">`},
		{`href="#content"`, `href="#body"`, `reference: link to "body", which is not there: <a class="skip" href="#body">`},
		{`<label for="q">Search</label>`, ``, `input: no label: <input id="q" name="q">`},
		{`<label for="q">Search</label><input id="q" name="q">`, `<input name="q" placeholder="Search">`, `input: no label: <input name="q" placeholder="Search">`},
		{`<label>Level <select name="level"><option>low</option></select></label>`, `<select name="level"><option>low</option></select>`, `select: no label: <select name="level">`},
		{`<label for="q">Search</label>`, `<label for="q">Search</label><label for="z">Z</label>`, `reference: for names "z", which is not there: <label for="z">`},
		{`<button aria-label="Copy">`, `<button>`, `button: no text: <button>`},
		{`<svg aria-hidden="true">`, `<svg>`, `svg: neither named nor hidden: <svg>`},
		{`<tr><th>Check</th><th>Found</th></tr>`, `<tr><td>Check</td><td>Found</td></tr>`, `table: no header cells: <table>`},
		{`<summary>1 finding</summary>`, ``, `details: does not begin with a summary: <details>`},
		{`<li aria-current="page"><a href="/">Home</a></li>`, `<a href="/">Home</a>`, `ul: holds <a href="/">, which is no item`},
		{`<h3>`, `<h3 style="color:red">`, `policy: style attribute: <h3 style="color:red">`},
		{`<h3>`, `<h3 onclick="go()">`, `policy: onclick attribute: <h3 onclick="go()">`},
		{`href="/"`, `href=" JavaScript:go()"`, `policy: script in href: <a href=" JavaScript:go()">`},
		{`<script src="/static/page.js" defer></script>`, `<script>go()</script>`, `policy: inline script: <script>`},
		{`<script src="/static/page.js" defer></script>`, `<style>h1{}</style>`, `policy: inline style element`},
		{`<h2>About</h2>`, `<h2>About</h2><iframe src="/x"></iframe>`, `iframe: no title: <iframe src="/x">`},
		{`</pre></details>`, `</details>`, `tags: </details> closes nothing; open are [html body main details pre]`},
		{"</body>\n</html>\n", ``, `tags: never closed: [html body]`},
	}
	for _, tt := range tests {
		if !strings.Contains(good, tt.old) {
			t.Fatalf("the good page does not hold %q", tt.old)
		}
		got := Lint(parse(t, strings.Replace(good, tt.old, tt.new, 1)))
		if len(got) == 0 || !contains(got, tt.want) {
			t.Errorf("with %q for %q: %q, want %q", tt.new, tt.old, got, tt.want)
		}
		// One mistake is told once; a tag that is missing drags others along.
		if len(got) > 1 && !strings.HasPrefix(tt.want, "tags") {
			t.Errorf("with %q for %q: more than %q is told: %q", tt.new, tt.old, tt.want, got)
		}
	}
}

func contains(all []string, want string) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

func TestLintLandmarks(t *testing.T) {
	got := Lint(parse(t, `<!doctype html><html lang="en"><head><title>a</title><meta name="viewport" content="x"></head><body><h1>a</h1></body></html>`))
	want := []string{"page: 0 main landmarks, want 1", "page: no nav landmark"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Lint (-want +got):\n%s", diff)
	}
}

func TestSelectors(t *testing.T) {
	d := parse(t, good)
	tests := []struct {
		selector string
		want     int
	}{
		{"nav", 2},
		{"thead *", 3},
		{"#content", 1},
		{"main#content", 1},
		{"nav#content", 0},
		{"small.latest.version", 1},
		{".lat", 0}, // a class is a whole word
		{"nav[aria-label=Main] li[aria-current]", 1},
		{"nav[aria-label=Tabs] li[aria-current]", 0},
		{`input[type="hidden"]`, 1},
		{"input[type]", 2},
		{"html main td", 2},
		{"main html td", 0},
		{"body main main", 0},
	}
	for _, tt := range tests {
		if got := d.Count(tt.selector); got != tt.want {
			t.Errorf("Count(%q) = %d, want %d", tt.selector, got, tt.want)
		}
		if got := d.Has(tt.selector); got != (tt.want > 0) {
			t.Errorf("Has(%q) = %t with %d of them", tt.selector, got, tt.want)
		}
	}
}

func TestSelectorsBeyond(t *testing.T) {
	for _, s := range []string{"", "a > b", "a:hover", "a,b", "[x"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Count(%q) did not panic", s)
				}
			}()
			parse(t, good).Count(s)
		}()
	}
}

func TestText(t *testing.T) {
	d := parse(t, good)
	if got := d.Text("h1"); got != "tidy-int 0.2.0" {
		t.Errorf("Text(h1) = %q", got)
	}
	if got := d.Text("tr"); got != "Check Found" {
		t.Errorf("Text(tr) = %q, want the cells apart", got)
	}
	if got := d.Text("h6"); got != "" {
		t.Errorf("Text of nothing = %q", got)
	}
	if diff := cmp.Diff([]string{"Checks", "About"}, d.Texts("h2")); diff != "" {
		t.Errorf("Texts(h2) (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"#content", "/", "/crates/tidy-int"}, d.Links()); diff != "" {
		t.Errorf("Links (-want +got):\n%s", diff)
	}
	if got := d.Attr("form", "action"); got != "/search" {
		t.Errorf("Attr(form, action) = %q", got)
	}
	if got := d.Attr("form", "method"); got != "" {
		t.Errorf("Attr of none = %q", got)
	}
}
