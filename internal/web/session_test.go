package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestSignIn(t *testing.T) {
	h, f := serveFenced()
	w := as(h, "", "POST", "/signin", url.Values{"token": {" alices\n"}, "back": {"/queue"}})
	cookies := w.Result().Cookies()
	if w.Code != 303 || w.Header().Get("Location") != "/queue" || len(cookies) != 1 {
		t.Fatalf("POST = %d to %q with %v", w.Code, w.Header().Get("Location"), cookies)
	}
	if c := cookies[0]; !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Name != secureCookieName || c.Value != "alices" {
		t.Errorf("cookie %v", c)
	}
	page := as(h, "alices", "GET", "/signin", nil)
	if got := parsed(t, page).Text("h1"); got != "Signed in as alice" {
		t.Errorf("the page says %q", got)
	}
	if got := page.Header().Get("Cache-Control"); got != "private, no-cache" {
		t.Errorf("Cache-Control %q: nobody else's to keep", got)
	}
	if page.Header().Get("Vary") != "Cookie" || as(h, "", "GET", "/", nil).Header().Get("Vary") != "Cookie" {
		t.Error("pages differ by cookie, and do not say so")
	}

	// A token that is revoked ends the session at once, and the browser is told.
	delete(f.tokens, "alices")
	gone := as(h, "alices", "GET", "/signin", nil)
	if got := parsed(t, gone).Text("h1"); got != "Sign in" {
		t.Errorf("after the token was revoked the page says %q", got)
	}
	if c := gone.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("the cookie stays: %v", c)
	}
}

func TestSignInRefused(t *testing.T) {
	h, f := serveFenced()
	w := as(h, "", "POST", "/signin", url.Values{"token": {"guessed"}})
	if w.Code != 401 || len(w.Result().Cookies()) != 0 || !strings.Contains(parsed(t, w).Text(".wrong"), "not known here") || strings.Contains(w.Body.String(), "guessed") {
		t.Errorf("POST = %d with %v: %s", w.Code, w.Result().Cookies(), parsed(t, w).Text("main"))
	}
	f.err = errors.New("the store is away")
	if w := as(h, "", "POST", "/signin", url.Values{"token": {"guessed"}}); w.Code != 503 {
		t.Errorf("while the store is away: %d", w.Code)
	}
	// Pages can be read meanwhile; what is sent is refused.
	if w := as(h, "unverified", "GET", "/signin", nil); w.Code != 200 || len(w.Result().Cookies()) != 0 {
		t.Errorf("GET while the store is away: %d with %v", w.Code, w.Result().Cookies())
	}
	if w := as(h, "unverified", "POST", "/reviews", url.Values{}); w.Code != 503 {
		t.Errorf("POST while the store is away: %d", w.Code)
	}
}

func TestSignOut(t *testing.T) {
	h, _ := serveFenced()
	w := as(h, "alices", "POST", "/signout", url.Values{})
	if c := w.Result().Cookies(); w.Code != 303 || len(c) != 1 || c[0].MaxAge >= 0 || c[0].Value != "" {
		t.Errorf("POST = %d with %v", w.Code, c)
	}
	if w := as(h, "alices", "GET", "/signout", nil); w.Code != 404 {
		t.Errorf("GET = %d: a link must not sign out", w.Code)
	}
}

// Without HTTPS, as on one's own machine, the cookie has no prefix that a
// browser would refuse.
func TestCookieWithoutHTTPS(t *testing.T) {
	catalogue, f := fenced()
	h := serveWith(catalogue, func(c *Config) { c.Fence, c.BaseURL = f.fence(catalogue), "" })
	r := httptest.NewRequest("POST", "http://127.0.0.1:8080/signin", strings.NewReader("token=alices"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if c := w.Result().Cookies(); len(c) != 1 || c[0].Name != cookieName || c[0].Secure {
		t.Errorf("cookies %v", c)
	}
}

// A form on another site's page decides nothing, whoever is signed in.
func TestOtherSitesSendNothing(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		want   int
	}{
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a neighbour", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"an old browser on another site", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"our page", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 303},
		{"our page in an old browser", http.Header{"Origin": {"https://fence.example"}}, 303},
	}
	for _, tt := range tests {
		h, f := serveFenced()
		form := url.Values{"policy": {"default"}, "crate": {"arrayview"}, "version": {"0.3.10"}, "reason": {"x"}, "action": {"allow"}, "after": {"1"}}
		r := httptest.NewRequest("POST", "https://fence.example/rulings", strings.NewReader(form.Encode()))
		r.Header = tt.header
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: secureCookieName, Value: "alices"})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want || (len(f.audits) > 0) != (tt.want == 303) {
			t.Errorf("from %s: %d, wrote %v", tt.name, w.Code, f.audits)
		}
	}
}

func TestBackIsOurs(t *testing.T) {
	tests := []struct{ back, want string }{
		{"/queue?policy=default", "/queue?policy=default"},
		{"/crates/a/fence#default", "/crates/a/fence#default"},
		{"", "/"},
		{"//evil.example/", "/"},
		{`/\evil.example/`, "/"},
		{"/%5Cevil.example", "/"},
		{"https://evil.example/", "/"},
		{"javascript:alert(1)", "/"},
		{"queue", "/"},
		{"/a\r\nSet-Cookie: x=1", "/"},
		{"/%2f/evil.example", "/"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/signin?"+url.Values{"back": {tt.back}}.Encode(), nil)
		if got := backOf(r); got != tt.want {
			t.Errorf("back %q leads to %q, want %q", tt.back, got, tt.want)
		}
	}
}
