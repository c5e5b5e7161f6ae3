package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// logCmd is `cratefence log`.
type logCmd struct {
	Limit int  `default:"50" help:"How many entries at most (${default}); 0 prints all."`
	JSON  bool `name:"json" help:"Print one line of JSON per entry."`
}

func (logCmd) Help() string {
	return `Every write stands in the audit log: releases announced and published, tokens made
and revoked, with who did it and when. It is append-only: the database itself
refuses to change or delete an entry. The newest comes first.

Examples:
  cratefence log
  cratefence log --limit 0 --json > audit.jsonl`
}

// logEntry is an audit entry as JSON.
type logEntry struct {
	ID     store.ID        `json:"id"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"`
	Object string          `json:"object"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

func (c *logCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	db, err := openExisting(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	err = c.each(ctx, db, func(e store.AuditEntry) error {
		if c.JSON {
			return json.NewEncoder(t.out).Encode(logEntry{e.ID, e.At, e.Actor, e.Action, e.Object, e.Detail})
		}
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.At.Format(time.RFC3339), printable(e.Actor), printable(e.Action), printable(e.Object))
		return err
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// each visits entries, newest first, a page at a time.
func (c *logCmd) each(ctx context.Context, db database, visit func(store.AuditEntry) error) error {
	const page = 500
	var before store.ID
	for left := c.Limit; c.Limit == 0 || left > 0; {
		want := page
		if c.Limit > 0 {
			want = min(want, left)
		}
		entries, err := db.AuditLog(ctx, before, want)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := visit(e); err != nil {
				return err
			}
			before = e.ID
		}
		if len(entries) < want {
			return nil
		}
		left -= len(entries)
	}
	return nil
}
