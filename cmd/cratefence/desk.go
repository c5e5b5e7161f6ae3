package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
)

// newDesk is where people's decisions are taken.
func newDesk(cfg Config, db database, policies ruling.Policies) *ruling.Desk {
	var people ruling.People
	for _, p := range cfg.People {
		person := ruling.Person{Name: p.Name, Publishers: p.Publishers}
		for _, token := range p.Tokens {
			person.Actors = append(person.Actors, "token:"+token)
		}
		for _, name := range p.Users {
			person.Actors = append(person.Actors, "cli:"+name)
		}
		people = append(people, person)
	}
	return &ruling.Desk{Store: db, Releases: db, Lines: db, Policies: policies, People: people, Now: time.Now}
}

// withDesk opens the store that the configuration names, to decide in the name
// of the person at this machine.
func withDesk(ctx context.Context, cli *cli, do func(*ruling.Desk, database) error) error {
	return withDatabase(ctx, cli, func(cfg Config, db database) error {
		policies, err := openPolicies(cfg.Fence.Policies, cfg.Fence.checkAccess)
		if err != nil {
			return err
		}
		return do(newDesk(cfg, db, writtenIn{policies.set}), db)
	})
}

// writtenIn are the policies of a file, as decisions ask them.
type writtenIn struct{ set *policy.Set }

func (w writtenIn) Policy(name string) (*policy.Policy, bool) {
	p := w.set.Policy(name)
	return p, p != nil
}

func (w writtenIn) Policies() (names []string) {
	for _, p := range w.set.Policies() {
		names = append(names, p.Name)
	}
	return names
}

// parseSubject reads NAME@VERSION. Whether they can be a name and a version is
// the desk's to say.
func parseSubject(policyName, release string) (ruling.Subject, error) {
	name, version, ok := strings.Cut(release, "@")
	if !ok || name == "" || version == "" {
		return ruling.Subject{}, fmt.Errorf("read release %q: want NAME@VERSION, as in serde@1.0.219", release)
	}
	return ruling.Subject{Policy: policyName, Crate: name, Version: version}, nil
}
