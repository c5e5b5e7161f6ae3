package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/ruling"
	"github.com/cratefence/cratefence/internal/store"
)

// An Exception lets one exact release past one rule of one policy for a time.
type Exception struct {
	ID        int64     `json:"id" example:"7"`
	Policy    string    `json:"policy" example:"default"`
	Name      string    `json:"name" example:"arrayref"`
	Version   string    `json:"version" example:"0.3.10"`
	Checksum  string    `json:"checksum" pattern:"^[0-9a-f]{64}$" doc:"The bytes that it is about; it lets no others through."`
	Rule      string    `json:"rule" doc:"The one rule that it lifts." example:"cool-off"`
	Reason    string    `json:"reason" doc:"Plain text."`
	Author    string    `json:"author" example:"token:alice"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	EndedAt   time.Time `json:"ended_at,omitzero" doc:"When it was ended or its time was over; absent while it is in force."`
	EndedBy   string    `json:"ended_by,omitempty" doc:"Who ended it; system where its time was over." example:"system"`
}

// An ExceptionPage is a page of exceptions.
type ExceptionPage struct {
	Exceptions []Exception `json:"exceptions" nullable:"false"`
	Next       string      `json:"next,omitempty" doc:"Give it as cursor to read the next page. Absent on the last."`
}

// An ExceptionDocument is an exception.
type ExceptionDocument struct {
	Exception Exception `json:"exception"`
}

func (s *server) exceptionRoutes(routes huma.API) {
	decide := []map[string][]string{{securityToken: {auth.ScopeDecide}}}
	register(s, routes, huma.Operation{
		OperationID: "list-exceptions", Method: http.MethodGet, Path: "/api/v1/exceptions", Tags: []string{tagFence},
		Summary: "List exceptions", Description: "Newest first, of the policies that you may use.",
	}, s.listExceptions)
	register(s, routes, huma.Operation{
		OperationID: "add-exception", Method: http.MethodPost, Path: "/api/v1/exceptions", Tags: []string{tagFence},
		Summary: "Make an exception",
		Description: "Lets one exact release past one rule of one policy. It ends by itself: after 30 days unless expires_at says otherwise, after a year at the latest. " +
			"Nobody makes one for a release that they published (403).",
		DefaultStatus: http.StatusCreated, Security: decide,
	}, s.addException)
	register(s, routes, huma.Operation{
		OperationID: "expire-exception", Method: http.MethodPost, Path: "/api/v1/exceptions/{id}/expire", Tags: []string{tagFence},
		Summary: "End an exception before its time", Security: decide,
	}, s.expireException)
}

type exceptionsInput struct {
	ListInput
	Version string `query:"version" maxLength:"100" doc:"Only of this version."`
	Open    bool   `query:"open" doc:"Only those that have not ended."`
}

func (s *server) listExceptions(ctx context.Context, in *exceptionsInput) (*body[ExceptionPage], error) {
	names, before, err := s.list(ctx, in.ListInput)
	if err != nil {
		return nil, err
	}
	if !plainText(in.Version) {
		return nil, mistaken(Mistake{"query.version", "is not a version"})
	}
	var all []store.Exception
	for _, name := range names {
		some, err := s.Fence.Records.Exceptions(ctx, store.ExceptionQuery{
			Policy: name, Crate: in.Crate, Version: in.Version, Open: in.Open, Before: before, Limit: in.Limit,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b store.Exception) int { return cmp.Compare(b.ID, a.ID) })
	all = all[:min(in.Limit, len(all))]
	page := ExceptionPage{Exceptions: make([]Exception, 0, len(all))}
	for _, e := range all {
		page.Exceptions = append(page.Exceptions, NewException(e))
		page.Next = in.next(len(all), e.ID)
	}
	return &body[ExceptionPage]{page}, nil
}

// An ExceptionRequest is an exception to be made.
type ExceptionRequest struct {
	Policy    string    `json:"policy" maxLength:"64" example:"default"`
	Name      string    `json:"name" maxLength:"64" example:"arrayref"`
	Version   string    `json:"version" maxLength:"100" example:"0.3.10"`
	Rule      string    `json:"rule" maxLength:"100" doc:"The rule as the decision names it." example:"cool-off"`
	Reason    string    `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in a sentence, for those who read it later."`
	ExpiresAt time.Time `json:"expires_at,omitzero" required:"false" doc:"When it ends; in 30 days when left out."`
}

type exceptInput struct{ Body ExceptionRequest }

func (s *server) addException(ctx context.Context, in *exceptInput) (*body[ExceptionDocument], error) {
	actor, err := s.decider(ctx, in.Body.Policy)
	if err != nil {
		return nil, err
	}
	made, err := s.Fence.Desk.Except(ctx, ruling.Waiver{
		Subject: ruling.Subject{Policy: in.Body.Policy, Crate: in.Body.Name, Version: in.Body.Version},
		Rule:    in.Body.Rule, Reason: in.Body.Reason, Expires: in.Body.ExpiresAt,
	}, actor)
	if err != nil {
		return nil, err
	}
	return &body[ExceptionDocument]{ExceptionDocument{NewException(made)}}, nil
}

func (s *server) expireException(ctx context.Context, in *idInput) (*body[ExceptionDocument], error) {
	actor, err := s.lineDecider(ctx)
	if err != nil {
		return nil, err
	}
	missing := notFound("There is no exception %.32q here.", in.ID)
	id := in.parse()
	if id == 0 {
		return nil, missing
	}
	ended, err := s.Fence.Desk.Expire(ctx, id, actor)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, missing
	case errors.Is(err, store.ErrConflict):
		return nil, newProblem(http.StatusConflict, "This exception has ended already.")
	case err != nil:
		return nil, err
	}
	return &body[ExceptionDocument]{ExceptionDocument{NewException(ended)}}, nil
}

// NewException is a stored exception.
func NewException(e store.Exception) Exception {
	return Exception{
		ID: int64(e.ID), Policy: e.Policy, Name: e.Crate, Version: e.Version, Checksum: e.Checksum.String(),
		Rule: e.Rule, Reason: e.Reason, Author: e.Author,
		CreatedAt: instant(e.CreatedAt), ExpiresAt: instant(e.ExpiresAt), EndedAt: instant(e.EndedAt), EndedBy: e.EndedBy,
	}
}
