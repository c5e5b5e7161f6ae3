package store

import (
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/policy"
)

// What a store does with the types in this file is listed, with what each method
// guarantees, as storetest.Fence. All of it stands or falls with its transaction,
// the audit entry and the GateEvent included.

// An IndexFile is what this fence knows of a crate's index file: the lines that
// it accepted, as upstream wrote them.
type IndexFile struct {
	Key  string // the crate's name in lower case
	Name string // as its lines write it
	// Lines is the file of accepted lines, gzip-compressed; upstream's bytes and
	// order. Of a version with trouble it is the line accepted before.
	Lines []byte
	Size  int // of Lines, unpacked
	// ETag and LastModified are upstream's validators; "" where it gave none.
	ETag, LastModified string
	CheckedAt          time.Time // when upstream last confirmed it
	ChangedAt          time.Time // when Lines last changed
	// FirstSeenAt is when it was first stored: the first sight of every line that
	// has no record.
	FirstSeenAt time.Time
	// Imported is when it came with an index import; zero when it did not.
	Imported time.Time
	// GoneSince is when upstream first said that there is no such crate, of a
	// crate that was there; zero while it is.
	GoneSince time.Time
	Bad       int // lines that were left out because they cannot be read
	Revision  int // raised by each save: compare and swap
}

// A LineRecord is what is remembered of a version beyond its line. Only versions
// that were first seen after their crate's file, or to which something happened,
// have one.
type LineRecord struct {
	Key         string
	Version     string
	Checksum    crate.Checksum // as first seen; it never changes
	PublishedAt time.Time      // the first claim
	FirstSeenAt time.Time
	Dated       bool // see policy.Evidence
	Yanked      bool // as upstream has it
	// YankedAt is when a yank was seen to happen; zero for one found at first sight.
	YankedAt time.Time
	// HonouredAt is when a person let a yank stand that the guard kept back.
	HonouredAt time.Time
	// Wave is the most other versions that were yanked within a day of the version's
	// publication, and stays though they are unyanked.
	Wave      int
	Trouble   policy.LineTrouble
	TroubleAt time.Time
	// Offered is the line that upstream has now, where Trouble says that it differs.
	Offered []byte
}

// A LineEvent is one thing that happened to a crate's lines. They are kept
// forever.
type LineEvent struct {
	ID      ID
	Key     string
	Version string // "" for the whole file
	What    LineChange
	At      time.Time
	Detail  string // plain text
}

// A LineChange names what happened to a line.
type LineChange string

// What may happen.
const (
	LinePublished  LineChange = "published"
	LineYanked     LineChange = "yanked"
	LineUnyanked   LineChange = "unyanked"
	LineRewritten  LineChange = "rewritten" // nothing that cargo resolves by
	LineEdited     LineChange = "edited"    // dependencies, features or links: an incident
	LineOtherBytes LineChange = "other-checksum"
	LineRemoved    LineChange = "removed"
	LineReturned   LineChange = "returned"
	LineAccepted   LineChange = "accepted" // a person accepted the line that upstream has now
	LineHonoured   LineChange = "yank-honoured"
	FileGone       LineChange = "file-gone"
	FileUnreadable LineChange = "unreadable-lines"
)

// An IndexSave stores what a look at upstream's file brought.
type IndexSave struct {
	File    IndexFile    // Revision is the one that was read; 0 for a new file
	Records []LineRecord // put in place of those of the same version
	Events  []LineEvent
	// Audit is written where a person was behind it; the zero entry is not.
	Audit AuditEntry
}

// An IndexTouch notes that upstream confirmed a file as it was at a revision,
// perhaps under new validators.
type IndexTouch struct {
	Key                string
	Revision           int
	CheckedAt          time.Time
	ETag, LastModified string
}

// A CrateState is what the gate keeps in memory of a crate that is more than its
// index file: records, releases with their check runs, and what people decided.
type CrateState struct {
	Key        string
	Records    []LineRecord
	Releases   []GateRelease
	Exceptions []Exception // in force or not yet closed
	Rulings    []Ruling    // the newest per policy and release
}

// A GateRelease is a release taken in, with what the gate has to know of it.
type GateRelease struct {
	Release   Release     // About is left out
	Checks    []GateCheck // by name
	Incidents int         // so many other bytes were offered under its name and version
	Facts     PublishFacts
}

// PublishFacts are what the upstream registry's API and the archive told of how a
// release came to be.
type PublishFacts struct {
	VCS         bool // a commit is recorded in it
	BuildScript bool
	// Trusted: by a trusted-publishing identity. Known only where the registry told.
	Trusted      bool
	TrustedKnown bool
	TwoFactor    *bool
	// PublisherSince and PublisherReleases are when the publisher had first
	// published this crate and how often before this release, as the registry told.
	// Zero where it did not.
	PublisherSince    time.Time
	PublisherReleases int
}

// A GateCheck is where one check stands on one release, as far as a policy asks.
//
// The run that counts is of the newest version of the check that has completed
// one; among its attempts, as CheckRun.Overrides has it. So an older version's
// answer counts while the newer one's is on its way.
type GateCheck struct {
	Check      string
	Version    int    // of the run that counts; 0 when none has completed
	Conclusion string // of the run that counts
	// Pending: a run of any version is in progress or about to start, so that
	// waiting for it is worth while. It is not where a retry was put off for longer.
	Pending bool
	// NotBefore is when the run that is queued may start; zero is at once, or that
	// there is none.
	NotBefore time.Time
	Metrics   map[string]float64
}

// SystemActor is who closes an exception whose time is over.
const SystemActor = "system"

// An ExceptionQuery asks for exceptions, newest first.
type ExceptionQuery struct {
	Policy  string // "" is every
	Crate   string // by any case; "" is every
	Version string
	Open    bool // only those that have not ended
	Before  ID   // 0 starts at the newest
	Limit   int
}

// A RulingQuery asks for rulings, newest first.
type RulingQuery struct {
	Policy, Crate, Version string // "" is every
	Before                 ID     // 0 starts at the newest
	Limit                  int
}

// An Exception lets one exact release past one rule of one policy for a time.
type Exception struct {
	ID        ID
	Policy    string
	Crate     string
	Version   string
	Checksum  crate.Checksum
	Rule      string
	Reason    string
	Author    string
	CreatedAt time.Time
	ExpiresAt time.Time // never zero
	EndedAt   time.Time // when it was ended or closed itself
	EndedBy   string
}

// A Ruling is a person's decision on a release under a policy. They are only
// added; the newest counts.
type Ruling struct {
	ID        ID
	Policy    string
	Crate     string
	Version   string
	Checksum  crate.Checksum
	Action    policy.Action
	Reason    string
	Author    string
	Impartial bool // the author is known not to have published the release
	// After is the ruling that the author had before them; 0 for none. Adding wraps
	// ErrConflict when another is newer.
	After ID
	At    time.Time
}

// A DecisionRecord is a decision as it was made. They are only added, when a
// decision differs from the one before: see Mark.
type DecisionRecord struct {
	ID ID
	// Code is short and unguessed, for links. All decisions on a release under a
	// policy have the one that came with the first; "" has the store draw one.
	Code     string
	Policy   string
	Crate    string
	Version  string
	Checksum crate.Checksum
	Line     [32]byte // digest of the index line without "yanked"
	Decision policy.Decision
	Rules    [32]byte // digest of the policy that decided
	At       time.Time
}

// A DecisionQuery asks for the decisions in force, newest first.
type DecisionQuery struct {
	Policy  string // "" is every
	Verdict policy.Verdict
	State   policy.State
	Crate   string // by any case
	Version string
	History bool // all that ever were, not only those in force
	Before  ID   // 0 starts at the newest
	Limit   int
}

// A Fetch is one download that was answered, or refused.
type Fetch struct {
	ID       ID
	At       time.Time
	Actor    string
	Policy   string
	Crate    string
	Version  string
	Checksum crate.Checksum
	Passed   bool
}

// A FetchQuery asks who fetched what, newest first.
type FetchQuery struct {
	Crate, Version string // "" is every
	Actor          string // "" is everybody
	Before         ID     // 0 starts at the newest
	Limit          int
}

// A FetchTotal is how often a release was fetched.
type FetchTotal struct {
	Crate    string
	Version  string
	Checksum crate.Checksum
	Passed   int
	Refused  int
	Last     time.Time
}

// A ReviewQuery asks for review requests, newest first.
type ReviewQuery struct {
	Policy, Crate, Version string // "" is every
	Before                 ID     // 0 starts at the newest
	Limit                  int
}

// A ReviewRequest is somebody's wish that a held release be looked at. One person
// has one for a release under a policy: the first.
type ReviewRequest struct {
	ID       ID
	Policy   string
	Crate    string
	Version  string
	Checksum crate.Checksum
	Actor    string
	Reason   string
	At       time.Time
}

// A GateEvent tells every replica that something of a crate changed. Sequence
// numbers are in the order of commits: who has read up to one misses none below.
type GateEvent struct {
	Seq  int64
	What GateChange
	Key  string // the crate's, where What is GateCrate; else ""
}

// A GateChange says what an event is about.
type GateChange string

// The kinds of event. An unknown one is to be taken as GateAll.
const (
	GateCrate    GateChange = "crate"    // the index file or the CrateState of Key
	GateBaseline GateChange = "baseline" // a policy's baseline, and nothing else
	GateToken    GateChange = "token"    // a token was made or revoked
	// GateAll: anything may have changed, as after an import, or when events that
	// were asked for are no longer kept. Read everything again.
	GateAll GateChange = "all"
)

// A Baseline is the date before which a policy takes releases as they are.
type Baseline struct {
	Policy string
	At     time.Time // releases published before it need no check run
	Actor  string
	Source string // what was imported
	SetAt  time.Time
}
