package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// tokenCmd is `cratefence token`.
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print its secret, once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token."`
}

func (tokenCmd) Help() string {
	return `Works on the data folder or database that the configuration names; the service
need not run, and sees the change at once.`
}

type tokenCreateCmd struct {
	Name      string        `arg:"" help:"What the token is for; pages and the audit log show it."`
	Scope     []string      `required:"" enum:"${scopes}" help:"What it may do (repeatable): ${enum}."`
	Expires   time.Duration `default:"2160h" help:"How long it lives (${default}, 90 days)."`
	BeyondMax bool          `help:"Let it live longer than a year."`
	JSON      bool          `name:"json" help:"Print JSON, the secret in it."`
}

func (tokenCreateCmd) Help() string {
	var scopes strings.Builder
	for _, s := range auth.Scopes() {
		fmt.Fprintf(&scopes, "  %-8s %s\n", s.Name, strings.TrimSpace(wrap(s.Doc, 78, "           ")))
	}
	return `The secret goes to standard output and is stored nowhere: only its hash is.

What a scope allows; none holds another:
` + scopes.String() + `
Examples:
  cratefence token create --scope publish ci > token
  cratefence token create --scope read --scope decide alice > token`
}

// scopeNames lists the scopes as kong wants them.
func scopeNames() string {
	var names []string
	for _, s := range auth.Scopes() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ",")
}

func (c *tokenCreateCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	return withAuth(ctx, cli, t, openDatabase, func(ctx context.Context, a *auth.Auth) error {
		secret, token, err := a.Create(ctx, auth.TokenRequest{Name: c.Name, Scopes: c.Scope, ExpiresAt: time.Now().Add(c.Expires), BeyondMax: c.BeyondMax})
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(t.out).Encode(createdToken{secret, newTokenInfo(token, time.Now())})
		}
		fmt.Fprintln(t.out, secret)
		fmt.Fprintf(t.err, "Token %q may %s until %s. The line above is shown only now.\n",
			token.Name, strings.Join(token.Scopes, ", "), policy.FormatTime(token.ExpiresAt))
		return nil
	})
}

// createdToken is a new token as JSON: the one time that its secret is told.
type createdToken struct {
	Secret string `json:"secret"`
	tokenInfo
}

type tokenListCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (tokenListCmd) Help() string {
	return `Examples:
  cratefence token list
  cratefence token list --json`
}

// tokenInfo is a token as JSON.
type tokenInfo struct {
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	UsedAt    time.Time `json:"used_at,omitzero"`
}

func newTokenInfo(t store.Token, now time.Time) tokenInfo {
	state := "in force"
	switch {
	case !t.RevokedAt.IsZero():
		state = "revoked"
	case !t.ExpiresAt.After(now):
		state = "expired"
	}
	return tokenInfo{t.Name, t.Scopes, state, t.CreatedAt, t.ExpiresAt, t.UsedAt}
}

func (c *tokenListCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	return withAuth(ctx, cli, t, openExisting, func(ctx context.Context, a *auth.Auth) error {
		tokens, err := a.Tokens(ctx)
		if err != nil {
			return err
		}
		infos := make([]tokenInfo, 0, len(tokens))
		now := time.Now()
		for _, token := range tokens {
			infos = append(infos, newTokenInfo(token, now))
		}
		if c.JSON {
			return json.NewEncoder(t.out).Encode(infos)
		}
		if len(infos) == 0 {
			fmt.Fprintln(t.out, "No tokens. Make one: cratefence token create --scope publish NAME")
			return nil
		}
		w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tSCOPES\tSTATE\tEXPIRES\tLAST USED")
		for _, i := range infos {
			used := "never"
			if !i.UsedAt.IsZero() {
				used = i.UsedAt.Format(time.DateOnly)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable(i.Name), strings.Join(i.Scopes, ","), i.State, i.ExpiresAt.Format(time.DateOnly), used)
		}
		return w.Flush()
	})
}

type tokenRevokeCmd struct {
	Name string `arg:"" help:"The token's name."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (tokenRevokeCmd) Help() string {
	return `A running service refuses it within two seconds.

Example:
  cratefence token revoke ci`
}

func (c *tokenRevokeCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	return withAuth(ctx, cli, t, openExisting, func(ctx context.Context, a *auth.Auth) error {
		revoked, err := a.Revoke(ctx, c.Name)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(t.out).Encode(newTokenInfo(revoked, time.Now()))
		}
		fmt.Fprintf(t.out, "Token %q is revoked.\n", c.Name)
		return nil
	})
}

// withAuth opens the store that the configuration names and acts on its tokens
// in the name of the person at this machine.
func withAuth(ctx context.Context, cli *cli, t *terminal, open func(context.Context, Config) (opened, error), do func(context.Context, *auth.Auth) error) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	log := slog.New(slog.NewTextHandler(t.err, nil))
	return do(auth.WithActor(ctx, actor()), &auth.Auth{Store: db, Now: time.Now, Log: log})
}

// actor names the person at this machine, for the audit log.
func actor() string {
	u, err := user.Current()
	if err != nil {
		return "cli"
	}
	return "cli:" + u.Username
}
