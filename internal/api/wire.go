package api

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// A Release is one published version as bytes. Only its name and version are
// there in every document: an unpacked folder has no checksum, and what was not
// taken in by a server has no history.
type Release struct {
	Name        string    `json:"name" doc:"The crate's name, as it was first published." example:"serde"`
	Version     string    `json:"version" doc:"A SemVer version." example:"1.0.219"`
	Checksum    string    `json:"checksum,omitempty" pattern:"^[0-9a-f]{64}$" doc:"SHA-256 of the .crate file, as first seen." example:"5f0e2c6ed6606019b4e29e69dbaba95b11854410e5347d525002456dbbb786b6"`
	Size        int64     `json:"size,omitempty" doc:"Bytes of the .crate file." example:"78983"`
	PublishedAt time.Time `json:"published_at,omitzero" doc:"When it was published, by upstream's word. Absent when unknown."`
	FirstSeenAt time.Time `json:"first_seen_at,omitzero" doc:"When this server first saw these bytes."`
	Publisher   string    `json:"publisher,omitempty" doc:"Who published it, as announced. Absent when unknown." example:"github:rust-lang"`
	Via         string    `json:"via,omitempty" enum:"webhook,submit" doc:"How it came to this server."`
	Yanked      bool      `json:"yanked,omitempty" doc:"True when it is known to be yanked; absent otherwise."`
	Manifest    *Manifest `json:"manifest,omitempty" doc:"What its Cargo.toml says. Left out of lists."`
	// Decisions of the fence; see releaseDecisions for those before.
	Decisions []Decision `json:"decisions,omitempty" nullable:"false" doc:"What becomes of it as of now, under each policy that you may use."`
	URL       string     `json:"url,omitempty" format:"uri-reference" doc:"Where to read it again." example:"/api/v1/crates/serde/1.0.219"`
}

// A Manifest is what a release says of itself. Nobody vouches for it.
type Manifest struct {
	Description   string       `json:"description,omitempty" doc:"Plain text." example:"A generic serialization/deserialization framework"`
	License       string       `json:"license,omitempty" doc:"An SPDX expression, by convention." example:"MIT OR Apache-2.0"`
	Repository    string       `json:"repository,omitempty" doc:"As written: perhaps no URL." example:"https://github.com/serde-rs/serde"`
	Homepage      string       `json:"homepage,omitempty" doc:"As written: perhaps no URL."`
	Documentation string       `json:"documentation,omitempty" doc:"As written: perhaps no URL."`
	RustVersion   string       `json:"rust_version,omitempty" doc:"The oldest Rust that it claims to work with." example:"1.61"`
	Edition       string       `json:"edition,omitempty" example:"2021"`
	Keywords      []string     `json:"keywords,omitempty" nullable:"false"`
	Categories    []string     `json:"categories,omitempty" nullable:"false"`
	Dependencies  []Dependency `json:"dependencies,omitempty" nullable:"false" doc:"In the manifest's order."`
}

// A Dependency is one line of a manifest's dependency tables.
type Dependency struct {
	Name     string `json:"name" example:"serde_derive"`
	Req      string `json:"req" doc:"Which versions it accepts." example:"^1.0"`
	Kind     string `json:"kind" doc:"normal, build or dev." example:"normal"`
	Target   string `json:"target,omitempty" doc:"The platform it is for; absent for all." example:"cfg(unix)"`
	Optional bool   `json:"optional,omitempty"`
}

// A CheckRun is one execution of a check on a release. It is the same from this
// API and from `cratefence check --json`, which knows no history: there it has
// nothing after its report.
type CheckRun struct {
	Check        string             `json:"check" doc:"The check's name; see /api/v1/checks." example:"provenance"`
	CheckVersion int                `json:"check_version" doc:"Raised whenever the same release could give another report." example:"1"`
	Status       string             `json:"status" enum:"queued,in_progress,completed"`
	Conclusion   string             `json:"conclusion,omitempty" enum:"success,failure,neutral,skipped,inconclusive,error" doc:"Of a completed run. success: it looked, and it is in order. failure: it found what it looks for. neutral: facts worth reading, no judgement. skipped: it does not apply to this release. inconclusive: it applies, and could not be known. error: the check broke or timed out, which says nothing of the crate and is tried again."`
	Title        string             `json:"title,omitempty" doc:"The report in one plain sentence." example:"All 42 files match the commit"`
	Summary      string             `json:"summary,omitempty" doc:"Markdown: what was looked at and what it means. May quote the crate: sanitise it before showing it."`
	Text         string             `json:"text,omitempty" doc:"Markdown: the details."`
	Findings     []Finding          `json:"findings" nullable:"false"`
	Metrics      map[string]float64 `json:"metrics" doc:"Numbers by name." example:"{\"files_compared\": 42}"`
	Facts        json.RawMessage    `json:"facts,omitempty" doc:"The check's own structured data, which its doc describes."`
	RetryAt      time.Time          `json:"retry_at,omitzero" doc:"When an inconclusive run is worth another try."`

	ID          int64     `json:"id,omitempty" example:"4711"`
	URL         string    `json:"url,omitempty" format:"uri-reference" doc:"Where to read it again." example:"/api/v1/check-runs/4711"`
	Counts      bool      `json:"counts,omitempty" doc:"True for the run that counts for its check: of its newest version the newest completed run that knew (success, failure, neutral); while none did, the newest."`
	Attempt     int       `json:"attempt,omitempty" doc:"1 is the first." example:"1"`
	Again       bool      `json:"again,omitempty" doc:"True for a run that was queued because the answer before it had grown old."`
	QueuedAt    time.Time `json:"queued_at,omitzero"`
	RunAfter    time.Time `json:"run_after,omitzero" doc:"A queued run is not started before."`
	StartedAt   time.Time `json:"started_at,omitzero"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
}

// A Finding is one thing that a check found. All of it is plain text and may
// quote the crate: escape it before showing it.
type Finding struct {
	Rule      string      `json:"rule" doc:"The stable name of what was found." example:"file-not-in-repository"`
	Level     check.Level `json:"level" enum:"note,warning,error" doc:"How much it weighs, in SARIF's words."`
	Message   string      `json:"message" doc:"One sentence." example:"src/backdoor.rs is in the crate and not in its repository"`
	Path      string      `json:"path,omitempty" doc:"The file, relative to the crate's root." example:"src/backdoor.rs"`
	StartLine int         `json:"start_line,omitempty" doc:"Counted from 1; absent when no line is meant." example:"12"`
	EndLine   int         `json:"end_line,omitempty" doc:"The last line meant." example:"14"`
	Snippet   string      `json:"snippet,omitempty" doc:"The lines themselves."`
	Help      string      `json:"help,omitempty" doc:"What an honest author or user would do."`
}

// A CheckDocument is a release and check runs on it.
type CheckDocument struct {
	Release   Release    `json:"release"`
	CheckRuns []CheckRun `json:"check_runs" nullable:"false"`
}

// NewCheckDocument begins the document of a release that no server knows.
func NewCheckDocument(r crate.Release) *CheckDocument {
	release := Release{Name: r.Name, Version: r.Version}
	if !r.Checksum.IsZero() {
		release.Checksum = r.Checksum.String()
	}
	return &CheckDocument{Release: release, CheckRuns: []CheckRun{}}
}

// Add adds what a check answered.
func (d *CheckDocument) Add(c *check.Check, r check.Report) {
	d.CheckRuns = append(d.CheckRuns, NewCheckRun(store.CheckRun{
		Check: c.Name, CheckVersion: c.Version, Status: store.Completed, Report: r,
	}))
}

// NewRelease is a stored release, without its manifest.
func NewRelease(r store.Release) Release {
	return Release{
		Name: r.Crate, Version: r.Version, Checksum: r.Checksum.String(), Size: r.Size,
		PublishedAt: instant(r.PublishedAt), FirstSeenAt: instant(r.FirstSeenAt),
		Publisher: r.Publisher, Via: string(r.Via), Yanked: r.Yanked,
		URL: releasePath(r.Crate, r.Version),
	}
}

// newFullRelease is a stored release with its manifest.
func newFullRelease(r store.Release) Release {
	full := NewRelease(r)
	full.Manifest = newManifest(r.About)
	return full
}

func newManifest(a store.About) *Manifest {
	m := &Manifest{
		Description: a.Description, License: a.License, Repository: a.Repository, Homepage: a.Homepage,
		Documentation: a.Documentation, RustVersion: a.RustVersion, Edition: a.Edition,
		Keywords: a.Keywords, Categories: a.Categories,
	}
	for _, d := range a.Dependencies {
		m.Dependencies = append(m.Dependencies, Dependency(d))
	}
	return m
}

// NewCheckRun is a stored run, or one without an id that is not.
func NewCheckRun(r store.CheckRun) CheckRun {
	run := CheckRun{
		Check: r.Check, CheckVersion: r.CheckVersion, Status: string(r.Status),
		Conclusion: string(r.Report.Conclusion), Title: r.Report.Title, Summary: r.Report.Summary, Text: r.Report.Text,
		Findings: make([]Finding, 0, len(r.Report.Findings)), Metrics: metrics(r.Report.Metrics),
		Facts: facts(r.Report.Facts), RetryAt: instant(r.Report.RetryAt),
		ID: int64(r.ID), Attempt: r.Attempt, Again: r.Again, QueuedAt: instant(r.QueuedAt), RunAfter: instant(r.RunAfter),
		StartedAt: instant(r.StartedAt), CompletedAt: instant(r.CompletedAt),
	}
	for _, f := range r.Report.Findings {
		run.Findings = append(run.Findings, Finding(f))
	}
	if r.ID != 0 {
		run.URL = runPath(r.ID)
	}
	return run
}

// metrics leaves out what JSON has no word for.
func metrics(m map[string]float64) map[string]float64 {
	kept := make(map[string]float64, len(m))
	for name, value := range m {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			kept[name] = value
		}
	}
	return kept
}

// facts returns raw JSON as it may be served: encoding/json passes it on
// unread, invalid UTF-8 and all.
func facts(raw json.RawMessage) json.RawMessage {
	if !json.Valid(raw) {
		return nil
	}
	return bytes.ToValidUTF8(raw, []byte("\uFFFD"))
}

// instant returns t in UTC, or the zero time where RFC 3339 has no word for it:
// a time may be anybody's claim.
func instant(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func cratePath(name string) string { return "/api/v1/crates/" + url.PathEscape(name) }

func releasePath(name, version string) string {
	return cratePath(name) + "/" + url.PathEscape(version)
}

func runPath(id store.ID) string { return "/api/v1/check-runs/" + strconv.FormatInt(int64(id), 10) }

func announcementPath(id store.ID) string {
	return "/api/v1/announcements/" + strconv.FormatInt(int64(id), 10)
}
