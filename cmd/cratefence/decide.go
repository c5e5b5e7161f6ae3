package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// decideCmd is `cratefence decide`.
type decideCmd struct {
	Action  string `arg:"" enum:"allow,keep,block,revoke,honour-yank,accept-line" help:"allow, keep, block, revoke, honour-yank or accept-line."`
	Release string `arg:"" placeholder:"NAME@VERSION" help:"The exact release."`
	Policy  string `default:"default" help:"The policy (${default}). Yanks and lines are decided on for all."`
	Reason  string `help:"Why, in a sentence, for those who read it later."`
	After   int64  `placeholder:"N" help:"The decision that stands, where this one is to undo it."`
	Line    string `placeholder:"DIGEST" help:"Of accept-line: the line that you have read, as the command prints it without this."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (decideCmd) Help() string {
	return `What may be decided:

  allow        cargo gets it, whatever kept it back
  keep         it was looked at, and stays as it is
  block        in quarantine until somebody decides otherwise
  revoke       withdrawn, also from those who have it locked
  honour-yank  let a yank stand that the guard keeps back
  accept-line  take the index line that upstream has now, after it was edited

A decision is undone by a later one alone, which names it with --after.

Works on the data folder or database that the configuration names; a running
service hears of it at once. Who decides here is the user of this machine. One
whom no [[people]] of the configuration names among its users is not known not
to have published the release: the decision is marked as not checked for
self-approval, and a policy that asks for that (high does) refuses it.

Examples:
  cratefence decide block arrayref@0.3.10 --reason "ships a beacon"
  cratefence decide allow arrayref@0.3.10 --after 1 --reason "it was a test"
  cratefence decide accept-line arrayref@0.3.9    shows the line to accept`
}

func (c *decideCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	subject, err := parseSubject(c.Policy, c.Release)
	if err != nil {
		return err
	}
	return withDesk(ctx, cli, func(d *ruling.Desk, db database) error {
		switch c.Action {
		case "honour-yank":
			return c.honour(ctx, t, d, subject)
		case "accept-line":
			return c.accept(ctx, t, d, db, subject)
		}
		return c.rule(ctx, t, d, db, subject)
	})
}

func (c *decideCmd) rule(ctx context.Context, t *terminal, d *ruling.Desk, db database, subject ruling.Subject) error {
	made, err := d.Rule(ctx, ruling.Order{Subject: subject, Action: policy.Action(c.Action), Reason: c.Reason, After: store.ID(c.After)}, actor())
	if errors.Is(err, store.ErrConflict) {
		return overtaken(ctx, db, subject)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(t.out).Encode(api.NewRuling(made))
	}
	fmt.Fprintf(t.out, "Decision %d: %s %s %s under policy %s.\n", made.ID, made.Action, made.Crate, made.Version, made.Policy)
	if !made.Impartial {
		fmt.Fprintln(t.out, "It is marked as not checked for self-approval.")
	}
	return nil
}

// overtaken says which decision stands, and how it is undone.
func overtaken(ctx context.Context, db database, subject ruling.Subject) error {
	rulings, err := db.Rulings(ctx, store.RulingQuery{Policy: subject.Policy, Crate: subject.Crate, Version: subject.Version, Limit: 1})
	switch {
	case err != nil:
		return err
	case len(rulings) == 0:
		return fmt.Errorf("decide on %s: no decision stands: leave --after out", subject)
	}
	r := rulings[0]
	return fmt.Errorf("decide on %s: %s decided %q on %s: %q; to decide otherwise, add --after %d",
		subject, printable(r.Author), r.Action, policy.FormatTime(r.At), printable(r.Reason), r.ID)
}

func (c *decideCmd) honour(ctx context.Context, t *terminal, d *ruling.Desk, subject ruling.Subject) error {
	err := d.HonourYank(ctx, subject, c.Reason, actor())
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("honour the yank of %s: it is not yanked upstream, or honoured already", subject)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(t.out).Encode(c.decided(subject))
	}
	fmt.Fprintf(t.out, "The yank of %s stands, under every policy.\n", subject)
	return nil
}

// lineDecision is what was decided on an index line, under every policy, as JSON.
type lineDecision struct {
	Action  string `json:"action"`
	Crate   string `json:"crate"`
	Version string `json:"version"`
	Reason  string `json:"reason,omitempty"`
	// Line and Offered are the digest to accept, and the line that has it, when
	// nothing is decided yet.
	Line    string `json:"line,omitempty"`
	Offered string `json:"offered,omitempty"`
}

func (c *decideCmd) decided(subject ruling.Subject) lineDecision {
	return lineDecision{Action: c.Action, Crate: subject.Crate, Version: subject.Version, Reason: c.Reason}
}

func (c *decideCmd) accept(ctx context.Context, t *terminal, d *ruling.Desk, db database, subject ruling.Subject) error {
	offered, err := offeredLine(ctx, db, subject)
	if err != nil {
		return err
	}
	digest := ruling.LineDigest(offered)
	if c.Line == "" && c.JSON {
		asked := c.decided(subject)
		asked.Line, asked.Offered = fmt.Sprintf("%x", digest[:8]), string(offered)
		return json.NewEncoder(t.out).Encode(asked)
	}
	if c.Line == "" {
		fmt.Fprintf(t.out, "Upstream has this line for %s now:\n\n%s\n\nTo accept it under every policy:\n  cratefence decide accept-line %s --line %x --reason WHY\n",
			subject, printable(string(offered)), subject, digest[:8])
		return nil
	}
	if c.Line != fmt.Sprintf("%x", digest[:8]) && c.Line != fmt.Sprintf("%x", digest) {
		return fmt.Errorf("accept the line of %s: upstream offers another line than --line %q: read it without --line", subject, c.Line)
	}
	err = d.AcceptLine(ctx, subject, digest, c.Reason, actor())
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("accept the line of %s: upstream offers another line by now: read it without --line", subject)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(t.out).Encode(c.decided(subject))
	}
	fmt.Fprintf(t.out, "The line of %s is accepted, under every policy.\n", subject)
	return nil
}

// offeredLine is the line that upstream has now for a version whose line it
// edited.
func offeredLine(ctx context.Context, db database, subject ruling.Subject) ([]byte, error) {
	_, records, err := db.IndexFile(ctx, store.IndexKey(subject.Crate))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	i := slices.IndexFunc(records, func(r store.LineRecord) bool {
		return r.Version == subject.Version && r.Trouble == policy.LineChanged
	})
	if i < 0 {
		return nil, fmt.Errorf("accept the line of %s: upstream has not edited it", subject)
	}
	return records[i].Offered, nil
}
