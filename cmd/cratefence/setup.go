package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// setupCmd is `cratefence setup`.
type setupCmd struct {
	Policy       string    `default:"default" help:"The policy to use (${default})."`
	URL          string    `name:"url" env:"CRATEFENCE_SERVER" placeholder:"URL" help:"Where the fence is reached. Without it: the configuration's base_url, else http://127.0.0.1:8080."`
	Token        bool      `xor:"who" help:"Cargo brings a token. Without --token and --anonymous the fence is asked whether it wants one."`
	Anonymous    bool      `xor:"who" help:"Cargo brings no token."`
	RegistryOnly bool      `help:"Only make the fence known as the registry \"fence\"; crates.io stays where it is."`
	Write        writeFlag `placeholder:"[=FILE]" help:"Put the lines into FILE, or .cargo/config.toml. What else stands in it stays as it is."`
	Offline      bool      `help:"Do not ask whether the fence answers."`
	JSON         bool      `name:"json" help:"Print JSON."`
}

func (setupCmd) Help() string {
	return `Prints the lines of .cargo/config.toml that have the cargo installed here use the
fence in the place of crates.io. Nothing is changed without --write. Lock files
stay as they are: with the fence or without, they name crates.io.

Examples:
  cratefence setup
  cratefence setup --write
  cratefence setup --policy strict --token --write=$HOME/.cargo/config.toml`
}

// writeFlag is --write or --write=FILE.
type writeFlag struct {
	on   bool
	file string
}

// IsBool lets kong accept the flag without a value.
func (writeFlag) IsBool() bool { return true }

// Decode reads the flag.
func (w *writeFlag) Decode(ctx *kong.DecodeContext) error {
	w.on, w.file = true, filepath.Join(".cargo", "config.toml")
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	w.file = ctx.Scan.Pop().String()
	if w.file == "" {
		return errors.New("want --write or --write=FILE")
	}
	return nil
}

// setupResult is what was found and done.
type setupResult struct {
	Cargo   string   `json:"cargo"`
	Policy  string   `json:"policy"`
	Index   string   `json:"index"`
	Token   bool     `json:"token"`
	Checked bool     `json:"checked"` // the fence answered
	Lines   string   `json:"lines"`
	File    string   `json:"file,omitempty"` // that was written
	Changed bool     `json:"changed"`
	Notes   []string `json:"notes"`
}

func (c *setupCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	base, err := fenceURL(orElse(c.URL, orElse(cfg.BaseURL, "http://127.0.0.1:8080")))
	if err != nil {
		return err
	}
	if !policyName.MatchString(c.Policy) {
		return fmt.Errorf("--policy %q: want 1 to 32 of a-z 0-9 -", c.Policy)
	}
	cargo, err := installedCargo(ctx)
	if err != nil {
		return err
	}
	plan := setupPlan{
		cargo: cargo, policy: c.Policy, token: c.Token, registryOnly: c.RegistryOnly,
		index: "sparse+" + base.JoinPath("p", c.Policy, "index").String() + "/",
	}
	if !c.Offline {
		if plan.token, err = askFence(ctx, base, c.Policy, c.Token); err != nil {
			return err
		}
		if c.Anonymous && plan.token {
			return fmt.Errorf("the policy %q wants a token: leave --anonymous out", c.Policy)
		}
	}
	result, err := c.carryOut(plan)
	if err != nil {
		return err
	}
	return result.print(t, c.JSON)
}

// carryOut works out the lines, and writes them if that is wanted.
func (c *setupCmd) carryOut(plan setupPlan) (setupResult, error) {
	if err := plan.possible(); err != nil {
		return setupResult{}, err
	}
	result := setupResult{
		Cargo: plan.cargo.String(), Policy: plan.policy, Index: plan.index, Token: plan.token,
		Checked: !c.Offline, Lines: plan.lines(), Notes: plan.notes(),
	}
	if !c.Write.on {
		return result, nil
	}
	changed, err := writeCargoConfig(c.Write.file, plan)
	if err != nil {
		return setupResult{}, fmt.Errorf("write %s: %w", c.Write.file, err)
	}
	result.File, result.Changed = c.Write.file, changed
	return result, nil
}

// print puts the lines on standard output, where they can be redirected, and all
// else on standard error.
func (r setupResult) print(t *terminal, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(t.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	switch {
	case r.Changed:
		fmt.Fprintf(t.out, "%s now has cargo use %s\n", r.File, r.Index)
	case r.File != "":
		fmt.Fprintf(t.out, "%s has cargo use %s already\n", r.File, r.Index)
	default:
		fmt.Fprint(t.out, r.Lines)
	}
	answers := "the fence was not asked"
	if r.Checked {
		answers = "the fence answers"
	}
	fmt.Fprintf(t.err, "\nFor cargo %s and the policy %q; %s.\n", r.Cargo, r.Policy, answers)
	for _, note := range r.Notes {
		fmt.Fprintln(t.err, wrap(note, 78, "  ")[2:])
	}
	return nil
}

var policyName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// fenceURL reads the address of a fence. A user or password has no place in it:
// cargo would send it in the clear, and not with downloads.
func fenceURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("--url is not a URL") // not quoted: a password may be in it
	case u.User != nil:
		return nil, fmt.Errorf("--url %q: a token has no place in a URL: leave it out, and run cargo login afterwards", u.Redacted())
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, fmt.Errorf("--url %q: want https://HOST or http://HOST", s)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("--url %q: want the service's address, with nothing after it", u.Redacted())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// installedCargo asks cargo for its version.
func installedCargo(ctx context.Context) (cargoVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second) // rustup may unpack something first
	defer cancel()
	said, err := exec.CommandContext(ctx, "cargo", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return cargoVersion{}, errors.New("no cargo is installed here: run this where cargo is")
	}
	if err != nil {
		return cargoVersion{}, fmt.Errorf("run cargo --version: %w", err)
	}
	return parseCargoVersion(string(said))
}
