package check

import (
	"context"
	"encoding/json"
	"errors"
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
	// Bytes is the .crate as published; nil for an unpacked folder.
	Bytes []byte
	// Archive is the files of the release. It is nil where Bytes could not be
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
	// Attempt is which attempt of this version of the check on this release this
	// is; 1 is the first, and 0 one that nobody counts or repeats.
	Attempt int
	// Previous is the newest earlier answer to the same question, nil when there
	// is none. A check that cannot know today leaves it in force by concluding
	// inconclusive.
	Previous *Previous
}

// Previous is an earlier report of the check on the same release, one that
// concluded success, failure or neutral.
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

// Why there is no Subject.Index.
var (
	ErrNotInRegistry       = errors.New("version not in registry's index")
	ErrRegistryUnreachable = errors.New("registry unreachable") // worth another try
)
