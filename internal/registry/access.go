package registry

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/auth"
)

// Access says who may use which policies.
type Access struct {
	// Anonymous are the policies that need no token.
	Anonymous []string
	// Tokens are those that a token may use, by the token's name. One that is not
	// named may use those of Anonymous.
	Tokens map[string][]string
	// AuthRequired: without a token nothing is served at all.
	AuthRequired bool
}

// Policies names those that a token may use; "" is who has none. Whoever may use
// a policy may read what it decided, and nobody else may.
func (a Access) Policies(token string) []string {
	if token == "" {
		if a.AuthRequired {
			return nil
		}
		return a.Anonymous
	}
	if policies, named := a.Tokens[token]; named {
		return policies
	}
	return a.Anonymous
}

// Open reports whether a policy is open to clients without a token.
func (a Access) Open(policy string) bool { return slices.Contains(a.Policies(""), policy) }

// token reports whether the token of that name may use a policy.
func (a Access) token(name, policy string) bool { return slices.Contains(a.Policies(name), policy) }

// anyToken reports whether a token could help.
func (a Access) anyToken(policy string) bool {
	for _, policies := range a.Tokens {
		if slices.Contains(policies, policy) {
			return true
		}
	}
	return slices.Contains(a.Anonymous, policy)
}

// The ways in which access is refused.
var (
	errNeedsToken = errors.New("this policy needs a token with the scope fetch: run cargo login --registry NAME, or set CARGO_REGISTRIES_NAME_TOKEN")
	errForbidden  = errors.New("not open to you")
	errUserinfo   = errors.New("a user name or password in the registry's URL is not read here, and has been sent in the clear: take it out, " +
		"revoke it if it was a token, and run cargo login")
)

const anonymous = "anonymous"

// identify says who asks, as fetches are recorded, and whether they may use the
// policy.
func (f *fence) identify(r *http.Request, policy string) (actor string, err error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return anonymous, f.Access.refusal(policy)
	}
	secret, err := auth.Secret(values)
	if err != nil {
		return "", err
	}
	if hasPrefixFold(secret, "basic ") {
		return "", errUserinfo
	}
	id, err := f.Tokens.Verify(r.Context(), secret)
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		return "", err
	case err != nil:
		return "", fmt.Errorf("%w: %w", errTokens, err)
	case slices.Contains(id.Scopes, auth.ScopeFetch) && f.Access.token(id.Token, policy):
		return "token:" + id.Token, nil
	case f.Access.Open(policy):
		return "token:" + id.Token, nil
	case !slices.Contains(id.Scopes, auth.ScopeFetch):
		return "", fmt.Errorf("%w: token %q does not have the scope %q", errForbidden, id.Token, auth.ScopeFetch)
	default:
		return "", fmt.Errorf("%w: token %q may not use the policy %q", errForbidden, id.Token, policy)
	}
}

// refusal says why a client without a token may not use a policy.
func (a Access) refusal(policy string) error {
	switch {
	case a.Open(policy):
		return nil
	case a.anyToken(policy):
		return errNeedsToken
	default:
		return fmt.Errorf("%w: the policy %q is not open to anybody without a token that names it", errForbidden, policy)
	}
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
