package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxURI bounds a request's path and query. The longest name, version and
// search need a tenth of it.
const maxURI = 4096

// A front is what every request meets first: it gives the request an id, refuses
// what no route answers, and writes the access log.
type front struct {
	mux  *http.ServeMux
	next http.Handler // mux behind authentication and conditional requests
	log  *slog.Logger
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := newRequestID()
	r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store") // until an answer knows better

	rec := &recorder{ResponseWriter: w}
	_, route := f.mux.Handler(r)
	defer func() {
		if broken := recover(); broken != nil {
			f.recover(rec, r, broken)
		}
		f.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
			slog.String("method", r.Method),
			slog.String("route", routeName(route)), // not the path, nor the query: they may hold what is not for logs
			slog.Int("status", rec.status),
			slog.Int64("bytes", rec.bytes),
			slog.Duration("duration", time.Since(start)),
			slog.String("request_id", id),
		)
	}()
	if p := f.refuse(rec, r, route); p != nil {
		p.write(rec, r)
		return
	}
	if route == "" { // OPTIONS, which refuse has let through
		rec.WriteHeader(http.StatusNoContent)
		return
	}
	f.next.ServeHTTP(rec, r)
}

func routeName(pattern string) string {
	if pattern == "" {
		return "none"
	}
	return pattern
}

// refuse says what is wrong with a request before any route sees it, and sets
// the headers that let pages of other sites read.
func (f *front) refuse(w http.ResponseWriter, r *http.Request, route string) *Problem {
	switch {
	case len(r.URL.Path)+len(r.URL.RawQuery) > maxURI:
		return newProblem(http.StatusRequestURITooLong, "The path and query are longer than %d bytes.", maxURI)
	case r.URL.Path != path.Clean(r.URL.Path):
		// The mux would redirect; a client that builds such paths should notice.
		return notFound("The path is not written in its plain form: no //, no . or .., no / at the end.")
	case route == "":
		return f.unrouted(w, r)
	}
	if strings.HasPrefix(route, "GET ") {
		allowReading(w.Header())
	}
	if !acceptsJSON(r.Header.Values("Accept")) {
		return newProblem(http.StatusNotAcceptable, "This API answers in application/json; the Accept header refuses that.")
	}
	return nil
}

// unrouted answers what matches no route: a path that is not, a method that a
// path does not have, or OPTIONS.
func (f *front) unrouted(w http.ResponseWriter, r *http.Request) *Problem {
	allowed := f.allowed(r)
	if len(allowed) == 0 {
		return notFound("There is no such path. /api/openapi.json lists them all.")
	}
	w.Header().Set("Allow", strings.Join(append(allowed, http.MethodOptions), ", "))
	if r.Method != http.MethodOptions {
		return newProblem(http.StatusMethodNotAllowed, "This path takes %s, not %.20s.", strings.Join(allowed, ", "), r.Method)
	}
	if slices.Contains(allowed, http.MethodGet) {
		// A preflight. Writing from another site's page is not offered.
		allowReading(w.Header())
		w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
		w.Header().Set("Access-Control-Allow-Headers", "If-None-Match")
		w.Header().Set("Access-Control-Max-Age", "86400")
	}
	return nil
}

// allowed lists the methods of a path: none when there is no such path.
func (f *front) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := f.mux.Handler(probe); pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}

// allowReading lets pages of any site read the answer. They cannot send
// credentials along, and there is nothing to read that needs any.
func allowReading(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag, Link, X-Request-Id")
}

// acceptsJSON reports whether an Accept header (RFC 9110, 12.5.1) takes JSON.
// None takes anything; what cannot be read refuses nothing.
func acceptsJSON(accept []string) bool {
	best, quality := -1, 1.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		specific := slices.Index([]string{"*/*", "application/*", "application/json"}, media)
		if err != nil || specific < 0 {
			if err == nil && best < 0 {
				quality = 0 // something is asked for, and not JSON so far
			}
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		if specific > best {
			best, quality = specific, q
		}
	}
	return quality > 0
}

// recover answers for a handler that panicked: a mistake of ours, in the log
// with its stack and nowhere else.
func (f *front) recover(rec *recorder, r *http.Request, broken any) {
	if err, ok := broken.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(broken)
	}
	f.log.ErrorContext(r.Context(), "handler panicked",
		"panic", broken, "stack", string(debug.Stack()), "request_id", requestID(r.Context()))
	if rec.status == 0 {
		newProblem(http.StatusInternalServerError, "Something broke on this server. Quote the instance to whoever runs it.").write(rec, r)
	}
}

// A recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(data []byte) (int, error) {
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(data)
	rec.bytes += int64(n)
	return n, err
}

// Unwrap lets deadlines be set through the recorder.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// newRequestID returns a random UUID (RFC 9562, version 4).
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
