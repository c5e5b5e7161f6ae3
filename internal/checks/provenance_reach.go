package checks

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// ProvenanceReach is how the commit belongs to its repository.
type ProvenanceReach struct {
	Grade         provenance.Grade `json:"grade"`
	Refs          []string         `json:"refs,omitempty"` // that lead to it: "refs/tags/v1.0.0"
	Tip           bool             `json:"tip,omitempty"`  // they point at the commit itself
	DefaultBranch string           `json:"default_branch,omitempty"`
	// VersionTags are the tags named for this version that point elsewhere.
	VersionTags []string `json:"version_tags,omitempty"`
	Unread      string   `json:"unread,omitempty"` // what was too large to be read
}

// ref is the first ref that leads to the commit, in short; "nothing" if none does.
func (r *ProvenanceReach) ref() string {
	if len(r.Refs) == 0 {
		return "nothing"
	}
	return shortRef(r.Refs[0])
}

// A reaching is a search for what leads to a commit, under way.
type reaching struct {
	commit gitobj.ID
	opened chan *gitobj.Commit // the commit, once the repository turned out to have it
	done   chan struct{}
	found  *provenance.Reach
	err    error
}

// startReach begins to ask which branch or tag leads to a commit, while it is
// fetched. Only when it is there are histories read. It ends with the context.
func startReach(ctx context.Context, s *check.Subject, repository string, commit gitobj.ID) *reaching {
	r := &reaching{commit: commit, opened: make(chan *gitobj.Commit, 1), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		defer func() {
			if broken := recover(); broken != nil { // which nobody else would, off the check's own goroutine
				r.err = fmt.Errorf("panic: %v\n%s", broken, debug.Stack())
			}
		}()
		search := provenance.NewReachSearch(s.Source, repository, commit, s.Release.Version)
		if r.err = search.Begin(ctx, releaseName(s)); r.err != nil {
			return
		}
		select {
		case there := <-r.opened:
			r.found, r.err = search.Finish(ctx, time.Since(there.Committed) < recently)
		case <-ctx.Done():
			r.err = ctx.Err()
		}
	}()
	return r
}

// recently is how long a commit is looked for among the last of its branch.
const recently = 60 * 24 * time.Hour

// wait waits for the answer.
func (r *reaching) wait() (*provenance.Reach, error) {
	<-r.done
	return r.found, r.err
}

// reach takes down which branch or tag leads to the commit.
func (p *provenanceReport) reach(ctx context.Context, found *provenance.Reach, err error) error {
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		missing, err := whyNoSource(err, p.source.repository, p.source.info.SHA1)
		if err != nil {
			return err
		}
		missing.Reason = "reach-" + missing.Reason
		missing.Message = "Whether a branch or tag leads to the commit is not known: " + lowerFirst(missing.Message)
		p.unsettled = append(p.unsettled, missing)
		return nil
	}
	facts := &ProvenanceReach{
		Grade: found.Grade, Refs: allShortened(found.Refs), Tip: found.Tip, DefaultBranch: shortened(found.DefaultBranch), Unread: found.Unread,
	}
	for _, tag := range found.VersionTags {
		if tag.Commit != p.source.snapshot.Commit().ID {
			facts.VersionTags = append(facts.VersionTags, shortened(tag.Name))
		}
	}
	p.facts.Reach, p.versionTags = facts, found.VersionTags
	if !found.Grade.Owned() {
		p.unsettled = append(p.unsettled, p.unowned(facts))
	}
	return nil
}

// lookElsewhere looks for files that differ in the commits of this version's tags
// and at the tip of the default branch, a few at most. A host that does not
// answer leaves them differing.
func (p *provenanceReport) lookElsewhere(ctx context.Context, r *provenance.Result) error {
	const most = 3
	if !slices.ContainsFunc(r.Files, func(f provenance.File) bool { return f.Kind.Differs() && f.Source }) {
		return nil
	}
	refs := slices.Clone(p.versionTags)
	heads, err := p.subject.Source.Refs(ctx, p.source.repository, "HEAD")
	if err != nil {
		return ctx.Err()
	}
	refs = append(refs, heads...)
	for _, ref := range refs[:min(len(refs), most)] {
		if ref.Commit == p.source.snapshot.Commit().ID {
			continue
		}
		snapshot, err := p.subject.Source.Snapshot(ctx, p.source.repository, ref.Commit)
		if err != nil {
			return ctx.Err()
		}
		name := "the tag " + shortRef(ref.Name)
		if ref.Name == "HEAD" {
			name = "the branch " + shortRef(cmp.Or(ref.Target, ref.Name))
		}
		r.LookIn(name, snapshot, p.subject.Archive)
	}
	return nil
}

// otherTag tells of a tag of this version that points at another commit than the
// one recorded: who reads the tag does not read what was packaged. In a workspace
// only a tag that names the package is sure to be its own.
func (p *provenanceReport) otherTag() {
	r := p.facts.Reach
	if r == nil {
		return
	}
	i := slices.IndexFunc(r.VersionTags, func(tag string) bool {
		return p.facts.Path == "" && p.facts.Workspace == nil || strings.Contains(tag, releaseName(p.subject))
	})
	if i < 0 || r.Grade == provenance.GradeVersionTag {
		return
	}
	p.add(check.Finding{
		Rule: "tag-elsewhere", Level: check.LevelNote,
		Message: fmt.Sprintf("The tag %s points at another commit than the recorded %s", shortRef(r.VersionTags[i]), p.commit()),
	})
}

// unowned says why nobody knows that the commit is the repository's, and the one
// action that would settle it.
func (p *provenanceReport) unowned(r *ProvenanceReach) *noSource {
	tag := "v" + p.subject.Release.Version
	sha := p.source.info.SHA1
	why := &noSource{
		Reason: "commit-unreachable",
		Message: fmt.Sprintf("The commit %s can be had from %s, but no branch or tag of it leads there",
			p.commit(), p.repositoryName()),
		Help: fmt.Sprintf("The owner settles it by pushing a tag at %s: git tag %s %s && git push origin %s.", p.commit(), tag, sha, tag),
	}
	switch r.Grade {
	case provenance.GradePull:
		why.Reason = "commit-proposed"
		why.Message = fmt.Sprintf("The commit %s stands only in a change proposed to %s (%s): no branch or tag leads to it",
			p.commit(), p.repositoryName(), r.ref())
	case provenance.GradeUnknown:
		why.Reason = "reach-unread"
		why.Message = fmt.Sprintf("Whether a branch or tag of %s leads to the commit %s is not known: %s is too large to be read",
			p.repositoryName(), p.commit(), r.Unread)
	default:
		why.RetryAt = retryCommitAt(p.subject.Attempt)
	}
	return why
}

// reached says by which ref the commit is known, to go on a title.
func (p *provenanceReport) reached() string {
	r := p.facts.Reach
	if r == nil || len(r.Refs) == 0 {
		return ""
	}
	name := r.ref()
	switch {
	case r.Grade == provenance.GradeVersionTag:
		return ", tagged " + name
	case r.Grade == provenance.GradeTag && r.Tip:
		return ", tagged " + name
	case r.Grade == provenance.GradeTag:
		return ", in the history of the tag " + name
	case r.Grade.Owned():
		return ", on the branch " + name
	}
	return ""
}

// shortRef is a ref as people call it: "v1.0.0", "main", "pull/12".
func shortRef(name string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/", "refs/"} {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			if prefix == "refs/" && path.Base(short) == "head" {
				short = path.Dir(short)
			}
			return printable(short)
		}
	}
	return printable(name)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
