package checks

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A source is the repository of a release at the commit that the release says it
// was packaged from. Neither is vouched for by anybody.
type source struct {
	snapshot   check.Snapshot
	repository string // as the manifest or the subject spells it
	info       crate.VCSInfo
}

// A noSource says why a release's source cannot be had, for an inconclusive
// report.
type noSource struct {
	Reason  string    // stable code: lower-case words joined by hyphens
	Message string    // one sentence without a full stop, plain text
	Help    string    // what the author would do, plain text
	RetryAt time.Time // zero where trying again settles nothing
}

// finding tells why there is no source. It weighs nothing: the conclusion says
// that nothing is known.
func (m *noSource) finding() check.Finding {
	return check.Finding{Rule: m.Reason, Level: check.LevelNote, Message: m.Message, Help: m.Help}
}

// openSource fetches the commit that the release names. Exactly one of its
// results is set: an error is our own trouble.
func openSource(ctx context.Context, s *check.Subject) (*source, *noSource, error) {
	info, missing := recordedCommit(s.Archive)
	if missing != nil {
		return nil, missing, nil
	}
	id, err := gitobj.ParseID(info.SHA1)
	if err != nil { // 64 digits: the note itself is well formed
		return nil, &noSource{
			Reason:  "commit-sha256",
			Message: "The recorded commit is of a SHA-256 repository, which is not read yet",
		}, nil
	}
	repository, missing := declaredRepository(s)
	if missing != nil {
		return nil, missing, nil
	}
	if s.Source == nil {
		return nil, nil, errors.New("open source: the subject has none")
	}
	snapshot, err := s.Source.Snapshot(ctx, repository, id)
	if err != nil {
		missing, err := whyNoSource(err, repository, info.SHA1)
		return nil, missing, err
	}
	return &source{snapshot: snapshot, repository: repository, info: *info}, nil, nil
}

func recordedCommit(a *crate.Archive) (*crate.VCSInfo, *noSource) {
	info, err := a.VCSInfo()
	switch {
	case err != nil:
		return nil, &noSource{
			Reason:  "vcs-info-malformed",
			Message: "The crate's " + crate.VCSInfoFile + " cannot be read: " + err.Error(),
			Help:    "Do not write this file; cargo generates it.",
		}
	case info == nil:
		return nil, &noSource{
			Reason:  reasonNoCommit,
			Message: "The crate does not record the commit that it was packaged from",
			Help: "Publish from a git checkout in which Cargo.toml is committed and nothing is changed; cargo then records the commit " +
				"in " + crate.VCSInfoFile + ".",
		}
	}
	return info, nil
}

func declaredRepository(s *check.Subject) (string, *noSource) {
	if s.Repository != "" {
		return s.Repository, nil
	}
	m, err := s.Archive.Manifest()
	if err == nil && m.Package.Repository != "" {
		return m.Package.Repository, nil
	}
	return "", &noSource{
		Reason:  "no-repository",
		Message: "The manifest names no repository",
		Help:    "Set `repository` in Cargo.toml to the https URL of the git repository.",
	}
}

// retryUnreachable is how long to wait before a host may answer again.
const retryUnreachable = time.Hour

// retryCommit is how long to wait, after each attempt, before a maintainer may
// have pushed the commit: some do so only after they publish. Then it is absent.
var retryCommit = []time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour}

// retryCommitAt says when to look for a commit again after an attempt; zero where
// it has been waited for long enough.
func retryCommitAt(attempt int) time.Time {
	attempt = max(attempt, 1)
	if attempt > len(retryCommit) {
		return time.Time{}
	}
	return time.Now().Add(retryCommit[attempt-1])
}

// patient sets when to try again by how often it was tried.
func (m *noSource) patient(attempt int) *noSource {
	if m.Reason == reasonCommitMissing {
		m.RetryAt = retryCommitAt(attempt)
	}
	return m
}

// Reasons that others act on.
const (
	reasonNoCommit      = "no-vcs-info"
	reasonCommitMissing = "commit-missing"
)

// whyNoSource turns what a Source answered into the reason it stands for. What
// stands for none is our own trouble and is passed on.
func whyNoSource(err error, repository, commit string) (*noSource, error) {
	named := fmt.Sprintf("%.200q", repository)
	switch {
	case errors.Is(err, check.ErrRepositoryVCS):
		return &noSource{
			Reason: "repository-vcs", Message: "The repository " + named + " is not a git repository",
			Help: "Only git is read. Publish from a git mirror, and set `repository` in Cargo.toml to its https URL.",
		}, nil
	case errors.Is(err, check.ErrRepositoryURL):
		return &noSource{
			Reason: "repository-url", Message: "The repository " + named + " is not a URL that can be fetched from",
			Help: "Set `repository` in Cargo.toml to the https URL of the git repository.",
		}, nil
	case errors.Is(err, check.ErrRepositoryRefused):
		return &noSource{
			Reason: "repository-refused", Message: "The repository " + named + " leads to an address that is not fetched from",
			Help: "Host the repository at a public https address.",
		}, nil
	case errors.Is(err, check.ErrRepositoryMissing):
		return &noSource{
			Reason: "repository-missing", Message: "The repository " + named + " does not exist or is private",
			Help: "Make the repository public, or correct `repository` in Cargo.toml.",
		}, nil
	case errors.Is(err, check.ErrRepositoryUnreachable):
		return &noSource{
			Reason: "repository-unreachable", Message: "The host of the repository " + named + " does not answer",
			Help: "Check again when the host answers; a server does so by itself.", RetryAt: time.Now().Add(retryUnreachable),
		}, nil
	case errors.Is(err, check.ErrRepositoryDumb):
		return &noSource{
			Reason: "repository-dumb", Message: "The repository " + named + " is served as plain files, which is not read",
			Help: "Serve it by git's smart HTTP, or mirror it where that is spoken.",
		}, nil
	case errors.Is(err, check.ErrRepositorySHA256):
		return &noSource{
			Reason: "repository-sha256", Message: "The repository " + named + " is a SHA-256 repository, which is not read yet",
		}, nil
	case errors.Is(err, check.ErrRepositoryProtocol):
		return &noSource{
			Reason: "repository-protocol", Message: "The repository " + named + " does not answer to git's protocol, version 2",
			Help: "Set `repository` in Cargo.toml to a git repository whose server speaks smart HTTP, version 2.",
		}, nil
	case errors.Is(err, check.ErrRepositoryTooLarge):
		return &noSource{
			Reason: "repository-too-large", Message: "The repository " + named + " is larger than is fetched",
		}, nil
	case errors.Is(err, check.ErrCommitMissing):
		return &noSource{
			Reason:  reasonCommitMissing,
			Message: fmt.Sprintf("The repository %s does not have the recorded commit %.12s", named, commit),
			Help:    "Push the commit, best as a tag of the release; or correct `repository` in Cargo.toml.",
			RetryAt: retryCommitAt(1),
		}, nil
	}
	return nil, fmt.Errorf("open source: %w", err)
}

// printable replaces control characters, which neither a page nor every
// database can hold, and what is not UTF-8.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, s)
}

// errNotInTree says that a path leads to no file of the tree.
var errNotInTree = errors.New("not in the tree")

const maxLinks = 20

// folder returns the tree at a clean relative path, "" being the root, or nil.
// It follows no links.
func (src *source) folder(at string) *gitobj.Tree {
	tree := src.snapshot.Tree(src.snapshot.Commit().Tree)
	for part := range strings.SplitSeq(at, "/") {
		if at == "" || tree == nil {
			break
		}
		entry, ok := tree.Entry(part)
		if !ok || entry.Mode != gitobj.ModeTree {
			return nil
		}
		tree = src.snapshot.Tree(entry.ID)
	}
	return tree
}

// file returns the file at a clean relative path and the path at which it
// really is. Links are followed within the tree; what leads out of it, or to no
// file, is errNotInTree.
func (src *source) file(ctx context.Context, at string) (data []byte, real string, err error) {
	for range maxLinks {
		entry, rest, base := src.walk(at)
		switch {
		case entry.Mode.IsFile() && rest == "":
			data, err := src.blob(ctx, entry.ID)
			return data, base, err
		case entry.Mode != gitobj.ModeSymlink:
			return nil, "", errNotInTree
		}
		target, err := src.blob(ctx, entry.ID)
		if err != nil {
			return nil, "", err
		}
		if path.IsAbs(string(target)) {
			return nil, "", errNotInTree
		}
		at = path.Join(path.Dir(base), string(target), rest)
		if at == ".." || strings.HasPrefix(at, "../") {
			return nil, "", errNotInTree
		}
	}
	return nil, "", errNotInTree
}

// walk follows a path as far as there are folders. It returns the entry it ends
// at, what is left of the path, and the path of the entry.
func (src *source) walk(at string) (entry gitobj.Entry, rest, base string) {
	tree := src.snapshot.Tree(src.snapshot.Commit().Tree)
	rest = at
	for tree != nil && rest != "" {
		part, after, _ := strings.Cut(rest, "/")
		found, ok := tree.Entry(part)
		if !ok {
			return gitobj.Entry{}, "", ""
		}
		entry, rest, base = found, after, path.Join(base, part)
		tree = nil
		if entry.Mode == gitobj.ModeTree {
			tree = src.snapshot.Tree(entry.ID)
		}
	}
	return entry, rest, base
}

func (src *source) blob(ctx context.Context, id gitobj.ID) ([]byte, error) {
	blobs, err := src.snapshot.Blobs(ctx, id)
	if err != nil {
		return nil, err
	}
	data, ok := blobs[id]
	if !ok {
		return nil, fmt.Errorf("read blob %s: the snapshot has not got it", id)
	}
	return data, nil
}
