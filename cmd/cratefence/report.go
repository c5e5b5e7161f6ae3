package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/cratefence/cratefence/internal/check"
)

// reportWidth is how wide a report is written, whatever the terminal.
const reportWidth = 80

// maxShown is how many findings of one check a terminal shows; --json has all.
const maxShown = 20

// look is how a conclusion shows: its sign, and its colour where colours are on.
var look = map[check.Conclusion]struct{ sign, colour string }{
	check.Failure:      {"✕", "31"},
	check.Error:        {"!", "35"},
	check.Inconclusive: {"?", "33"},
	check.Neutral:      {"i", "34"},
	check.Success:      {"✓", "32"},
	check.Skipped:      {"–", "90"},
}

// A checked is a check with what it answered.
type checked struct {
	Check  *check.Check
	Report check.Report
}

// A reporter writes reports for people. All text from crates and repositories
// goes through printable, so that none of it can steer a terminal.
type reporter struct {
	out    io.Writer
	colour bool
}

func newReporter(out io.Writer) *reporter {
	file, ok := out.(*os.File)
	return &reporter{out: out, colour: ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""}
}

// write prints the header, a line per check, worst first, then the findings,
// then what it comes to.
func (r *reporter) write(header string, results []checked) {
	results = slices.Clone(results)
	slices.SortStableFunc(results, func(a, b checked) int {
		return a.Report.Conclusion.Rank() - b.Report.Conclusion.Rank()
	})
	fmt.Fprintf(r.out, "%s\n\n", header)
	for _, c := range results {
		r.line(c)
	}
	for _, c := range results {
		r.details(c)
	}
	fmt.Fprintf(r.out, "\n%s\n", wrap(tally(results), reportWidth, ""))
}

// line is a check's sentence: sign, conclusion, name, title.
func (r *reporter) line(c checked) {
	const indent = 35
	l := look[c.Report.Conclusion]
	title := wrap(printable(c.Report.Title), reportWidth, strings.Repeat(" ", indent))
	fmt.Fprintf(r.out, "%s %-12s  %-17s  %s\n",
		r.paint(l.colour, l.sign), c.Report.Conclusion, c.Check.Name, strings.TrimLeft(title, " "))
}

// details are a check's summary and findings.
func (r *reporter) details(c checked) {
	if c.Report.Summary == "" && len(c.Report.Findings) == 0 {
		return
	}
	fmt.Fprintf(r.out, "\n%s\n", r.paint("1", c.Check.Name))
	if c.Report.Summary != "" {
		fmt.Fprintln(r.out, wrap(printable(c.Report.Summary), reportWidth, "  "))
	}
	diffs := diffsOf(c)
	said := "" // advice that stands above is not repeated
	for i, f := range c.Report.Findings {
		if i == maxShown {
			fmt.Fprintf(r.out, "\n  … and %d more; --json prints them all\n", len(c.Report.Findings)-maxShown)
			return
		}
		r.finding(f, diffs[f.Path], f.Help != said)
		delete(diffs, f.Path) // which is shown once
		said = f.Help
	}
}

// finding shows one finding: with the difference, if there is one, in place of the
// lines themselves.
func (r *reporter) finding(f check.Finding, diff string, withHelp bool) {
	place := printable(f.Path)
	if place != "" && f.StartLine > 0 {
		place = fmt.Sprintf("%s:%d", place, f.StartLine)
	}
	colour := map[check.Level]string{check.LevelError: "31", check.LevelWarning: "33", check.LevelNote: "34"}[f.Level]
	fmt.Fprintf(r.out, "\n  %s %s", r.paint(colour, string(f.Level)), printable(f.Rule))
	if place != "" {
		fmt.Fprintf(r.out, "  %s", r.paint("1", place))
	}
	fmt.Fprintf(r.out, "\n%s\n", wrap(printable(f.Message), reportWidth, "    "))
	if diff != "" {
		r.diff(diff)
		f.Snippet = ""
	}
	for i, line := range snippetLines(f.Snippet) {
		if f.StartLine > 0 {
			fmt.Fprintf(r.out, "    %5d │ %s\n", f.StartLine+i, line)
		} else {
			fmt.Fprintf(r.out, "          │ %s\n", line)
		}
	}
	if withHelp && f.Help != "" {
		fmt.Fprintln(r.out, wrap("What to do: "+printable(f.Help), reportWidth, "    "))
	}
}

func (r *reporter) paint(colour, s string) string {
	if !r.colour || colour == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// tally says in one sentence what the results come to, and no more than that.
func tally(results []checked) string {
	count := map[check.Conclusion]int{}
	for _, c := range results {
		count[c.Report.Conclusion]++
	}
	var parts []string
	for _, conclusion := range check.Conclusions {
		if n := count[conclusion]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, conclusion))
		}
	}
	return strings.Join(parts, ", ") + ". Each check says what it looked at and what it found, not that a crate is safe."
}

func snippetLines(snippet string) []string {
	const most = 12
	if snippet == "" {
		return nil
	}
	lines := strings.Split(strings.TrimRight(snippet, "\n"), "\n")
	if len(lines) > most {
		lines = append(lines[:most:most], "…")
	}
	for i := range lines {
		lines[i] = printable(strings.ReplaceAll(lines[i], "\t", "    "))
	}
	return lines
}

// printable keeps what a terminal merely prints: letters, marks, numbers,
// punctuation, symbols, spaces. Everything else, escapes and bidirectional
// controls among them, shows as U+FFFD; line ends become spaces.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t' || c == '\r':
			return ' '
		case unicode.IsPrint(c):
			return c
		default:
			return unicode.ReplacementChar
		}
	}, s)
}

// wrap breaks s at spaces into lines of at most width columns, each begun with
// indent. A word that is longer than a line stands alone on its own.
func wrap(s string, width int, indent string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(s) {
		length := len([]rune(word))
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+length > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}
