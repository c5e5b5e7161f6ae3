package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	_ "github.com/cratefence/cratefence/internal/checks" // registers the built-in checks
	"github.com/cratefence/cratefence/internal/nearest"
)

// checksCmd is `cratefence checks`.
type checksCmd struct {
	Name string `arg:"" optional:"" help:"The check to explain."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (checksCmd) Help() string {
	return `Examples:
  cratefence checks               one line per check
  cratefence checks provenance    what it looks at, and what each answer means`
}

// checkInfo is a check's metadata as JSON.
type checkInfo struct {
	Name     string         `json:"name"`
	Version  int            `json:"version"`
	Title    string         `json:"title"`
	Category check.Category `json:"category"`
	About    check.About    `json:"about"`
	Timeout  float64        `json:"timeout_seconds"`
	Doc      string         `json:"doc"`
}

func (c *checksCmd) Run(t *terminal) error {
	chosen := check.All()
	if c.Name != "" {
		one := check.Named(c.Name)
		if one == nil {
			return unknownCheck(c.Name)
		}
		chosen = []*check.Check{one}
	}
	switch {
	case c.JSON:
		infos := make([]checkInfo, 0, len(chosen))
		for _, k := range chosen {
			infos = append(infos, checkInfo{
				Name: k.Name, Version: k.Version, Title: k.Title(), Category: k.Category,
				About: k.About, Timeout: k.Timeout.Seconds(), Doc: k.Doc,
			})
		}
		return json.NewEncoder(t.out).Encode(infos)
	case c.Name != "":
		k := chosen[0]
		fmt.Fprintf(t.out, "%s, version %d (%s, about the %s, at most %s)\n\n%s\n", k.Name, k.Version, k.Category, k.About, k.Timeout, reflow(strings.TrimSpace(k.Doc), reportWidth))
	default:
		for _, k := range chosen {
			const column = 24
			fmt.Fprintf(t.out, "%-18s v%-3d %s\n", k.Name, k.Version, strings.TrimLeft(wrap(k.Title(), reportWidth, strings.Repeat(" ", column)), " "))
		}
	}
	return nil
}

func unknownCheck(name string) error {
	var names []string
	for _, k := range check.All() {
		names = append(names, k.Name)
	}
	if near := nearest.Of(name, names); near != "" {
		return fmt.Errorf("no check is named %q; did you mean %q?", name, near)
	}
	return fmt.Errorf("no check is named %q; there are %s", name, strings.Join(names, ", "))
}
