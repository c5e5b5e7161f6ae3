package policy

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// The clauses of reasons. They hold nothing that a publisher wrote but names of
// crates that were validated; what people of the organisation wrote is bounded
// and printable.

// exceptText follows the text of a reason that is lifted for a time.
const exceptText = ", excepted"

// maxNote bounds what a person's reason adds to a clause, in bytes.
const maxNote = 120

func checkRule(name, what string) string { return "check/" + name + "/" + what }

func rulingText(verb string, r *Ruling) string {
	b := append([]byte(verb), " by a person"...)
	if !r.At.IsZero() {
		b = r.At.UTC().AppendFormat(append(b, " on "...), time.DateOnly)
	}
	if note := printable(r.Reason, maxNote); note != "" {
		b = strconv.AppendQuote(append(b, ": "...), note)
	}
	return string(b)
}

func waveText(yanks int) string {
	return strconv.Itoa(yanks) + " versions of the crate were yanked within a day of its publication"
}

func conclusionText(c check.Conclusion) string {
	switch c {
	case check.Success, check.Failure, check.Neutral, check.Skipped, check.Inconclusive, check.Error:
		return string(c)
	default:
		return "something unknown"
	}
}

func blindText(since time.Time) string {
	return ", and this fence has not heard from its database since " + FormatTime(since)
}

// FormatTime writes a time to the minute, as all words of a decision do.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// coolOffText says how old the release is and how long it has to wait:
// "published 9 minutes ago (cool-off 7d)".
func (j *judge) coolOffText(w wait) string {
	b := make([]byte, 0, 128)
	switch j.ev.Kind {
	case Update:
	case NewMajor:
		b = append(b, "the first of a new major version, "...)
	default:
		b = append(b, "the first version of a new name, "...)
	}
	b = j.appendAge(b)
	b = append(append(b, " (cool-off "...), FormatDuration(w.length)...)
	switch w.why {
	case RuleFix:
		b = append(append(b, ", as it fixes "...), advisoryText(j.fixes())...)
	case RuleTrusted:
		b = append(b, " for a trusted publisher"...)
	default:
		if j.lacksBaseline(w) {
			b = append(b, "; cratefence import-index would tell how old it is"...)
		}
	}
	return string(append(b, ')'))
}

// lacksBaseline reports whether a release waits only because nothing says from
// when on the registry's dates are believed.
func (j *judge) lacksBaseline(w wait) bool {
	ev := j.ev
	return j.policy.Baseline.IsZero() && ev.Dated && !ev.PublishedAt.IsZero() && !j.clock.Before(ev.PublishedAt.Add(w.length))
}

// appendAge says since when the cool-off counts.
func (j *judge) appendAge(b []byte) []byte {
	age := j.now.Sub(j.start)
	switch {
	case age < 0:
		return append(append(b, "dated "...), FormatTime(j.start)...)
	case j.start.Equal(j.ev.PublishedAt):
		b = append(b, "published "...)
	default:
		b = append(b, "first seen here "...)
	}
	return append(appendAge(b, age), " ago"...)
}

func (j *judge) shortenedText(w wait) string {
	if w.why == RuleFix {
		return "fixes " + advisoryText(j.fixes()) + ", so that the cool-off was " + FormatDuration(w.length) + " instead of " + FormatDuration(w.full)
	}
	return "is by a publisher of long standing, so that the cool-off was " + FormatDuration(w.length) + " instead of " + FormatDuration(w.full)
}

func (j *judge) floorText() string {
	b := j.appendAge(make([]byte, 0, 64))
	b = append(append(b, " (no exception from the cool-off counts before "...), FormatDuration(j.policy.Floor)...)
	return string(append(b, ')'))
}

// dependencyText tells of the youngest dependency that a release adds.
func (j *judge) dependencyText(d *NewDependency) string {
	b := make([]byte, 0, 128)
	n := len(j.ev.Dependencies)
	switch {
	case n > 1 && j.ev.FirstDependencies:
		b = strconv.AppendInt(append(b, "adds its first "...), int64(n), 10)
		b = append(b, " dependencies, among them "...)
	case n > 1:
		b = strconv.AppendInt(append(b, "adds "...), int64(n), 10)
		b = append(b, " dependencies, among them "...)
	case j.ev.FirstDependencies:
		b = append(b, "adds its first dependency, "...)
	default:
		b = append(b, "adds a dependency, "...)
	}
	if crate.ValidateName(d.Name) == nil {
		b = append(b, d.Name...)
	} else {
		b = append(b, "of an unreadable name"...)
	}
	switch {
	case !d.Known:
		b = append(b, ", which is not in the index"...)
	case d.FirstPublished.IsZero():
		b = append(b, ", whose age is not known"...)
	default:
		b = append(appendAge(append(b, ", which is "...), j.now.Sub(d.FirstPublished)), " old"...)
	}
	return string(b)
}

// advisoryText is the id of an advisory, when it is one.
func advisoryText(id string) string {
	if len(id) > 40 {
		return "an advisory"
	}
	for _, c := range []byte(id) {
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "an advisory"
		}
	}
	return id
}

// printable cuts a text to one line of at most limit bytes that a terminal
// shows as it is.
func printable(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	return clip(s, limit)
}

// clip cuts a text to at most limit bytes, at a character.
func clip(s string, limit int) string {
	const dots = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(dots)
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:max(end, 0)] + dots
}
