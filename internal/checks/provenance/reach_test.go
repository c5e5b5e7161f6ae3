package provenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A history is a repository in memory: commits are letters.
type history struct {
	check.Source
	parents map[string]string // of a commit, letters
	refs    []string          // "NAME COMMIT [TARGET]"
	large   string            // a question that is too large to answer
	asked   []string
}

func (h *history) Refs(_ context.Context, _ string, prefixes ...string) ([]check.Ref, error) {
	question := "refs " + prefixes[0]
	h.asked = append(h.asked, question)
	if h.large == question {
		return nil, fmt.Errorf("list: %w", check.ErrRepositoryTooLarge)
	}
	var refs []check.Ref
	for _, line := range h.refs {
		fields := strings.Fields(line + " ")
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(fields[0], p) }) {
			continue
		}
		ref := check.Ref{Name: fields[0], Commit: letter(fields[1])}
		if len(fields) > 2 {
			ref.Target = fields[2]
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func letter(s string) gitobj.ID { return gitobj.ID{s[0]} }

func (h *history) Reachable(_ context.Context, _ string, w check.Walk) ([]gitobj.ID, error) {
	question := fmt.Sprintf("walk from %d", len(w.Tips))
	if w.Depth > 0 {
		question = "walk of late"
	}
	if len(w.Without) > 0 {
		question += fmt.Sprintf(" without %d", len(w.Without))
	}
	h.asked = append(h.asked, question)
	if h.large == question {
		return nil, fmt.Errorf("walk: %w", check.ErrRepositoryTooLarge)
	}
	var holds func(gitobj.ID, int) bool
	holds = func(id gitobj.ID, depth int) bool {
		if id == w.Commit {
			return true
		}
		return depth > 0 && slices.ContainsFunc([]byte(h.parents[string(id[:1])]), func(p byte) bool { return holds(gitobj.ID{p}, depth-1) })
	}
	depth := 1000
	if w.Depth > 0 {
		depth = 1 // as far as tests need it
	}
	return slices.DeleteFunc(slices.Clone(w.Tips), func(tip gitobj.ID) bool { return !holds(tip, depth) }), nil
}

// The default branch is a-b-c; d branches off b, e off d; f is proposed on c, g
// after it; x is in nobody's history.
var forked = map[string]string{"b": "a", "c": "b", "d": "b", "e": "d", "f": "c", "g": "f", "x": "c"}

func TestFindReach(t *testing.T) {
	const head = "HEAD c refs/heads/main"
	main := []string{head, "refs/heads/main c"}
	likely, late, all, whole, pulls := "refs HEAD", "walk of late", "refs refs/heads/", "walk from 1", "refs refs/pull/"
	tests := []struct {
		name      string
		refs      []string
		commit    string
		large     string
		want      Reach
		wantAsked []string
	}{
		{
			name: "a tag of the version", refs: append(main, "refs/tags/v1.0.0 b"), commit: "b",
			want:      Reach{Grade: GradeVersionTag, Refs: []string{"refs/tags/v1.0.0"}, Tip: true},
			wantAsked: []string{likely},
		}, {
			name: "a tag of the version and the package", refs: append(main, "refs/tags/demo-v1.0.0 b"), commit: "b",
			want:      Reach{Grade: GradeVersionTag, Refs: []string{"refs/tags/demo-v1.0.0"}, Tip: true},
			wantAsked: []string{likely},
		}, {
			name: "the tip of the default branch", refs: main, commit: "c",
			want:      Reach{Grade: GradeDefaultBranch, Refs: []string{"refs/heads/main"}, Tip: true},
			wantAsked: []string{likely},
		}, {
			// v1.0.0-rc.1 begins as v1.0.0 does and is another version.
			name: "a tag of another version", refs: append(main, "refs/tags/v1.0.0-rc.1 b"), commit: "b",
			want:      Reach{Grade: GradeDefaultBranch, Refs: []string{"refs/heads/main"}},
			wantAsked: []string{likely, late},
		}, {
			name: "long ago in the default branch", refs: main, commit: "a",
			want:      Reach{Grade: GradeDefaultBranch, Refs: []string{"refs/heads/main"}},
			wantAsked: []string{likely, late, all, whole},
		}, {
			// It is in the default branch too, which is not worth its history.
			name: "long ago, and another tag", refs: append(main, "refs/tags/other a"), commit: "a",
			want:      Reach{Grade: GradeTag, Refs: []string{"refs/tags/other"}, Tip: true},
			wantAsked: []string{likely, late, all},
		}, {
			name: "a tag of the version by another habit", refs: append(main, "refs/tags/all-1.0.0 a", "refs/tags/all-11.0.0 a"), commit: "a",
			want:      Reach{Grade: GradeVersionTag, Refs: []string{"refs/tags/all-1.0.0"}, Tip: true},
			wantAsked: []string{likely, late, all},
		}, {
			name: "the tip of another branch", refs: append(main, "refs/heads/0.9 d", "refs/tags/other d"), commit: "d",
			want:      Reach{Grade: GradeBranch, Refs: []string{"refs/heads/0.9"}, Tip: true},
			wantAsked: []string{likely, late, all},
		}, {
			name: "in another branch", refs: append(main, "refs/heads/0.9 e", "refs/tags/old e"), commit: "d",
			want:      Reach{Grade: GradeBranch, Refs: []string{"refs/heads/0.9"}},
			wantAsked: []string{likely, late, all, whole, "walk from 3 without 1"},
		}, {
			name: "before another tag", refs: append(main, "refs/tags/other e"), commit: "d",
			want:      Reach{Grade: GradeTag, Refs: []string{"refs/tags/other"}},
			wantAsked: []string{likely, late, all, whole, "walk from 2 without 1"},
		}, {
			name: "proposed", refs: append(main, "refs/pull/7/head f", "refs/pull/7/merge g"), commit: "f",
			want:      Reach{Grade: GradePull, Refs: []string{"refs/pull/7/head"}, Tip: true},
			wantAsked: []string{likely, late, all, whole, "walk from 1 without 1", pulls},
		}, {
			name: "proposed, and more since", refs: append(main, "refs/merge-requests/7/head g"), commit: "f",
			want:      Reach{Grade: GradePull, Refs: []string{"refs/merge-requests/7/head"}},
			wantAsked: []string{likely, late, all, whole, "walk from 1 without 1", pulls, "walk from 1 without 2"},
		}, {
			// The imposter: a child of the default branch that only a fork has.
			name: "nobody's", refs: append(main, "refs/pull/7/head g", "refs/tags/v1.0.0 b"), commit: "x",
			want:      Reach{Grade: GradeUnreachable},
			wantAsked: []string{likely, late, all, whole, "walk from 2 without 1", pulls, "walk from 1 without 3"},
		}, {
			name: "a repository without refs", commit: "x",
			want:      Reach{Grade: GradeUnreachable},
			wantAsked: []string{likely, all, pulls},
		}, {
			name: "too long a history", refs: main, commit: "x", large: whole,
			want:      Reach{Grade: GradeUnknown, Unread: "the default branch's history"},
			wantAsked: []string{likely, late, all, whole, whole, pulls},
		}, {
			// What was found stands, whatever else could not be read.
			name: "too long a history, and another tag", refs: append(main, "refs/tags/other e"), commit: "d", large: whole,
			want:      Reach{Grade: GradeTag, Refs: []string{"refs/tags/other"}, Unread: "the default branch's history"},
			wantAsked: []string{likely, late, all, whole, "walk from 2"},
		}, {
			name: "too many refs", refs: main, commit: "x", large: all,
			want:      Reach{Grade: GradeUnknown, Unread: "the list of branches and tags"},
			wantAsked: []string{likely, late, all, whole, pulls},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := &history{parents: forked, refs: test.refs, large: test.large}
			got, err := FindReach(t.Context(), h, "https://example.com/o/r", letter(test.commit), "demo", "1.0.0+build.5")
			if err != nil {
				t.Fatal(err)
			}
			if len(test.refs) > 0 {
				test.want.DefaultBranch = "refs/heads/main"
			}
			got.VersionTags = nil
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Errorf("reach (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantAsked, h.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

// What another repository pins may be of any age, and no tag is named for it.
func TestFindReachOfAnyAge(t *testing.T) {
	h := &history{parents: forked, refs: []string{"HEAD c refs/heads/main", "refs/heads/main c", "refs/tags/1 b"}}
	tests := []struct {
		commit string
		want   Grade
		asked  []string
	}{
		{"b", GradeTag, []string{"refs HEAD", "refs refs/heads/"}},
		{"a", GradeDefaultBranch, []string{"refs HEAD", "refs refs/heads/", "walk from 1"}},
	}
	for _, test := range tests {
		h.asked = nil
		got, err := FindReach(t.Context(), h, "https://example.com/o/r", letter(test.commit), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.asked, h.asked); got.Grade != test.want || diff != "" {
			t.Errorf("%s is graded %s, want %s; asked (-want +got):\n%s", test.commit, got.Grade, test.want, diff)
		}
	}
}

func TestVersionTags(t *testing.T) {
	got := strings.Join(versionTags("lexical-util", "1.0.6+build"), "\n")
	for _, want := range []string{
		"lexical-util-v1.0.6", "lexical-util-1.0.6", "lexical_util_1.0.6", "lexical-util@1.0.6", "lexical-util/v1.0.6", "util-1.0.6", "v1.0.6", "1.0.6",
	} {
		if !slices.Contains(strings.Split(got, "\n"), tagPrefix+want) {
			t.Errorf("no tag %s in\n%s", want, got)
		}
	}
}

// What an archive says of itself does not get into a request.
func TestVersionTagsHostile(t *testing.T) {
	for _, version := range []string{"1.0.0\nref-prefix refs/", "1.0.0\x00", "1 0", "^1", strings.Repeat("1", 5000)} {
		if got := versionTags("demo", version); got != nil {
			t.Errorf("%.20q has tags %.100q", version, got)
		}
	}
}

func TestEndsIn(t *testing.T) {
	tests := map[string]bool{
		"refs/tags/frameworks-1.2.3": true, "refs/tags/haiku/v1.2.3": true, "refs/tags/1.2.3": true, "refs/tags/r1.2.3": true,
		"refs/tags/v11.2.3": false, "refs/tags/v0.1.2.3": false, "refs/tags/v1.2.3-rc.1": false, "refs/tags/v1.2.30": false, "refs/tags/none": false,
	}
	for name, want := range tests {
		if got := endsIn(name, "1.2.3"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if endsIn("refs/tags/v1", "") {
		t.Error("a release without a version has tags")
	}
}

// A tag of this version that points elsewhere is told.
func TestVersionTagElsewhere(t *testing.T) {
	h := &history{parents: forked, refs: []string{"HEAD c refs/heads/main", "refs/tags/v1.0.0 c", "refs/tags/v1.0.0-rc.1 b"}}
	got, err := FindReach(t.Context(), h, "https://example.com/o/r", letter("b"), "demo", "1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	want := []check.Ref{{Name: "refs/tags/v1.0.0", Commit: letter("c")}}
	if diff := cmp.Diff(want, got.VersionTags); diff != "" || got.Grade != GradeDefaultBranch {
		t.Errorf("%s; tags (-want +got):\n%s", got.Grade, diff)
	}
}

// A server that fails in the middle gives no grade.
func TestFindReachBroken(t *testing.T) {
	broken := errors.New("out of memory")
	if got, err := FindReach(t.Context(), brokenHistory{err: broken}, "", letter("b"), "demo", "1.0.0"); !errors.Is(err, broken) {
		t.Errorf("got %+v, %v", got, err)
	}
}

type brokenHistory struct {
	check.Source
	err error
}

func (b brokenHistory) Refs(context.Context, string, ...string) ([]check.Ref, error) {
	return []check.Ref{{Name: "HEAD", Commit: letter("c")}}, nil
}

func (b brokenHistory) Reachable(context.Context, string, check.Walk) ([]gitobj.ID, error) {
	return nil, b.err
}

func TestOwned(t *testing.T) {
	for _, g := range []Grade{"", "anything", GradePull, GradeUnknown, GradeUnreachable, GradeAbsent} {
		if g.Owned() {
			t.Errorf("%q is the owner's", g)
		}
	}
	if !GradeTag.Owned() {
		t.Error("a tag is not the owner's")
	}
}
