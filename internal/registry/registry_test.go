package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/policy"
)

const line = `{"name":"tidy-int","vers":"0.2.0","deps":[],"cksum":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f","yanked":true}` + "\n"

// Statuses, and what each kind of client is told.
func TestAnswers(t *testing.T) {
	const sum = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	tests := []struct {
		name, path, token string
		want              int
		wantBody          string // held by the body
	}{
		{name: "config", path: "/p/default/index/config.json", want: 200, wantBody: `{"dl":"http://fence.example/p/default/dl/{crate}/{version}/{sha256-checksum}"}`},
		{name: "config with a token", path: "/p/strict/index/config.json", token: "ci-secret", want: 200, wantBody: `/p/strict/dl/{crate}/{version}/{sha256-checksum}","auth-required":true}`},
		{name: "file", path: "/p/default/index/ti/dy/tidy-int", want: 200, wantBody: line},
		{name: "unknown crate", path: "/p/default/index/no/ne/none", want: 404, wantBody: "no such crate"},
		{name: "unknown policy", path: "/p/later/index/ti/dy/tidy-int", token: "later", want: 401},

		// Who may use what.
		{name: "a policy for tokens", path: "/p/strict/index/config.json", want: 401, wantBody: "cargo login"},
		{name: "a policy for nobody", path: "/p/secret/index/config.json", want: 403, wantBody: `"secret" is not open`},
		{name: "unknown token, where none is needed", path: "/p/default/index/config.json", token: "wrong", want: 401, wantBody: "cratefence: the token is not known here"},
		{name: "token of another scope", path: "/p/strict/index/config.json", token: "other-secret", want: 403, wantBody: `does not have the scope "fetch"`},
		{name: "token of another scope, where none is needed", path: "/p/default/index/config.json", token: "other-secret", want: 200},
		{name: "token of another policy", path: "/p/strict/index/config.json", token: "laptop", want: 403, wantBody: `token "laptop" may not use the policy "strict"`},
		{name: "token that is not named", path: "/p/default/index/config.json", token: "laptop", want: 200},
		{name: "bearer", path: "/p/strict/index/config.json", token: "Bearer ci-secret", want: 200},
		{name: "tokens cannot be looked up", path: "/p/default/index/config.json", token: "store-down", want: 503, wantBody: "the token cannot be looked up now"},
		{name: "password in the URL", path: "/p/default/index/config.json", token: "Basic dXNlcjpwYXNz", want: 400, wantBody: "in the registry's URL"},
		{name: "token in the query", path: "/p/default/index/config.json?token=ci-secret", want: 400, wantBody: "has to be revoked"},
		{name: "empty query", path: "/p/default/index/config.json?", want: 400},

		// One spelling, and no other.
		{name: "upper case", path: "/p/default/index/Ti/dy/Tidy-Int", want: 404, wantBody: "no such path"},
		{name: "upper case in the folder", path: "/p/default/index/TI/dy/tidy-int", want: 404, wantBody: "no such path"},
		{name: "wrong folder", path: "/p/default/index/ti/dx/tidy-int", want: 404, wantBody: "no such path"},
		{name: "no folder", path: "/p/default/index/tidy-int", want: 404, wantBody: "no such path"},
		{name: "percent-encoded", path: "/p/default/index/ti/dy/tidy%2dint", want: 404, wantBody: "no such path"},
		{name: "percent-encoded slash", path: "/p/default/index/ti%2fdy/tidy-int", want: 404, wantBody: "no such path"},
		{name: "dots", path: "/p/default/index/../index/ti/dy/tidy-int", want: 404, wantBody: "no such path"},
		{name: "slashes", path: "/p/default/index//ti/dy/tidy-int", want: 404, wantBody: "no such path"},
		{name: "trailing slash", path: "/p/default/index/ti/dy/tidy-int/", want: 404, wantBody: "no such path"},
		{name: "over long", path: "/p/default/index/aa/aa/" + strings.Repeat("a", 65), want: 404, wantBody: "no such path"},
		{name: "policy in upper case", path: "/p/Default/index/config.json", want: 404, wantBody: "no such path"},
		{name: "nothing", path: "/p/", want: 404, wantBody: "no such path"},
		{name: "git index", path: "/p/default/info/refs", want: 404, wantBody: "no such path"},
		{name: "download of no version", path: "/p/default/dl/tidy-int/1/" + sum, want: 404, wantBody: "no such path"},
		{name: "download without a checksum", path: "/p/default/dl/tidy-int/1.0.0/download", want: 404, wantBody: "no such path"},
		{name: "download with an upper-case checksum", path: "/p/default/dl/tidy-int/1.0.0/" + strings.ToUpper(sum), want: 404, wantBody: "no such path"},
		{name: "download of an unknown crate", path: "/p/default/dl/none/1.0.0/" + sum, want: 404, wantBody: "no such crate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			w.gate.serve("default/tidy-int", line)
			got := w.get(t, tt.path, tt.token)
			if got.Code != tt.want || !strings.Contains(got.Body.String(), tt.wantBody) {
				t.Errorf("answer %d %q\nwant %d with %q", got.Code, got.Body, tt.want, tt.wantBody)
			}
			checkRefusal(t, got)
			if log := w.log.String(); strings.Contains(log, "secret") || strings.Contains(log, "dXNl") {
				t.Errorf("log tells a secret: %s", log)
			}
			if tt.want == 404 && tt.wantBody == "no such path" && len(w.mirror.asked) > 0 {
				t.Errorf("upstream was asked for %q", w.mirror.asked)
			}
		})
	}
}

// checkRefusal holds what is true of every answer that refuses.
func checkRefusal(t *testing.T, got *httptest.ResponseRecorder) {
	t.Helper()
	if got.Code < 400 {
		return
	}
	body := got.Body.String()
	if len(body) > policy.MaxWords || strings.Contains(body, "/var/lib") || strings.Contains(body, "secret place") {
		t.Errorf("body of %d bytes: %q: want at most %d, and nothing of the inside", len(body), body, policy.MaxWords)
	}
	h := got.Result().Header
	if h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("Cache-Control") != "no-store" || h.Get("X-Served-By") == "" {
		t.Errorf("headers of a refusal: %v", h)
	}
	if challenge := h.Get("WWW-Authenticate"); (got.Code == 401) != (challenge == `Cargo login_url="http://fence.example/signin"`) {
		t.Errorf("answer %d with WWW-Authenticate %q", got.Code, challenge)
	}
	if (got.Code == 503) != (h.Get("Retry-After") != "") {
		t.Errorf("answer %d with Retry-After %q", got.Code, h.Get("Retry-After"))
	}
	if got.Code == 410 || got.Code == 451 || got.Code == 429 || got.Code == 500 {
		t.Errorf("answer %d, which cargos do not read alike", got.Code)
	}
}

func TestMethods(t *testing.T) {
	w := newWorld()
	r := httptest.NewRequest(http.MethodPut, "/p/default/api/v1/crates/new", nil)
	answer := httptest.NewRecorder()
	New(w.deps).ServeHTTP(answer, r)
	if answer.Code != 405 || answer.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("PUT: %d, Allow %q, want 405 and GET, HEAD", answer.Code, answer.Header().Get("Allow"))
	}
}

func TestNotReady(t *testing.T) {
	w := newWorld()
	w.gate.notReady = errors.New("reading snapshot")
	got := w.get(t, "/p/default/index/config.json", "")
	if got.Code != 503 {
		t.Errorf("answer %d, want 503", got.Code)
	}
	checkRefusal(t, got)
}

func TestBefore(t *testing.T) {
	name := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(s)) })
	}
	h := Before(name("fence"), name("rest"))
	var got []string
	for _, path := range []string{"/p/default/index/config.json", "/p/../x", "/", "/pages", "/p"} {
		r, answer := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.URL.Path = path
		h.ServeHTTP(answer, r)
		got = append(got, answer.Body.String())
	}
	if diff := cmp.Diff([]string{"fence", "fence", "rest", "rest", "rest"}, got); diff != "" {
		t.Errorf("Before (-want +got):\n%s", diff)
	}
}
