package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// newProvenanceReport opens the commit that a release is to be compared with, and
// begins to ask what leads to it, which ends with the context. Exactly one of its
// results is set: an error is our own trouble.
func newProvenanceReport(ctx context.Context, s *check.Subject) (*provenanceReport, *noSource, error) {
	info, none := recordedCommit(s.Archive)
	if none != nil && none.Reason != reasonNoCommit {
		return nil, none, nil
	}
	repository, missing := declaredRepository(s)
	if missing != nil {
		return nil, missing, nil
	}
	query := provenance.CommitQuery{
		Source: s.Source, Repository: repository, Name: releaseName(s), Version: s.Release.Version,
		Archive: s.Archive, PublishedAt: s.PublishedAt,
	}
	if info == nil {
		info = &crate.VCSInfo{}
	} else {
		id, err := gitobj.ParseID(info.SHA1)
		if err != nil { // 64 digits: the note itself is well formed
			return nil, &noSource{Reason: "commit-sha256", Message: "The recorded commit is of a SHA-256 repository, which is not read yet"}, nil
		}
		query.Recorded, query.Path = id, info.PathInVCS
	}
	if s.Source == nil {
		return nil, nil, errors.New("open source: the subject has none")
	}
	var reaching *reaching
	if !query.Recorded.IsZero() {
		reaching = startReach(ctx, s, repository, query.Recorded)
	}
	choice, err := provenance.FindCommit(ctx, query)
	switch {
	case errors.Is(err, provenance.ErrNoCommit):
		return nil, none, nil
	case err != nil && ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case err != nil:
		missing, err := whyNoSource(err, repository, info.SHA1)
		return nil, missing, err
	}
	commit := choice.Snapshot.Commit()
	if reaching == nil || reaching.commit != commit.ID {
		reaching = startReach(ctx, s, repository, commit.ID)
	}
	reaching.opened <- commit
	p := &provenanceReport{
		reaching: reaching,
		subject:  s, origins: choice,
		source: &source{snapshot: choice.Snapshot, repository: repository, info: *info},
		facts: ProvenanceFacts{
			Repository: choice.Snapshot.URL(), Declared: repository, Commit: commit.ID.String(), CommittedAt: commit.Committed,
			Origin: choice.Origin, Dirty: info.Dirty,
		},
	}
	p.source.info.SHA1 = commit.ID.String()
	for _, id := range choice.Absent {
		p.facts.Absent = append(p.facts.Absent, id.String())
	}
	return p, nil, nil
}

// origin tells of a commit that was looked for. What differs from it proves
// nothing: it may be the wrong one.
func (p *provenanceReport) origin() {
	if p.origins.Origin == provenance.OriginAttested || p.origins.Origin == provenance.OriginRecorded {
		return
	}
	found := "the commit " + p.commit() + " of the branch " + shortRef(p.origins.Ref) + ", which has this version"
	if p.origins.Origin == provenance.OriginTag {
		found = "the tag " + shortRef(p.origins.Ref)
	}
	said, level := "The crate does not record the commit that it was packaged from", check.LevelNote
	if len(p.facts.Absent) > 0 {
		said, level = fmt.Sprintf("The repository does not have the recorded commit %.7s", p.facts.Absent[0]), check.LevelWarning
	}
	message := said + "; it was compared with " + found
	wrong := 0
	for i, f := range p.findings {
		if f.Level == check.LevelError && !slices.Contains(ofAnyCommit, f.Rule) {
			p.findings[i].Level = check.LevelWarning
			wrong++
		}
	}
	if wrong > 0 {
		why := &noSource{
			Reason: "commit-guessed", Message: message + fmt.Sprintf(", and %s", counted(wrong, "thing")+" "+verb(wrong, "differs", "differ")),
			Help: "Push the commit that it was packaged from, best as a tag of the release; and publish from a git checkout, so that cargo records it.",
		}
		if len(p.facts.Absent) > 0 {
			why.Reason, why.RetryAt = reasonCommitMissing, retryCommitAt(p.subject.Attempt)
		}
		p.unsettled = append([]*noSource{why}, p.unsettled...)
		return
	}
	p.add(check.Finding{Rule: "commit-guessed", Level: level, Message: message})
}

// guessed says of a commit that nobody names that it was looked for, to go on a
// title.
func (p *provenanceReport) guessed() string {
	switch {
	case p.origins.Ref == "":
		return ""
	case len(p.facts.Absent) > 0:
		return "; the recorded commit is not there"
	}
	return "; the crate records no commit"
}

// ofAnyCommit are the rules of what is wrong whatever the commit was.
var ofAnyCommit = []string{
	"sha1-collision", "index-disagrees", "manifest-unreadable",
	manifest.FlagPath, manifest.FlagGit, manifest.FlagWorkspace, manifest.FlagInherited, manifest.FlagOutside,
}
