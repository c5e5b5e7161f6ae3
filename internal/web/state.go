package web

import (
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// A mark is the sign and the word for where a check stands. The colour that the
// style sheet gives to its word only repeats them.
type mark struct {
	Sign, Word string
}

// Marks beyond those of the conclusions.
var (
	running = mark{"…", "running"}
	queued  = mark{"…", "queued"}
	noRuns  = mark{"–", "not checked"}
)

var conclusionMarks = map[check.Conclusion]mark{
	check.Failure:      {"✕", "failure"},
	check.Error:        {"!", "error"},
	check.Inconclusive: {"?", "inconclusive"},
	check.Neutral:      {"i", "neutral"},
	check.Success:      {"✓", "success"},
	check.Skipped:      {"–", "skipped"},
}

// order is how marks stand on a page: the worst, the unknown, the facts, what
// is in order, what is to come, what does not apply.
var order = []mark{
	conclusionMarks[check.Failure], conclusionMarks[check.Error], conclusionMarks[check.Inconclusive], conclusionMarks[check.Neutral],
	conclusionMarks[check.Success], running, queued, conclusionMarks[check.Skipped], noRuns,
}

// Class names the mark in the style sheet.
func (m mark) Class() string { return strings.ReplaceAll(m.Word, " ", "-") }

func (m mark) rank() int { return slices.Index(order, m) }

// markOf says where a check stands: how it last ended, or what it is waiting
// for. A conclusion that this program does not know is an error of ours.
func markOf(s store.CheckState) mark {
	switch {
	case s.Counts != nil:
		if m, ok := conclusionMarks[s.Counts.Report.Conclusion]; ok {
			return m
		}
		return conclusionMarks[check.Error]
	case s.Pending != nil && s.Pending.Status == store.InProgress:
		return running
	case s.Pending != nil:
		return queued
	}
	return noRuns
}

// badgeOrder is which of several marks a badge shows. What is still to come
// stands before good news: not yet known is not in order.
var badgeOrder = []mark{
	conclusionMarks[check.Failure], conclusionMarks[check.Error], conclusionMarks[check.Inconclusive], running, queued,
	conclusionMarks[check.Neutral], conclusionMarks[check.Success], conclusionMarks[check.Skipped], noRuns,
}

// badge is the worst of a release's security checks.
func (s *site) badge(states []store.CheckState) mark {
	worst := len(badgeOrder) - 1
	for _, state := range states {
		if s.security(state.Check) {
			worst = min(worst, slices.Index(badgeOrder, markOf(state)))
		}
	}
	return badgeOrder[worst]
}

// security reports whether a check asks about security. One that this program
// does not know might.
func (s *site) security(name string) bool {
	c, ok := s.checks[name]
	return !ok || c.Category == check.CategorySecurity
}

// dueSoon is how far ahead a try may be for a page to wait for it.
const dueSoon = time.Minute

// due counts the checks whose answer is to be expected soon: a page that shows
// them keeps itself up to date.
func (s *site) due(states []store.CheckState) int {
	soon := s.now().Add(dueSoon)
	n := 0
	for _, state := range states {
		if p := state.Pending; p != nil && p.RunAfter.Before(soon) {
			n++
		}
	}
	return n
}
