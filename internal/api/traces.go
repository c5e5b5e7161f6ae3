package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// A LineEvent is one thing that happened to a crate's lines in upstream's index.
type LineEvent struct {
	ID      int64     `json:"id" example:"815"`
	Version string    `json:"version,omitempty" doc:"Absent when it is about the whole file." example:"0.3.10"`
	What    string    `json:"what" enum:"published,yanked,unyanked,rewritten,edited,other-checksum,removed,returned,accepted,yank-honoured,file-gone,unreadable-lines" doc:"rewritten: nothing changed that cargo resolves by. edited: its dependencies, features or links changed, and the line from before is served until somebody accepts the new one. accepted, yank-honoured: a person did that."`
	At      time.Time `json:"at" doc:"When this server saw it."`
	Detail  string    `json:"detail,omitempty" doc:"Plain text."`
}

// A LineEventPage is a page of what happened to a crate's lines.
type LineEventPage struct {
	Events []LineEvent `json:"events" nullable:"false"`
	Next   string      `json:"next,omitempty" doc:"Give it as cursor to read the next page. Absent on the last."`
}

// A Fetch is one download that was asked for.
type Fetch struct {
	At       time.Time `json:"at"`
	Actor    string    `json:"actor" doc:"Who asked, as the audit log names them." example:"token:ci"`
	Policy   string    `json:"policy" example:"default"`
	Checksum string    `json:"checksum" pattern:"^[0-9a-f]{64}$"`
	Passed   bool      `json:"passed" doc:"False when it was refused."`
}

// A FetchPage is a page of downloads.
type FetchPage struct {
	Fetches []Fetch `json:"fetches" nullable:"false"`
	Next    string  `json:"next,omitempty" doc:"Give it as cursor to read the next page. Absent on the last."`
}

// A ReviewRequest is somebody's wish that a release be looked at.
type ReviewRequest struct {
	Policy string    `json:"policy" example:"default"`
	Actor  string    `json:"actor" example:"token:ci"`
	Reason string    `json:"reason" doc:"Plain text."`
	At     time.Time `json:"at"`
}

// A ReviewRequestList is who asked for a review of a release.
type ReviewRequestList struct {
	ReviewRequests []ReviewRequest `json:"review_requests" nullable:"false" doc:"Newest first."`
}

func (s *server) traceRoutes(routes huma.API) {
	register(s, routes, huma.Operation{
		OperationID: "list-line-events", Method: http.MethodGet, Path: "/api/v1/crates/{name}/line-events", Tags: []string{tagFence},
		Summary: "Read what happened to a crate's index lines", Description: "Newest first: publications, yanks, edits, removals.",
	}, s.lineEvents)
	register(s, routes, huma.Operation{
		OperationID: "list-fetches", Method: http.MethodGet, Path: "/api/v1/crates/{name}/{version}/fetches", Tags: []string{tagFence},
		Summary: "Read who fetched a release", Description: "Newest first; refused downloads too.",
		Security: []map[string][]string{{securityToken: {auth.ScopeAdmin}}},
	}, s.fetches)
	register(s, routes, huma.Operation{
		OperationID: "list-review-requests", Method: http.MethodGet, Path: "/api/v1/crates/{name}/{version}/review-requests", Tags: []string{tagFence},
		Summary: "Read who asked for a review of a release",
	}, s.reviewRequests)
	register(s, routes, huma.Operation{
		OperationID: "ask-review", Method: http.MethodPost, Path: "/api/v1/crates/{name}/{version}/review-requests", Tags: []string{tagFence},
		Summary:       "Ask for a review",
		Description:   "Says that somebody needs this release, and why, to those who decide. Asking twice under one policy changes nothing.",
		DefaultStatus: http.StatusCreated,
	}, s.askReview)
}

type lineEventsInput struct {
	CrateInput
	PageInput
}

func (s *server) lineEvents(ctx context.Context, in *lineEventsInput) (*body[LineEventPage], error) {
	if _, err := s.chosen(ctx, ""); err != nil {
		return nil, err
	}
	if crate.ValidateName(in.Name) != nil {
		return nil, notFound("There is no crate %.64q here.", in.Name)
	}
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	events, err := s.Fence.Traces.LineEvents(ctx, store.IndexKey(in.Name), before, in.Limit)
	if err != nil {
		return nil, err
	}
	page := LineEventPage{Events: make([]LineEvent, 0, len(events))}
	for _, e := range events {
		page.Events = append(page.Events, LineEvent{ID: int64(e.ID), Version: e.Version, What: string(e.What), At: instant(e.At), Detail: e.Detail})
		page.Next = in.next(len(events), e.ID)
	}
	return &body[LineEventPage]{page}, nil
}

func (s *server) fetches(ctx context.Context, in *releaseDecisionsInput) (*body[FetchPage], error) {
	if _, err := auth.Require(ctx, auth.ScopeAdmin); err != nil {
		return nil, err
	}
	if _, err := s.chosen(ctx, ""); err != nil {
		return nil, err
	}
	if err := named(in.ReleaseInput); err != nil {
		return nil, err
	}
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	fetches, err := s.Fence.Traces.Fetches(ctx, store.FetchQuery{Crate: in.Name, Version: in.Version, Before: before, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	page := FetchPage{Fetches: make([]Fetch, 0, len(fetches))}
	for _, f := range fetches {
		page.Fetches = append(page.Fetches, Fetch{At: instant(f.At), Actor: f.Actor, Policy: f.Policy, Checksum: f.Checksum.String(), Passed: f.Passed})
		page.Next = in.next(len(fetches), f.ID)
	}
	return &body[FetchPage]{page}, nil
}

func (s *server) reviewRequests(ctx context.Context, in *ReleaseInput) (*body[ReviewRequestList], error) {
	names, err := s.chosen(ctx, "")
	if err != nil {
		return nil, err
	}
	if err := named(*in); err != nil {
		return nil, err
	}
	requests, err := s.Fence.Records.ReviewRequests(ctx, store.ReviewQuery{Crate: in.Name, Version: in.Version, Limit: maxHistory})
	if err != nil {
		return nil, err
	}
	list := ReviewRequestList{ReviewRequests: []ReviewRequest{}}
	for _, r := range requests {
		if slices.Contains(names, r.Policy) {
			list.ReviewRequests = append(list.ReviewRequests, newReviewRequest(r))
		}
	}
	return &body[ReviewRequestList]{list}, nil
}

// An AskReviewRequest asks for a review.
type AskReviewRequest struct {
	Policy string `json:"policy" maxLength:"64" example:"default"`
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why you need it, in a sentence." example:"It fixes a panic that we run into"`
}

type askInput struct {
	ReleaseInput
	Body AskReviewRequest
}

func (s *server) askReview(ctx context.Context, in *askInput) (*body[ReviewRequest], error) {
	if _, err := s.chosen(ctx, in.Body.Policy); err != nil {
		return nil, err
	}
	subject := ruling.Subject{Policy: in.Body.Policy, Crate: in.Name, Version: in.Version}
	kept, _, err := s.Fence.Desk.AskReview(ctx, subject, in.Body.Reason, auth.Actor(ctx))
	if err != nil {
		return nil, err
	}
	return &body[ReviewRequest]{newReviewRequest(kept)}, nil
}

func newReviewRequest(r store.ReviewRequest) ReviewRequest {
	return ReviewRequest{Policy: r.Policy, Actor: r.Actor, Reason: r.Reason, At: instant(r.At)}
}
