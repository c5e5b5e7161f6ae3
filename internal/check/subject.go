package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
	"github.com/cratefence/cratefence/internal/index"
)

// A Subject is all that a check may see of the world.
type Subject struct {
	// Release is what was announced: the name and version that the archive has
	// to agree with. Its checksum is zero for an unpacked folder.
	Release crate.Release
	// PublishedAt is upstream's claim; zero when unknown.
	PublishedAt time.Time
	// Size is how many bytes the .crate has; 0 for an unpacked folder.
	Size int64
	// Archive is the files of the release. It is nil where the .crate could not be
	// read unambiguously; ArchiveErr then says why (a *crate.FormatError).
	Archive    *crate.Archive
	ArchiveErr error
	// Repository overrides the manifest's repository URL; "" leaves it.
	Repository string
	// Source reaches repositories. It is set for checks that need NeedsSource.
	Source Source
	// Index is what the registry's index states of the release, for checks that
	// need NeedsRegistry. It is nil where the registry does not say, or was not
	// asked; IndexErr then wraps ErrRegistryUnreachable, ErrNotInRegistry or
	// another trouble, and is nil where there is no registry to ask.
	Index    *index.Line
	IndexErr error
	// Registry is the registry itself, for checks that need NeedsRegistry; nil
	// where there is none to ask.
	Registry Registry
	// Attempt is which attempt of this version of the check on this release this
	// is; 1 is the first, and 0 one that nobody counts or repeats.
	Attempt int
	// Previous is what was answered before, nil when nothing was: the first answer
	// of this version of the check, else that of the newest version which gave one.
	// It is the first, lest what has changed since be forgotten with the second
	// look. A check that cannot know today leaves the answer in force by concluding
	// inconclusive.
	Previous *Previous
}

// Previous is an earlier report of the check on the same release, one whose
// conclusion is Known.
type Previous struct {
	CheckVersion int // facts of another version may have another shape
	Conclusion   Conclusion
	Facts        json.RawMessage
	At           time.Time
}

// A Source fetches commits and their trees from repositories that nobody
// vouches for. Its implementer bounds bytes, time and addresses, recomputes
// every object id, and never runs or checks out anything. Safe for concurrent
// use.
type Source interface {
	// Snapshot fetches one commit and all of its trees, without file contents
	// where the server can leave them out. The error wraps one of the Err values
	// of this package, or is our own trouble.
	Snapshot(ctx context.Context, repository string, commit gitobj.ID) (Snapshot, error)
	// Refs lists the refs whose full names begin with one of the prefixes, in the
	// server's order. "HEAD" is one too: its Target is the default branch. A list
	// over the limit is ErrRepositoryTooLarge.
	Refs(ctx context.Context, repository string, prefixes ...string) ([]Ref, error)
	// Reachable returns those of the walk's tips from which its commit can be
	// reached, itself included, in their order. Only what the ids of commits prove
	// counts. A history over the limit between the two is ErrRepositoryTooLarge.
	Reachable(ctx context.Context, repository string, w Walk) ([]gitobj.ID, error)
	// History returns the newest commits that can be reached from tip, most at
	// most, tip first and then by first parents; those off that line are left out.
	History(ctx context.Context, repository string, tip gitobj.ID, most int) ([]*gitobj.Commit, error)
}

// A Walk goes back from tips and looks for a commit.
type Walk struct {
	Commit gitobj.ID
	Tips   []gitobj.ID
	// Without are commits that are known not to lead to Commit: what can be
	// reached from them need not be walked.
	Without []gitobj.ID
	// Depth is how many commits back the walk goes; 0 is all.
	Depth int
}

// A Ref is a name that a repository gives to a commit, by its own word.
type Ref struct {
	Name   string    // "HEAD", or in full: "refs/tags/v1.0.0"
	Commit gitobj.ID // what an annotated tag leads to; nobody has looked whether it is a commit
	Tag    gitobj.ID // the annotated tag's own id; zero for others
	Target string    // the ref that this one stands for, as HEAD for a branch; "" for others
}

// A Snapshot is a commit of a repository and its trees.
type Snapshot interface {
	// URL is the repository as it answered, after redirects.
	URL() string
	// Commit is the commit that was asked for.
	Commit() *gitobj.Commit
	// Tree returns a tree of the commit by id, or nil.
	Tree(id gitobj.ID) *gitobj.Tree
	// Blobs returns the contents of blobs by id, fetching those not at hand. A
	// blob over the limit, or that the server does not have, is an error.
	Blobs(ctx context.Context, ids ...gitobj.ID) (map[gitobj.ID][]byte, error)
}

// Why a Source cannot answer: reasons that are the crate's or its host's, hence
// an inconclusive report, not an error of ours.
var (
	ErrRepositoryURL         = errors.New("repository URL not usable")      // not a URL we fetch from
	ErrRepositoryRefused     = errors.New("repository address not allowed") // egress refused the address or redirect
	ErrRepositoryMissing     = errors.New("repository missing or private")  // 401, 403, 404, 410
	ErrRepositoryUnreachable = errors.New("repository unreachable")         // DNS, TCP, TLS, timeout, 5xx: worth another try
	ErrRepositoryProtocol    = errors.New("repository protocol")            // not smart HTTP version 2, or not speaking it properly
	ErrRepositoryTooLarge    = errors.New("repository too large")           // over a byte or object limit
	ErrCommitMissing         = errors.New("commit not in repository")       // "not our ref"
)

// Narrower reasons. Each wraps one of those above.
var (
	ErrRepositoryVCS        = fmt.Errorf("%w: not a git repository", ErrRepositoryURL)
	ErrRepositoryMercurial  = fmt.Errorf("%w: a Mercurial repository", ErrRepositoryVCS)
	ErrRepositorySubversion = fmt.Errorf("%w: a Subversion repository", ErrRepositoryVCS)
	ErrRepositoryPijul      = fmt.Errorf("%w: a Pijul repository", ErrRepositoryVCS)

	ErrRepositoryDumb   = fmt.Errorf("%w: dumb HTTP", ErrRepositoryProtocol)          // files on a web server, no git behind it
	ErrRepositorySHA256 = fmt.Errorf("%w: SHA-256 object ids", ErrRepositoryProtocol) // its objects have other ids than ours
)

// A Registry answers for the registry that a release is of. Its errors wrap
// ErrNotInRegistry or ErrRegistryUnreachable, or are our own trouble. Safe for
// concurrent use.
type Registry interface {
	// Line returns what the index states of a version.
	Line(ctx context.Context, name, version string) (index.Line, error)
	// Lines returns what the index states of every version of a crate, in the
	// registry's order; it wraps ErrNotInRegistry where there is no such crate.
	Lines(ctx context.Context, name string) ([]index.Line, error)
	// Before returns the release of the greatest version below the one given, as
	// it was published; it wraps ErrNotInRegistry where there is none.
	Before(ctx context.Context, name, version string) (before string, a *crate.Archive, err error)
}

// Why a Registry has no answer.
var (
	ErrNotInRegistry       = errors.New("version not in registry's index")
	ErrRegistryUnreachable = errors.New("registry unreachable") // worth another try
)
