package ruling

import (
	"fmt"
	"slices"
	"strings"
)

// A Person is somebody who decides, and the accounts by which they publish.
type Person struct {
	Name string
	// Actors are how the audit log names them: "token:NAME", "cli:USER".
	Actors []string
	// Publishers are their accounts, as releases name them.
	Publishers []string
}

// People link those who decide to those who publish.
type People []Person

// Of returns the person behind an actor.
func (p People) Of(actor string) (_ Person, linked bool) {
	i := slices.IndexFunc(p, func(one Person) bool { return slices.Contains(one.Actors, actor) })
	if i < 0 {
		return Person{}, false
	}
	return p[i], true
}

// judge reports whether it is known that an actor did not publish what the
// publisher did; the error wraps ErrOwn when they did.
func (p People) judge(actor, publisher string) (impartial bool, err error) {
	person, linked := p.Of(actor)
	if !linked || publisher == "" {
		return false, nil
	}
	if slices.ContainsFunc(person.Publishers, func(account string) bool { return strings.EqualFold(account, publisher) }) {
		return false, fmt.Errorf("%w: %s published it as %q, and somebody else has to decide", ErrOwn, person.Name, publisher)
	}
	// Who started a project's automation is not known: any of its maintainers may
	// have.
	return !strings.Contains(publisher, automated), nil
}

// automated stands in the names of trusted-publishing identities,
// "github:owner/name", and in no account's.
const automated = "/"

// remedy says what would make it known.
func (p People) remedy(actor string) string {
	if _, linked := p.Of(actor); linked {
		return "its publisher is not known here"
	}
	return "the configuration's [[people]] links nobody to them"
}
