package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/htmlcheck"
	"github.com/cratefence/cratefence/internal/policy"
)

// serveFenced serves everything behind a fence.
func serveFenced() (http.Handler, *fakeFence) {
	catalogue, f := fenced()
	return serveWith(catalogue, func(c *Config) { c.Fence = f.fence(catalogue) }), f
}

// as asks as somebody: method, path, form and the secret of their token.
func as(h http.Handler, secret, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://fence.example"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if secret != "" {
		r.AddCookie(&http.Cookie{Name: secureCookieName, Value: secret})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// fencePages are the pages of a fence, beside those that are there without.
var fencePages = []string{
	"/decisions", "/decisions?state=held", "/decisions?policy=strict", "/decisions?state=revoked", "/queue", "/queue?policy=strict", "/exceptions", "/signin", "/policy", "/policy/default", "/policy/strict",
	"/r/c0de1", "/r/c0de4", "/r/c0de5", "/crates/arrayview/fence", "/crates/arrayview/0.3.9/fence", "/crates/quiet-crate/fence", "/crates/tampered/fence",
}

func parsed(t *testing.T, w *httptest.ResponseRecorder) *htmlcheck.Doc {
	t.Helper()
	doc, err := htmlcheck.Parse(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestFencePagesCanBeReadByEverybody(t *testing.T) {
	h, _ := serveFenced()
	for _, secret := range []string{"", "cis", "alices", "roots"} {
		for _, path := range append(pages, fencePages...) {
			w := as(h, secret, "GET", path, nil)
			if w.Code != 200 {
				t.Errorf("GET %s by %q = %d", path, secret, w.Code)
			}
			for _, problem := range htmlcheck.Lint(parsed(t, w)) {
				t.Errorf("GET %s by %q: %s", path, secret, problem)
			}
		}
	}
}

func TestFenceCard(t *testing.T) {
	h, _ := serveFenced()
	doc := parsed(t, as(h, "", "GET", "/crates/arrayview/security", nil))
	want := []string{
		"✕ quarantined Policy default ✕blocks: 5 versions of the crate were yanked within a day of its publication " +
			"‖holds: published 9 minutes ago (cool-off 7d) until 27 November 12:01 UTC " +
			"‖holds: adds its first dependency, slice-macro1, which is 6 hours old until 4 December 12:10 UTC " +
			"cargo takes 0.3.9 meanwhile, unless a lock file names this one; a download is refused, with these words. " +
			"Time alone does not end this: somebody has to decide. Why, and what can be done",
		"i would be held until 27 November 12:01 UTC Policy strict, which observes: nothing is kept back " +
			"‖holds: published 9 minutes ago (cool-off 14d) cargo gets it all the same. Why",
	}
	if diff := cmp.Diff(want, doc.Texts(".fences .fence")); diff != "" {
		t.Errorf("the fence's cards (-want +got):\n%s", diff)
	}
	// On a phone the page's order is what is seen.
	body := as(h, "", "GET", "/crates/arrayview/security", nil).Body.String()
	if fence, checks := strings.Index(body, `id="at-the-fence"`), strings.Index(body, `class="checks"`); fence < 0 || fence > checks {
		t.Errorf("the fence stands at %d, the checks at %d", fence, checks)
	}
}

func TestInstead(t *testing.T) {
	_, f := serveFenced()
	view := f.views["default/arrayview"]
	tests := []struct {
		name, held string
		yanked     bool
		want       string
	}{
		{"the allowed one before", "0.3.10", false, "0.3.9"},
		{"none in another range", "0.4.0", false, ""},
		{"none that is yanked", "0.3.10", true, ""},
		{"none that is newer", "0.3.8", false, ""},
	}
	for _, tt := range tests {
		view.Versions[1].Yanked = tt.yanked
		if got := instead(view.Versions, tt.held); got != tt.want {
			t.Errorf("%s: cargo takes %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A policy that is not the reader's to use shows nowhere, and is not told from
// one that is not there.
func TestPoliciesOfOthersAreNotSeen(t *testing.T) {
	h, f := serveFenced()
	secret := f.records[0]
	if secret.Policy != "secret" {
		t.Fatal("the fixture changed")
	}
	// Who comes by a link of cargo's is asked for a token: the link is not guessed.
	if w := as(h, "", "GET", "/r/"+secret.Code, nil); w.Code != 401 || parsed(t, w).Attr("main a", "href") != "/signin?back=%2Fr%2F"+secret.Code || strings.Contains(w.Body.String(), "never-came") {
		t.Errorf("GET of its decision = %d: %s", w.Code, parsed(t, w).Text("main"))
	}
	for _, path := range []string{"/decisions?policy=secret", "/queue?policy=secret", "/exceptions?policy=secret", "/decisions?policy=none", "/policy/secret", "/policy/none"} {
		if w := as(h, "", "GET", path, nil); w.Code != 404 {
			t.Errorf("GET %s = %d, want 404", path, w.Code)
		}
	}
	if w := as(h, "alices", "GET", "/r/"+secret.Code, nil); w.Code != 200 {
		t.Errorf("GET by somebody who may = %d", w.Code)
	}
	for _, path := range append(pages, fencePages...) {
		if strings.Contains(as(h, "", "GET", path, nil).Body.String(), "policy=secret") {
			t.Errorf("GET %s speaks of the policy", path)
		}
	}
	ask := url.Values{"policy": {"secret"}, "crate": {"never-came"}, "version": {"2.0.0"}, "reason": {"please"}}
	if w := as(h, "", "POST", "/reviews", ask); w.Code != 404 || len(f.requests) != 2 {
		t.Errorf("a review under it = %d", w.Code)
	}
}

// Where no policy is open to everybody, pages ask for a token.
func TestNoPolicyForEverybody(t *testing.T) {
	catalogue, f := fenced()
	h := serveWith(catalogue, func(c *Config) {
		c.Fence = f.fence(catalogue)
		c.Fence.Allowed = func(token string) []string {
			if token == "alice" {
				return []string{"default"}
			}
			return nil
		}
	})
	for path, want := range map[string]int{"/decisions": 401, "/queue": 401, "/exceptions": 401, "/policy": 200, "/": 200, "/crates/arrayview": 200, "/crates/arrayview/fence": 200} {
		if w := as(h, "", "GET", path, nil); w.Code != want || strings.Contains(w.Body.String(), "yanked within a day") {
			t.Errorf("GET %s by nobody = %d, want %d and nothing told", path, w.Code, want)
		}
		if w := as(h, "alices", "GET", path, nil); w.Code != 200 {
			t.Errorf("GET %s by somebody who may = %d", path, w.Code)
		}
	}
	if w := as(h, "cis", "GET", "/decisions", nil); w.Code != 404 {
		t.Errorf("GET by a token that may use none = %d", w.Code)
	}
}

func TestDecidingByForm(t *testing.T) {
	subject := func(more ...string) url.Values {
		v := url.Values{"policy": {"default"}, "crate": {"arrayview"}, "version": {"0.3.10"}, "reason": {"read every line"}, "back": {"/queue"}}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	tests := []struct {
		name   string
		secret string
		path   string
		form   url.Values
		want   int
		says   string // on the page, where it is refused
	}{
		{name: "a decision", secret: "alices", path: "/rulings", form: subject("action", "allow", "after", "1"), want: 303},
		{name: "by nobody", path: "/rulings", form: subject("action", "allow", "after", "1"), want: 401, says: "Sign in first"},
		{name: "without the scope", secret: "cis", path: "/rulings", form: subject("action", "allow", "after", "1"), want: 403, says: `scope "decide"`},
		{name: "by a token that is none", secret: "forged", path: "/rulings", form: subject("action", "allow", "after", "1"), want: 401},
		{name: "past another", secret: "alices", path: "/rulings", form: subject("action", "allow", "after", "0"), want: 409, says: "What stands token:bob looked at it and kept it as it was"},
		{name: "without saying past which", secret: "alices", path: "/rulings", form: subject("action", "allow"), want: 422},
		{name: "without a reason", secret: "alices", path: "/rulings", form: subject("action", "allow", "after", "1", "reason", " "), want: 422, says: "no reason"},
		{name: "of no kind", secret: "alices", path: "/rulings", form: subject("action", "bless", "after", "1"), want: 422},
		{name: "under no policy", secret: "alices", path: "/rulings", form: subject("action", "allow", "after", "1", "policy", "none"), want: 404},
		{name: "on no release", secret: "alices", path: "/rulings", form: subject("action", "allow", "after", "0", "version", "9.9.9"), want: 422},
		{name: "unlinked, where it is demanded", secret: "bobs", path: "/rulings", form: subject("action", "allow", "after", "0", "policy", "strict"), want: 403, says: "not checked for self-approval"},
		{name: "too long", secret: "alices", path: "/rulings", form: subject("action", strings.Repeat("a", maxForm)), want: 422},
		{name: "an exception", secret: "alices", path: "/exceptions", form: subject("rule", "cool-off"), want: 303},
		{name: "an exception until a day", secret: "alices", path: "/exceptions", form: subject("rule", "cool-off", "until", "2026-12-24"), want: 303},
		{name: "an exception until no day", secret: "alices", path: "/exceptions", form: subject("rule", "cool-off", "until", "soon"), want: 422, says: "2026-11-27"},
		{name: "an exception by nobody", path: "/exceptions", form: subject("rule", "cool-off"), want: 401},
		{name: "the end of one", secret: "alices", path: "/exceptions/2/expire", form: subject(), want: 303},
		{name: "the end of one that has ended", secret: "alices", path: "/exceptions/1/expire", form: subject(), want: 409},
		{name: "the end of none", secret: "alices", path: "/exceptions/x/expire", form: subject(), want: 404},
		{name: "a wish", path: "/reviews", form: subject(), want: 303},
		{name: "a wish without a reason", path: "/reviews", form: subject("reason", ""), want: 422},
		{name: "a yank honoured", secret: "alices", path: "/lines", form: subject("action", "honour", "version", "0.3.9"), want: 303},
		{name: "a yank that is none", secret: "alices", path: "/lines", form: subject("action", "honour"), want: 409},
		{name: "a line that is not offered", secret: "alices", path: "/lines", form: subject("action", "accept", "offered", strings.Repeat("0", 64)), want: 409},
		{name: "a line by no digest", secret: "alices", path: "/lines", form: subject("action", "accept", "offered", "0"), want: 422},
		{name: "a line by nobody", path: "/lines", form: subject("action", "honour"), want: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, f := serveFenced()
			w := as(h, tt.secret, "POST", tt.path, tt.form)
			if w.Code != tt.want || !strings.Contains(parsed(t, w).Text("main"), tt.says) {
				t.Fatalf("POST %s = %d, want %d with %q: %s", tt.path, w.Code, tt.want, tt.says, parsed(t, w).Text("main"))
			}
			if tt.want == 303 && w.Header().Get("Location") != "/queue" {
				t.Errorf("it leads to %q", w.Header().Get("Location"))
			}
			if wrote := len(f.audits) > 0; wrote != (tt.want == 303) {
				t.Errorf("answer %d, written: %v", w.Code, f.audits)
			}
			for _, problem := range htmlcheck.Lint(parsed(t, w)) {
				if tt.want != 303 {
					t.Error(problem)
				}
			}
		})
	}
}

// What was read is what is accepted: the form carries the line's digest.
func TestAcceptLineByItsForm(t *testing.T) {
	h, f := serveFenced()
	doc := parsed(t, as(h, "alices", "GET", "/crates/arrayview/fence", nil))
	form := url.Values{"action": {"accept"}, "offered": {doc.Attr("input[name=offered]", "value")}, "crate": {"arrayview"}, "version": {"0.3.10"}, "reason": {"a feature"}}
	if w := as(h, "alices", "POST", "/lines", form); w.Code != 303 {
		t.Fatalf("POST = %d: %s", w.Code, w.Body)
	}
	if l := f.lines["arrayview"][1]; l.Trouble != "" {
		t.Errorf("the line is still in trouble: %+v", l)
	}
}

// Who has not signed in sees no form to decide, and who has sees no form that
// would be refused for want of the scope.
func TestFormsAreForThoseWhoMay(t *testing.T) {
	h, _ := serveFenced()
	tests := []struct {
		secret string
		want   []string // where the forms of the page lead
	}{
		{"", []string{"/reviews"}},
		{"cis", []string{"/reviews"}},
		{"alices", []string{"/rulings", "/exceptions", "/lines"}},
	}
	for _, tt := range tests {
		body := as(h, tt.secret, "GET", "/r/c0de1", nil).Body.String()
		var got []string
		for _, part := range strings.Split(body, `method="post" action="`)[1:] {
			action, _, _ := strings.Cut(part, `"`)
			got = append(got, action)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("forms for %q (-want +got):\n%s", tt.secret, diff)
		}
	}
}

// The form for exceptions names the rules that one can lift, and is not there
// where there are none.
func TestRulesToLift(t *testing.T) {
	h, _ := serveFenced()
	tests := []struct {
		path string
		want []string
	}{
		{"/r/c0de1", []string{"yank-wave", "cool-off", "young-dependency"}},
		{"/r/c0de4", nil}, // a check that has not finished is waited for
		{"/r/c0de3", nil}, // what lets it through needs no lifting
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, parsed(t, as(h, "alices", "GET", tt.path, nil)).Texts("option")); diff != "" {
			t.Errorf("GET %s offers (-want +got):\n%s", tt.path, diff)
		}
	}
}

// Who fetched what is for those alone who may know.
func TestWhoFetchedIt(t *testing.T) {
	h, _ := serveFenced()
	for secret, want := range map[string]bool{"": false, "alices": false, "roots": true} {
		body := as(h, secret, "GET", "/r/c0de1", nil).Body.String()
		if got := strings.Contains(body, "token:laptop"); got != want || strings.Contains(body, "token:observer") {
			t.Errorf("%q sees who fetched it: %v, want %v and nothing of other policies", secret, got, want)
		}
	}
}

func TestYankThatIsKeptBack(t *testing.T) {
	h, f := serveFenced()
	if got := parsed(t, as(h, "", "GET", "/crates/arrayview/versions", nil)).Texts(".tag"); !slices.Contains(got, "yanked upstream, not passed on") {
		t.Errorf("tags %q", got)
	}
	if doc := parsed(t, as(h, "alices", "GET", "/crates/arrayview/0.3.9/fence", nil)); !doc.Has("input[value=honour]") {
		t.Errorf("nobody can honour it: %s", doc.Text("main"))
	}
	f.views["default/arrayview"].Versions[1].Guard.Kept = false
	if doc := parsed(t, as(h, "alices", "GET", "/crates/arrayview/0.3.9/fence", nil)); doc.Has("input[value=honour]") {
		t.Error("a yank that is passed on can be honoured")
	}
	f.views["default/arrayview"].Versions[1].Guard.Kept = true
	if got := parsed(t, as(h, "", "GET", "/crates/arrayview/0.3.9", nil)).Text(".fence"); !strings.Contains(got, "yanked upstream together with other versions; not passed on until 2026-11-23 12:10 UTC") {
		t.Errorf("the card says %q", got)
	}
}

func TestStateMarks(t *testing.T) {
	seen := map[mark]bool{}
	for _, state := range []policy.State{policy.Allowed, policy.Waived, policy.Grandfathered, policy.Held, policy.Unknown, policy.Quarantined, policy.Revoked, "", "new"} {
		m := stateMark(policy.Decision{State: state})
		if m.Sign == "" || m.Word == "" {
			t.Errorf("state %q has no sign or word", state)
		}
		if unknown := stateMarks[policy.Unknown]; (m == unknown) != (state == policy.Unknown || state == "" || state == "new") {
			t.Errorf("state %q is shown as %q", state, m.Word)
		}
		seen[m] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d marks for 7 states", len(seen))
	}
}
