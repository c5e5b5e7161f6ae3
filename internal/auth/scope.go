package auth

import (
	"slices"
	"strings"
)

// What a token may be allowed. No scope holds another: a token that decides and
// fetches has both.
const (
	ScopePublish = "publish"
	ScopeRead    = "read"
	ScopeFetch   = "fetch"
	ScopeDecide  = "decide"
	ScopeAdmin   = "admin"
)

// A Scope is something that a token may allow.
type Scope struct {
	Name string
	Doc  string // one sentence
}

// Scopes lists every scope there is.
func Scopes() []Scope {
	return []Scope{
		{Name: ScopePublish, Doc: "Bring releases in: submit the bytes of a version."},
		{Name: ScopeRead, Doc: "Read pages and API where they are not open to everybody."},
		{Name: ScopeFetch, Doc: "Let cargo use the index and the downloads of the policies that the configuration gives the token."},
		{Name: ScopeDecide, Doc: "Decide on releases: exceptions, quarantine, yanks and changed lines."},
		{Name: ScopeAdmin, Doc: "See who fetched what, and change what holds for everybody."},
	}
}

func known(name string) bool {
	return slices.ContainsFunc(Scopes(), func(s Scope) bool { return s.Name == name })
}

func scopeNames() string {
	var names []string
	for _, s := range Scopes() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
