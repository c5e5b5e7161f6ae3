package provenance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A Grade says how well a commit belongs to its repository. A forge hands out
// any commit of its whole network of forks under each of its repositories' names;
// what branches and tags lead to is what the owner took in.
type Grade string

// The grades, best first. The zero value is none.
const (
	GradeVersionTag    Grade = "version-tag"    // what a tag of this very version points at
	GradeDefaultBranch Grade = "default-branch" // in the default branch's history
	GradeBranch        Grade = "branch"         // in another branch's
	GradeTag           Grade = "tag"            // in another tag's
	GradePull          Grade = "pull-request"   // only in that of a change that somebody proposed
	GradeUnknown       Grade = "unknown"        // not found, with something left unread
	GradeUnreachable   Grade = "unreachable"    // the server has it, and no ref leads to it
	GradeAbsent        Grade = "absent"         // the server does not have it
)

// Owned reports whether the repository's owner took the commit in.
func (g Grade) Owned() bool {
	return slices.Contains([]Grade{GradeVersionTag, GradeDefaultBranch, GradeBranch, GradeTag}, g)
}

// A Reach is a grade and what it rests on.
type Reach struct {
	Grade Grade
	// Refs are full names of refs that give the grade, maxNamed at most.
	Refs []string
	// Tip: the refs point at the commit itself, not at one that came later.
	Tip bool
	// DefaultBranch is a full name; "" where the server names none.
	DefaultBranch string
	// VersionTags are the tags named for this version, wherever they point.
	VersionTags []check.Ref
	// Unread says what was too large to be read, "" if nothing was: a better
	// grade may then have been missed.
	Unread string
}

const (
	maxNamed = 10   // refs that are named as evidence
	maxTips  = 5000 // refs whose histories are searched
	lately   = 20   // commits back in the default branch, which are looked at first
	maxPulls = 500  // proposed changes whose histories are searched, the newest
	// maxWithout is how many refs of a kind are named as not leading there; naming
	// more costs more than it saves.
	maxWithout = 100
)

// pullPrefixes are where forges keep changes that somebody proposed: GitHub and
// Gitea, GitLab, Bitbucket, Gerrit.
var pullPrefixes = []string{"refs/pull/", "refs/merge-requests/", "refs/pull-requests/", "refs/changes/"}

const (
	branchPrefix = "refs/heads/"
	tagPrefix    = "refs/tags/"
)

// FindReach grades a commit that the repository's server has. Where no version is
// given, as for what other repositories pin, no tag is named for it, and the commit
// is not expected to be recent.
func FindReach(ctx context.Context, src check.Source, repository string, commit gitobj.ID, name, version string) (*Reach, error) {
	s := NewReachSearch(src, repository, commit, version)
	if err := s.Begin(ctx, name); err != nil {
		return nil, err
	}
	return s.Finish(ctx, version != "")
}

// A ReachSearch looks for what leads to a commit. What costs little and settles
// most comes first: this version's tags, the default branch as it was of late, all
// branches and tags. The histories of the repository come next, proposed changes
// last. Errors are the source's.
//
// A commit that a branch or tag points at is not looked for in the default branch.
type ReachSearch struct {
	src                  check.Source
	repository           string
	commit               gitobj.ID
	version              string
	head, branches, tags []check.Ref
	without              []gitobj.ID // commits that do not lead to it
	out                  Reach
}

// NewReachSearch returns a search that has not begun.
func NewReachSearch(src check.Source, repository string, commit gitobj.ID, version string) *ReachSearch {
	return &ReachSearch{src: src, repository: repository, commit: commit, version: version}
}

// Begin looks at this version's tags and the default branch. It may be done before
// it is known whether the server has the commit.
func (s *ReachSearch) Begin(ctx context.Context, name string) error {
	if err := s.likely(ctx, name); err != nil {
		return fmt.Errorf("grade commit %s: %w", s.commit, err)
	}
	return nil
}

// Finish looks at the rest, as far as it has to. Of a commit that is not recent the
// default branch is not looked at as it was of late: mostly in vain.
func (s *ReachSearch) Finish(ctx context.Context, recent bool) (*Reach, error) {
	steps := []func(context.Context) error{s.tipsOfAll, s.defaultBranch, s.branchesAndTags, s.pulls}
	if recent {
		steps = slices.Insert(steps, 0, s.ofLate)
	}
	for i := 0; i < len(steps) && s.out.Grade == ""; i++ {
		if err := steps[i](ctx); err != nil {
			return nil, fmt.Errorf("grade commit %s: %w", s.commit, err)
		}
	}
	switch {
	case s.out.Grade != "":
	case s.out.Unread != "":
		s.out.Grade = GradeUnknown
	default:
		s.out.Grade = GradeUnreachable
	}
	return &s.out, nil
}

// likely looks at this version's tags and the default branch.
func (s *ReachSearch) likely(ctx context.Context, name string) error {
	names := versionTags(name, s.version)
	refs, err := s.src.Refs(ctx, s.repository, append([]string{"HEAD"}, names...)...)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		switch {
		case ref.Name == "HEAD":
			s.out.DefaultBranch = ref.Target
			ref.Name = cmp.Or(ref.Target, ref.Name)
			s.head = append(s.head, ref)
		case slices.Contains(names, ref.Name):
			s.out.VersionTags = append(s.out.VersionTags, ref)
		}
	}
	if !s.tips(GradeVersionTag, s.out.VersionTags) {
		s.tips(GradeDefaultBranch, s.head)
	}
	return nil
}

// ofLate looks at the last commits of the default branch, among which that of a
// new release mostly is.
func (s *ReachSearch) ofLate(ctx context.Context) error {
	from, err := s.walk(ctx, s.head, lately)
	if errors.Is(err, check.ErrRepositoryTooLarge) {
		return nil
	}
	s.found(GradeDefaultBranch, from)
	return err
}

// tipsOfAll looks at what branches and tags point at. A tag at the commit itself
// that ends in this version is this version's, whatever habit named it.
func (s *ReachSearch) tipsOfAll(ctx context.Context) error {
	refs, err := s.list(ctx, "the list of branches and tags", branchPrefix, tagPrefix)
	var ofVersion []check.Ref
	for _, ref := range refs {
		switch {
		case strings.HasPrefix(ref.Name, branchPrefix):
			s.branches = append(s.branches, ref)
		default:
			s.tags = append(s.tags, ref)
			if endsIn(ref.Name, withoutBuild(s.version)) {
				ofVersion = append(ofVersion, ref)
			}
		}
	}
	if !s.tips(GradeVersionTag, ofVersion) && !s.tips(GradeBranch, s.branches) {
		s.tips(GradeTag, s.tags)
	}
	return err
}

// endsIn reports whether a name ends in a version, and not in a longer one.
func endsIn(name, version string) bool {
	before, ok := strings.CutSuffix(name, version)
	last := strings.LastIndexAny(before, "0123456789.")
	return ok && version != "" && last < len(before)-1
}

func (s *ReachSearch) defaultBranch(ctx context.Context) error {
	from, err := s.histories(ctx, s.head, "the default branch's history")
	s.found(GradeDefaultBranch, from)
	return err
}

func (s *ReachSearch) branchesAndTags(ctx context.Context) error {
	from, err := s.histories(ctx, slices.Concat(s.branches, s.tags), "the histories of branches and tags")
	inTags := slices.IndexFunc(from, func(ref check.Ref) bool { return !strings.HasPrefix(ref.Name, branchPrefix) })
	switch {
	case inTags == 0:
		s.found(GradeTag, from)
	case inTags > 0:
		s.found(GradeBranch, from[:inTags])
	default:
		s.found(GradeBranch, from)
	}
	return err
}

// pulls looks at proposed changes. It only tells a commit that somebody proposed
// from one of nobody knows whom; where the list is too large, neither is known.
func (s *ReachSearch) pulls(ctx context.Context) error {
	refs, err := s.list(ctx, "the list of proposed changes", pullPrefixes...)
	if err != nil || s.tips(GradePull, refs) {
		return err
	}
	// What a forge would get if it merged is made of the default branch.
	refs = slices.DeleteFunc(refs, func(ref check.Ref) bool { return strings.HasSuffix(ref.Name, "/merge") })
	slices.SortStableFunc(refs, func(a, b check.Ref) int { return cmp.Compare(number(b.Name), number(a.Name)) })
	from, err := s.histories(ctx, refs[:min(len(refs), maxPulls)], "the histories of proposed changes")
	s.found(GradePull, from)
	return err
}

// number is the first number in a name: that of a change.
func number(name string) int {
	for part := range strings.SplitSeq(name, "/") {
		if n, err := strconv.Atoi(part); err == nil {
			return n
		}
	}
	return 0
}

// list returns refs; none where there are too many to be read.
func (s *ReachSearch) list(ctx context.Context, what string, prefixes ...string) ([]check.Ref, error) {
	refs, err := s.src.Refs(ctx, s.repository, prefixes...)
	if errors.Is(err, check.ErrRepositoryTooLarge) {
		s.unread(what)
		return nil, nil
	}
	return refs, err
}

// histories returns those of refs whose whole history holds the commit.
func (s *ReachSearch) histories(ctx context.Context, refs []check.Ref, what string) ([]check.Ref, error) {
	if len(refs) > maxTips {
		s.unread(what)
		refs = refs[:maxTips]
	}
	from, err := s.walk(ctx, refs, 0)
	switch {
	case errors.Is(err, check.ErrRepositoryTooLarge):
		s.unread(what)
		return nil, nil
	case err == nil && len(from) == 0:
		s.without = append(s.without, tipsOf(refs[:min(len(refs), maxWithout)])...)
	}
	return from, err
}

// walk returns those of refs from which the commit can be reached.
func (s *ReachSearch) walk(ctx context.Context, refs []check.Ref, depth int) ([]check.Ref, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	from, err := s.src.Reachable(ctx, s.repository, check.Walk{Commit: s.commit, Tips: tipsOf(refs), Without: s.without, Depth: depth})
	holds := map[gitobj.ID]bool{}
	for _, tip := range from {
		holds[tip] = true
	}
	return slices.DeleteFunc(slices.Clone(refs), func(ref check.Ref) bool { return !holds[ref.Commit] }), err
}

func tipsOf(refs []check.Ref) []gitobj.ID {
	tips := make([]gitobj.ID, len(refs))
	for i, ref := range refs {
		tips[i] = ref.Commit
	}
	return tips
}

// tips grades by refs that point at the commit itself.
func (s *ReachSearch) tips(g Grade, refs []check.Ref) bool {
	at := slices.DeleteFunc(slices.Clone(refs), func(ref check.Ref) bool { return ref.Commit != s.commit })
	s.found(g, at)
	s.out.Tip = len(at) > 0
	return s.out.Tip
}

func (s *ReachSearch) found(g Grade, refs []check.Ref) {
	if len(refs) == 0 {
		return
	}
	s.out.Grade = g
	for _, ref := range refs[:min(len(refs), maxNamed)] {
		s.out.Refs = append(s.out.Refs, ref.Name)
	}
}

// unread notes what was too large; the first counts.
func (s *ReachSearch) unread(what string) { s.out.Unread = cmp.Or(s.out.Unread, what) }

// versionTags returns the full names that tags of this version may have, after
// the habits of those who publish crates; build metadata is left out. Packages of
// a workspace are often called by the last part of their name.
func versionTags(name, version string) []string {
	version = withoutBuild(version)
	// What no ref may hold (git-check-ref-format) is no release's; archives may say anything.
	forbidden := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	if version == "" || len(name)+len(version) > 500 || strings.ContainsFunc(name+version, forbidden) {
		return nil
	}
	names := []string{name, strings.ReplaceAll(name, "-", "_"), name[strings.LastIndexAny(name, "-_")+1:]}
	var tags []string
	add := func(name, between string) {
		tag := tagPrefix + name + between + version
		if !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	for _, name := range names {
		for _, between := range []string{"-v", "-", "_v", "_", "/v", "v/", "/", "@v", "@"} {
			add(name, between)
		}
	}
	for _, before := range []string{"v", "", "v/"} {
		add("", before)
	}
	return tags
}

func withoutBuild(version string) string {
	version, _, _ = strings.Cut(version, "+")
	return version
}
