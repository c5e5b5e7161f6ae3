package web

import (
	"fmt"
	"time"
)

// A moment is a time as a page shows it: in words, exactly on hover and for
// machines. The script keeps the words up to date by Kind.
type moment struct {
	Kind  string // past, future or span
	ISO   string
	Exact string
	Words string
}

// A clock turns times into moments as of now.
type clock time.Time

// ago is a time that has passed; nil when it is not known.
func (c clock) ago(t time.Time) *moment {
	return c.moment(t, "past", func(d time.Duration) string { return wordsAgo(d, t) })
}

// in is a time to come.
func (c clock) in(t time.Time) *moment {
	return c.moment(t, "future", func(d time.Duration) string { return wordsIn(-d) })
}

// since is how long something has been going on.
func (c clock) since(t time.Time) *moment {
	return c.moment(t, "span", wordsFor)
}

func (c clock) moment(t time.Time, kind string, words func(time.Duration) string) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &moment{
		Kind:  kind,
		ISO:   t.Format("2006-01-02T15:04:05Z"),
		Exact: exact(t),
		Words: words(time.Time(c).Sub(t)),
	}
}

func exact(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// The words below are said by static/page.js too, from the same thresholds; the
// browser test holds them equal.

func wordsAgo(d time.Duration, t time.Time) string {
	switch {
	case d < time.Minute:
		return "just now" // a clock a little behind ours has not seen the future
	case d < 30*24*time.Hour:
		return wordsFor(d) + " ago"
	}
	return t.UTC().Format("2 Jan 2006")
}

func wordsIn(d time.Duration) string {
	if d <= 0 {
		return "any moment"
	}
	return "in " + wordsFor(d)
}

func wordsFor(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// took says how long something lasted.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return wordsFor(d)
}
