// Package auth says who may write: tokens and what they allow, the signature of
// the publish webhook, and the name under which a write stands in the audit log.
//
// A token's secret is shown once, when it is created; what is kept is its
// SHA-256. The package knows no routes: a way in wraps itself in Middleware and
// asks Require for the scope that a write needs.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

var (
	// ErrUnauthenticated: no token, or one that is not in force. What it wraps
	// may be told to whoever sent the token, and to nobody else.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden: the token is in force and does not have the scope.
	ErrForbidden = errors.New("not allowed")
	// ErrInvalid wraps what is wrong with a token that is to be created.
	ErrInvalid = errors.New("invalid token request")
)

// How long a token lives.
const (
	DefaultLifetime = 90 * 24 * time.Hour
	MaxLifetime     = 366 * 24 * time.Hour
)

// touchEvery bounds how often using a token writes to the store.
const touchEvery = time.Minute

// Auth creates, verifies and revokes tokens.
type Auth struct {
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
}

// A TokenRequest describes a token to be created.
type TokenRequest struct {
	// Name stands in the audit log as "token:NAME": one to 64 lower-case letters,
	// digits, dots, hyphens and underscores, the first a letter or digit.
	Name string
	// Scopes are what it allows, at least one.
	Scopes []string
	// ExpiresAt is zero for DefaultLifetime from now.
	ExpiresAt time.Time
	// BeyondMax says that a life of more than MaxLifetime is meant.
	BeyondMax bool
}

var tokenName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Create makes a token in the name of the context's actor. The secret is
// returned this once and kept nowhere. The error wraps ErrInvalid, or
// store.ErrConflict when a token of that name is in force.
func (a *Auth) Create(ctx context.Context, req TokenRequest) (secret string, _ store.Token, err error) {
	now := a.Now().UTC()
	if req.ExpiresAt.IsZero() {
		req.ExpiresAt = now.Add(DefaultLifetime)
	}
	if err := req.validate(now); err != nil {
		return "", store.Token{}, err
	}
	secret = newSecret()
	detail, err := json.Marshal(map[string]any{"scopes": req.Scopes, "expires_at": req.ExpiresAt.UTC()})
	if err != nil {
		return "", store.Token{}, fmt.Errorf("create token %q: %w", req.Name, err)
	}
	token, err := a.Store.CreateToken(ctx, store.Token{
		Name: req.Name, Hash: sha256.Sum256([]byte(secret)), Scopes: req.Scopes,
		CreatedAt: now, ExpiresAt: req.ExpiresAt.UTC(),
	}, store.AuditEntry{At: now, Actor: Actor(ctx), Action: "token.create", Object: req.Name, Detail: detail})
	if err != nil {
		return "", store.Token{}, fmt.Errorf("create token %q: %w", req.Name, err)
	}
	return secret, token, nil
}

func (req *TokenRequest) validate(now time.Time) error {
	switch {
	case !tokenName.MatchString(req.Name):
		return fmt.Errorf("%w: name %q: want 1 to 64 of a-z 0-9 . _ -, the first a letter or digit", ErrInvalid, req.Name)
	case len(req.Scopes) == 0:
		return fmt.Errorf("%w: no scope: choose from %s", ErrInvalid, scopeNames())
	case !req.ExpiresAt.After(now):
		return fmt.Errorf("%w: it would expire in the past, at %s", ErrInvalid, req.ExpiresAt.Format(time.RFC3339))
	case req.ExpiresAt.Sub(now) > MaxLifetime && !req.BeyondMax:
		return fmt.Errorf("%w: it would live until %s, more than a year: say so explicitly if that is meant",
			ErrInvalid, req.ExpiresAt.Format(time.DateOnly))
	}
	seen := map[string]bool{}
	for _, name := range req.Scopes {
		if !known(name) {
			return fmt.Errorf("%w: unknown scope %q: choose from %s", ErrInvalid, name, scopeNames())
		}
		if seen[name] {
			return fmt.Errorf("%w: scope %q is given twice", ErrInvalid, name)
		}
		seen[name] = true
	}
	return nil
}

// Tokens lists all tokens, newest first, expired and revoked ones too.
func (a *Auth) Tokens(ctx context.Context) ([]store.Token, error) { return a.Store.Tokens(ctx) }

// Revoke ends the token of that name that is in force, from now on. The error
// wraps store.ErrNotFound when there is none.
func (a *Auth) Revoke(ctx context.Context, name string) (store.Token, error) {
	now := a.Now().UTC()
	token, err := a.Store.RevokeToken(ctx, name, now,
		store.AuditEntry{At: now, Actor: Actor(ctx), Action: "token.revoke", Object: name})
	if err != nil {
		return store.Token{}, fmt.Errorf("revoke token %q: %w", name, err)
	}
	return token, nil
}

// Verify says whose secret it is. The error wraps ErrUnauthenticated, or is the
// store's trouble. That a token has expired or was revoked is told only to
// somebody who has its whole secret.
func (a *Auth) Verify(ctx context.Context, secret string) (Identity, error) {
	token, err := a.verify(ctx, secret)
	if err != nil {
		return Identity{}, err
	}
	return identityOf(token), nil
}

func identityOf(t store.Token) Identity { return Identity{Token: t.Name, Scopes: t.Scopes} }

// verify returns the token of a secret, which is in force.
func (a *Auth) verify(ctx context.Context, secret string) (store.Token, error) {
	if !wellFormed(secret) {
		return store.Token{}, errMalformed
	}
	hash := sha256.Sum256([]byte(secret))
	token, err := a.Store.TokenByHash(ctx, hash)
	switch now := a.Now(); {
	case errors.Is(err, store.ErrNotFound):
		return store.Token{}, errUnknown
	case err != nil:
		return store.Token{}, fmt.Errorf("verify token: %w", err)
	case subtle.ConstantTimeCompare(token.Hash[:], hash[:]) != 1:
		return store.Token{}, errUnknown
	case !token.RevokedAt.IsZero():
		return store.Token{}, fmt.Errorf("%w: token %q was revoked at %s",
			ErrUnauthenticated, token.Name, token.RevokedAt.UTC().Format(time.RFC3339))
	case !now.Before(token.ExpiresAt):
		return store.Token{}, expired(token)
	case now.Sub(token.UsedAt) >= touchEvery:
		a.touch(ctx, token, now)
	}
	return token, nil
}

// Refusals that are the same for everybody.
var (
	errMalformed = fmt.Errorf("%w: this is not a whole cratefence token: copy it again", ErrUnauthenticated)
	errUnknown   = fmt.Errorf("%w: the token is not known here", ErrUnauthenticated)
)

func expired(t store.Token) error {
	return fmt.Errorf("%w: token %q expired at %s: create another",
		ErrUnauthenticated, t.Name, t.ExpiresAt.UTC().Format(time.RFC3339))
}

// touch notes the use of a token. A note that is lost is no reason to refuse.
func (a *Auth) touch(ctx context.Context, token store.Token, now time.Time) {
	if err := a.Store.TouchToken(ctx, token.ID, now.UTC()); err != nil {
		a.Log.WarnContext(ctx, "token use not noted", "token", token.Name, "error", err)
	}
}
