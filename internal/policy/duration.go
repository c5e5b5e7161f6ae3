package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	year = 365 * day
)

// maxDuration bounds every duration that a policy names.
const maxDuration = 10 * year

var errDuration = errors.New(`want a duration such as "36h", "7d" or "2w"`)

// parseDuration reads a number and a unit, or several after one another: weeks,
// days, hours, minutes.
func parseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, errDuration
	}
	var total time.Duration
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || digits == len(rest) || n > int(maxDuration/time.Minute) {
			return 0, errDuration
		}
		unit, ok := units[rest[digits]]
		if !ok {
			return 0, errDuration
		}
		if time.Duration(n) > (maxDuration-total)/unit {
			return 0, fmt.Errorf("want at most %s", FormatDuration(maxDuration))
		}
		total += time.Duration(n) * unit
		rest = rest[digits+1:]
	}
	return total, nil
}

var units = map[byte]time.Duration{'w': week, 'd': day, 'h': time.Hour, 'm': time.Minute}

// FormatDuration writes a policy's duration as briefly as it can be read back:
// "7d", "24h", "1d12h".
func FormatDuration(d time.Duration) string {
	if d == day {
		return "24h" // how everybody says it
	}
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.unit
		}
	}
	if b.Len() == 0 {
		return "0h"
	}
	return b.String()
}

// appendAge adds how long something lasted, in the largest unit that fits:
// "9 minutes", "6 hours", "3 days".
func appendAge(b []byte, d time.Duration) []byte {
	unit, name := day, " day"
	switch {
	case d < time.Minute:
		return append(b, "moments"...)
	case d < time.Hour:
		unit, name = time.Minute, " minute"
	case d < 2*day:
		unit, name = time.Hour, " hour"
	}
	n := int64(d / unit)
	b = append(strconv.AppendInt(b, n, 10), name...)
	if n != 1 {
		b = append(b, 's')
	}
	return b
}
