package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// decisionsCmd is `cratefence decisions`.
type decisionsCmd struct {
	Release string `arg:"" optional:"" placeholder:"NAME[@VERSION]" help:"Only of this crate; of a release, what was decided before, too."`
	Policy  string `help:"Only of this policy."`
	Verdict string `enum:",allow,hold,block" default:"" help:"Only these: allow, hold or block."`
	State   string `enum:",allowed,waived,grandfathered,held,unknown,quarantined,revoked" default:"" help:"Only those in this state, such as quarantined."`
	Limit   int    `default:"50" help:"How many at most (${default})."`
	JSON    bool   `name:"json" help:"Print one line of JSON per decision."`
}

func (decisionsCmd) Help() string {
	return `What policies made of releases, newest first. Releases that were merely older than
a policy's baseline are not among them. The reasons end with the name of their
rule, as an exception has to give it.

Examples:
  cratefence decisions --verdict hold
  cratefence decisions arrayref@0.3.10`
}

// stateLook is how a state shows, as look is for conclusions.
var stateLook = map[policy.State]struct{ sign, colour string }{
	policy.Allowed:       {"✓", "32"},
	policy.Waived:        {"✓", "34"},
	policy.Grandfathered: {"✓", "90"},
	policy.Held:          {"‖", "33"},
	policy.Unknown:       {"?", "33"},
	policy.Quarantined:   {"✕", "31"},
	policy.Revoked:       {"✕", "31"},
}

func (c *decisionsCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	q := store.DecisionQuery{Policy: c.Policy, Verdict: policy.Verdict(c.Verdict), State: policy.State(c.State), Limit: c.Limit}
	q.Crate, q.Version, q.History = strings.Cut(c.Release, "@")
	return withDatabase(ctx, cli, func(cfg Config, db database) error {
		records, err := db.Decisions(ctx, q)
		if err != nil {
			return err
		}
		r := newReporter(t.out)
		for _, record := range records {
			if !c.JSON {
				r.decision(record)
			} else if err := json.NewEncoder(t.out).Encode(api.NewDecisionRecord(record, cfg.BaseURL)); err != nil {
				return err
			}
		}
		if len(records) == 0 && !c.JSON {
			fmt.Fprintln(t.out, "No such decision has been made.")
		}
		return nil
	})
}

// decision prints a decision: what, until when, and why.
func (r *reporter) decision(record store.DecisionRecord) {
	d := record.Decision
	l, ok := stateLook[d.State]
	state := string(d.State)
	if !ok {
		l, state = stateLook[policy.Unknown], string(policy.Unknown)
	}
	if d.Observed && d.Verdict() != policy.Allow {
		state = "would be " + state
	}
	head := fmt.Sprintf("%s %s, under policy %s", printable(record.Crate), printable(record.Version), printable(record.Policy))
	if until := d.Until(); d.Verdict() == policy.Hold && !until.IsZero() {
		head += ", until " + policy.FormatTime(until)
	}
	fmt.Fprintf(r.out, "%s %s  %s\n", r.paint(l.colour, l.sign), r.paint(l.colour, state), head)
	for _, why := range d.Reasons {
		fmt.Fprintln(r.out, wrap(fmt.Sprintf("%s [%s]", printable(why.Text), printable(why.Rule)), reportWidth, "    "))
	}
	fmt.Fprintln(r.out, "    decided "+policy.FormatTime(record.At))
}
