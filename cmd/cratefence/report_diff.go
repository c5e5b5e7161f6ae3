package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/checks"
)

// maxDiffLines is how many lines of one difference a terminal shows; --json has
// more.
const maxDiffLines = 40

// diffsOf are the differences that a report of the check provenance holds, by
// file: as `diff -u` writes them, from the repository's to the crate's.
func diffsOf(c checked) map[string]string {
	var facts checks.ProvenanceFacts
	if c.Check.Name != checks.Provenance.Name || json.Unmarshal(c.Report.Facts, &facts) != nil {
		return nil
	}
	diffs := map[string]string{}
	for _, f := range facts.Differing {
		diffs[f.Path] = f.Diff
	}
	return diffs
}

// diff prints a difference. Its lines come from a crate and a repository.
func (r *reporter) diff(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	shown := lines[:min(len(lines), maxDiffLines)]
	for _, line := range shown {
		colour := ""
		switch {
		case strings.HasPrefix(line, "@@"):
			colour = "36"
		case strings.HasPrefix(line, "-"):
			colour = "31"
		case strings.HasPrefix(line, "+"):
			colour = "32"
		}
		fmt.Fprintf(r.out, "    %s\n", r.paint(colour, printable(strings.ReplaceAll(line, "\t", "    "))))
	}
	if more := len(lines) - len(shown); more > 0 {
		fmt.Fprintf(r.out, "    … and %d more lines; --json prints more\n", more)
	}
}
