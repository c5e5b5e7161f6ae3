package api

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A Ruling is a person's decision on a release. They are only ever added; the
// newest of a policy counts.
type Ruling struct {
	ID        int64     `json:"id" example:"12"`
	Policy    string    `json:"policy" example:"default"`
	Name      string    `json:"name" example:"arrayref"`
	Version   string    `json:"version" example:"0.3.10"`
	Checksum  string    `json:"checksum" pattern:"^[0-9a-f]{64}$" doc:"The bytes that it is about; it says nothing of others."`
	Action    string    `json:"action" enum:"allow,keep,block,revoke"`
	Reason    string    `json:"reason" doc:"Plain text."`
	Author    string    `json:"author" example:"token:alice"`
	Impartial bool      `json:"impartial" doc:"True when it is known that the author did not publish the release. False is: not checked for self-approval."`
	After     int64     `json:"after,omitempty" doc:"The ruling that its author had before them."`
	At        time.Time `json:"at"`
}

// A RulingList is all that people decided on a release.
type RulingList struct {
	Rulings []Ruling `json:"rulings" nullable:"false" doc:"Newest first."`
}

// A RulingDocument is a ruling.
type RulingDocument struct {
	Ruling Ruling `json:"ruling"`
}

func (s *server) rulingRoutes(routes huma.API) {
	decide := []map[string][]string{{securityToken: {auth.ScopeDecide}}}
	register(s, routes, huma.Operation{
		OperationID: "list-rulings", Method: http.MethodGet, Path: "/api/v1/crates/{name}/{version}/rulings", Tags: []string{tagFence},
		Summary: "Read what people decided on a release",
	}, s.listRulings)
	register(s, routes, huma.Operation{
		OperationID: "rule", Method: http.MethodPost, Path: "/api/v1/crates/{name}/{version}/rulings", Tags: []string{tagFence},
		Summary: "Decide on a release",
		Description: "allow lets it through whatever held it, keep says that it was seen and stays where it is, block quarantines it, revoke withdraws it. " +
			"A decision is undone by a later one alone. after names the newest ruling that you have read, 0 for none: where another stands, the answer is 409 with that. " +
			"Nobody decides on a release that they published (403).",
		DefaultStatus: http.StatusCreated, Security: decide,
	}, s.rule)
	register(s, routes, huma.Operation{
		OperationID: "accept-line", Method: http.MethodPost, Path: "/api/v1/crates/{name}/{version}/accept-line", Tags: []string{tagFence},
		Summary: "Accept the index line that upstream has now",
		Description: "After upstream edited the dependencies, features or links of a known version, the line from before is served until somebody accepts the new one. " +
			"That holds for every policy. offered is the SHA-256 of the line that you have read: where it is another by now, the answer is 409.",
		DefaultStatus: http.StatusNoContent, Security: decide,
	}, s.acceptLine)
	register(s, routes, huma.Operation{
		OperationID: "honour-yank", Method: http.MethodPost, Path: "/api/v1/crates/{name}/{version}/honour-yank", Tags: []string{tagFence},
		Summary:       "Honour a yank now",
		Description:   "Lets a yank stand that the yank guard keeps back. That holds for every policy.",
		DefaultStatus: http.StatusNoContent, Security: decide,
	}, s.honourYank)
}

func (s *server) listRulings(ctx context.Context, in *ReleaseInput) (*body[RulingList], error) {
	names, err := s.chosen(ctx, "")
	if err != nil {
		return nil, err
	}
	if err := named(*in); err != nil {
		return nil, err
	}
	list := RulingList{Rulings: []Ruling{}}
	for _, name := range names {
		rulings, err := s.Fence.Records.Rulings(ctx, store.RulingQuery{Policy: name, Crate: in.Name, Version: in.Version, Limit: maxHistory})
		if err != nil {
			return nil, err
		}
		for _, r := range rulings {
			list.Rulings = append(list.Rulings, NewRuling(r))
		}
	}
	return &body[RulingList]{list}, nil
}

// maxHistory bounds how much of what people did is shown at once.
const maxHistory = 200

// A RulingRequest is a decision to be made.
type RulingRequest struct {
	Policy string `json:"policy" maxLength:"64" example:"default"`
	Action string `json:"action" enum:"allow,keep,block,revoke"`
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in a sentence, for those who read it later." example:"Read every line of the diff; the new dependency is ours"`
	After  int64  `json:"after" minimum:"0" doc:"The newest ruling that you have read; 0 for none."`
}

type ruleInput struct {
	ReleaseInput
	Body RulingRequest
}

func (s *server) rule(ctx context.Context, in *ruleInput) (*body[RulingDocument], error) {
	actor, err := s.decider(ctx, in.Body.Policy)
	if err != nil {
		return nil, err
	}
	subject := ruling.Subject{Policy: in.Body.Policy, Crate: in.Name, Version: in.Version}
	made, err := s.Fence.Desk.Rule(ctx, ruling.Order{
		Subject: subject, Action: policy.Action(in.Body.Action), Reason: in.Body.Reason, After: store.ID(in.Body.After),
	}, actor)
	if errors.Is(err, store.ErrConflict) {
		return nil, s.overtaken(ctx, subject)
	}
	if err != nil {
		return nil, err
	}
	return &body[RulingDocument]{RulingDocument{NewRuling(made)}}, nil
}

// overtaken says which ruling stands.
func (s *server) overtaken(ctx context.Context, subject ruling.Subject) error {
	p := newProblem(http.StatusConflict, "Somebody decided on this release meanwhile. Read what stands, and name it in after if you still mean it.")
	rulings, err := s.Fence.Records.Rulings(ctx, store.RulingQuery{Policy: subject.Policy, Crate: subject.Crate, Version: subject.Version, Limit: 1})
	if err != nil {
		return err
	}
	if len(rulings) > 0 {
		standing := NewRuling(rulings[0])
		p.Standing = &standing
	}
	return p
}

// NewRuling is a stored ruling.
func NewRuling(r store.Ruling) Ruling {
	return Ruling{
		ID: int64(r.ID), Policy: r.Policy, Name: r.Crate, Version: r.Version, Checksum: r.Checksum.String(),
		Action: string(r.Action), Reason: r.Reason, Author: r.Author, Impartial: r.Impartial, After: int64(r.After), At: instant(r.At),
	}
}

// An AcceptLineRequest accepts the index line that upstream has now.
type AcceptLineRequest struct {
	Offered string `json:"offered" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the line that you have read, without its line feed."`
	Reason  string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in a sentence."`
}

type acceptInput struct {
	ReleaseInput
	Body AcceptLineRequest
}

func (s *server) acceptLine(ctx context.Context, in *acceptInput) (*struct{}, error) {
	actor, err := s.lineDecider(ctx)
	if err != nil {
		return nil, err
	}
	var offered [32]byte
	if _, err := hex.Decode(offered[:], []byte(in.Body.Offered)); err != nil {
		return nil, mistaken(Mistake{"body.offered", "want 64 lower-case hexadecimal digits"})
	}
	err = s.Fence.Desk.AcceptLine(ctx, ruling.Subject{Crate: in.Name, Version: in.Version}, offered, in.Body.Reason, actor)
	if errors.Is(err, store.ErrConflict) {
		return nil, newProblem(http.StatusConflict, "Upstream offers no such line for this version now. Read what it offers, and accept that.")
	}
	return nil, err
}

// A HonourYankRequest lets a yank stand.
type HonourYankRequest struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in a sentence."`
}

type honourInput struct {
	ReleaseInput
	Body HonourYankRequest
}

func (s *server) honourYank(ctx context.Context, in *honourInput) (*struct{}, error) {
	actor, err := s.lineDecider(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Fence.Desk.HonourYank(ctx, ruling.Subject{Crate: in.Name, Version: in.Version}, in.Body.Reason, actor)
	if errors.Is(err, store.ErrConflict) {
		return nil, newProblem(http.StatusConflict, "This version is not yanked upstream, or its yank is honoured already.")
	}
	return nil, err
}

// lineDecider is decider for what holds under every policy.
func (s *server) lineDecider(ctx context.Context) (string, error) {
	if _, err := s.chosen(ctx, ""); err != nil {
		return "", err
	}
	return s.decider(ctx, "")
}
