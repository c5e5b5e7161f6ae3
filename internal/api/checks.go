package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

// A Check is a question asked of releases.
type Check struct {
	Name           string  `json:"name" example:"provenance"`
	Version        int     `json:"version" doc:"Raised whenever the same release could give another report." example:"1"`
	Title          string  `json:"title" doc:"Plain text." example:"The files match the repository"`
	Category       string  `json:"category" doc:"Only security colours the security badge." enum:"security,quality,compatibility,informational"`
	About          string  `json:"about" doc:"Whether the answer speaks of the release or of its crate." enum:"release,crate"`
	Doc            string  `json:"doc" doc:"Markdown: what is looked at, what each conclusion means, and what it cannot see. The first line is the title."`
	TimeoutSeconds float64 `json:"timeout_seconds" doc:"What bounds one run." example:"60"`
	URL            string  `json:"url" format:"uri-reference" example:"/api/v1/checks/provenance"`
}

// A CheckList is the checks that this server runs.
type CheckList struct {
	Checks []Check `json:"checks" nullable:"false" doc:"By name."`
}

// A CheckRunDocument is a check run with its release.
type CheckRunDocument struct {
	Release  Release  `json:"release"`
	CheckRun CheckRun `json:"check_run"`
}

func (s *server) checkRoutes(routes huma.API) {
	register(s, routes, huma.Operation{
		OperationID: "list-check-runs", Method: http.MethodGet, Path: "/api/v1/crates/{name}/{version}/check-runs", Tags: []string{tagChecks},
		Summary: "Read a release's check runs",
		Description: "First the run that counts for each check, by check name; then what is queued or running. " +
			"With all=true every other attempt follows, newest first. " +
			"While something is queued or running, ask again with If-None-Match: it costs little.",
	}, s.listRuns)
	register(s, routes, huma.Operation{
		OperationID: "get-check-run", Method: http.MethodGet, Path: "/api/v1/check-runs/{id}", Tags: []string{tagChecks},
		Summary:     "Read a check run",
		Description: "A completed run never changes; counts may, when a newer run completes.",
	}, s.getRun)
	register(s, routes, huma.Operation{
		OperationID: "list-checks", Method: http.MethodGet, Path: "/api/v1/checks", Tags: []string{tagChecks},
		Summary: "List the checks", Description: "The checks that this server runs on every release.",
	}, s.listChecks)
	register(s, routes, huma.Operation{
		OperationID: "get-check", Method: http.MethodGet, Path: "/api/v1/checks/{name}", Tags: []string{tagChecks},
		Summary: "Read about a check",
	}, s.getCheck)
}

type listRunsInput struct {
	Name    string `path:"name" doc:"The crate's name, matched as the registry does." example:"serde"`
	Version string `path:"version" doc:"A SemVer version, in full." example:"1.0.219"`
	All     bool   `query:"all" doc:"Whether to return every attempt."`
}

func (s *server) listRuns(ctx context.Context, in *listRunsInput) (*body[CheckDocument], error) {
	release, err := s.release(ctx, in.Name, in.Version)
	if err != nil {
		return nil, err
	}
	counting, pending, err := s.states(ctx, release.ID)
	if err != nil {
		return nil, err
	}
	rest := pending
	if in.All {
		if rest, err = s.Releases.CheckRuns(ctx, release.ID); err != nil {
			return nil, err
		}
		rest = slices.DeleteFunc(rest, func(r store.CheckRun) bool { return holds(counting, r.ID) })
	}
	doc := CheckDocument{Release: newFullRelease(release), CheckRuns: make([]CheckRun, 0, len(counting)+len(rest))}
	for _, r := range counting {
		run := NewCheckRun(r)
		run.Counts = true
		doc.CheckRuns = append(doc.CheckRuns, run)
	}
	for _, r := range rest {
		doc.CheckRuns = append(doc.CheckRuns, NewCheckRun(r))
	}
	return &body[CheckDocument]{doc}, nil
}

// states returns the runs of a release that count and those that are queued or
// running, each by check name.
func (s *server) states(ctx context.Context, release store.ID) (counting, pending []store.CheckRun, err error) {
	states, err := s.Releases.CheckStates(ctx, release)
	if err != nil {
		return nil, nil, err
	}
	for _, state := range states[release] {
		if state.Counts != nil {
			counting = append(counting, *state.Counts)
		}
		if state.Pending != nil {
			pending = append(pending, *state.Pending)
		}
	}
	return counting, pending, nil
}

func holds(runs []store.CheckRun, id store.ID) bool {
	return slices.ContainsFunc(runs, func(r store.CheckRun) bool { return r.ID == id })
}

type idInput struct {
	ID string `path:"id" doc:"A number." example:"4711"`
}

// parseID reads an id as it stands in our URLs: 0 is no id.
func (in *idInput) parse() store.ID {
	id, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != in.ID {
		return 0
	}
	return store.ID(id)
}

func (s *server) getRun(ctx context.Context, in *idInput) (*body[CheckRunDocument], error) {
	missing := notFound("There is no check run %.32q here.", in.ID)
	id := in.parse()
	if id == 0 {
		return nil, missing
	}
	stored, err := s.Releases.Run(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	release, err := s.Releases.ReleaseByID(ctx, stored.ReleaseID)
	if err != nil {
		return nil, err
	}
	counting, _, err := s.states(ctx, release.ID)
	if err != nil {
		return nil, err
	}
	run := NewCheckRun(stored)
	run.Counts = holds(counting, id)
	return &body[CheckRunDocument]{CheckRunDocument{NewRelease(release), run}}, nil
}

func (s *server) listChecks(context.Context, *struct{}) (*body[CheckList], error) {
	list := CheckList{Checks: make([]Check, 0, len(s.Checks))}
	for _, c := range s.Checks {
		list.Checks = append(list.Checks, newCheck(c))
	}
	return &body[CheckList]{list}, nil
}

type checkInput struct {
	Name string `path:"name" doc:"A check's name." example:"provenance"`
}

func (s *server) getCheck(_ context.Context, in *checkInput) (*body[Check], error) {
	for _, c := range s.Checks {
		if c.Name == in.Name {
			return &body[Check]{newCheck(c)}, nil
		}
	}
	return nil, notFound("This server runs no check %.64q. /api/v1/checks lists those that it runs.", in.Name)
}

func newCheck(c *check.Check) Check {
	return Check{
		Name: c.Name, Version: c.Version, Title: c.Title(), Category: string(c.Category), About: string(c.About),
		Doc: c.Doc, TimeoutSeconds: c.Timeout.Seconds(), URL: "/api/v1/checks/" + c.Name,
	}
}
