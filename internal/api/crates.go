package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// maxIncidents bounds how many incidents are shown with a crate.
const maxIncidents = 100

// securityPolicy is the check whose facts are shown with a crate.
const securityPolicy = "security-policy"

// A CratePage is a page of crates.
type CratePage struct {
	Crates []CrateSummary `json:"crates" nullable:"false"`
	Next   string         `json:"next,omitempty" doc:"Give it as cursor to read the next page. Absent on the last."`
}

// A CrateSummary is a crate with the release that speaks for it.
type CrateSummary struct {
	Name           string    `json:"name" doc:"As it was first published." example:"serde"`
	CreatedAt      time.Time `json:"created_at" doc:"When this server first saw a release of it."`
	UpdatedAt      time.Time `json:"updated_at" doc:"When this server first saw the newest of its releases."`
	DefaultVersion Release   `json:"default_version" doc:"The release that speaks for the crate: the newest stable version that is not yanked, else the newest that is not yanked, else the newest."`
	URL            string    `json:"url" format:"uri-reference" example:"/api/v1/crates/serde"`
}

// A CrateDocument is all there is to say of a crate.
type CrateDocument struct {
	Crate          CrateSummary `json:"crate"`
	Versions       []Release    `json:"versions" nullable:"false" doc:"Newest version first."`
	SecurityPolicy *CrateFacts  `json:"security_policy,omitempty" doc:"What the security-policy check last learned. Absent when it has not."`
	Incidents      []Incident   `json:"incidents" nullable:"false" doc:"Newest first, a hundred at most."`
}

// CrateFacts are what a check about the crate learned from one of its releases.
type CrateFacts struct {
	Check    string          `json:"check" example:"security-policy"`
	Version  string          `json:"version" doc:"The release it was read from." example:"1.0.219"`
	CheckRun string          `json:"check_run" format:"uri-reference" example:"/api/v1/check-runs/4711"`
	ReadAt   time.Time       `json:"read_at"`
	Facts    json.RawMessage `json:"facts,omitempty" doc:"As the check's doc describes them."`
}

// An Incident says that other bytes were offered under a known name and version.
// They are kept, and never served or checked in place of the first.
type Incident struct {
	Version     string    `json:"version" example:"1.0.219"`
	Known       string    `json:"known" doc:"SHA-256 of the bytes that are known, and stay."`
	Offered     string    `json:"offered" doc:"SHA-256 of the other bytes."`
	Size        int64     `json:"size" doc:"How many other bytes there are."`
	Via         string    `json:"via" doc:"How they came." example:"webhook"`
	Detail      string    `json:"detail,omitempty" doc:"Who offered them, as far as known."`
	FirstSeenAt time.Time `json:"first_seen_at"`
	LastSeenAt  time.Time `json:"last_seen_at"`
	Times       int       `json:"times" doc:"How often they were offered." example:"1"`
}

// A ReleaseDocument is a release with its manifest.
type ReleaseDocument struct {
	Release Release `json:"release"`
}

type body[T any] struct{ Body T }

// A CrateInput is the crate in a path; huma fills exported types alone.
type CrateInput struct {
	Name string `path:"name" doc:"Matched as the registry does: ignoring case, and - against _. Answers use the name as it was first published." example:"serde"`
}

// A ReleaseInput is the release in a path.
type ReleaseInput struct {
	Name    string `path:"name" doc:"The crate's name, matched as the registry does." example:"serde"`
	Version string `path:"version" doc:"A SemVer version, in full." example:"1.0.219"`
}

func (s *server) crateRoutes(routes huma.API) {
	register(s, routes, huma.Operation{
		OperationID: "list-crates", Method: http.MethodGet, Path: "/api/v1/crates", Tags: []string{tagCrates},
		Summary:     "List or search crates",
		Description: "Without q, all crates by name. With q, an exact name first, then names that begin with it, then names that hold it, then descriptions.",
	}, s.listCrates)
	register(s, routes, huma.Operation{
		OperationID: "get-crate", Method: http.MethodGet, Path: "/api/v1/crates/{name}", Tags: []string{tagCrates},
		Summary:     "Read a crate",
		Description: "The crate, its versions, the security policy that was found for it, and its incidents.",
	}, s.getCrate)
	register(s, routes, huma.Operation{
		OperationID: "get-release", Method: http.MethodGet, Path: "/api/v1/crates/{name}/{version}", Tags: []string{tagCrates},
		Summary:     "Read a release",
		Description: "One version as bytes, with what its manifest says.",
	}, s.getRelease)
}

type listInput struct {
	Query  string `query:"q" maxLength:"200" doc:"What to look for, ignoring case and the difference of - and _." example:"json"`
	Cursor string `query:"cursor" maxLength:"500" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many crates to return at most."`
}

type listOutput struct {
	Link string `header:"Link" doc:"The next page, as rel=\"next\" (RFC 8288). Absent on the last."`
	Body CratePage
}

func (s *server) listCrates(ctx context.Context, in *listInput) (*listOutput, error) {
	for location, text := range map[string]string{"query.q": in.Query, "query.cursor": in.Cursor} {
		if !plainText(text) {
			return nil, mistaken(Mistake{location, "want text without control characters"})
		}
	}
	page, err := s.Crates.Crates(ctx, store.CrateQuery{Text: in.Query, After: in.Cursor, Limit: in.Limit})
	if errors.Is(err, store.ErrNotFound) {
		return nil, mistaken(Mistake{"query.cursor", "is not the next of any page; leave it out to begin again"})
	}
	if err != nil {
		return nil, err
	}
	out := &listOutput{Body: CratePage{Crates: make([]CrateSummary, 0, len(page.Crates)), Next: page.Next}}
	for _, c := range page.Crates {
		out.Body.Crates = append(out.Body.Crates, newCrateSummary(c.Crate, newFullRelease(c.Default)))
	}
	if page.Next != "" {
		next := url.Values{"cursor": {page.Next}, "limit": {strconv.Itoa(in.Limit)}}
		if in.Query != "" {
			next.Set("q", in.Query)
		}
		out.Link = `</api/v1/crates?` + next.Encode() + `>; rel="next"`
	}
	return out, nil
}

func newCrateSummary(c store.Crate, def Release) CrateSummary {
	return CrateSummary{
		Name: c.Name, CreatedAt: instant(c.CreatedAt), UpdatedAt: instant(c.UpdatedAt),
		DefaultVersion: def, URL: cratePath(c.Name),
	}
}

func (s *server) getCrate(ctx context.Context, in *CrateInput) (*body[CrateDocument], error) {
	c, err := s.crate(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	releases, err := s.Crates.Releases(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	incidents, err := s.Crates.Incidents(ctx, c.ID, maxIncidents)
	if err != nil {
		return nil, err
	}
	doc := CrateDocument{Versions: make([]Release, 0, len(releases)), Incidents: make([]Incident, 0, len(incidents))}
	standing := s.standing(ctx, c.Name)
	for _, r := range releases {
		if r.ID == c.Default {
			doc.Crate = newCrateSummary(c, newFullRelease(r))
			doc.Crate.DefaultVersion.Decisions = standing[r.Version]
		}
		version := NewRelease(r)
		version.Decisions = standing[r.Version]
		doc.Versions = append(doc.Versions, version)
	}
	for _, i := range incidents {
		doc.Incidents = append(doc.Incidents, newIncident(i))
	}
	doc.SecurityPolicy, err = s.crateFacts(ctx, c.ID, securityPolicy)
	if err != nil {
		return nil, err
	}
	return &body[CrateDocument]{doc}, nil
}

// crate reads a crate by a name from a path.
func (s *server) crate(ctx context.Context, name string) (store.Crate, error) {
	missing := notFound("There is no crate %.64q here.", name)
	if crate.ValidateName(name) != nil {
		return store.Crate{}, missing
	}
	c, err := s.Crates.Crate(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return store.Crate{}, missing
	}
	return c, err
}

func (s *server) crateFacts(ctx context.Context, id store.ID, check string) (*CrateFacts, error) {
	kept, err := s.Crates.CrateFacts(ctx, id, check)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &CrateFacts{
		Check: kept.Check, Version: kept.Version, CheckRun: runPath(kept.RunID),
		ReadAt: instant(kept.ReadAt), Facts: facts(kept.Facts),
	}, nil
}

func newIncident(i store.Incident) Incident {
	return Incident{
		Version: i.Version, Known: i.Known.String(), Offered: i.Offered.String(), Size: i.Size,
		Via: string(i.Via), Detail: i.Detail,
		FirstSeenAt: instant(i.SeenAt), LastSeenAt: instant(i.LastSeen), Times: i.Times,
	}
}

func (s *server) getRelease(ctx context.Context, in *ReleaseInput) (*body[ReleaseDocument], error) {
	r, err := s.release(ctx, in.Name, in.Version)
	if err != nil {
		return nil, err
	}
	doc := ReleaseDocument{newFullRelease(r)}
	doc.Release.Decisions = s.standing(ctx, r.Crate)[r.Version]
	return &body[ReleaseDocument]{doc}, nil
}

// release reads a release by a name and version from a path.
func (s *server) release(ctx context.Context, name, version string) (store.Release, error) {
	missing := notFound("There is no release %.64q %.64q here.", name, version)
	if crate.ValidateName(name) != nil {
		return store.Release{}, missing
	}
	if _, err := crate.ParseVersion(version); err != nil {
		return store.Release{}, missing
	}
	r, err := s.Releases.Release(ctx, name, version)
	if errors.Is(err, store.ErrNotFound) {
		return store.Release{}, missing
	}
	return r, err
}

// plainText reports whether s is text that stores and people can take: valid
// UTF-8 on one line.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func mistaken(mistakes ...Mistake) *Problem {
	p := newProblem(http.StatusUnprocessableEntity, "Something in the request is not as the API describes it; see errors, and /api/openapi.json.")
	p.Errors = mistakes
	return p
}
