package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/auth"
)

// A reader is who looks at a page; the zero reader has not signed in.
type reader struct {
	Token  string // the token's name
	Scopes []string
}

// May reports whether the reader's token has a scope.
func (r reader) May(scope string) bool { return slices.Contains(r.Scopes, scope) }

// MayDecide is for templates.
func (r reader) MayDecide() bool { return r.May(auth.ScopeDecide) }

var (
	// errUnverified: whoever it is, the store could not be asked.
	errUnverified = errors.New("token not verified")
	errOtherSite  = errors.New("sent by a page of another site: nothing was done")
	errForm       = errors.New("the form could not be read")
)

// The cookie holds the token itself. It is verified on each request, so that a
// token that is revoked or expires ends the session with it, and nothing is kept
// here. The prefix has browsers take it only over HTTPS and from this very host.
const (
	cookieName       = "cratefence"
	secureCookieName = "__Host-cratefence"
)

type readerKey struct{}

func readerOf(r *http.Request) reader {
	known, _ := r.Context().Value(readerKey{}).(reader)
	return known
}

// known puts the reader into the request's context. A cookie that is no good any
// more makes a reader who has not signed in: pages can be read without; only
// what is sent is refused where nobody can say whose it is.
func (s *site) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(s.cookieName(r))
		if err != nil {
			next.ServeHTTP(w, r)
			return
		}
		id, err := s.Fence.Verify(r.Context(), cookie.Value)
		switch {
		case err == nil:
			ctx := context.WithValue(r.Context(), readerKey{}, reader{Token: id.Token, Scopes: id.Scopes})
			r = r.WithContext(auth.WithActor(ctx, "token:"+id.Token))
		case errors.Is(err, auth.ErrUnauthenticated):
			http.SetCookie(w, s.cookie(r, ""))
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			s.fail(w, r, fmt.Errorf("%w: %w", errUnverified, err))
			return
		default:
			s.Logger.ErrorContext(r.Context(), "token of a page's reader not verified", "error", err)
		}
		next.ServeHTTP(w, r)
	})
}

// ownPages refuses what a browser sends from a page of another site.
func ownPages(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "This was "+errOtherSite.Error()+".", http.StatusForbidden)
	}))
	return protection.Handler(next)
}

// overHTTPS reports whether the reader reaches the site by HTTPS, perhaps with a
// proxy in between that the configuration speaks of.
func (s *site) overHTTPS(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(s.BaseURL, "https://")
}

func (s *site) cookieName(r *http.Request) string {
	if s.overHTTPS(r) {
		return secureCookieName
	}
	return cookieName
}

// cookie makes the session's cookie; one without a token ends the session.
func (s *site) cookie(r *http.Request, token string) *http.Cookie {
	c := &http.Cookie{
		Name: s.cookieName(r), Value: token, Path: "/",
		HttpOnly: true, Secure: s.overHTTPS(r), SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// A signInPage asks for a token, or says who is signed in.
type signInPage struct {
	layout
	Back  string
	Wrong string // what was wrong with the token before
	Can   []auth.Scope
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
	page := signInPage{layout: s.layout(r, "sign in"), Back: backOf(r)}
	for _, scope := range auth.Scopes() {
		if page.Reader.May(scope.Name) {
			page.Can = append(page.Can, scope)
		}
	}
	return show(s.views.signIn, w, r, page)
}

func (s *site) enter(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	secret := strings.TrimSpace(r.PostFormValue("token"))
	_, err := s.Fence.Verify(r.Context(), secret)
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		page := signInPage{layout: s.layout(r, "sign in"), Back: backOf(r), Wrong: auth.Explain(err)}
		return s.refuse(w, http.StatusUnauthorized, page)
	case err != nil:
		return fmt.Errorf("%w: %w", errUnverified, err)
	}
	http.SetCookie(w, s.cookie(r, secret))
	return seeOther(w, r, backOf(r))
}

// refuse shows the form again.
func (s *site) refuse(w http.ResponseWriter, status int, page signInPage) error {
	body, err := s.views.signIn.render(page)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", htmlType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

func (s *site) leave(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, s.cookie(r, ""))
	return seeOther(w, r, "/signin")
}

// maxForm bounds what a form sends.
const maxForm = 16 << 10

func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("%w: %w", errForm, err)
	}
	return nil
}

// backOf is the page of ours that a form or link says to come back to: "/" when
// it names none.
func backOf(r *http.Request) string {
	back, err := url.Parse(r.FormValue("back"))
	if err != nil || back.IsAbs() || back.Host != "" || back.User != nil || !strings.HasPrefix(back.Path, "/") || strings.HasPrefix(back.Path, "//") || strings.Contains(back.Path, `\`) {
		return "/"
	}
	return (&url.URL{Path: back.Path, RawQuery: back.RawQuery, Fragment: back.Fragment}).String()
}

// seeOther answers a form that was done.
func seeOther(w http.ResponseWriter, r *http.Request, target string) error {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}
