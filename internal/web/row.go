package web

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// How many findings of one check a page shows, how many of them before those
// that are folded away, and how many of a failure's are unfolded. The API has all.
const (
	maxFindings   = 50
	firstFindings = 10
	openFindings  = 3
)

// rowHeading is the level of the headings in a check's texts: the page is 1,
// its list of checks 2, a check 3.
const rowHeading = 4

// A checkRow is a check on a release, for people.
type checkRow struct {
	ID       string // of the row in the page
	Name     string
	URL      string // of the check's documentation; "" when it has none here
	Mark     mark
	Sentence string
	When     *moment
	Summary  template.HTML
	Text     template.HTML
	Findings []finding // the first
	Rest     []finding
	More     int // findings that are not shown
	Metrics  []metric
	Run      *run // nil until one has completed
	Next     *next
	// Later is a run that could not know, and changed nothing; nil if none.
	Later      *attempt
	Comparison *comparison
	History    []attempt // of more than one
}

// Plain reports whether the row needs no more room than its first line, and
// folds the rest.
func (r checkRow) Plain() bool {
	switch r.Mark {
	case conclusionMarks[check.Neutral], conclusionMarks[check.Success], conclusionMarks[check.Skipped]:
		return true
	}
	return false
}

// A finding is one thing found.
type finding struct {
	ID      string
	Rule    string
	Level   string
	Message string
	Path    string
	Where   string // "path:line"
	Lines   []line
	Help    string
	Open    bool
}

// A line of a snippet or a diff. Number is 0 where it has none; Numbered says
// that its neighbours may have one. Sign is "-", "+" or "@" of a diff's lines
// that are gone, new, or between.
type line struct {
	Number   int
	Numbered bool
	Sign     string
	Text     string
}

type metric struct{ Name, Value string }

// A run says when and on which version of the check a result came about.
type run struct {
	CheckVersion int
	Newer        int // the version of the check that is to look again; 0 when this is the newest
	Attempt      int
	Completed    *moment
	Took         string
}

// A next is the run that is to come, or under way.
type next struct {
	Mark    mark
	Since   *moment // of a run that waits or runs
	At      *moment // of a run that is put off
	Attempt int
}

func (s *site) row(state store.CheckState) checkRow {
	row := checkRow{
		ID:   rowID(state.Check),
		Name: clip(state.Check, 2*maxName),
		Mark: markOf(state),
		Next: s.next(state.Pending),
	}
	if _, known := s.checks[state.Check]; known {
		row.URL = "/checks/" + state.Check
	}
	if state.Counts == nil {
		return row
	}
	report := state.Counts.Report
	row.Sentence = cmp.Or(clip(report.Title, maxSentence), "The check gave no title")
	row.When = s.clock().ago(state.Counts.CompletedAt)
	row.Summary = s.markdown.Render(clip(report.Summary, maxSummary), rowHeading)
	row.Text = s.markdown.Render(clip(report.Text, maxText), rowHeading)
	all := findings(row.ID, report)
	row.More = max(0, len(report.Findings)-maxFindings)
	row.Metrics = metrics(report.Metrics)
	row.Run = s.run(*state.Counts)
	if state.Later != nil {
		later := s.attempt(*state.Later)
		row.Later = &later
	}
	if row.Comparison = s.comparison(row.ID, *state.Counts); row.Comparison != nil {
		row.Comparison.explain(all)
	}
	first := len(all)
	if first > firstFindings+1 { // one alone is not worth a fold
		first = firstFindings
	}
	row.Findings, row.Rest = all[:first], all[first:]
	return row
}

// rowID is where a check's row is on its page.
func rowID(check string) string {
	return "check-" + strings.ReplaceAll(clip(check, 2*maxName), "/", "-")
}

func (s *site) run(completed store.CheckRun) *run {
	r := &run{
		CheckVersion: completed.CheckVersion,
		Attempt:      completed.Attempt,
		Completed:    s.clock().ago(completed.CompletedAt),
	}
	if !completed.StartedAt.IsZero() {
		r.Took = took(completed.CompletedAt.Sub(completed.StartedAt))
	}
	if c, known := s.checks[completed.Check]; known && c.Version > completed.CheckVersion {
		r.Newer = c.Version
	}
	return r
}

func (s *site) next(pending *store.CheckRun) *next {
	if pending == nil {
		return nil
	}
	n := &next{Mark: queued, Attempt: pending.Attempt}
	switch {
	case pending.Status == store.InProgress:
		n.Mark = running
		n.Since = s.clock().since(pending.StartedAt)
	case pending.RunAfter.After(s.now()):
		n.At = s.clock().in(pending.RunAfter)
	default:
		n.Since = s.clock().since(later(pending.QueuedAt, pending.RunAfter))
	}
	return n
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

var levels = []check.Level{check.LevelError, check.LevelWarning, check.LevelNote}

// findings are the worst first, and the first of a failure's unfolded.
func findings(row string, report check.Report) []finding {
	sorted := slices.Clone(report.Findings)
	slices.SortStableFunc(sorted, func(a, b check.Finding) int {
		return cmp.Compare(slices.Index(levels, a.Level), slices.Index(levels, b.Level))
	})
	shown := make([]finding, 0, min(len(sorted), maxFindings))
	for i, f := range sorted[:cap(shown)] {
		shown = append(shown, finding{
			ID:      row + "-" + strconv.Itoa(i+1),
			Rule:    clip(f.Rule, maxSentence),
			Level:   clip(string(f.Level), maxName),
			Message: cmp.Or(clip(f.Message, maxMessage), "The check gave no message"),
			Path:    f.Path,
			Where:   where(f),
			Lines:   snippet(f),
			Help:    clip(f.Help, maxMessage),
			Open:    report.Conclusion == check.Failure && i < openFindings,
		})
	}
	return shown
}

func where(f check.Finding) string {
	path := clip(f.Path, maxMessage)
	switch {
	case path == "" || f.StartLine <= 0:
		return path
	case f.EndLine <= f.StartLine:
		return fmt.Sprintf("%s:%d", path, f.StartLine)
	}
	return fmt.Sprintf("%s:%d–%d", path, f.StartLine, f.EndLine)
}

func snippet(f check.Finding) []line {
	if f.Snippet == "" {
		return nil
	}
	var lines []line
	for text := range strings.SplitSeq(strings.TrimRight(clip(f.Snippet, maxSnippet), "\r\n"), "\n") {
		l := line{Text: strings.TrimSuffix(text, "\r")}
		if f.StartLine > 0 {
			l.Number, l.Numbered = f.StartLine+len(lines), true
		}
		lines = append(lines, l)
	}
	return lines
}

func metrics(byName map[string]float64) []metric {
	const most = 30
	names := slices.Sorted(maps.Keys(byName))
	shown := make([]metric, 0, min(len(names), most))
	for _, name := range names[:cap(shown)] {
		shown = append(shown, metric{
			Name:  strings.ReplaceAll(clip(name, maxName), "_", " "),
			Value: number(byName[name]),
		})
	}
	return shown
}

// number writes a number with thin spaces between thousands.
func number(v float64) string {
	digits, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), ".")
	digits, negative := strings.CutPrefix(digits, "-")
	var b strings.Builder
	if negative {
		b.WriteString("−")
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202F')
		}
		b.WriteRune(d)
	}
	if fraction != "" {
		b.WriteString("." + fraction[:min(len(fraction), 3)])
	}
	return clip(b.String(), maxName)
}
