package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestMiddleware(t *testing.T) {
	now := noon
	m := &memory{}
	a, out := newAuth(m, &now)
	good := create(t, a, TokenRequest{Name: "ci", Scopes: []string{"publish"}})
	narrow := create(t, a, TokenRequest{Name: "narrow", Scopes: []string{"publish"}})
	m.tokens[1].Scopes = nil // as of a scope that is no more
	expired := create(t, a, TokenRequest{Name: "old", Scopes: []string{"publish"}, ExpiresAt: noon.Add(time.Second)})
	now = noon.Add(time.Minute)

	// What stands behind the middleware says who came, or why not.
	handler := a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := Require(r.Context(), ScopePublish); err != nil {
			http.Error(w, Actor(r.Context())+" | "+Challenge(err)+" | "+Explain(err), http.StatusTeapot)
			return
		}
		w.Write([]byte(Actor(r.Context())))
	}))
	tests := []struct {
		name          string
		authorization []string
		want          int
		wantBody      string // held by the body
	}{
		{name: "bearer", authorization: []string{"Bearer " + good}, want: 200, wantBody: "token:ci"},
		{name: "bearer in small letters", authorization: []string{"bearer  " + good}, want: 200, wantBody: "token:ci"},
		{name: "bare, as cargo sends it", authorization: []string{good}, want: 200, wantBody: "token:ci"},
		{
			name: "nobody", want: http.StatusTeapot,
			wantBody: `anonymous | Bearer realm="cratefence" | Not authenticated: send a token with the scope "publish" as "Authorization: Bearer TOKEN".`,
		},
		{
			name: "too narrow", authorization: []string{narrow}, want: http.StatusTeapot,
			wantBody: `token:narrow | Bearer realm="cratefence", error="insufficient_scope" | Not allowed: token "narrow" does not have the scope "publish".`,
		},
		{name: "expired", authorization: []string{"Bearer " + expired}, want: 401, wantBody: `token \"old\" expired at 2026-03-01T12:00:01Z`},
		{name: "unknown", authorization: []string{"Bearer " + newSecret()}, want: 401, wantBody: "the token is not known here"},
		{name: "another scheme", authorization: []string{"Basic " + good}, want: 401, wantBody: "not a whole cratefence token"},
		{name: "empty", authorization: []string{""}, want: 401, wantBody: "not a whole cratefence token"},
		{name: "two", authorization: []string{good, good}, want: 401, wantBody: "more than one Authorization header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Authorization"] = tt.authorization
			w := httptest.NewRecorder()
			w.Header().Set("X-Request-Id", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
			handler.ServeHTTP(w, r)
			if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.wantBody) {
				t.Errorf("answer %d %s\nwant %d with %s", w.Code, w.Body, tt.want, tt.wantBody)
			}
			if w.Code == http.StatusUnauthorized {
				checkProblem(t, w)
				if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="cratefence", error="invalid_token"` {
					t.Errorf("WWW-Authenticate: %s", got)
				}
			}
		})
	}

	m.err = errors.New("disk gone at /var/lib")
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", good)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("answer without a store: %d %s, want 503 that tells nothing of it", w.Code, w.Body)
	}
	if !strings.Contains(out.String(), "disk gone") || bytes.Contains(out.Bytes(), []byte(good)) {
		t.Errorf("log %q: want the trouble in it, and no secret", out)
	}
}

func TestMiddlewareCrossOrigin(t *testing.T) {
	now := noon
	a, _ := newAuth(&memory{}, &now)
	handler := a.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	tests := []struct {
		method string
		header http.Header
		want   int
	}{
		{"POST", http.Header{}, 200}, // no browser
		{"POST", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		{"GET", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 200},
		{"POST", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"PUT", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"DELETE", http.Header{"Origin": {"https://evil.example"}}, 403},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header = tt.header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s with %v: %d, want %d", tt.method, tt.header, w.Code, tt.want)
		}
		if w.Code == 403 {
			checkProblem(t, w)
		}
	}
}

func checkProblem(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var problem struct {
		Title, Detail, Instance string
		Status                  int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	id := w.Header().Get("X-Request-Id")
	if problem.Status != w.Code || problem.Title == "" || problem.Detail == "" || (id != "" && problem.Instance != "urn:uuid:"+id) {
		t.Errorf("problem %+v of answer %d", problem, w.Code)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: %s", got)
	}
}
