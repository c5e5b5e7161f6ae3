package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/nearest"
	"github.com/cratefence/cratefence/internal/policy"
)

// policyCmd is `cratefence policy`.
type policyCmd struct {
	Check   policyCheckCmd   `cmd:"" help:"Say whether a policy file can be taken, and what in it is seldom meant."`
	Show    policyShowCmd    `cmd:"" help:"Explain the configured policies: what they stop, and for how long."`
	Presets policyPresetsCmd `cmd:"" help:"Tell what each preset stops, and what it does not."`
	Docs    policyDocsCmd    `cmd:"" help:"List what a policy file may say and what the expressions of rules may ask."`
}

type policyCheckCmd struct {
	File string `arg:"" help:"The policy file; - reads standard input."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (policyCheckCmd) Help() string {
	return `Exits with 0 when nothing is to be said, 1 when something is seldom meant, and 2
when the file cannot be taken.

Examples:
  cratefence policy check policies.toml
  cratefence policy check --json - < policies.toml`
}

// checkedPolicies is what `policy check` says, as JSON.
type checkedPolicies struct {
	Policies []policySummary  `json:"policies"`
	Warnings []policy.Warning `json:"warnings"`
}

type policySummary struct {
	Name     string      `json:"name"`
	Preset   string      `json:"preset"`
	Mode     policy.Mode `json:"mode"`
	Rules    int         `json:"rules"`
	Sections int         `json:"sections"`
}

func (c *policyCheckCmd) Run(t *terminal) error {
	data, err := c.read(t.in)
	if err != nil {
		return fmt.Errorf("read policies: %w", err)
	}
	set, err := policy.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	checked := checkedPolicies{Warnings: append([]policy.Warning{}, set.Warnings(builtinChecks(), time.Now())...)}
	for _, p := range set.Policies() {
		checked.Policies = append(checked.Policies, policySummary{p.Name, p.Preset, p.Mode, len(p.Rules), len(p.Crates)})
	}
	if err := c.print(t, checked); err != nil {
		return err
	}
	if len(checked.Warnings) > 0 {
		return &exitError{code: exitFound}
	}
	return nil
}

func (c *policyCheckCmd) print(t *terminal, checked checkedPolicies) error {
	if c.JSON {
		return json.NewEncoder(t.out).Encode(checked)
	}
	for _, p := range checked.Policies {
		fmt.Fprintf(t.out, "%s: policy %s: preset %s, mode %s, %s, %s\n", c.File, p.Name, p.Preset, p.Mode,
			number(p.Rules, "rule"), number(p.Sections, "section"))
	}
	for _, w := range checked.Warnings {
		fmt.Fprintf(t.err, "%s: warning: policy %s: %s\n", c.File, w.Policy, w.Text)
	}
	return nil
}

func (c *policyCheckCmd) read(stdin io.Reader) ([]byte, error) {
	if c.File != "-" {
		return readBounded(c.File, maxPolicies)
	}
	data, err := io.ReadAll(io.LimitReader(stdin, maxPolicies+1))
	if len(data) > maxPolicies {
		return nil, fmt.Errorf("standard input has more than %d bytes", maxPolicies)
	}
	return data, err
}

func builtinChecks() []string {
	var names []string
	for _, k := range check.All() {
		names = append(names, k.Name)
	}
	return names
}

type policyShowCmd struct {
	Name string `arg:"" optional:"" help:"The policy to explain; all of them without one."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (policyShowCmd) Help() string {
	return `Explains what the configured file says, or the policy that holds without one,
with the baselines that import-index recorded.

Examples:
  cratefence policy show
  cratefence --config fence.toml policy show strict --json`
}

// explained is a policy as JSON.
type explained struct {
	Name     string           `json:"name"`
	Preset   string           `json:"preset"`
	Mode     policy.Mode      `json:"mode"`
	Chapters []policy.Chapter `json:"chapters"`
}

func (c *policyShowCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	file, err := openPolicies(cfg.Fence.Policies, cfg.Fence.checkAccess)
	if err != nil {
		return err
	}
	chosen := file.set.Policies()
	if c.Name != "" {
		p := file.set.Policy(c.Name)
		if p == nil {
			return unknownPolicy(c.Name, chosen)
		}
		chosen = []*policy.Policy{p}
	}
	if err := withBaselines(ctx, cfg, chosen); err != nil {
		fmt.Fprintf(t.err, "cratefence: read recorded baselines: %v\n", err)
	}
	return printPolicies(t.out, chosen, c.JSON)
}

// withBaselines gives policies the baselines that were recorded for them. Where
// no service has run yet there are none.
func withBaselines(ctx context.Context, cfg Config, list []*policy.Policy) error {
	db, err := openExisting(ctx, cfg)
	if errors.Is(err, errNoDatabase) {
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	recorded, err := db.Baselines(ctx)
	if err != nil {
		return err
	}
	for i, p := range list {
		for _, b := range recorded {
			if b.Policy == p.Name {
				list[i] = p.WithBaseline(b.At)
			}
		}
	}
	return nil
}

func printPolicies(w io.Writer, list []*policy.Policy, asJSON bool) error {
	if asJSON {
		all := make([]explained, len(list))
		for i, p := range list {
			all[i] = explained{Name: p.Name, Preset: p.Preset, Mode: p.Mode, Chapters: policy.Explain(p)}
		}
		return json.NewEncoder(w).Encode(all)
	}
	for i, p := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "Policy %s\n", p.Name)
		for _, chapter := range policy.Explain(p) {
			fmt.Fprintf(w, "\n%s\n", chapter.Title)
			for _, point := range chapter.Points {
				fmt.Fprintln(w, wrap(sentence(point), 78, "  "))
				if point.Code != "" {
					fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(point.Code, "\n", "\n    "))
				}
			}
		}
	}
	return nil
}

func sentence(p policy.Point) string {
	if p.Term == "" {
		return p.Text
	}
	return p.Term + ": " + p.Text
}

func unknownPolicy(name string, list []*policy.Policy) error {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	if near := nearest.Of(name, names); near != "" {
		return fmt.Errorf("no policy is named %q; did you mean %q?", name, near)
	}
	return fmt.Errorf("no policy is named %q; there are %s", name, strings.Join(names, ", "))
}

type policyPresetsCmd struct {
	Name string `arg:"" optional:"" help:"The preset to explain in full."`
	JSON bool   `name:"json" help:"Print JSON, of each preset in full."`
}

func (policyPresetsCmd) Help() string {
	return `Examples:
  cratefence policy presets
  cratefence policy presets high`
}

func (c *policyPresetsCmd) Run(t *terminal) error {
	if c.JSON && c.Name == "" {
		var all []*policy.Policy
		for _, p := range policy.Presets() {
			all = append(all, p.Policy())
		}
		return printPolicies(t.out, all, true)
	}
	for i, p := range policy.Presets() {
		switch {
		case c.Name == p.Name:
			return printPolicies(t.out, []*policy.Policy{p.Policy()}, c.JSON)
		case c.Name != "":
			continue
		case i > 0:
			fmt.Fprintln(t.out)
		}
		fmt.Fprintf(t.out, "%s\n%s\n", p.Name, wrap(p.For, 78, "  "))
		fmt.Fprintln(t.out, "  Stops:")
		for _, s := range p.Stops {
			fmt.Fprintln(t.out, wrap(s, 78, "    "))
		}
		fmt.Fprintln(t.out, "  Does not stop:")
		for _, s := range p.Misses {
			fmt.Fprintln(t.out, wrap(s, 78, "    "))
		}
	}
	if c.Name != "" {
		return fmt.Errorf("no preset is named %q; there are low, medium and high", c.Name)
	}
	return nil
}

type policyDocsCmd struct {
	Markdown bool `xor:"form" help:"Print the whole manual as Markdown."`
	JSON     bool `name:"json" xor:"form" help:"Print JSON."`
}

func (policyDocsCmd) Help() string {
	return `Examples:
  cratefence policy docs
  cratefence policy docs --markdown > policy.md`
}

// documented is what a policy file may say and its rules may ask, as JSON.
type documented struct {
	Keys      []policy.Key      `json:"keys"`
	Variables []policy.Variable `json:"variables"`
}

func (c *policyDocsCmd) Run(t *terminal) error {
	if c.Markdown {
		_, err := io.WriteString(t.out, policyMarkdown())
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(t.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(documented{policy.Keys(), policy.Variables()})
	}
	fmt.Fprintln(t.out, "What a policy file may say")
	table := ""
	for _, k := range policy.Keys() {
		if k.Table != table {
			table = k.Table
			fmt.Fprintf(t.out, "\n%s\n", tableHeader(table))
		}
		fmt.Fprintf(t.out, "  %s = %s\n%s\n", k.Name, k.Want, wrap(k.Doc, 78, "      "))
	}
	fmt.Fprintln(t.out, "\nWhat the expression of a rule may ask (CEL, and days(n) for a duration)")
	for _, v := range policy.Variables() {
		fmt.Fprintf(t.out, "\n  %s  %s\n%s\n", v.Name, v.Type, wrap(v.Doc+" As in:", 78, "      "))
		fmt.Fprintf(t.out, "        %s\n", v.Example)
	}
	return nil
}

// tableHeader writes a table's name as a file has it.
func tableHeader(table string) string {
	if name, several := strings.CutSuffix(table, "[]"); several {
		return "[[" + name + "]]"
	}
	return "[" + table + "]"
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
