package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

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
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// A problemPage says that there is no page, or that it could not be made.
type problemPage struct {
	layout
	Heading string
	Text    string
	ID      string // of a failed request, as in the log
}

func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody is waiting
	}
	status := statusOf(err)
	page := problemPage{layout: s.layout("Not found"), Heading: "Nothing is known under this address", Text: notFoundText(r)}
	page.Query = r.PathValue("name")
	if status != http.StatusNotFound {
		page = problemPage{
			layout: s.layout("Out of order"), Heading: "This page could not be made",
			Text: "The trouble is ours and has been written down. Another try may help.",
			ID:   rand.Text()[:10],
		}
		s.Logger.ErrorContext(r.Context(), "show page", "path", r.URL.Path, "request", page.ID, "error", err)
	}
	body, err := s.views.problem.render(page)
	if err != nil {
		s.Logger.ErrorContext(r.Context(), "show problem page", "path", r.URL.Path, "error", err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", htmlType)
	w.Header().Set("Cache-Control", "no-cache")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	w.WriteHeader(status)
	w.Write(body)
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
	w.Header().Set("ETag", `"`+fingerprint(body)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}
