package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// browse starts a browser; without one the test is skipped.
func browse(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is slow to start: skipped by -short")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("needs chromium, which is not installed")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 1000))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // chromium's sandbox refuses root
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// do runs steps in the browser.
func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval returns what an expression is in the page.
func eval[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// until waits for an expression to hold in the page.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		t.Fatalf("wait until %s: %v", expression, err)
	}
}

// complaints collects what the browser's console says, violations of the
// content security policy among it. The returned function ends the page and
// returns all.
func complaints(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	const end = "that was all"
	messages := chromedp.Console(ctx)
	return func() []string {
		t.Helper()
		do(t, ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("console.log(%q)", end)))
		var all []string
		for m, err := range messages {
			if err != nil {
				t.Fatal(err)
			}
			if m.Text == end {
				break
			}
			all = append(all, m.Text)
		}
		return all
	}
}

// keep writes a picture of the page to the folder of screenshots.
func keep(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	folder := os.Getenv("CRATEFENCE_SCREENSHOTS")
	if folder == "" {
		folder = t.ArtifactDir()
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// kept are the pages whose pictures are kept.
var kept = map[string]string{
	"/": "home", "/crates/arrayview": "overview", "/crates/arrayview/security": "security", "/crates/arrayview/dependencies": "dependencies",
	"/crates/quiet-crate/versions": "versions", "/crates/quiet-crate/security": "security-quiet", "/crates/fresh/security": "security-fresh",
	"/crates/Pointing_Out/security": "security-yanked",
	"/crates/tampered/security":     "provenance-failure", "/crates/traced/security": "provenance-history", "/checks/archive": "check", "/incidents": "incidents",
}

func TestBrowserShowsEveryPage(t *testing.T) {
	ctx := browse(t)
	server := httptest.NewServer(serve(everything()))
	defer server.Close()
	everyPage(t, ctx, server.URL, pages)
}

// everyPage holds pages to what is true of all: that they fit a phone, and that
// the console has nothing to say.
func everyPage(t *testing.T, ctx context.Context, server string, paths []string) {
	t.Helper()
	said := complaints(t, ctx)
	for _, width := range []int64{360, 1280} {
		do(t, ctx, chromedp.EmulateViewport(width, 900))
		for _, path := range paths {
			do(t, ctx, chromedp.Navigate(server+path))
			if wide := eval[int64](t, ctx, "document.documentElement.scrollWidth"); wide > width {
				t.Errorf("%s is %d px wide on a screen of %d px: %s", path, wide, width, eval[string](t, ctx, widest))
			}
			if name, ok := kept[path]; ok {
				keep(t, ctx, fmt.Sprintf("%s-%d", name, width))
			}
		}
	}
	if diff := cmp.Diff([]string(nil), said()); diff != "" {
		t.Errorf("the console says (-want +got):\n%s", diff)
	}
}

// widest names the element that reaches furthest to the right.
const widest = `[...document.querySelectorAll('body *')].filter(e => !e.closest('pre')).sort((a, b) =>
	b.getBoundingClientRect().right - a.getBoundingClientRect().right)[0].outerHTML.slice(0, 200)`

// The console has to be where a violation would be seen.
func TestBrowserKeepsThePolicy(t *testing.T) {
	ctx := browse(t)
	server := httptest.NewServer(serve(everything()))
	defer server.Close()
	said := complaints(t, ctx)
	do(t, ctx, chromedp.Navigate(server.URL+"/"))
	for _, markup := range []string{`<p style="color:red">x</p>`, `<img src="https://elsewhere.example/x.png">`, `<img src="x" onerror="document.title='broken'">`} {
		do(t, ctx, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.body.insertAdjacentHTML('beforeend', %q)", markup)))
	}
	until(t, ctx, "document.images[1].complete")
	text := strings.Join(said(), "\n")
	for _, directive := range []string{"style-src", "img-src", "script-src"} {
		if !strings.Contains(text, directive) {
			t.Errorf("a violation of %s was not reported: %s", directive, text)
		}
	}
	if title := eval[string](t, ctx, "document.title"); title == "broken" {
		t.Error("an inline handler ran")
	}
}

func TestBrowserByKeyboard(t *testing.T) {
	ctx := browse(t)
	server := httptest.NewServer(serve(everything()))
	defer server.Close()
	do(t, ctx, chromedp.Navigate(server.URL+"/crates/arrayview/security"))

	// Every stop of the tab key, in the page's order, with an outline to see it by.
	stops := eval[int](t, ctx, `[...document.querySelectorAll('a[href], input, button, summary, [tabindex="0"]')].filter(e => e.checkVisibility()).length`)
	var order []string
	for range stops {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		order = append(order, eval[string](t, ctx, `(document.activeElement.placeholder || document.activeElement.textContent).trim().replace(/\s+/g, ' ').slice(0, 40)`))
		if !eval[bool](t, ctx, `getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.className === 'skip'`) {
			t.Errorf("stop %d, %q, shows no focus", len(order), order[len(order)-1])
		}
	}
	want := []string{
		"Skip to the content", "cratefence", "Search crates", "Search", "Crates", "Checks", "Incidents", "API",
		"Overview", "Versions", "Dependencies", "Security ✕ failure", "Checks", "arrayview 0.3.10", "dependencies",
	}
	if diff := cmp.Diff(want, order[:len(want)]); diff != "" {
		t.Errorf("the first stops of the tab key (-want +got):\n%s", diff)
	}
	if last := order[len(order)-1]; last != "How the checks work" {
		t.Errorf("the last stop of the tab key is %q, not the footer's link", last)
	}

	const more = `document.getElementById('check-archive-more')`
	do(t, ctx, chromedp.Evaluate[chromedp.Void](more+`.querySelector('summary').focus()`))
	for _, open := range []bool{true, false} {
		do(t, ctx, chromedp.KeyEvent(kb.Enter))
		if got := eval[bool](t, ctx, more+".open"); got != open {
			t.Errorf("after Enter the details are open: %v, want %v", got, open)
		}
	}

	do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('.skip').focus()`), chromedp.KeyEvent(kb.Enter))
	if got := eval[string](t, ctx, "document.activeElement.id"); got != "main" {
		t.Errorf("the skip link leads to %q, want main", got)
	}
}

func TestBrowserFollowsRuns(t *testing.T) {
	ctx := browse(t)
	f := &fake{}
	release := fresh(f)
	f.set(release.ID, isRunning("archive"), isQueued("provenance"), concluded("advisories", check.Success, "No advisory names this version"))
	server := httptest.NewServer(serve(f))
	defer server.Close()
	said := complaints(t, ctx)
	do(t, ctx, chromedp.Navigate(server.URL+"/crates/fresh/security"))
	until(t, ctx, `document.querySelector('#waiting').textContent.includes('follows by itself')`)

	// A reader unfolds one result and has gone on to the link of another.
	do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.getElementById('check-advisories-more').open = true;
		document.querySelector('#check-archive a').focus(); window.sameDocument = true`))
	f.set(release.ID, isRunning("provenance"),
		did("archive", check.Report{Conclusion: check.Failure, Title: "Two entries would be unpacked to one file", Findings: []check.Finding{{Rule: "twice", Level: check.LevelError, Message: "src/lib.rs stands twice"}}}),
		concluded("advisories", check.Success, "No advisory names this version"))
	until(t, ctx, `document.querySelector('.checks > li').id === 'check-archive'`)
	if got, want := eval[string](t, ctx, `document.getElementById('live').textContent`), "archive: failure. Two entries"; !strings.HasPrefix(got, want) {
		t.Errorf("a screen reader is told %q, want %q first", got, want)
	}
	state := eval[map[string]bool](t, ctx, `({
		unfolded: document.getElementById('check-advisories-more').open,
		focused: document.activeElement === document.querySelector('#check-archive a'),
		finding: document.getElementById('check-archive-1').open,
		badge: document.querySelector('.tabs .failure') !== null,
		pending: 'pending' in document.getElementById('main').dataset,
		sameDocument: window.sameDocument === true,
	})`)
	if diff := cmp.Diff(map[string]bool{"unfolded": true, "focused": true, "finding": true, "badge": true, "pending": true, "sameDocument": true}, state); diff != "" {
		t.Errorf("after the first result (-want +got):\n%s", diff)
	}

	f.set(release.ID, concluded("provenance", check.Success, "All files are those of the commit"))
	until(t, ctx, `!('pending' in document.getElementById('main').dataset) && !document.getElementById('waiting')`)
	if diff := cmp.Diff([]string(nil), said()); diff != "" {
		t.Errorf("the console says (-want +got):\n%s", diff)
	}
}

// The script says times in the same words as the server.
func TestBrowserSaysTimesAlike(t *testing.T) {
	ctx := browse(t)
	server := httptest.NewServer(serve(&fake{crates: []store.Crate{}}))
	defer server.Close()
	do(t, ctx, chromedp.Navigate(server.URL+"/"))
	for _, passed := range []time.Duration{
		-50 * time.Hour, -34 * time.Minute, -time.Second, 0, 59 * time.Second, time.Minute, 59*time.Minute + 59*time.Second, time.Hour,
		48*time.Hour - time.Second, 48 * time.Hour, 30*24*time.Hour - time.Second, 30 * 24 * time.Hour,
	} {
		then := now.Add(-passed)
		for _, m := range []*moment{clock(now).ago(then), clock(now).in(then), clock(now).since(then)} {
			got := eval[*string](t, ctx, fmt.Sprintf("words(%q, %d, %d)", m.Kind, then.UnixMilli(), now.UnixMilli()))
			if got == nil { // a date stays as the server wrote it
				if m.Words != then.Format("2 Jan 2006") {
					t.Errorf("%s after %v: the script leaves %q as it is", m.Kind, passed, m.Words)
				}
				continue
			}
			if *got != m.Words {
				t.Errorf("%s after %v: the script says %q, the server %q", m.Kind, passed, *got, m.Words)
			}
		}
	}
}
