package ruling

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/nearest"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// knownRule refuses an exception from a rule that keeps nothing back, now or ever:
// whoever made it would wait for what does not come.
func (d *Desk) knownRule(ctx context.Context, w Waiver, f found) error {
	p, err := d.policy(w.Policy)
	if err != nil {
		return err
	}
	holding, err := d.holding(ctx, w.Policy, f)
	known := p.RulesOf(f.Crate)
	switch {
	case err != nil:
		return err
	case slices.Contains(holding, w.Rule), slices.Contains(known, w.Rule):
		return nil
	}
	text := "nothing that an exception is for holds it now"
	if len(holding) > 0 {
		text = "it is held by " + strings.Join(holding, ", ")
	}
	if near := nearest.Of(w.Rule, slices.Concat(holding, known)); near != "" {
		text = fmt.Sprintf("did you mean %q? %s", near, text)
	}
	return invalid("policy %q has no rule %q that keeps %s back; %s", w.Policy, w.Rule, w.Subject, text)
}

// holding are the rules that keep a release back now, and that an exception is
// for, by what was decided last.
func (d *Desk) holding(ctx context.Context, policyName string, f found) ([]string, error) {
	last, err := d.Store.Decisions(ctx, store.DecisionQuery{Policy: policyName, Crate: f.Crate, Version: f.Version, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("read what holds %s@%s: %w", f.Crate, f.Version, err)
	}
	var rules []string
	for _, d := range last {
		for _, r := range d.Decision.Reasons {
			if d.Checksum == f.Checksum && r.Verdict != policy.Allow && policy.Exceptable(r.Rule) {
				rules = append(rules, r.Rule)
			}
		}
	}
	return rules, nil
}
