package egress

import (
	"errors"
	"fmt"
	"net/url"
)

// Sentinel errors.
var (
	ErrRefused  = errors.New("refused by egress rules")
	ErrTooLarge = errors.New("response too large")
)

// Refused says what was not fetched, and why. It wraps ErrRefused.
type Refused struct {
	URL string // without user, password, query and fragment; an address where there is no URL
	Why string
}

func (e *Refused) Error() string { return fmt.Sprintf("fetch %q: refused: %s", e.URL, e.Why) }

// Unwrap returns ErrRefused.
func (e *Refused) Unwrap() error { return ErrRefused }

func refuse(u *url.URL, why string) *Refused { return &Refused{URL: redacted(u), Why: why} }

// redacted returns u without the parts in which secrets travel.
func redacted(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
