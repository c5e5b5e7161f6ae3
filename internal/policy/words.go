package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// MaxWords is how much of an answer cargo shows, in characters. Words keeps to
// as many bytes.
const MaxWords = 511

// maxClosing leaves room for what was decided and a reason.
const maxClosing = 300

// A Notice is what a refusal names beside the decision.
type Notice struct {
	Name    string
	Version string
	Page    string // the address where more is told, and a review is asked for; "" for none
}

// Words is the text of a refused download: what, until when, why as far as it
// fits, and what would change it. It is one line of at most MaxWords bytes, with
// the whole address of the page at the end.
func Words(d Decision, n Notice) string {
	end := closing(d, n)
	if len(end) > maxClosing {
		end = "" // an address that cannot stand whole does not stand
	}
	head := opening(d, n)
	room := MaxWords - len(head) - len(end)
	reasons := because(d, room)
	text := head + reasons
	for _, hint := range hints(d, n) {
		if len(text)+len(hint)+len(end) <= MaxWords {
			text += hint
		}
	}
	return text + end
}

// opening says what became of the release.
func opening(d Decision, n Notice) string {
	release := releaseText(n)
	switch {
	case d.State == Revoked:
		return "cratefence has withdrawn " + release
	case d.Verdict() == Block:
		return "cratefence blocks " + release
	case d.Pending:
		return "cratefence holds " + release
	default:
		return "cratefence holds " + release + untilWords(d)
	}
}

// untilWords says when a hold ends; of one that something without an end shares,
// when it cannot have ended yet.
func untilWords(d Decision) string {
	if end := d.Until(); !end.IsZero() {
		return " until " + FormatTime(ceilMinute(end))
	}
	var latest time.Time
	for _, r := range d.Reasons {
		if r.Verdict != Allow && r.Until.After(latest) {
			latest = r.Until
		}
	}
	if latest.IsZero() {
		return ""
	}
	return " until " + FormatTime(ceilMinute(latest)) + " at least"
}

// because gives as many reasons as fit, the heaviest first.
func because(d Decision, room int) string {
	if d.Pending && d.Verdict() == Hold {
		return clip(": being checked, try again in a minute.", room)
	}
	var weighty []Reason
	for _, r := range d.Reasons {
		if r.Verdict != Allow || d.Verdict() == Allow {
			weighty = append(weighty, r)
		}
	}
	var b strings.Builder
	for i, r := range weighty {
		clause := "; " + r.Text
		if i == 0 {
			clause = clip(": "+r.Text, max(room-len("; and 99 more."), 0))
		}
		rest := "."
		if left := len(weighty) - i - 1; left > 0 {
			rest = fmt.Sprintf("; and %d more.", left)
		}
		if i > 0 && b.Len()+len(clause)+len(rest) > room {
			return fmt.Sprintf("%s; and %d more.", &b, len(weighty)-i)
		}
		b.WriteString(clause)
	}
	return b.String() + "."
}

// closing says who can change it, and where.
func closing(d Decision, n Notice) string {
	if n.Page == "" {
		return ""
	}
	switch {
	case d.State == Revoked, d.Verdict() == Block:
		return " Why, and who decides: " + n.Page
	case d.Pending:
		return " More: " + n.Page
	default:
		return " Ask for a review: " + n.Page
	}
}

// hints say what to do without anybody's leave, the most useful first: to have
// cargo take what it gets instead, and to see for oneself.
func hints(d Decision, n Notice) []string {
	if release := releaseText(n); d.Pending || release != n.Name+" "+n.Version {
		return nil
	}
	exact := n.Name + "@" + n.Version
	return []string{
		" To do without it, update it or what needs it: cargo update -p " + exact + ".",
		" See for yourself: cratefence check " + exact + ".",
	}
}

// releaseText names the release. A version may be very long.
func releaseText(n Notice) string {
	_, err := crate.ParseVersion(n.Version)
	if crate.ValidateName(n.Name) != nil || err != nil {
		return "this release"
	}
	return n.Name + " " + clip(n.Version, maxName)
}

// ceilMinute makes sure that whoever comes back at the time told is not early.
func ceilMinute(t time.Time) time.Time {
	if down := t.Truncate(time.Minute); !down.Equal(t) {
		return down.Add(time.Minute)
	}
	return t
}
