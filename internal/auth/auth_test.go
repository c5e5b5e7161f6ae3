package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memory keeps tokens in a slice.
type memory struct {
	tokens  []store.Token
	audit   []store.AuditEntry
	touched []time.Time
	err     error // of every method, when set
	touch   error // of TouchToken
}

func (m *memory) CreateToken(_ context.Context, t store.Token, audit store.AuditEntry) (store.Token, error) {
	for _, known := range m.tokens {
		if known.Name == t.Name && known.RevokedAt.IsZero() && known.ExpiresAt.After(t.CreatedAt) {
			return store.Token{}, fmt.Errorf("token %q: %w", t.Name, store.ErrConflict)
		}
	}
	t.ID = store.ID(len(m.tokens) + 1)
	m.tokens, m.audit = append(m.tokens, t), append(m.audit, audit)
	return t, m.err
}

func (m *memory) Tokens(context.Context) ([]store.Token, error) { return m.tokens, m.err }

func (m *memory) TokenByHash(_ context.Context, hash [32]byte) (store.Token, error) {
	if m.err != nil {
		return store.Token{}, m.err
	}
	for _, t := range m.tokens {
		if t.Hash == hash {
			return t, nil
		}
	}
	return store.Token{}, fmt.Errorf("token: %w", store.ErrNotFound)
}

func (m *memory) RevokeToken(_ context.Context, name string, at time.Time, audit store.AuditEntry) (store.Token, error) {
	for i, t := range m.tokens {
		if t.Name == name && t.RevokedAt.IsZero() {
			m.tokens[i].RevokedAt = at
			m.audit = append(m.audit, audit)
			return m.tokens[i], m.err
		}
	}
	return store.Token{}, store.ErrNotFound
}

func (m *memory) TouchToken(_ context.Context, id store.ID, at time.Time) error {
	m.touched = append(m.touched, at)
	m.tokens[id-1].UsedAt = at
	return m.touch
}

// newAuth returns an Auth whose clock stands at *now and whose log is out.
func newAuth(m *memory, now *time.Time) (_ *Auth, out *bytes.Buffer) {
	out = &bytes.Buffer{}
	return &Auth{Store: m, Now: func() time.Time { return *now }, Log: slog.New(slog.NewTextHandler(out, nil))}, out
}

func create(t *testing.T, a *Auth, req TokenRequest) string {
	t.Helper()
	secret, _, err := a.Create(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestCreate(t *testing.T) {
	now := noon
	m := &memory{}
	a, out := newAuth(m, &now)
	secret, token, err := a.Create(WithActor(t.Context(), "cli:ada"), TokenRequest{Name: "ci", Scopes: []string{"publish"}})
	if err != nil {
		t.Fatal(err)
	}
	want := store.Token{
		ID: 1, Name: "ci", Hash: sha256.Sum256([]byte(secret)), Scopes: []string{"publish"},
		CreatedAt: noon, ExpiresAt: noon.Add(90 * 24 * time.Hour),
	}
	if diff := cmp.Diff(want, token); diff != "" {
		t.Errorf("token (-want +got):\n%s", diff)
	}
	wantAudit := []store.AuditEntry{{
		At: noon, Actor: "cli:ada", Action: "token.create", Object: "ci",
		Detail: []byte(`{"expires_at":"2026-05-30T12:00:00Z","scopes":["publish"]}`),
	}}
	if diff := cmp.Diff(wantAudit, m.audit); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if kept := fmt.Sprintf("%+v %s", m, out); strings.Contains(kept, secret) {
		t.Error("the secret is kept or logged")
	}
}

func TestSecretShape(t *testing.T) {
	scanner := regexp.MustCompile(`^cf_[0-9A-Za-z]{49}$`)
	seen := map[string]bool{}
	for range 1000 {
		secret := newSecret()
		if !scanner.MatchString(secret) || !wellFormed(secret) || seen[secret] {
			t.Fatalf("secret %q: malformed or repeated", secret)
		}
		seen[secret] = true
		// One changed character is always noticed.
		changed := []byte(secret)
		changed[10] = 'a' + (changed[10]-'a'+1)%26
		if wellFormed(string(changed)) {
			t.Fatalf("%q passes for well formed", changed)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	publish := []string{"publish"}
	tests := []struct {
		req  TokenRequest
		want string // "" is accepted
	}{
		{TokenRequest{Name: "a", Scopes: publish}, ""},
		{TokenRequest{Name: "a", Scopes: publish, ExpiresAt: noon.Add(366 * 24 * time.Hour)}, ""},
		{TokenRequest{Name: "a", Scopes: publish, ExpiresAt: noon.AddDate(10, 0, 0), BeyondMax: true}, ""},
		{TokenRequest{Name: "a", Scopes: publish, ExpiresAt: noon.AddDate(2, 0, 0)}, "it would live until 2028-03-01, more than a year: say so explicitly if that is meant"},
		{TokenRequest{Name: "a", Scopes: publish, ExpiresAt: noon}, "it would expire in the past, at 2026-03-01T12:00:00Z"},
		{TokenRequest{Name: "a"}, "no scope: choose from publish, read, fetch, decide, admin"},
		{TokenRequest{Name: "a", Scopes: []string{"root"}}, `unknown scope "root": choose from publish, read, fetch, decide, admin`},
		{TokenRequest{Name: "a", Scopes: []string{"publish", "publish"}}, `scope "publish" is given twice`},
		{TokenRequest{Scopes: publish}, `name "": want 1 to 64 of a-z 0-9 . _ -, the first a letter or digit`},
		{ // would forge a line of a log
			TokenRequest{Name: "a\nb", Scopes: publish}, `name "a\nb": want 1 to 64 of a-z 0-9 . _ -, the first a letter or digit`,
		},
	}
	for _, tt := range tests {
		now := noon
		a, _ := newAuth(&memory{}, &now)
		_, _, err := a.Create(t.Context(), tt.req)
		if tt.want == "" {
			if err != nil {
				t.Errorf("Create(%+v) = %v, want it to pass", tt.req, err)
			}
			continue
		}
		if !errors.Is(err, ErrInvalid) || err.Error() != "invalid token request: "+tt.want {
			t.Errorf("Create(%+v) = %v, want %q", tt.req, err, tt.want)
		}
	}
}

func TestCreateTaken(t *testing.T) {
	now := noon
	a, _ := newAuth(&memory{}, &now)
	req := TokenRequest{Name: "ci", Scopes: []string{"publish"}}
	create(t, a, req)
	if _, _, err := a.Create(t.Context(), req); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second Create = %v, want ErrConflict", err)
	}
}

func TestVerify(t *testing.T) {
	now := noon
	m := &memory{}
	a, _ := newAuth(m, &now)
	good := create(t, a, TokenRequest{Name: "good", Scopes: []string{"publish"}, ExpiresAt: noon.Add(time.Hour)})
	expired := create(t, a, TokenRequest{Name: "expired", Scopes: []string{"publish"}, ExpiresAt: noon.Add(time.Minute)})
	revoked := create(t, a, TokenRequest{Name: "revoked", Scopes: []string{"publish"}, ExpiresAt: noon.Add(time.Hour)})
	if _, err := a.Revoke(t.Context(), "revoked"); err != nil {
		t.Fatal(err)
	}
	now = noon.Add(time.Minute) // the very moment of expiry is too late
	tests := []struct {
		name, secret string
		want         Identity
		wantErr      string
	}{
		{name: "good", secret: good, want: Identity{Token: "good", Scopes: []string{"publish"}}},
		{name: "expired", secret: expired, wantErr: `not authenticated: token "expired" expired at 2026-03-01T12:01:00Z: create another`},
		{name: "revoked", secret: revoked, wantErr: `not authenticated: token "revoked" was revoked at 2026-03-01T12:00:00Z`},
		{name: "never issued", secret: newSecret(), wantErr: "not authenticated: the token is not known here"},
		{name: "mistyped", secret: good[:len(good)-1] + "!", wantErr: "not authenticated: this is not a whole cratefence token: copy it again"},
		{name: "cut", secret: good[:40], wantErr: "not authenticated: this is not a whole cratefence token: copy it again"},
		{name: "empty", wantErr: "not authenticated: this is not a whole cratefence token: copy it again"},
	}
	for _, tt := range tests {
		got, err := a.Verify(t.Context(), tt.secret)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if tt.wantErr != "" && (!errors.Is(err, ErrUnauthenticated) || err.Error() != tt.wantErr) || tt.wantErr == "" && err != nil {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.wantErr)
		}
	}
	m.err = errors.New("disk gone")
	if _, err := a.Verify(t.Context(), good); err == nil || errors.Is(err, ErrUnauthenticated) {
		t.Errorf("Verify without a store = %v, want an error that is not the token's", err)
	}
}

func TestVerifyTouches(t *testing.T) {
	now := noon
	m := &memory{}
	a, out := newAuth(m, &now)
	secret := create(t, a, TokenRequest{Name: "ci", Scopes: []string{"publish"}})
	for _, after := range []time.Duration{0, 30 * time.Second, 59 * time.Second, 60 * time.Second, 61 * time.Second} {
		now = noon.Add(after)
		if _, err := a.Verify(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]time.Time{noon, noon.Add(time.Minute)}, m.touched); diff != "" {
		t.Errorf("touched (-want +got):\n%s", diff)
	}

	now, m.touch = noon.Add(time.Hour), errors.New("disk full")
	if _, err := a.Verify(t.Context(), secret); err != nil {
		t.Errorf("Verify = %v: a note that is lost is no reason to refuse", err)
	}
	if log := out.String(); !strings.Contains(log, "disk full") || strings.Contains(log, secret) {
		t.Errorf("log %q: want the trouble in it, and no secret", log)
	}
}

func TestRevokeAudit(t *testing.T) {
	now := noon
	m := &memory{}
	a, _ := newAuth(m, &now)
	create(t, a, TokenRequest{Name: "ci", Scopes: []string{"publish"}})
	if _, err := a.Revoke(t.Context(), "ci"); err != nil {
		t.Fatal(err)
	}
	want := store.AuditEntry{At: noon, Actor: "system", Action: "token.revoke", Object: "ci"}
	if got := m.audit[len(m.audit)-1]; !cmp.Equal(want, got) {
		t.Errorf("audit: %s", cmp.Diff(want, got))
	}
	if _, err := a.Revoke(t.Context(), "ci"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("second Revoke = %v, want ErrNotFound", err)
	}
}
