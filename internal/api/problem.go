package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A Problem is an answer that is not what was asked for (RFC 9457).
type Problem struct {
	Title    string    `json:"title" doc:"The status in words." example:"Not Found"`
	Status   int       `json:"status" example:"404"`
	Detail   string    `json:"detail" doc:"What is wrong with this request, and what to do about it." example:"There is no crate \"serd\" here."`
	Instance string    `json:"instance,omitempty" format:"uri" doc:"Names this one answer, as the X-Request-Id header does. Quote it to whoever runs the server." example:"urn:uuid:7c9e6679-7425-40de-944b-e07fc1f90ae7"`
	Errors   []Mistake `json:"errors,omitempty" nullable:"false" doc:"What is wrong, one by one."`
	Conflict *Conflict `json:"conflict,omitempty" doc:"Of a submission refused because other bytes are known."`
	Standing *Ruling   `json:"standing,omitempty" doc:"Of a ruling refused because another was made meanwhile: the one that stands."`

	header http.Header
}

// A Mistake is one thing wrong with a request.
type Mistake struct {
	Location string `json:"location" doc:"Where it is." example:"body.checksum"`
	Message  string `json:"message" doc:"What is wrong there." example:"want 64 lower-case hexadecimal digits"`
}

// A Conflict says which bytes are known and which were offered.
type Conflict struct {
	Release  Release `json:"release" doc:"What is known, and stays."`
	Offered  string  `json:"offered" doc:"SHA-256 of the bytes that were offered. They are kept as an incident, and never served or checked."`
	Incident string  `json:"incident" format:"uri-reference" doc:"Where the crate's incidents are read." example:"/api/v1/crates/serde"`
}

// Error makes a Problem an error that a handler returns.
func (p *Problem) Error() string { return p.Detail }

// GetStatus, GetHeaders and ContentType are what huma asks of an error.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that go with it.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType names the problem+json media type.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(status int, detail string, args ...any) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(detail, args...), header: http.Header{}}
}

// problem says what to answer to an error of a handler: the one place where
// errors become status numbers. What is not the client's is logged here, and
// not told.
func (s *server) problem(ctx context.Context, err error) *Problem {
	if known := (*Problem)(nil); errors.As(err, &known) {
		return known
	}
	var p *Problem
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		p = newProblem(http.StatusUnauthorized, "%s", auth.Explain(err))
		p.header.Set("WWW-Authenticate", auth.Challenge(err))
	case errors.Is(err, auth.ErrForbidden):
		p = newProblem(http.StatusForbidden, "%s", auth.Explain(err))
		p.header.Set("WWW-Authenticate", auth.Challenge(err))
	case errors.Is(err, auth.ErrUnsigned), errors.Is(err, auth.ErrSignature), errors.Is(err, auth.ErrClock):
		p = newProblem(http.StatusUnauthorized, "%s", auth.Explain(err))
		p.header.Set("WWW-Authenticate", "Standard-Webhooks")
	case errors.Is(err, ruling.ErrOwn), errors.Is(err, ruling.ErrPartial):
		p = newProblem(http.StatusForbidden, "%s", auth.Explain(err))
	case errors.Is(err, ruling.ErrInvalid):
		p = newProblem(http.StatusUnprocessableEntity, "%s", auth.Explain(err))
	case errors.Is(err, store.ErrNotFound):
		p = newProblem(http.StatusNotFound, "There is no such thing here.")
	case errors.Is(err, intake.ErrInvalid):
		p = newProblem(http.StatusUnprocessableEntity, "%s.", strings.TrimPrefix(err.Error(), intake.ErrInvalid.Error()+": "))
	case errors.Is(err, context.Canceled):
		p = newProblem(http.StatusServiceUnavailable, "The request was given up.") // the client is gone, or the server stops
	case errors.Is(err, context.DeadlineExceeded):
		s.Log.WarnContext(ctx, "request out of time", "error", err, "request_id", requestID(ctx))
		p = newProblem(http.StatusServiceUnavailable, "The server is too busy to answer in time. Try again in a moment.")
		p.header.Set("Retry-After", "10")
	default:
		s.Log.ErrorContext(ctx, "request failed", "error", err, "request_id", requestID(ctx))
		p = newProblem(http.StatusInternalServerError, "Something broke on this server. Try again; if it stays, quote the instance to whoever runs it.")
	}
	return p
}

// notFound is the answer to a name that nothing goes by.
func notFound(detail string, args ...any) *Problem {
	return newProblem(http.StatusNotFound, detail, args...)
}

// finish is the last step before an answer is written: huma's own refusals become
// Problems, and every Problem is given its instance.
func finish(ctx huma.Context, _ string, v any) (any, error) {
	if refusal, ok := v.(*huma.ErrorModel); ok {
		v = translate(refusal)
	}
	if p, ok := v.(*Problem); ok {
		named := *p
		named.Instance = instance(ctx.Context())
		return &named, nil
	}
	return v, nil
}

// translate turns a refusal of huma into a Problem. The values that it found
// wrong are not echoed.
func translate(refusal *huma.ErrorModel) *Problem {
	p := newProblem(refusal.Status, "%s", refusal.Detail)
	switch refusal.Status {
	case http.StatusUnprocessableEntity:
		p.Detail = "Something in the request is not as the API describes it; see errors, and /api/openapi.json."
	case http.StatusBadRequest:
		p.Detail = "The body is missing or could not be read."
	case http.StatusRequestEntityTooLarge:
		p.Detail = "The body is larger than this operation takes."
	case http.StatusRequestTimeout:
		p.Detail = "The body did not arrive in time. Send it again."
	case http.StatusInternalServerError:
		p.Detail, refusal.Errors = "The body could not be read to its end. Send it again.", nil
	}
	for _, e := range refusal.Errors {
		p.Errors = append(p.Errors, Mistake{Location: e.Location, Message: e.Message})
	}
	return p
}

// write sends a problem where no huma operation answers.
func (p *Problem) write(w http.ResponseWriter, r *http.Request) {
	named := *p
	named.Instance = instance(r.Context())
	for key, values := range p.header {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(&named) // a client that is gone needs no answer
}

func instance(ctx context.Context) string {
	if id := requestID(ctx); id != "" {
		return "urn:uuid:" + id
	}
	return ""
}
