package main

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
)

// policyIntro is the written part of docs/policy.md; the rest is made from what
// the program knows.
//
//go:embed policy.md
var policyIntro string

// policyMarkdown is docs/policy.md.
func policyMarkdown() string {
	var b strings.Builder
	b.WriteString(policyIntro)
	b.WriteString("\n## Presets\n")
	for _, p := range policy.Presets() {
		fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\nIt stops:\n\n", p.Name, p.For)
		for _, s := range p.Stops {
			fmt.Fprintf(&b, "- %s\n", s)
		}
		b.WriteString("\nIt does not stop:\n\n")
		for _, s := range p.Misses {
			fmt.Fprintf(&b, "- %s\n", s)
		}
	}
	presetTable(&b)
	b.WriteString("\n## Keys\n")
	table := ""
	for _, k := range policy.Keys() {
		if k.Table != table {
			table = k.Table
			fmt.Fprintf(&b, "\n### `%s`\n\n| key | value | meaning |\n|---|---|---|\n", tableHeader(table))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, k.Want, k.Doc)
	}
	b.WriteString("\n## What expressions may ask\n\n| name | type | meaning | example |\n|---|---|---|---|\n")
	for _, v := range policy.Variables() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` |\n", v.Name, v.Type, v.Doc, strings.ReplaceAll(v.Example, "|", `\|`))
	}
	return b.String()
}

// presetTable sets the presets side by side.
func presetTable(b *strings.Builder) {
	b.WriteString("\n### Side by side\n\n| | low | medium | high |\n|---|---|---|---|\n")
	row := func(name string, cell func(p *policy.Policy) string) {
		fmt.Fprintf(b, "| %s |", name)
		for _, p := range policy.Presets() {
			fmt.Fprintf(b, " %s |", cell(p.Policy()))
		}
		b.WriteString("\n")
	}
	wait := func(name string, of func(policy.CoolOff) time.Duration) {
		row(name, func(p *policy.Policy) string { return policy.FormatDuration(of(p.CoolOff)) })
	}
	wait("an update waits", func(c policy.CoolOff) time.Duration { return c.Update })
	wait("a first version", func(c policy.CoolOff) time.Duration { return c.FirstVersion })
	wait("a new major version", func(c policy.CoolOff) time.Duration { return c.NewMajor })
	wait("a trusted publisher's", func(c policy.CoolOff) time.Duration { return c.Trusted })
	row("who is trusted", func(p *policy.Policy) string {
		text := fmt.Sprintf("%s, %s", number(p.Trust.Years, "year"), number(p.Trust.Releases, "release"))
		if p.Trust.TrustedPublishing {
			text += ", trusted publishing"
		}
		return text
	})
	for i, c := range policy.Presets()[0].Policy().Checks {
		row("check `"+c.Check+"`: failure, inconclusive", func(p *policy.Policy) string {
			return fmt.Sprintf("%s, %s", p.Checks[i].Failure, p.Checks[i].Inconclusive)
		})
	}
	for i, s := range policy.Signals {
		row("signal `"+s.Key+"`", func(p *policy.Policy) string { return string(p.Signals[i]) })
	}
	row("self-approval", func(p *policy.Policy) string {
		if p.Impartial {
			return "refused unless ruled out"
		}
		return "marked unless ruled out"
	})
	b.WriteString("\nEach of these checks has to have answered, where it is run; an error holds, and what an older version of a check\n" +
		"answered counts until the new one has. Every signal ends the shortening of a wait, whatever else it does.\n")
}
