package policy

import (
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// Evidence is all that is known of a release when it is decided on. A field that
// is not known is zero, and zero is never the better answer for the release.
type Evidence struct {
	Name     string
	Version  string
	Checksum crate.Checksum // as first seen

	// PublishedAt is the registry's first claim; zero when it makes none.
	PublishedAt time.Time
	// FirstSeenAt is when this fence first saw the checksum.
	FirstSeenAt time.Time
	// Dated: PublishedAt may be believed against a baseline, because the line
	// stood in the index when that was imported, or when its crate was looked at
	// for the first time. A line that turns up later with an old date is not dated.
	Dated bool
	// Kind is what sort of release this is for its crate.
	Kind Kind
	// Line is what became of its index line since it was first seen.
	Line LineTrouble
	// LineSince is when that trouble was seen: what a person allowed before then
	// was not allowed in view of it.
	LineSince time.Time
	// OtherBytes: other bytes were offered under this name and version, here or upstream.
	OtherBytes bool

	// Previous is the version that was the newest of the crate before; "" for none.
	Previous string
	// Silence is how long the crate had published nothing; 0 for a first version
	// or when a date is missing.
	Silence time.Duration
	// YanksAround is how many versions of the crate were yanked within a day of
	// this one's publication.
	YanksAround int
	// Dependencies are those that this version adds against the previous one
	// (normal and build; optional ones too). FirstDependencies: it had none before.
	Dependencies      []NewDependency
	FirstDependencies bool

	Checks []CheckResult

	Publisher Publisher
	// Compared: this version and the one before were both taken in, so that the
	// three below are known. Nothing is shortened before then.
	Compared bool
	// LostVCS, LostTrust, NewBuildScript: what the version before had and this one
	// has not, or the other way round.
	LostVCS        bool // no commit is recorded any more
	LostTrust      bool // trusted publishing was used before
	NewBuildScript bool

	// Fixes are the advisories, of sources configured as reviewed, that affect a
	// version which this policy allows and whose patched range holds this one.
	Fixes []string
	// Affected are the advisories that name this version.
	Affected []string

	Exceptions []Exception
	// Ruling is the newest decision of a person, nil for none.
	Ruling *Ruling

	// Blind, when set, is when this fence last heard of new evidence, too long ago
	// to trust: nothing is allowed now that was not allowed then.
	Blind time.Time
}

// Kind is what sort of release it is for its crate.
type Kind string

// The kinds. An unknown kind waits like a first version.
const (
	Update       Kind = "update"        // of a crate that has versions, within a compatible range that has one
	FirstVersion Kind = "first-version" // of a new name
	NewMajor     Kind = "new-major"     // the first of a semver-incompatible range
)

// LineTrouble is what became of an index line since it was first seen.
type LineTrouble string

// The troubles; the zero value is none.
const (
	LineChanged    LineTrouble = "changed"        // dependencies, features or links differ
	LineOtherBytes LineTrouble = "other-checksum" // upstream names other bytes
	LineRemoved    LineTrouble = "removed"        // upstream has it no more
)

// A NewDependency is one that a version adds.
type NewDependency struct {
	Name string
	// FirstPublished is when the first version of that crate was published, or
	// first seen where that is later or unknown; zero when not known at all.
	FirstPublished time.Time
	Known          bool   // the crate is in the index
	State          State  // of its newest version, for words only
	Kind           string // normal or build
}

// A CheckResult is the run of a check that counts.
type CheckResult struct {
	Check   string
	Version int // of the check
	Current int // the version that this fence runs today; 0 when it does not run it
	// Conclusion is "" while no run has completed.
	Conclusion check.Conclusion
	// Pending: a run is queued or in progress.
	Pending bool
	Metrics map[string]float64
}

// A Publisher is who published a release, as far as known.
type Publisher struct {
	Name string // "" when unknown: then nothing below counts
	// Since is when this publisher first published this crate.
	Since     time.Time
	Releases  int  // of this crate by this publisher, before this one
	Incidents int  // of releases by this publisher
	Trusted   bool // published by a trusted-publishing identity
	// TwoFactor is nil where the registry does not tell.
	TwoFactor *bool
}

// An Exception lets one exact release past one rule for a time.
type Exception struct {
	ID      int64
	Rule    string
	Author  string
	Reason  string
	Expires time.Time
}

// A Ruling is a person's decision on a release; a later one undoes it.
type Ruling struct {
	Action Action
	Author string
	Reason string
	At     time.Time
	// Impartial: it is known that the author did not publish the release.
	Impartial bool
}

// Action is what a person decided.
type Action string

// The actions. An unknown one holds.
const (
	ActAllow  Action = "allow"  // let it through, whatever held it
	ActKeep   Action = "keep"   // leave it where it is: seen, and still held
	ActBlock  Action = "block"  // quarantined until somebody decides otherwise
	ActRevoke Action = "revoke" // withdrawn
)
