package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/gitobj"
	"github.com/cratefence/cratefence/internal/index"
)

// twoCommits has the demo twice: the first commit as published, the second with a
// file more.
const twoCommits = demoRepository + `
-- @2/demo/src/more.rs --
pub fn more() {}
`

// A toldSource has other refs than its repository.
type toldSource struct {
	check.Source
	refs []check.Ref
}

func (s toldSource) Refs(_ context.Context, _ string, prefixes ...string) (refs []check.Ref, err error) {
	for _, ref := range s.refs {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(ref.Name, p) }) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// How well the commit belongs to the repository decides between success and not
// knowing.
func TestProvenanceReach(t *testing.T) {
	f := newForge(t, twoCommits)
	var ids []gitobj.ID
	for _, commit := range f.repository.Commits {
		id, err := gitobj.ParseID(commit)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	main := check.Ref{Name: "HEAD", Commit: ids[1], Target: "refs/heads/main"}
	first := f.repository.Commits[0]
	tests := []struct {
		name  string
		refs  []check.Ref
		want  check.Conclusion
		title string
		rules []string
		help  string
	}{
		{
			name: "the default branch", refs: []check.Ref{main},
			want: check.Success, title: "Verified: 5 files and the manifest match PLACE, on the branch main",
		},
		{
			name: "the version's tag", refs: []check.Ref{main, {Name: "refs/tags/v1.0.0", Commit: ids[0]}},
			want: check.Success, title: "Verified: 5 files and the manifest match PLACE, tagged v1.0.0",
		},
		{
			name: "the version's tag is elsewhere", refs: []check.Ref{main, {Name: "refs/tags/demo-v1.0.0", Commit: ids[1]}},
			want: check.Success, title: "Verified: 5 files and the manifest match PLACE, on the branch main", rules: []string{"note tag-elsewhere"},
		},
		{ // in a workspace it may be another package's
			name: "a plain tag is elsewhere", refs: []check.Ref{main, {Name: "refs/tags/v1.0.0", Commit: ids[1]}},
			want: check.Success, title: "Verified: 5 files and the manifest match PLACE, on the branch main",
		},
		{
			name: "a proposed change alone", refs: []check.Ref{{Name: "refs/pull/12/head", Commit: ids[0]}},
			want: check.Inconclusive, title: "The commit COMMIT stands only in a change proposed to REPO (pull/12): no branch or tag leads to it",
			help: "git tag v1.0.0 " + first,
		},
		{
			name: "nothing", refs: nil,
			want: check.Inconclusive, title: "The commit COMMIT can be had from REPO, but no branch or tag of it leads there",
			help: "git push origin v1.0.0",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: first, PathInVCS: "demo"}, "")
			s.Source = toldSource{s.Source, test.refs}
			r, facts := runCheck(t, s)
			repo := strings.TrimPrefix(f.url, "http://") + "/o/demo"
			title := strings.NewReplacer("PLACE", repo+" at "+first[:7], "COMMIT", first[:7], "REPO", repo).Replace(test.title)
			if r.Conclusion != test.want || r.Title != title {
				t.Errorf("concludes %s, %q\nwant      %s, %q", r.Conclusion, r.Title, test.want, title)
			}
			if diff := cmp.Diff(test.rules, rules(r.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if !strings.Contains(r.Summary, test.help) {
				t.Errorf("the summary does not say %q: %s", test.help, r.Summary)
			}
			if (facts.Reason != "") != (test.want == check.Inconclusive) {
				t.Errorf("the reason is %q", facts.Reason)
			}
		})
	}
}

// What a forge has and no branch leads to is no excuse for what differs.
func TestProvenanceUnreachableAndWrong(t *testing.T) {
	f := newForge(t, demoRepository)
	s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, "-- src/lib.rs --\nevil\n")
	s.Source = toldSource{Source: s.Source}
	if r, _ := runCheck(t, s); r.Conclusion != check.Failure {
		t.Errorf("concludes %s, %q", r.Conclusion, r.Title)
	}
}

// A commit that nobody names is looked for. What matches it is the repository's;
// what does not may be of another commit.
func TestProvenanceOfNoCommit(t *testing.T) {
	f := newForge(t, twoCommits+"-- @1 tag v1.0.0 --\n")
	gone := strings.Repeat("1", 40)
	tests := []struct {
		name, commit, changes string
		want                  check.Conclusion
		title                 string
		rules                 []string
		reason                string
	}{
		{
			name: "not recorded", want: check.Success,
			title: "Verified: 5 files and the manifest match PLACE, tagged v1.0.0; the crate records no commit", rules: []string{"note commit-guessed"},
		},
		{
			name: "recorded and not there", commit: gone, want: check.Neutral,
			title: "5 files and the manifest match PLACE, tagged v1.0.0; the recorded commit is not there", rules: []string{"warning commit-guessed"},
		},
		{
			name: "not recorded, and other files", changes: "-- src/lib.rs --\nother\n", want: check.Inconclusive, reason: "commit-guessed",
			title: "The crate does not record the commit that it was packaged from; it was compared with the tag v1.0.0, and 1 thing differs",
			rules: []string{"warning file-modified src/lib.rs:1"},
		},
		{
			name: "recorded and not there, and other files", commit: gone, changes: "-- src/lib.rs --\nother\n", want: check.Inconclusive, reason: "commit-missing",
			title: "The repository does not have the recorded commit 1111111; it was compared with the tag v1.0.0, and 1 thing differs",
			rules: []string{"warning file-modified src/lib.rs:1"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := cratetest.Package{Commit: test.commit}
			if test.commit != "" {
				p.PathInVCS = "demo"
			}
			r, facts := runCheck(t, f.publish(t, p, test.changes))
			place := strings.TrimPrefix(f.url, "http://") + "/o/demo at " + f.repository.Commits[0][:7]
			if title := strings.Replace(test.title, "PLACE", place, 1); r.Conclusion != test.want || r.Title != title {
				t.Errorf("concludes %s, %q\nwant      %s, %q", r.Conclusion, r.Title, test.want, title)
			}
			if diff := cmp.Diff(test.rules, rules(r.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if facts.Origin != provenance.OriginTag || facts.Reason != test.reason || r.RetryAt.IsZero() != (test.reason != "commit-missing") {
				t.Errorf("origin %q, reason %q, tried again %s", facts.Origin, facts.Reason, r.RetryAt)
			}
		})
	}
}

// Files that somebody committed later are found there.
func TestProvenanceElsewhere(t *testing.T) {
	f := newForge(t, twoCommits)
	s := f.publish(t, cratetest.Package{Commit: f.repository.Commits[0], PathInVCS: "demo"}, "-- src/more.rs --\npub fn more() {}\n")
	r, facts := runCheck(t, s)
	want := fmt.Sprintf("src/more.rs is not in the repository at %s; the same content stands in the branch main at \"demo/src/more.rs\"", f.repository.Commits[0][:7])
	if r.Conclusion != check.Failure || r.Title != want {
		t.Errorf("concludes %s, %q\nwant %q", r.Conclusion, r.Title, want)
	}
	if len(facts.Differing) != 1 || facts.Differing[0].ElsewhereIn != "the branch main" {
		t.Errorf("differing %+v", facts.Differing)
	}
}

// What changed since the last time is said, and an earlier answer is not undone.
func TestProvenanceSince(t *testing.T) {
	f := newForge(t, twoCommits)
	first := f.repository.Commits[0]
	before := ProvenanceFacts{
		Repository: f.url + "/o/old", Declared: f.url + "/o/demo", Commit: first,
		Reach: &ProvenanceReach{Grade: provenance.GradeVersionTag, Refs: []string{"refs/tags/v1.0.0"}},
	}
	encoded, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	earlier := &check.Previous{
		CheckVersion: provenanceVersion, Conclusion: check.Success, Facts: encoded, At: time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC),
	}
	tests := []struct {
		name   string
		change func(s *check.Subject)
		want   check.Conclusion
		rules  []string
		title  string
	}{
		{
			name: "renamed, and its tag moved", change: func(*check.Subject) {}, want: check.Neutral,
			rules: []string{"note repository-renamed", "warning tag-moved"}, title: "5 files and the manifest match",
		},
		{
			name: "no branch any more", change: func(s *check.Subject) { s.Source = toldSource{Source: s.Source} }, want: check.Inconclusive,
			rules: []string{"note repository-renamed", "warning tag-moved"}, title: "no branch or tag of it leads there; on 2 October 2026 v1.0.0 did",
		},
		{
			name: "the commit is gone", want: check.Inconclusive, title: "which was compared on 2 October 2026",
			change: func(s *check.Subject) { s.Source = brokenSource{err: check.ErrCommitMissing} },
		},
		{
			name: "the host is down", want: check.Inconclusive, title: "does not answer",
			change: func(s *check.Subject) { s.Source = brokenSource{err: check.ErrRepositoryUnreachable} },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: first, PathInVCS: "demo"}, "")
			s.Previous = earlier
			test.change(s)
			r, _ := runCheck(t, s)
			if r.Conclusion != test.want || !strings.Contains(r.Title, test.title) {
				t.Errorf("concludes %s, %q, want %s, %q", r.Conclusion, r.Title, test.want, test.title)
			}
			if diff := cmp.Diff(test.rules, rules(r.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// What is waited for is waited for longer each time, and not for ever.
func TestProvenancePatience(t *testing.T) {
	f := newForge(t, demoRepository)
	for attempt, want := range map[int]time.Duration{0: 10 * time.Minute, 1: 10 * time.Minute, 2: time.Hour, 3: 24 * time.Hour, 4: 0} {
		s := f.publish(t, cratetest.Package{Commit: strings.Repeat("1", 40)}, "")
		s.Attempt = attempt
		r, _ := runCheck(t, s)
		switch wait := time.Until(r.RetryAt); {
		case want == 0 && r.RetryAt.IsZero():
		case want == 0, wait > want, wait < want-time.Minute:
			t.Errorf("attempt %d is followed by another in %s, want %s", attempt, wait, want)
		}
	}
}

// The line that cargo resolves by says what the manifest says, or nobody knows
// which of the two was meant.
func TestProvenanceIndex(t *testing.T) {
	f := newForge(t, demoRepository)
	honest := index.Line{Name: "demo", Vers: "1.0.0", Deps: []index.Dep{{Name: "itoa", Req: "^1", DefaultFeatures: true, Kind: "normal"}}}
	evil := honest
	evil.Deps = append(slices.Clone(honest.Deps), index.Dep{Name: "evil", Req: "^1", DefaultFeatures: true, Kind: "normal"})
	tests := []struct {
		name      string
		line      *index.Line
		published time.Time
		want      check.Conclusion
	}{
		{"not asked", nil, time.Time{}, check.Success},
		{"the same", &honest, time.Time{}, check.Success},
		{"a dependency more", &evil, time.Time{}, check.Failure},
		{"a dependency more, when anything went", &evil, time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC), check.Success},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, "")
			s.Index, s.PublishedAt = test.line, test.published
			if r, _ := runCheck(t, s); r.Conclusion != test.want {
				t.Errorf("concludes %s, %q, want %s", r.Conclusion, r.Title, test.want)
			}
		})
	}
}

// What the author declares in public as generated is not a failure, and is told.
func TestProvenanceDeclared(t *testing.T) {
	declaring := strings.Replace(demoRepository, "[dependencies]\nitoa.workspace = true",
		"[dependencies]\nitoa.workspace = true\n[package.metadata.provenance]\ngenerated = [\"pregenerated/**\", \"src/**\"]", 1)
	f := newForge(t, declaring)
	s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"},
		"-- Cargo.toml --\n"+demoManifest+"[package.metadata.provenance]\ngenerated = [\"pregenerated/**\", \"src/**\"]\n-- pregenerated/x.c --\nint x;\n")
	r, facts := runCheck(t, s)
	if r.Conclusion != check.Neutral || !strings.HasSuffix(r.Title, "; 1 is declared as generated") {
		t.Errorf("concludes %s, %q", r.Conclusion, r.Title)
	}
	want := []string{"warning build-file-declared pregenerated/x.c", "warning declaration-refused Cargo.toml.orig"}
	if diff := cmp.Diff(want, rules(r.Findings)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if r.Metrics["unverified_build_files"] != 1 || facts.Files[provenance.Declared] != 1 {
		t.Errorf("metrics %v, files %v", r.Metrics, facts.Files)
	}
	// Nobody but the repository declares.
	f = newForge(t, demoRepository)
	s = f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"},
		"-- Cargo.toml --\n"+demoManifest+"[package.metadata.provenance]\ngenerated = [\"pregenerated/**\"]\n-- pregenerated/x.c --\nint x;\n")
	if r, _ := runCheck(t, s); r.Conclusion != check.Failure {
		t.Errorf("a declaration of the crate's alone: concludes %s, %q", r.Conclusion, r.Title)
	}
}
