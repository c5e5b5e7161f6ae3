package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Middleware puts the identity of a request's token into its context. A request
// without a token passes, as nobody; one with a token that is not in force is
// refused, even where nobody would do. Writes that a browser sends from another
// site are refused whatever they carry.
//
// Refusals are problem+json (RFC 9457); an X-Request-Id that stands in the
// response's header is repeated in them.
func (a *Auth) Middleware(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "A browser sent this from another site. Send writes from the same site, or from no browser.")
	}))
	return sameOrigin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := WithActor(r.Context(), "anonymous")
		if values := r.Header.Values("Authorization"); len(values) > 0 {
			id, err := a.authenticate(r, values)
			if err != nil {
				a.refuse(w, r, err)
				return
			}
			ctx = withIdentity(ctx, id)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	}))
}

func (a *Auth) authenticate(r *http.Request, values []string) (Identity, error) {
	secret, err := Secret(values)
	if err != nil {
		return Identity{}, err
	}
	return a.Verify(r.Context(), secret)
}

// Secret returns the token of a request's Authorization headers, of which there
// is at least one. The error wraps ErrUnauthenticated.
func Secret(values []string) (string, error) {
	if len(values) > 1 {
		return "", fmt.Errorf("%w: more than one Authorization header", ErrUnauthenticated)
	}
	return bearer(values[0]), nil
}

// bearer returns the token of an Authorization header: after the word Bearer, or
// standing alone, as cargo sends it.
func bearer(header string) string {
	scheme, token, found := strings.Cut(strings.TrimSpace(header), " ")
	if found && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return strings.TrimSpace(header)
}

func (a *Auth) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, ErrUnauthenticated) {
		a.Log.ErrorContext(r.Context(), "token not verified", "error", err)
		refuse(w, http.StatusServiceUnavailable, "The token could not be looked up. Try again in a moment.")
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="cratefence", error="invalid_token"`)
	refuse(w, http.StatusUnauthorized, Explain(err))
}

// Challenge is the WWW-Authenticate header (RFC 6750) of an answer to an error of
// Require.
func Challenge(err error) string {
	if errors.Is(err, ErrForbidden) {
		return `Bearer realm="cratefence", error="insufficient_scope"`
	}
	return `Bearer realm="cratefence"`
}

// Explain says in a sentence what is wrong, for whoever sent the request.
func Explain(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func refuse(w http.ResponseWriter, status int, detail string) {
	problem := struct {
		Title    string `json:"title"`
		Status   int    `json:"status"`
		Detail   string `json:"detail"`
		Instance string `json:"instance,omitempty"`
	}{http.StatusText(status), status, detail, ""}
	if id := w.Header().Get("X-Request-Id"); id != "" {
		problem.Instance = "urn:uuid:" + id
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(problem) // a client that is gone needs no answer
}
