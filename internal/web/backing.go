package web

import (
	"context"
	"errors"
	"strings"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// checkNamed is the check whose answer, or silence, a rule is about.
func checkNamed(rule string) string {
	named, ok := strings.CutPrefix(rule, "check/")
	end := strings.LastIndexByte(named, '/')
	if !ok || end < 0 {
		return ""
	}
	return named[:end]
}

// back has the reasons that rest on a check tell what it found, and lead there.
func (s *site) back(c *fenceCard, r store.Release, states []store.CheckState) {
	for i := range c.Reasons {
		name := checkNamed(c.Reasons[i].Rule)
		for _, state := range states {
			if name == "" || state.Check != name {
				continue
			}
			tab := tabChecks
			if s.security(name) {
				tab = tabSecurity
			}
			c.Reasons[i].URL = releaseURL(r) + "/" + tab + "#" + rowID(name)
			if state.Counts != nil {
				c.Reasons[i].Found = clip(state.Counts.Report.Title, maxSentence)
			}
		}
	}
}

// backStored is back for a release that may not be stored.
func (s *site) backStored(ctx context.Context, c *fenceCard, name, version string) error {
	r, err := s.Catalogue.Release(ctx, name, version)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	states, err := s.Results.CheckStates(ctx, r.ID)
	if err != nil {
		return err
	}
	s.back(c, r, states[r.ID])
	return nil
}

// Waits reports whether nothing but a person's decision, or another answer of
// what was asked, ends it.
func (c fenceCard) Waits() bool {
	return c.Keeps() && !c.Pending && c.Until == nil && c.State == policy.Quarantined
}
