package checks

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/gitobj"
	"github.com/cratefence/cratefence/internal/gitsource"
)

// demoRepository is what most rows package: a workspace with a member that
// inherits, takes its licence by a link and its readme from outside.
const demoRepository = `
-- Cargo.toml --
[workspace]
members = ["demo"]
resolver = "2"
[workspace.dependencies]
itoa = "1"
-- LICENSE --
free
-- README.md --
read me
-- demo/Cargo.toml --
[package]
name = "demo"
version = "1.0.0"
edition = "2021"
readme = "../README.md"
[dependencies]
itoa.workspace = true
-- demo/LICENSE -> ../LICENSE --
-- demo/src/lib.rs --
pub fn one() {}
pub fn two() {}
-- demo/tests/all.rs --
fn test() {}
`

// demoManifest is what cargo makes of it.
const demoManifest = `[package]
name = "demo"
version = "1.0.0"
edition = "2021"
readme = "README.md"
[dependencies.itoa]
version = "1"
`

// A forge serves a repository and packs crates of it.
type forge struct {
	url        string
	repository *cratetest.Repository
	files      []cratetest.File
}

func newForge(t *testing.T, text string) *forge {
	t.Helper()
	dir := t.TempDir()
	repository := cratetest.MustRepository(t, filepath.Join(dir, "o", "demo"), text)
	commits, err := cratetest.Commits(txtar.Parse([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return &forge{url: cratetest.MustServeGit(t, dir), repository: repository, files: commits[0].Files}
}

// source reaches the forge, and nothing else.
func (f *forge) source(t *testing.T) check.Source {
	t.Helper()
	e, err := egress.New(egress.Config{Exceptions: []egress.Exception{
		{Purpose: egress.Git, Host: strings.TrimPrefix(f.url, "http://")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Client(egress.Git, egress.Limits{}).CloseIdleConnections() })
	return gitsource.New(e, gitsource.DefaultLimits)
}

// publish packs the member demo with the files of changes laid over it.
func (f *forge) publish(t *testing.T, p cratetest.Package, changes string) *check.Subject {
	t.Helper()
	files, err := cratetest.Below(f.files, "demo")
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]cratetest.File{}
	for _, file := range files {
		tree[file.Path] = file
	}
	tree["Cargo.toml.orig"] = cratetest.File{Path: "Cargo.toml.orig", Data: tree["Cargo.toml"].Data}
	over := txtar.Parse([]byte("-- Cargo.toml --\n" + demoManifest + "-- README.md --\nread me\n" + changes)).Files
	for _, file := range over {
		tree[file.Name] = cratetest.File{Path: file.Name, Data: file.Data}
	}
	for _, file := range tree {
		p.Files = append(p.Files, file)
	}
	p.Name, p.Version = "demo", "1.0.0"
	s := subject(p.Name, p.Version, cratetest.MustPack(t, p))
	if s.ArchiveErr != nil {
		t.Fatal(s.ArchiveErr)
	}
	s.Repository = f.url + "/o/demo"
	s.Source = f.source(t)
	return s
}

func runCheck(t *testing.T, s *check.Subject) (check.Report, ProvenanceFacts) {
	t.Helper()
	r, err := Provenance.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var facts ProvenanceFacts
	if err := json.Unmarshal(r.Facts, &facts); err != nil {
		t.Fatal(err)
	}
	return r, facts
}

func TestProvenance(t *testing.T) {
	f := newForge(t, demoRepository)
	tests := []struct {
		name, changes string
		dirty         bool
		want          check.Conclusion
		title         string // PLACE stands for the repository and commit
		rules         []string
	}{
		{
			name: "honest", want: check.Success,
			title: "Verified: 5 files and the manifest match PLACE, on the branch main",
		},
		{
			name: "a modified source file", changes: "-- src/lib.rs --\npub fn one() {}\npub fn evil() {}\n",
			want: check.Failure, title: "src/lib.rs is not what the repository holds at COMMIT",
			rules: []string{"error file-modified src/lib.rs:2"},
		},
		{
			name: "a source file that the repository lacks", changes: "-- build.rs --\nfn main() {}\n",
			want: check.Failure, title: "build.rs is not in the repository at COMMIT",
			rules: []string{"error file-unknown build.rs:1"},
		},
		{
			name: "being dirty excuses nothing", dirty: true, changes: "-- build.rs --\nfn main() {}\n-- src/x.rs --\nfn x() {}\n",
			want: check.Failure, title: "2 files can be built or run and are not what PLACE holds",
			rules: []string{"error file-unknown build.rs:1", "error file-unknown src/x.rs:1"},
		},
		{
			name: "documents and tests", changes: "-- README.md --\nanother\n-- tests/more.rs --\nfn more() {}\n",
			want: check.Neutral, title: "4 of 6 files match PLACE, on the branch main; nothing is built from what differs",
			rules: []string{"warning file-unknown README.md", "warning file-unknown tests/more.rs"},
		},
		{
			name: "a dependency more", changes: "-- Cargo.toml --\n" + demoManifest + "[dependencies.evil]\nversion = \"1\"\n",
			want: check.Failure, title: "The published Cargo.toml adds the dependency `evil`, which the author's manifest does not name",
			rules: []string{"error dependency-added Cargo.toml:8"},
		},
		{
			name: "an inherited dependency changed, and a file", changes: "-- Cargo.toml --\n" + strings.Replace(demoManifest, `"1"`, `"*"`, 1) + "-- src/lib.rs --\n",
			want: check.Failure, title: "1 file and 1 thing in the manifest that PLACE does not account for",
			rules: []string{"error dependency-changed Cargo.toml:7", "error file-modified src/lib.rs:1"},
		},
		{
			name: "words changed when publishing",
			changes: "-- Cargo.toml.orig --\n[package]\nname = \"demo\"\nversion = \"1.0.0\"\nedition = \"2021\"\nreadme = \"../README.md\"\ndescription = \"x\"\n" +
				"[dependencies]\nitoa.workspace = true\n",
			want: check.Neutral, title: "4 of 5 files match PLACE, on the branch main; nothing is built from what differs",
			rules: []string{"warning metadata-key-removed Cargo.toml"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo", Dirty: test.dirty}, test.changes)
			r, facts := runCheck(t, s)
			commit := f.repository.Head()[:7]
			place := strings.TrimPrefix(f.url, "http://") + "/o/demo at " + commit
			title := strings.NewReplacer("PLACE", place, "COMMIT", commit).Replace(test.title)
			if r.Conclusion != test.want || r.Title != title {
				t.Errorf("concludes %s, %q\nwant      %s, %q", r.Conclusion, r.Title, test.want, title)
			}
			if diff := cmp.Diff(test.rules, rules(r.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if facts.Repository != f.url+"/o/demo" || facts.Commit != f.repository.Head() || facts.Path != "demo" || facts.Dirty != test.dirty ||
				facts.CommittedAt.IsZero() || facts.Reason != "" {
				t.Errorf("facts %+v", facts)
			}
		})
	}
}

func TestProvenanceFacts(t *testing.T) {
	f := newForge(t, demoRepository)
	r, facts := runCheck(t, f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, "-- src/lib.rs --\nevil\n"))
	want := map[provenance.Kind]int{provenance.Exact: 2, provenance.Linked: 1, provenance.Copied: 1, provenance.Generated: 2, provenance.Modified: 1}
	if diff := cmp.Diff(want, facts.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if facts.OriginalManifest != provenance.Exact || facts.Workspace == nil || *facts.Workspace != "" {
		t.Errorf("facts %+v", facts)
	}
	if r.Metrics["files_compared"] != 5 || r.Metrics["files_modified"] != 1 || r.Metrics["files_unknown"] != 0 || r.Metrics["bytes_compared"] == 0 {
		t.Errorf("metrics %v", r.Metrics)
	}
	if snippet := r.Findings[0].Snippet; snippet != "evil" {
		t.Errorf("the snippet is %q", snippet)
	}
}

// Where nothing can be known the report says why, and what the author would do.
func TestProvenanceUnknown(t *testing.T) {
	f := newForge(t, demoRepository)
	recorded := cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}
	tests := []struct {
		name    string
		pack    cratetest.Package
		change  func(s *check.Subject)
		reason  string
		retried bool
	}{
		{name: "no recorded commit", reason: "no-vcs-info", change: func(s *check.Subject) { s.Release.Version = "7.0.0" }},
		{name: "no repository", pack: recorded, change: func(s *check.Subject) { s.Repository = "" }, reason: "no-repository"},
		{name: "no git repository", pack: recorded, change: func(s *check.Subject) { s.Repository = "https://hg.sr.ht/~o/demo" }, reason: "repository-vcs"},
		{name: "repository gone", pack: recorded, change: func(s *check.Subject) { s.Repository = f.url + "/o/gone" }, reason: "repository-missing"},
		{name: "private address", pack: recorded, change: func(s *check.Subject) { s.Repository = "https://127.0.0.1/o/demo" }, reason: "repository-refused"},
		{
			name: "commit not pushed", pack: cratetest.Package{Commit: strings.Repeat("1", 40)},
			reason: "commit-missing", retried: true,
		},
		{
			name: "server down", pack: recorded, reason: "repository-unreachable", retried: true,
			change: func(s *check.Subject) { s.Source = brokenSource{err: check.ErrRepositoryUnreachable} },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.publish(t, test.pack, "")
			if test.change != nil {
				test.change(s)
			}
			r, facts := runCheck(t, s)
			if r.Conclusion != check.Inconclusive || facts.Reason != test.reason {
				t.Errorf("concludes %s because %q, want %s because %q", r.Conclusion, facts.Reason, check.Inconclusive, test.reason)
			}
			if r.Title == "" || r.Summary == "" {
				t.Errorf("title %q, summary %q", r.Title, r.Summary)
			}
			if got := r.RetryAt.After(time.Now()); got != test.retried {
				t.Errorf("is tried again: %v, want %v", got, test.retried)
			}
		})
	}
}

// A brokenSource answers every question with one error.
type brokenSource struct {
	check.Source
	err error
}

func (b brokenSource) Snapshot(context.Context, string, gitobj.ID) (check.Snapshot, error) {
	return nil, b.err
}

// Our own trouble is an error, not a word about the crate.
func TestProvenanceBroken(t *testing.T) {
	f := newForge(t, demoRepository)
	s := f.publish(t, cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}, "")
	broken := errors.New("out of memory")
	s.Source = brokenSource{err: broken}
	if r, err := Provenance.Run(t.Context(), s); !errors.Is(err, broken) {
		t.Errorf("got %+v, %v, want %v", r, err, broken)
	}
}

func TestProvenanceOtherPackage(t *testing.T) {
	f := newForge(t, demoRepository)
	recorded := cratetest.Package{Commit: f.repository.Head(), PathInVCS: "demo"}

	s := f.publish(t, recorded, "")
	s.Release.Name = "dem0" // the same files under another name
	if r, _ := runCheck(t, s); r.Conclusion != check.Failure || !cmp.Equal(rules(r.Findings), []string{"error other-package Cargo.toml"}) {
		t.Errorf("under another name: %s, %q", r.Conclusion, rules(r.Findings))
	}

	recorded.PathInVCS = "elsewhere"
	if r, facts := runCheck(t, f.publish(t, recorded, "")); r.Conclusion != check.Neutral || facts.Path != "demo" || !facts.PathGuessed ||
		!cmp.Equal(rules(r.Findings), []string{"warning path-wrong .cargo_vcs_info.json"}) {
		t.Errorf("under a wrong path: %s, %q, %+v", r.Conclusion, rules(r.Findings), facts)
	}

	s = f.publish(t, recorded, "-- Cargo.toml.orig --\n[package]\nname = \"nobody\"\n")
	s.Release.Name = "nobody"
	if r, _ := runCheck(t, s); r.Conclusion != check.Failure || !cmp.Equal(rules(r.Findings), []string{"error package-missing .cargo_vcs_info.json"}) {
		t.Errorf("in a repository without it: %s, %q", r.Conclusion, rules(r.Findings))
	}
}

// The demo's releases show what this check is there for.
func TestProvenanceOfDemo(t *testing.T) {
	dir := t.TempDir()
	f := &forge{url: cratetest.MustServeGit(t, dir)}
	world, err := cratetest.World(t.Context(), dir, f.url)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"tidy-int@0.1.0":     {"success"},
		"tidy-int@0.2.0":     {"success"},
		"lantern-log@1.3.0":  {"failure", "error file-unknown src/greeting.rs:1", "error file-modified src/lib.rs:3"},
		"gentle-parse@0.4.1": {"failure", "error dependency-added Cargo.toml:31"},
		"quiet-pool@2.0.0":   {"inconclusive"},
	}
	got := map[string][]string{}
	for _, p := range world {
		s := subject(p.Name, p.Version, p.Crate)
		if s.ArchiveErr != nil {
			continue // the hostile one
		}
		s.Source = f.source(t)
		r, _ := runCheck(t, s)
		got[s.Release.String()] = append([]string{string(r.Conclusion)}, rules(r.Findings)...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conclusions and findings (-want +got):\n%s", diff)
	}
}
