package web

import (
	"net/http"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
)

// A policiesPage lists the policies that the reader may use.
type policiesPage struct {
	layout
	Policies []policyLine
}

type policyLine struct {
	Name     string
	Preset   string
	For      string // whom the preset serves
	Observes bool
	Baseline string // "" for none
}

func newPolicyLine(p *policy.Policy) policyLine {
	line := policyLine{Name: p.Name, Preset: p.Preset, Observes: p.Mode == policy.Observe}
	if !p.Baseline.IsZero() {
		line.Baseline = p.Baseline.UTC().Format(time.DateOnly)
	}
	for _, preset := range policy.Presets() {
		if preset.Name == p.Preset {
			line.For = preset.For
		}
	}
	return line
}

func (s *site) policyList(w http.ResponseWriter, r *http.Request) error {
	page := policiesPage{layout: s.layout(r, "policies")}
	page.Canonical = s.BaseURL + "/policy"
	for _, name := range s.policies(r) {
		if p, ok := s.Fence.Gate.Policy(name); ok {
			page.Policies = append(page.Policies, newPolicyLine(p))
		}
	}
	return show(s.views.policies, w, r, page)
}

// A policyPage explains the policy in force.
type policyPage struct {
	layout
	Policy   policyLine
	Chapters []policy.Chapter
	Setup    *setup
}

func (s *site) policyDoc(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("policy")
	if err := s.mayUse(r, name); err != nil {
		return err
	}
	p, ok := s.Fence.Gate.Policy(name)
	if !ok {
		return errNoPage
	}
	page := policyPage{layout: s.layout(r, "policy "+name), Policy: newPolicyLine(p), Chapters: policy.Explain(p)}
	page.Canonical = s.BaseURL + "/policy/" + name
	page.Setup = s.setup(r)
	page.Setup.Policy = name
	return show(s.views.policy, w, r, page)
}
