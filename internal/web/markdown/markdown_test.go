package markdown

import (
	"html/template"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

func TestRender(t *testing.T) {
	tests := []struct {
		name   string
		source string
		want   string
	}{
		{"nothing", " \n", ""},
		{"text", "Write to *us* & `them`.", "<p>Write to <em>us</em> &amp; <code>them</code>.</p>"},
		{"headings go below the page's, without gaps", "# A\n\n#### B\n\n## C", "<h3>A</h3>\n<h4>B</h4>\n<h4>C</h4>"},
		{"a text that begins low", "### A\n\n# B", "<h3>A</h3>\n<h3>B</h3>"},
		{"a raw heading is no higher", "<h1>A</h1>", "<h3>A</h3>"},
		{"an empty heading says nothing", "# \n\ntext", "\n<p>text</p>"},
		{"a link says its host", "[report](https://good.example/x)", `<p><a href="https://good.example/x" rel="nofollow noopener ugc">report</a> <span class="host">(good.example)</span></p>`},
		{"a bare link is its host", "https://good.example/x", `<p><a href="https://good.example/x" rel="nofollow noopener ugc">https://good.example/x</a></p>`},
		{"a text that names another host", "[https://good.example](https://bad.example)", `<p><a href="https://bad.example" rel="nofollow noopener ugc">https://good.example</a> <span class="host">(bad.example)</span></p>`},
		{"a host that begins like another", "[good.example](https://good.example.bad.example)", `<p><a href="https://good.example.bad.example" rel="nofollow noopener ugc">good.example</a> <span class="host">(good.example.bad.example)</span></p>`},
		{"a link without a text", "[](https://bad.example)", `<p><a href="https://bad.example" rel="nofollow noopener ugc">bad.example</a></p>`},
		{"other letters are shown as asked for", "[x](https://gооd.example)", `<p><a href="https://xn--gd-fmca.example" rel="nofollow noopener ugc">x</a> <span class="host">(xn--gd-fmca.example)</span></p>`},
		{"a user name that looks like a host", "[x](https://good.example@bad.example)", "<p>x</p>"},
		{"mail", "<security@good.example>", `<p><a href="mailto:security@good.example" rel="nofollow noopener ugc">security@good.example</a></p>`},
		{"mail that says another", "[security@good.example](mailto:me@bad.example)", `<p><a href="mailto:me@bad.example" rel="nofollow noopener ugc">security@good.example</a> <span class="host">(me@bad.example)</span></p>`},
		{"a relative link leads nowhere from here", "[contributing](CONTRIBUTING.md) [here](#here) [host](//bad.example)", "<p>contributing here host</p>"},
		{"script as a link", "[x](javascript:alert(1)) [y](data:text/html,z) [z](JaVaScRiPt:alert(1))", "<p>x y z</p>"},
		{"images are not loaded", "![a badge](https://bad.example/pixel.png)", "<p>[image: a badge]</p>"},
		{"raw images neither", `<img src="https://bad.example/x" onerror=alert(1)>`, "[image: no description]"},
		{"script", "a <script>alert(1)</script> b", "<p>a  b</p>"},
		{"style and frames", "<style>*{display:none}</style>\n<iframe src=https://bad.example></iframe>\n\ntext", "\n\n<p>text</p>"},
		{"attributes", `<b onclick="alert(1)" style="position:fixed" class="host" id="live">x</b>`, "<p><b>x</b></p>"},
		{"a spoofed host", `<span class="host">(good.example)</span>`, "<p>(good.example)</p>"},
		{"end tags of the page", "text</p></div></main></body></html>", "<p>text</p>"},
		{"tags left open", "<b><blockquote>text\n\n<ul><li>more", "<p><b></b></p><blockquote><b>text\n<ul><li>more</li></ul></b></blockquote>"},
		{"a list item alone", "<li>x</li>", "x"},
		{"forms", "<form action=https://bad.example><input name=x><button>go</button></form>", ""},
		{"comments", "<!-- template: remove this -->\n\ntext", "\n<p>text</p>"},
		{"an entity is the character it stands for", "a&#x202E;b&lt;script&gt;", "<p>a\u202eb&lt;script&gt;</p>"},
		{"a table", "|a| |\n|-|-|\n|1|2|", "<table>\n<thead>\n<tr>\n<th scope=\"col\">a</th>\n<td></td>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table>"},
		{"foreign elements", "<svg><a href=https://bad.example>x</a></svg><math><mtext></mtext></math>", ""},
	}
	r := New()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.TrimSuffix(string(r.Render(tt.source, 3)), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Render(%q) (-want +got):\n%s", tt.source, diff)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	r := New()
	para := strings.Repeat("word ", 20) // 100 bytes
	long := "# Security\n\n" + para + "\n\n## Reporting\n\n" + para + "\n\n" + para + "\n\n" + para
	first, rest := r.Split(long, 3, 100)
	if got, want := strings.Count(string(first), "<p>"), 1; got != want {
		t.Errorf("first part has %d paragraphs, want %d", got, want)
	}
	if strings.Contains(string(first), "Reporting") {
		t.Errorf("first part ends with the heading of the rest: %q", first)
	}
	if got, want := strings.Count(string(rest), "<p>"), 3; got != want {
		t.Errorf("rest has %d paragraphs, want %d", got, want)
	}
	if _, rest := r.Split(para, 3, 90); rest != "" {
		t.Errorf("a text of one block was split: rest %q", rest)
	}
}

func TestLongTextIsCut(t *testing.T) {
	got := string(New().Render(strings.Repeat("ä", MaxSource), 3))
	if !strings.Contains(got, "it is cut here") || strings.Contains(got, "\uFFFD") || len(got) > MaxSource+200 {
		t.Errorf("a text of %d bytes came out as %d bytes ending %q", 2*MaxSource, len(got), got[len(got)-80:])
	}
}

// Each of these once took seconds, or gigabytes, in a parser of Markdown. Some
// would not end before go test does.
func TestHostileStructureIsCheap(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, MaxSource/len(s)) }
	texts := map[string]string{
		"quotes": fill(">"), "spaced quotes": fill("> "), "numbered lists": fill("1. "), "lists in quotes": fill(">- "),
		"links left open": fill("[a]("), "links with targets": fill("[a](b"), "brackets": fill("["), "images": fill("!["),
		"emphasis": fill("*a_ "), "underscores": fill("_"), "ticks": fill("` `` "), "raw elements": fill("<b>"), "raw blocks": fill("<div>"),
		"raw attributes": "<a " + fill("a=b "), "a wide table with short rows": strings.Repeat("a|", 1000) + "\n" + strings.Repeat("-|", 1000) + "\n" + strings.Repeat("|\n", MaxSource/4),
		"links": fill("http://a.b "), "at signs": fill("a@"), "processing instructions": fill("x<?"), "lines": fill("a\n") + "===",
	}
	r := New()
	for name, text := range texts {
		got := r.Render(text, 3)
		if len(got) > 20*len(text) {
			t.Errorf("%s: %d bytes became %d", name, len(text), len(got))
		}
	}
}

func TestMemory(t *testing.T) {
	var m memory
	rendered := 0
	ask := func(source string, level int) {
		m.recall(recipe{source: source, level: level}, func() (template.HTML, template.HTML) {
			rendered++
			return template.HTML(strings.Repeat("x", MaxSource)), ""
		})
	}
	ask("kept", 3)
	ask("kept", 4) // another level is another text
	if rendered != 2 {
		t.Errorf("two texts were rendered %d times", rendered)
	}
	for n := range 10 * maxRemembered / MaxSource {
		ask(strconv.Itoa(n), 3)
		ask("kept", 3)
		if size := (len(m.young) + len(m.old)) * MaxSource; size > 2*maxRemembered+4*MaxSource {
			t.Fatalf("the memory holds %d bytes after %d texts", size, n)
		}
	}
	if got, want := rendered, 2+10*maxRemembered/MaxSource; got != want {
		t.Errorf("%d texts were rendered, want %d: what is asked for again is kept", got, want)
	}
}

// Whatever the text, what comes out is well-formed, holds nothing but the
// elements and attributes of the policy, and closes nothing of the page.
func FuzzRender(f *testing.F) {
	for _, s := range []string{"# a", "<b><p>", "[x](y)", "|a|\n|-|\n|b|", "</div></main>", "<a href=javascript:x>", "&#0;&lt;", "<table><tr><h1>", "<p><table><a>"} {
		f.Add(s)
	}
	r := New()
	f.Fuzz(func(t *testing.T, source string) {
		first, rest := r.render(source, 3, 100) // the memory would hide coverage from the fuzzer
		out := string(first + rest)
		doc, err := html.Parse(strings.NewReader("<!doctype html><body><main><div>" + out + "</div><i id=end></i></main>"))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode && attr(n, "id") == "end" && n.Parent.Data != "main" {
				t.Errorf("Render(%q) = %q: it breaks out of its place", source, out)
			}
			if n.Type == html.ElementNode && slices.Contains([]string{"script", "style", "img", "h1", "h2", "iframe", "svg", "form", "input"}, n.Data) {
				t.Errorf("Render(%q) = %q: it holds %s", source, out, n.Data)
			}
			for _, a := range n.Attr {
				if !slices.Contains([]string{"href", "rel", "class", "scope", "id"}, a.Key) || a.Key == "id" && a.Val != "end" {
					t.Errorf("Render(%q) = %q: it has attribute %s", source, out, a.Key)
				}
			}
		}
	})
}
