package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// serveLocally serves a fence without HTTPS, as a browser reaches it here.
func serveLocally(t *testing.T) (*httptest.Server, *fakeFence) {
	t.Helper()
	catalogue, f := fenced()
	server := httptest.NewServer(serveWith(catalogue, func(c *Config) { c.Fence, c.BaseURL = f.fence(catalogue), "" }))
	t.Cleanup(server.Close)
	return server, f
}

func TestBrowserShowsEveryFencePage(t *testing.T) {
	ctx := browse(t)
	server, _ := serveLocally(t)
	paths := slices.Concat(fencePages, []string{"/", "/crates/arrayview/security", "/crates/arrayview", "/crates/quiet-crate/versions"})
	everyPage(t, ctx, server.URL, paths)
	signIn(t, ctx, server.URL+"/signin", "alices")
	everyPage(t, ctx, server.URL, paths)
}

// signIn goes to the page with the form and sends a token.
func signIn(t *testing.T, ctx context.Context, address, secret string) {
	t.Helper()
	do(t, ctx, chromedp.Navigate(address))
	submit(t, ctx, fmt.Sprintf(`document.getElementById('token').value = %q; document.querySelector('form[action="/signin"]').submit()`, secret))
}

// submit runs a script that sends a form, and waits for the page that answers.
func submit(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	if _, err := chromedp.RunResponse(ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
		t.Fatal(err)
	}
}

// A person signs in, decides in the queue and sees it there; who had the page
// open from before is told, and loses nothing of what they had written. None of
// it needs a script.
func TestBrowserDecides(t *testing.T) {
	ctx := browse(t)
	server, f := serveLocally(t)
	signIn(t, ctx, server.URL+"/signin?back=/queue", "alices")
	const decide = `(() => {
		const form = document.querySelector('form[action="/rulings"]');
		form.querySelector('[value=block]').checked = true;
		form.querySelector('textarea').value = 'It ships a beacon.';
		form.submit();
	})()`
	submit(t, ctx, decide)
	if !eval[bool](t, ctx, `location.pathname === '/queue' && document.body.textContent.includes('It ships a beacon.')`) {
		t.Errorf("the queue does not show it: %s", eval[string](t, ctx, `location.pathname + ': ' + document.querySelector('main').innerText`))
	}
	if r := f.rulings[0]; r.Action != policy.ActBlock || r.Author != "token:alice" || r.After != 1 {
		t.Errorf("ruling %+v", r)
	}

	// Somebody else decides while the page is open.
	f.rulings[0].ID = 99
	submit(t, ctx, decide)
	if got := eval[string](t, ctx, `document.querySelector('h1').textContent`); got != "Somebody was faster" {
		t.Errorf("the page says %q", got)
	}
	if got := eval[string](t, ctx, `document.querySelector('main pre').textContent`); got != "It ships a beacon." {
		t.Errorf("of what was typed there is %q", got)
	}
}

// A page that keeps itself up to date leaves alone what somebody types.
func TestBrowserKeepsWhatIsTyped(t *testing.T) {
	ctx := browse(t)
	catalogue, f := fenced()
	asked := make(chan struct{}, 100)
	pages := serveWith(catalogue, func(c *Config) { c.Fence, c.BaseURL = f.fence(catalogue), "" })
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		pages.ServeHTTP(w, r)
		if r.URL.Path == "/r/c0de4" { // the next time there is a section more around the form
			f.requests = append(f.requests, store.ReviewRequest{Policy: "default", Crate: "fresh", Version: "1.0.0-rc.1", Actor: "token:ci", Reason: "Me too."})
			asked <- struct{}{}
		}
	}))
	defer server.Close()
	said := complaints(t, ctx)
	do(t, ctx, chromedp.Navigate(server.URL+"/r/c0de4"))
	<-asked
	until(t, ctx, `'pending' in document.getElementById('main').dataset`)
	do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('textarea').value = 'half a sent'; wait = 50; plan()`))
	<-asked
	<-asked
	if got := eval[string](t, ctx, `document.querySelector('textarea').value`); got != "half a sent" {
		t.Errorf("of what was typed there is %q", got)
	}
	// Once it is sent, or taken back, the page goes on.
	do(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector('textarea').value = ''`))
	until(t, ctx, `document.querySelectorAll('.said li').length > 2`)
	if diff := cmp.Diff([]string(nil), said()); diff != "" {
		t.Errorf("the console says (-want +got):\n%s", diff)
	}
}
