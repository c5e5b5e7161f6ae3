package checks

import (
	"errors"
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
)

// submoduleFindings tells of what is not known of submodules: files of one that
// could not be read, and commits that may be anybody's.
func (p *provenanceReport) submoduleFindings(r *provenance.Result) {
	const most = 10 // a repository has as many as it likes
	uncompared := p.facts.Files[provenance.Uncompared]
	for i, link := range r.Submodules {
		if link.Err != nil {
			uncompared -= link.Files
		}
		switch {
		case i >= most:
		case link.Err != nil:
			p.unsettled = append(p.unsettled, p.unreadSubmodule(link))
		case link.ReachErr != nil || !link.Reach.Grade.Owned():
			p.unsettled = append(p.unsettled, p.unreachedSubmodule(link))
		}
	}
	if uncompared > 0 { // a path that leads out of a submodule is in no repository
		p.unsettled = append(p.unsettled, &noSource{
			Reason:  "submodule-uncompared",
			Message: fmt.Sprintf("%s %s where a link leads out of a submodule of %s", counted(uncompared, "file"), verb(uncompared, "stands", "stand"), p.repositoryName()),
			Help:    "Keep links within the repository that they stand in.",
		})
	}
}

// unreadSubmodule says why files of a submodule were not compared.
func (p *provenanceReport) unreadSubmodule(link provenance.Gitlink) *noSource {
	why := &noSource{
		Reason: "submodule-uncompared",
		Message: fmt.Sprintf("%s %s in the submodule %q of %s, which could not be read",
			counted(link.Files, "file"), verb(link.Files, "stands", "stand"), link.Path, p.repositoryName()),
		Help: "Submodules have to be public git repositories that hold the commits they are pinned to.",
	}
	if errors.Is(link.Err, provenance.ErrNoSubmodule) {
		why.Message += ": " + link.Err.Error()
	} else if reason, err := whyNoSource(link.Err, link.Repository, link.Commit.String()); err == nil {
		why.Message += ": " + lowerFirst(reason.Message)
	}
	why.RetryAt = retrySubmodule(link.Err)
	return why
}

// unreachedSubmodule says why nobody knows that what a submodule is pinned to is
// its repository's.
func (p *provenanceReport) unreachedSubmodule(link provenance.Gitlink) *noSource {
	name := repositoryName(link.URL)
	why := &noSource{
		Reason: "submodule-unreached",
		Message: fmt.Sprintf("The submodule %q is pinned to the commit %.7s, which can be had from %s, but no branch or tag there leads to it",
			link.Path, link.Commit, name),
		Help: fmt.Sprintf("The owner of %s settles it by pushing a tag at %s; or pin the submodule to a commit that a branch or tag leads to, and publish again.",
			name, link.Commit),
	}
	switch {
	case link.ReachErr != nil:
		why.Message = fmt.Sprintf("The submodule %q is pinned to the commit %.7s, and whether a branch or tag of %s leads to it is not known",
			link.Path, link.Commit, name)
		why.Help = "Check again when the repository answers; a server does so by itself where it may."
		if reason, err := whyNoSource(link.ReachErr, link.Repository, link.Commit.String()); err == nil {
			why.Message += ": " + lowerFirst(reason.Message)
		}
		why.RetryAt = retrySubmodule(link.ReachErr)
	case link.Reach.Grade == provenance.GradePull:
		why.Message = fmt.Sprintf("The submodule %q is pinned to the commit %.7s, which stands only in a change proposed to %s (%s)",
			link.Path, link.Commit, name, shortRef(link.Reach.Refs[0]))
	case link.Reach.Grade == provenance.GradeUnknown:
		why.Message = fmt.Sprintf("The submodule %q is pinned to the commit %.7s, and whether a branch or tag of %s leads to it is not known: %s is too large to be read",
			link.Path, link.Commit, name, link.Reach.Unread)
	default:
		why.RetryAt = retryCommitAt(p.subject.Attempt) // it may be pushed yet
	}
	return why
}

func retrySubmodule(err error) time.Time {
	if errors.Is(err, check.ErrRepositoryUnreachable) {
		return time.Now().Add(retryUnreachable)
	}
	return time.Time{}
}
