package registry

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/policy"
)

// ErrMissing: there are no such bytes.
var ErrMissing = errors.New("no such bytes")

// What is told to whoever asks. None of it is about this service's inside.
var (
	errMethod     = errors.New("only GET and HEAD are answered here: publish and search at the registry itself")
	errQuery      = errors.New("a query has no place here; a token belongs into the Authorization header, and one that was sent in a URL has to be revoked")
	errNoPath     = errors.New("no such path")
	errHost       = errors.New("the Host header is none")
	errNoFile     = errors.New("the registry behind this fence does not have the crate's file")
	errOtherBytes = errors.New("the registry behind this fence sent other bytes than its index says: none of them are let through, and it is noted as an incident")
	errTokens     = errors.New("the token cannot be looked up now: try again in a moment")
	errUpstream   = errors.New("this crate is not known here yet, and nothing can be learned of it now: try again in a moment")
	errSource     = errors.New("the crate's bytes cannot be had now: try again in a moment")
	errBusy       = errors.New("too many downloads at once: try again in a moment")
	errTrouble    = errors.New("this fence has trouble of its own: try again in a moment")
)

// A words error is a refusal in the gate's own words.
type words string

func (w words) Error() string { return string(w) }

// status is where every error gets its HTTP status, and whether it is trouble of
// ours. Of those that cargo reads as "later" (429, 5xx) only such trouble gets
// one; 410 and 451 mean different things to different cargos, and nothing gets them.
func status(err error) (code int, trouble bool) {
	switch {
	case errors.As(err, new(words)), errors.Is(err, errForbidden), errors.Is(err, errOtherBytes):
		return http.StatusForbidden, false
	case errors.Is(err, errNeedsToken), errors.Is(err, auth.ErrUnauthenticated):
		return http.StatusUnauthorized, false
	case errors.Is(err, errNoPath), errors.Is(err, gate.ErrPolicy), errors.Is(err, gate.ErrUnknown), errors.Is(err, errNoFile):
		return http.StatusNotFound, false
	case errors.Is(err, errQuery), errors.Is(err, errUserinfo), errors.Is(err, errHost):
		return http.StatusBadRequest, false
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed, false
	default:
		return http.StatusServiceUnavailable, true
	}
}

// general are the errors of which no more is told than that: what wraps them is
// for the log.
var general = []error{errTokens, errUpstream, errSource, errBusy, gate.ErrPolicy, gate.ErrUnknown}

// told is what is told of an error. Trouble that is not known is told as trouble.
func told(err error, trouble bool) string {
	if said, ok := errors.AsType[words](err); ok {
		return string(said)
	}
	text := strings.TrimPrefix(err.Error(), auth.ErrUnauthenticated.Error()+": ")
	if trouble {
		text = errTrouble.Error()
	}
	for _, known := range general {
		if errors.Is(err, known) {
			text = known.Error()
		}
	}
	return "cratefence: " + text
}

// refuse answers with an error. Cargo prints the body, and the header
// X-Served-By, by which the log's line is found.
func (f *fence) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code, trouble := status(err)
	id := strings.ToLower(rand.Text()[:12])
	h := w.Header()
	switch code {
	case http.StatusUnauthorized:
		if base, err := f.base(r); err == nil {
			h.Set("WWW-Authenticate", `Cargo login_url="`+base+`/signin"`)
		}
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "2")
	}
	h["Content-Type"], h["X-Content-Type-Options"], h["Cache-Control"], h["Vary"] = textPlain, nosniff, noStore, variesAuth
	h.Set("X-Served-By", "cratefence/"+id)
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		w.Write([]byte(clip(told(err, trouble), policy.MaxWords)))
	}
	if trouble {
		f.Log.WarnContext(r.Context(), "request not answered", "route", pattern(r), "request", id, "error", err)
	}
}

// pattern names the route of a request for the log. Its path may hold anything.
func pattern(r *http.Request) string {
	if to, ok := parseRoute(r.URL); ok {
		return patterns[to.kind]
	}
	return root + "…"
}

// clip cuts text to a number of bytes, between characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	most -= len("…")
	for most > 0 && text[most]&0xc0 == 0x80 {
		most--
	}
	return text[:most] + "…"
}
