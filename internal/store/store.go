// Package store says what is kept: the stored types and the sentinel errors that
// both stores (store/sqlite and store/postgres) share. Interfaces stand with
// their users; the behaviour both must show is the suite in store/storetest.
//
// Every method of a store is one transaction and one sentence of the domain.
// Times are UTC with millisecond precision.
package store

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// Sentinel errors of every store.
var (
	ErrNotFound = errors.New("not found")
	// ErrOtherBytes: the name and version are known with another checksum. What
	// was offered is kept as an incident.
	ErrOtherBytes = errors.New("known with other bytes")
	// ErrOtherName: the crate is known under another spelling, in case or in
	// hyphens and underscores. As on crates.io the first spelling stays, and no
	// release is taken in under the other.
	ErrOtherName = errors.New("known under another spelling")
	// ErrConflict: a compare-and-swap lost; what the caller holds is out of date.
	ErrConflict = errors.New("changed meanwhile")
	// ErrNewer: the database was brought to its schema by a newer program.
	ErrNewer = errors.New("the database is of a newer cratefence")
)

// An ID is a row's id; 0 is none.
type ID int64

// A Crate is a name with releases.
type Crate struct {
	ID        ID
	Name      string // as first published
	CreatedAt time.Time
	UpdatedAt time.Time // newest release's FirstSeenAt
	// Default is the release that speaks for the crate: the newest stable
	// version that is not yanked, else the newest that is not yanked, else the
	// newest. Publishing and yanking keep it.
	Default ID
}

// A CrateSummary is a crate with the release that speaks for it.
type CrateSummary struct {
	Crate   Crate
	Default Release
}

// A CrateQuery asks for crates. The zero query lists all by name.
type CrateQuery struct {
	// Text is looked for in names and descriptions, ignoring case and the
	// difference of - and _: an exact name first, then names that begin with it,
	// then names that hold it, then descriptions.
	Text  string
	After string // the Next of the page before
	Limit int    // 1 to 100
}

// A CratePage is an answer to a CrateQuery.
type CratePage struct {
	Crates []CrateSummary
	Next   string // "" on the last page
}

// A Release is a published version, as first seen.
type Release struct {
	ID          ID
	CrateID     ID
	Crate       string // the crate's name
	Version     string
	Checksum    crate.Checksum
	Size        int64     // bytes of the .crate
	PublishedAt time.Time // upstream's claim; zero when unknown
	FirstSeenAt time.Time // ours
	Publisher   string    // as announced; "" when unknown
	Via         Via
	Yanked      bool
	About       About
}

// KnownPublisher is who published, as the registry told: "" where nobody but
// whoever brought the bytes says so.
func (r *Release) KnownPublisher() string {
	if r.Via == ViaSubmit {
		return ""
	}
	return r.Publisher
}

// Via names the caller of intake by which a release or announcement came.
type Via string

// The ways in.
const (
	ViaWebhook Via = "webhook"
	ViaSubmit  Via = "submit"
	// ViaRequest: a cargo asked for it. The message's id is the checksum, so that
	// there is one announcement of a release however many ask.
	ViaRequest Via = "request"
)

// About is what a release's manifest says of itself, each cut to a sane length.
// All empty when the manifest could not be read.
type About struct {
	Description   string   `json:"description,omitempty"`
	License       string   `json:"license,omitempty"`
	Repository    string   `json:"repository,omitempty"`
	Homepage      string   `json:"homepage,omitempty"`
	Documentation string   `json:"documentation,omitempty"`
	RustVersion   string   `json:"rust_version,omitempty"`
	Edition       string   `json:"edition,omitempty"`
	Keywords      []string `json:"keywords,omitempty"`
	Categories    []string `json:"categories,omitempty"`
	// Dependencies are the manifest's, in its order.
	Dependencies []Dependency `json:"dependencies,omitempty"`
}

// A Dependency is one line of a manifest's dependency tables.
type Dependency struct {
	Name     string `json:"name"`
	Req      string `json:"req"`
	Kind     string `json:"kind"` // normal, build, dev
	Target   string `json:"target,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// An Announcement is somebody's word that a version was published. It is stored
// before it is acted on, so that nothing is lost.
type Announcement struct {
	ID          ID
	Via         Via
	MessageID   string // the sender's id of the message; unique per Via, so that a repeat is the same announcement
	Crate       string
	Version     string
	Checksum    crate.Checksum
	DownloadURL string // "" means the configured registry
	Publisher   string
	PublishedAt time.Time
	Priority    int // of its fetch and of the first runs of its release; 0 is PriorityFresh
	Status      AnnouncementStatus
	Reason      string // why it was refused, or what the last try ran into
	ReceivedAt  time.Time
	FinishedAt  time.Time
}

// AnnouncementStatus is where an announcement stands.
type AnnouncementStatus string

// Received: to be fetched. Stored: its release is known. Refused: it never will
// be; Reason says why.
const (
	AnnouncementReceived AnnouncementStatus = "received"
	AnnouncementStored   AnnouncementStatus = "stored"
	AnnouncementRefused  AnnouncementStatus = "refused"
)

// A CheckRef names a version of a check.
type CheckRef struct {
	Name    string
	Version int
	Queue   string // where its runs queue; "" is CheckQueue
}

// A Publication is what publishing stores in one transaction.
type Publication struct {
	Release      Release // ID and CrateID are given by the store
	Facts        PublishFacts
	Checks       []CheckRef // runs to queue
	Priority     int        // of these; 0 is PriorityFresh
	Announcement ID         // settled as stored, or refused on other bytes; 0 when there was none
	Detail       string     // for an incident: who offered the bytes
	Audit        AuditEntry
}

// An Incident records that other bytes were offered under a known name and
// version. The first release stays; the other bytes are kept in the blob store
// and never served or checked.
type Incident struct {
	ID        ID
	ReleaseID ID
	Crate     string
	Version   string
	Known     crate.Checksum
	Offered   crate.Checksum
	Size      int64 // of the offered bytes
	Via       Via
	Detail    string // who offered them, as far as known
	SeenAt    time.Time
	LastSeen  time.Time
	Times     int
}

// Status is where a check run stands.
type Status string

// The statuses.
const (
	Queued     Status = "queued"
	InProgress Status = "in_progress"
	Completed  Status = "completed"
)

// A CheckRun is one execution of a check on a release. (release, check, check
// version, attempt) is unique. A completed run never changes; which of several
// counts is said by Overrides.
type CheckRun struct {
	ID           ID
	ReleaseID    ID
	Crate        string
	Version      string
	Checksum     crate.Checksum
	Check        string
	CheckVersion int
	Attempt      int // 1 is the first
	// Again: queued because the answer before it had grown old.
	Again       bool
	Status      Status
	QueuedAt    time.Time
	RunAfter    time.Time // not to be started before; zero is at once
	StartedAt   time.Time
	Deadline    time.Time // of a run in progress: then it counts as lost
	CompletedAt time.Time
	// Lease fences a run in progress: only its holder may complete it.
	Lease string
	// Report is what the check answered; its Conclusion is "" until completed.
	Report check.Report
}

// A Finish completes a run that its lease holder started.
type Finish struct {
	Run    ID
	Lease  string
	Report check.Report
	At     time.Time
	// Retry, when set, queues the next attempt, to start no earlier than that, in
	// Queue.
	Retry time.Time
	Queue string
	// Recheck, when set, is when the answer has grown old: see QueueRechecks.
	Recheck time.Time
	// KeepFacts keeps the report's facts for the crate, unless facts of the same
	// check from a newer version are kept already.
	KeepFacts bool
}

// CheckState is all there is to show of one check on one release, of the newest
// version of the check.
type CheckState struct {
	Check string
	// Counts is the completed run whose report is in force, nil if none has
	// completed.
	Counts *CheckRun
	// Later is the newest run completed after it, nil if none: it could not know,
	// and changes nothing.
	Later *CheckRun
	// Pending is the run queued or in progress after them, nil if none.
	Pending *CheckRun
}

// CrateFacts are the facts of a check about the crate, from the newest release
// whose run could tell.
type CrateFacts struct {
	CrateID ID
	Crate   string
	Check   string
	Version string // the release they were read from
	RunID   ID
	Facts   json.RawMessage
	ReadAt  time.Time
}

// A Token lets its holder write. The secret itself is not stored.
type Token struct {
	ID        ID
	Name      string
	Hash      [32]byte // SHA-256 of the secret
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time
	UsedAt    time.Time // at most a minute behind
}

// An AuditEntry is one write, as the append-only audit log keeps it.
type AuditEntry struct {
	ID     ID
	At     time.Time
	Actor  string // "token:NAME", "webhook", "cli:USER", "system"
	Action string // verb.noun, as in "token.create"
	Object string // what it was done to, as in "serde@1.0.0"
	Detail json.RawMessage
}

// An IntakeJob asks a worker to fetch what was announced.
type IntakeJob struct {
	Announcement ID `json:"announcement"`
}

// Kind names the job in the queue.
func (IntakeJob) Kind() string { return "intake" }

// A RunJob asks a worker to execute a check run.
type RunJob struct {
	Run ID `json:"run"`
}

// Kind names the job in the queue.
func (RunJob) Kind() string { return "check_run" }

// Counts is what the store holds, for metrics.
type Counts struct {
	Crates, Releases, Incidents int
	Runs                        map[Status]int
	OldestQueued                time.Time // zero when nothing is due
}
