package auth

import (
	"slices"
	"strings"
)

// ScopePublish lets a token bring releases.
const ScopePublish = "publish"

// A Scope is something that a token may allow.
type Scope struct {
	Name string
	Doc  string // one sentence
}

// Scopes lists every scope there is.
func Scopes() []Scope {
	return []Scope{
		{Name: ScopePublish, Doc: "Bring releases in: submit the bytes of a version."},
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
