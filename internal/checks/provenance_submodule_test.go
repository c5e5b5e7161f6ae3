package checks

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// newPinningForge serves the demo with a submodule, of whose two commits the first
// is in the branch and the second only proposed. It has a commit that pins each.
func newPinningForge(t *testing.T) *forge {
	t.Helper()
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	lib := cratetest.MustRepository(t, filepath.Join(dir, "o", "lib"), "-- a.c --\nint a;\n-- @2/a.c --\nint evil;\n")
	git("-C", lib.Dir, "update-ref", "refs/pull/1/head", lib.Commits[1])
	git("-C", lib.Dir, "update-ref", "refs/heads/main", lib.Commits[0])

	text := demoRepository + "-- .gitmodules --\n[submodule \"lib\"]\n\tpath = demo/lib\n\turl = ../lib\n"
	demo := cratetest.MustRepository(t, filepath.Join(dir, "o", "demo"), text)
	files, err := cratetest.Commits(txtar.Parse([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, pinned := range lib.Commits {
		git("-C", demo.Dir, "update-index", "--add", "--cacheinfo", "160000,"+pinned+",demo/lib")
		tree := git("-C", demo.Dir, "write-tree")
		commit := git("-C", demo.Dir, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit-tree", tree, "-p", demo.Head(), "-m", "pin")
		git("-C", demo.Dir, "update-ref", "refs/heads/main", commit)
		demo.Commits = append(demo.Commits, commit)
	}
	return &forge{url: cratetest.MustServeGit(t, dir), repository: demo, files: files[0].Files}
}

// What a submodule is pinned to has to be in its own repository's history, too.
func TestProvenanceSubmodule(t *testing.T) {
	f := newPinningForge(t)
	tests := []struct {
		name, commit, content string
		want                  check.Conclusion
		reason, title         string
		rules                 []string
		grade                 provenance.Grade
	}{
		{
			name: "honest", commit: f.repository.Commits[1], content: "int a;\n", want: check.Success,
			title: "Verified: 6 files and the manifest match", grade: provenance.GradeDefaultBranch,
		},
		{
			name: "a commit that somebody proposed", commit: f.repository.Commits[2], content: "int evil;\n", want: check.Inconclusive,
			reason: "submodule-unreached", title: "which stands only in a change proposed to HOST/o/lib (pull/1)", grade: provenance.GradePull,
		},
		{
			name: "another file", commit: f.repository.Commits[1], content: "int evil;\n", want: check.Failure,
			title: "lib/a.c is not what the repository holds", rules: []string{"error file-modified lib/a.c:1"}, grade: provenance.GradeDefaultBranch,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: test.commit, PathInVCS: "demo"}, "-- lib/a.c --\n"+test.content)
			r, facts := runCheck(t, s)
			title := strings.Replace(test.title, "HOST", strings.TrimPrefix(f.url, "http://"), 1)
			if r.Conclusion != test.want || facts.Reason != test.reason || !strings.Contains(r.Title, title) {
				t.Errorf("concludes %s because %q, %q\nwant      %s because %q, %q", r.Conclusion, facts.Reason, r.Title, test.want, test.reason, title)
			}
			if diff := cmp.Diff(test.rules, rules(r.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if len(facts.Submodules) != 1 || facts.Submodules[0].Grade != test.grade {
				t.Errorf("submodules %+v, want one graded %s", facts.Submodules, test.grade)
			}
			if test.want == check.Failure && (len(facts.Differing) != 1 || !strings.Contains(facts.Differing[0].Diff, "-int a;\n+int evil;\n")) {
				t.Errorf("differing %+v", facts.Differing)
			}
		})
	}
}
