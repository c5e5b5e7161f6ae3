package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// exceptCmd is `cratefence except`.
type exceptCmd struct {
	Add    exceptAddCmd    `cmd:"" help:"Let one exact release past one rule for a time."`
	List   exceptListCmd   `cmd:"" help:"List exceptions."`
	Expire exceptExpireCmd `cmd:"" help:"End an exception before its time."`
}

func (exceptCmd) Help() string {
	return `Works on the data folder or database that the configuration names; a running
service hears of it at once. Who decides here is the user of this machine. One
whom no [[people]] of the configuration names among its users is not known not
to have published the release: the decision is marked as not checked for
self-approval, and a policy that asks for that (high does) refuses it.`
}

type exceptAddCmd struct {
	Release string        `arg:"" placeholder:"NAME@VERSION" help:"The exact release."`
	Policy  string        `default:"default" help:"The policy (${default})."`
	Rule    string        `required:"" help:"The rule, as the decision names it: see 'cratefence decisions NAME@VERSION'."`
	Reason  string        `required:"" help:"Why, in a sentence, for those who read it later."`
	Expires time.Duration `default:"720h" help:"How long it lasts (${default}, 30 days); a year at most."`
	JSON    bool          `name:"json" help:"Print JSON."`
}

func (exceptAddCmd) Help() string {
	return `It holds for the bytes first seen under that version, and ends by itself.

Example:
  cratefence except add arrayref@0.3.10 --rule cool-off --reason "We wrote it"`
}

func (c *exceptAddCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	subject, err := parseSubject(c.Policy, c.Release)
	if err != nil {
		return err
	}
	return withDesk(ctx, cli, func(d *ruling.Desk, _ database) error {
		made, err := d.Except(ctx, ruling.Waiver{Subject: subject, Rule: c.Rule, Reason: c.Reason, Expires: time.Now().Add(c.Expires)}, actor())
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(t.out).Encode(api.NewException(made))
		}
		fmt.Fprintf(t.out, "Exception %d: %s %s past %s under policy %s until %s.\n",
			made.ID, made.Crate, made.Version, made.Rule, made.Policy, policy.FormatTime(made.ExpiresAt))
		return nil
	})
}

type exceptListCmd struct {
	Policy string `help:"Only of this policy."`
	All    bool   `help:"Those that have ended, too."`
	JSON   bool   `name:"json" help:"Print one line of JSON per exception."`
}

func (c *exceptListCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	return withDatabase(ctx, cli, func(_ Config, db database) error {
		all, err := db.Exceptions(ctx, store.ExceptionQuery{Policy: c.Policy, Open: !c.All})
		if err != nil {
			return err
		}
		for _, e := range all {
			if c.JSON {
				if err := json.NewEncoder(t.out).Encode(api.NewException(e)); err != nil {
					return err
				}
				continue
			}
			end := "until " + policy.FormatTime(e.ExpiresAt)
			if !e.EndedAt.IsZero() {
				end = fmt.Sprintf("ended %s by %s", policy.FormatTime(e.EndedAt), printable(e.EndedBy))
			}
			fmt.Fprintf(t.out, "%d  %s %s past %s under policy %s\n", e.ID, printable(e.Crate), printable(e.Version), printable(e.Rule), printable(e.Policy))
			fmt.Fprintln(t.out, wrap(fmt.Sprintf("%s, by %s: %s", end, printable(e.Author), printable(e.Reason)), reportWidth, "   "))
		}
		if len(all) == 0 && !c.JSON {
			fmt.Fprintln(t.out, "No exceptions. Make one: cratefence except add NAME@VERSION --rule RULE --reason WHY")
		}
		return nil
	})
}

func (exceptListCmd) Help() string {
	return `Examples:
  cratefence except list
  cratefence except list --all --json`
}

type exceptExpireCmd struct {
	ID   int64 `arg:"" name:"id" help:"The exception's number, as 'except list' has it."`
	JSON bool  `name:"json" help:"Print JSON."`
}

func (exceptExpireCmd) Help() string {
	return `Example:
  cratefence except expire 3`
}

func (c *exceptExpireCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	return withDesk(ctx, cli, func(d *ruling.Desk, _ database) error {
		ended, err := d.Expire(ctx, store.ID(c.ID), actor())
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(t.out).Encode(api.NewException(ended))
		}
		fmt.Fprintf(t.out, "Exception %d is over: %s %s no longer passes %s.\n", ended.ID, ended.Crate, ended.Version, ended.Rule)
		return nil
	})
}
