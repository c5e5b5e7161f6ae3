package auth

import (
	"context"
	"fmt"
	"slices"
)

// An Identity is who a request comes from.
type Identity struct {
	Token  string // the token's name
	Scopes []string
}

type contextKey int

const (
	identityKey contextKey = iota
	actorKey
)

// Who returns the identity of the request's token; ok is false when it has none.
func Who(ctx context.Context) (_ Identity, ok bool) {
	id, ok := ctx.Value(identityKey).(Identity)
	return id, ok
}

// Require returns the identity of the request's token. The error wraps
// ErrUnauthenticated when there is none, ErrForbidden when it lacks the scope.
func Require(ctx context.Context, scope string) (Identity, error) {
	id, ok := Who(ctx)
	if !ok {
		return Identity{}, fmt.Errorf("%w: send a token with the scope %q as \"Authorization: Bearer TOKEN\"", ErrUnauthenticated, scope)
	}
	if !slices.Contains(id.Scopes, scope) {
		return Identity{}, fmt.Errorf("%w: token %q does not have the scope %q", ErrForbidden, id.Token, scope)
	}
	return id, nil
}

func withIdentity(ctx context.Context, id Identity) context.Context {
	return WithActor(context.WithValue(ctx, identityKey, id), "token:"+id.Token)
}

// WithActor says who acts from here on, as the audit log is to name them:
// "webhook", "cli:USER".
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey, actor)
}

// Actor names who acts, for the audit log: "token:NAME" behind Middleware with a
// token, "anonymous" behind it without one, what WithActor said, else "system".
func Actor(ctx context.Context) string {
	if actor, ok := ctx.Value(actorKey).(string); ok {
		return actor
	}
	return "system"
}
