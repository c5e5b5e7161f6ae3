package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A handler answers a request, or returns why it could not and leaves the
// answer to fail.
type handler func(w http.ResponseWriter, r *http.Request) error

// errNoPage says that nothing is known under an address; it stands beside
// store.ErrNotFound for what is not asked of the store.
var errNoPage = errors.New("no such page")

func (s *site) serve(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := guard(h, w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// guard turns a panic into an error: one broken page is not to end the
// connection without a word.
func guard(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("show %q: panic: %v", r.URL.Path, v)
		}
	}()
	return h(w, r)
}

// statusOf is the only place that turns errors into HTTP.
func statusOf(err error) int {
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errNoPage):
		return http.StatusNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errUnverified):
		return http.StatusServiceUnavailable
	case errors.Is(err, auth.ErrUnauthenticated):
		return http.StatusUnauthorized
	case errors.Is(err, auth.ErrForbidden), errors.Is(err, ruling.ErrOwn), errors.Is(err, ruling.ErrPartial), errors.Is(err, errOtherSite):
		return http.StatusForbidden
	case errors.Is(err, ruling.ErrInvalid), errors.Is(err, errForm):
		return http.StatusUnprocessableEntity
	case errors.Is(err, store.ErrConflict):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

// A problemPage says that there is no page, that it could not be made, or that
// what was asked was not done.
type problemPage struct {
	layout
	Heading string
	Text    string
	ID      string // of a failed request, as in the log
	Back    string // where the reader came from; "" when not known
	SignIn  string // the address, where that would help
	Typed   string // what they had typed, so that it is not lost
	Stands  *rulingLine
}

func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is waiting
	}
	status := statusOf(err)
	page := s.problem(r, status, err)
	body, err := s.views.problem.render(page)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "show problem page", "path", r.URL.Path, "error", err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", htmlType)
	w.Header().Set("Cache-Control", "no-cache")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", auth.Challenge(auth.ErrUnauthenticated))
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	w.WriteHeader(status)
	w.Write(body)
}

// problem says what went wrong: to the reader where it is theirs to put right,
// else to the log.
func (s *site) problem(r *http.Request, status int, err error) problemPage {
	page := problemPage{layout: s.layout(r, http.StatusText(status))}
	switch status {
	case http.StatusNotFound:
		page.Title, page.Heading, page.Text = "Not found", "Nothing is known under this address", notFoundText(r)
		page.Query = r.PathValue("name")
	case http.StatusUnauthorized:
		page.Heading, page.Text = "Sign in first", auth.Explain(err)
	case http.StatusForbidden:
		page.Heading, page.Text = "This is not yours to decide", auth.Explain(err)
	case http.StatusUnprocessableEntity:
		page.Heading, page.Text = "Something is missing", auth.Explain(err)
	case http.StatusConflict:
		page.Heading, page.Text = "Somebody was faster", "This changed while you were reading, and nothing of yours was written. Read what stands now, and decide again if you still mean it."
	default:
		page.Title, page.Heading = "Out of order", "This page could not be made"
		page.Text = "The trouble is ours and has been written down. Another try may help."
		page.ID = rand.Text()[:10]
		s.Logger.ErrorContext(r.Context(), "show page", "path", r.URL.Path, "request", page.ID, "error", err)
	}
	if r.Method == http.MethodPost {
		page.Back, page.Typed = backOf(r), clip(r.PostFormValue("reason"), maxMessage)
	}
	if status == http.StatusUnauthorized {
		page.SignIn = "/signin?" + url.Values{"back": {cmp.Or(page.Back, r.URL.Path)}}.Encode()
	}
	if status == http.StatusConflict {
		page.Stands = s.stands(r)
	}
	return page
}

func notFoundText(r *http.Request) string {
	name, version := clip(r.PathValue("name"), maxName), clip(r.PathValue("version"), maxName)
	switch {
	case name == "" || !strings.HasPrefix(r.URL.Path, "/crates/"):
		return "The address may be mistyped, or what was here has another name now."
	case version == "":
		return fmt.Sprintf("No release of a crate named %q has come here yet.", name)
	}
	return fmt.Sprintf("No release %q of a crate named %q has come here yet.", version, name)
}

// nothingHere answers what no page does. An address with a slash too many is put
// right.
func (s *site) nothingHere(w http.ResponseWriter, r *http.Request) error {
	path := strings.TrimRight(r.URL.Path, "/")
	if path == r.URL.Path || path == "" {
		return errNoPage
	}
	target := url.URL{Path: path, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, target.String(), http.StatusMovedPermanently)
	return nil
}

const htmlType = "text/html; charset=utf-8"

// show renders a page and sends it, or that the reader's copy is still right.
func show[P any](v view[P], w http.ResponseWriter, r *http.Request, page P) error {
	body, err := v.render(page)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", htmlType)
	w.Header().Set("Cache-Control", "no-cache") // keep it, and ask whether it is still right
	w.Header().Set("Vary", "Cookie")
	if readerOf(r).Token != "" {
		w.Header().Set("Cache-Control", "private, no-cache")
	}
	w.Header().Set("ETag", `"`+fingerprint(body)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}
