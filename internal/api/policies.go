package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/policy"
)

// A Policy is an organisation's rules, as they are in force.
type Policy struct {
	Name     string `json:"name" example:"default"`
	Preset   string `json:"preset" enum:"low,medium,high" doc:"What it was made from."`
	Mode     string `json:"mode" enum:"enforce,observe" doc:"observe: nothing is kept back; what would be is recorded."`
	Baseline string `json:"baseline,omitempty" format:"date" doc:"Releases from before are taken as they are. Absent for none: every release waits from its first sight." example:"2026-11-22"`
	URL      string `json:"url" format:"uri-reference" example:"/api/v1/policies/default"`
	Index    string `json:"index" format:"uri-reference" doc:"Where cargo finds the index under this policy, after sparse+." example:"/p/default/index/"`
}

// A PolicyList is the policies that somebody may use.
type PolicyList struct {
	Policies []Policy `json:"policies" nullable:"false" doc:"By name."`
}

// A PolicyDocument is a policy and what it does, in words.
type PolicyDocument struct {
	Policy   Policy    `json:"policy"`
	Chapters []Chapter `json:"chapters" nullable:"false" doc:"What it does, for those who live with it."`
}

// A Chapter of an explained policy.
type Chapter struct {
	Title  string  `json:"title" example:"How long releases wait"`
	Points []Point `json:"points" nullable:"false"`
}

// A Point is one thing that a policy does, in plain text.
type Point struct {
	Term string `json:"term,omitempty" doc:"What it is about; absent where the text says it." example:"An update"`
	Text string `json:"text" example:"7d."`
	Code string `json:"code,omitempty" doc:"A CEL expression."`
}

func (s *server) policyRoutes(routes huma.API) {
	register(s, routes, huma.Operation{
		OperationID: "list-policies", Method: http.MethodGet, Path: "/api/v1/policies", Tags: []string{tagFence},
		Summary: "List the policies that you may use",
	}, s.listPolicies)
	register(s, routes, huma.Operation{
		OperationID: "get-policy", Method: http.MethodGet, Path: "/api/v1/policies/{policy}", Tags: []string{tagFence},
		Summary: "Read a policy, explained",
	}, s.getPolicy)
}

func (s *server) listPolicies(ctx context.Context, _ *struct{}) (*body[PolicyList], error) {
	names, err := s.chosen(ctx, "")
	if err != nil {
		return nil, err
	}
	list := PolicyList{Policies: make([]Policy, 0, len(names))}
	for _, name := range names {
		if p, ok := s.Fence.Gate.Policy(name); ok {
			list.Policies = append(list.Policies, s.newPolicy(p))
		}
	}
	return &body[PolicyList]{list}, nil
}

type policyInput struct {
	Policy string `path:"policy" doc:"A policy's name." example:"default"`
}

func (s *server) getPolicy(ctx context.Context, in *policyInput) (*body[PolicyDocument], error) {
	if _, err := s.chosen(ctx, in.Policy); err != nil {
		return nil, err
	}
	p, ok := s.Fence.Gate.Policy(in.Policy)
	if !ok {
		return nil, notFound("There is no policy %.64q here. /api/v1/policies lists those that you may use.", in.Policy)
	}
	doc := PolicyDocument{Policy: s.newPolicy(p), Chapters: []Chapter{}}
	for _, c := range policy.Explain(p) {
		chapter := Chapter{Title: c.Title, Points: make([]Point, 0, len(c.Points))}
		for _, point := range c.Points {
			chapter.Points = append(chapter.Points, Point(point))
		}
		doc.Chapters = append(doc.Chapters, chapter)
	}
	return &body[PolicyDocument]{doc}, nil
}

func (s *server) newPolicy(p *policy.Policy) Policy {
	out := Policy{
		Name: p.Name, Preset: p.Preset, Mode: string(p.Mode),
		URL: "/api/v1/policies/" + p.Name, Index: s.Fence.BaseURL + "/p/" + p.Name + "/index/",
	}
	if !p.Baseline.IsZero() {
		out.Baseline = p.Baseline.UTC().Format(time.DateOnly)
	}
	return out
}
