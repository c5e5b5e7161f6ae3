package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/store"
)

func TestComparison(t *testing.T) {
	doc := read(t, serve(everything()), "/crates/tampered/security")
	texts := []struct {
		selector string
		want     []string
	}{
		{"#check-provenance-comparison .against", []string{"Compared with git.example/o/tampered at 3f2a91c"}},
		{"#check-provenance-comparison .facts div", []string{
			"Repository git.example/o/tampered", "Named in the manifest as https://git.example/old/name.git", "Commit " + commit,
			"Named by the crate, where cargo records it", "Committed 3 h ago", "Reached from a branch that is not the default one: next", "This version's tag points elsewhere v2.1.0",
			"Folder of the package crates/tampered", "Left out of the crate 5 that the manifest excludes, 12 of another package below",
			"The registry's index says otherwise in 2 of what the manifest says", "Noted by cargo uncommitted changes when it was packaged",
		}},
		// What differs stands first, and with it a kind that a newer check may have.
		{".kinds tbody tr", []string{
			"1 sideways", "1 not the same", "1 not in the commit at their place", "4 in a submodule that was not read",
			"31 the same", "2 the same but for line ends", "3 made by cargo",
		}},
		{".kinds .differs td", []string{"1", "1", "1", "4"}},
		{".settings li", []string{
			"dependencies.hex.version can change a build The requirement on hex is wider than the repository's - \"0.4\" + \"*\"",
			"package.build can change a build A build script that the repository's manifest does not name + \"build.rs\"",
		}},
		{"#check-provenance-submodules li", []string{"vendor/lz at a1b2c3d: not read"}},
		{"#check-provenance-missing", []string{"In the commit and not in the crate (1) tests/load.rs"}},
		{"#check-provenance-resolved", []string{"Locked when publishing, and not in the repository's Cargo.lock (1) itoa 1.0.15"}},
		{"#check-provenance-comparison-notes li", []string{"dev-dependency main stripped: it has no version"}},
		{".blind li", []string{"4 of the files: they stand in a submodule that was not read"}},
	}
	for _, tt := range texts {
		if diff := cmp.Diff(tt.want, doc.Texts(tt.selector)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.selector, diff)
		}
	}
	if doc.Count("#check-provenance-comparison[open]") != 1 {
		t.Error("a failure's comparison is folded")
	}
	// The finding shows the file's diff, its lines numbered as in the crate.
	if got := doc.Count("#check-provenance-1 ins"); got != 2 {
		t.Errorf("%d lines are new, want 2", got)
	}
	if got, want := doc.Text("#check-provenance-1 del"), `- self.read("defaults.toml");`; got != want {
		t.Errorf("the line that is gone says %q, want %q", got, want)
	}
	if got := doc.Attr("#check-provenance-1 ins", "data-n"); got != "9" {
		t.Errorf("the first new line has number %q, want 9", got)
	}
	// One without a diff shows what it begins with.
	if got := doc.Text("#check-provenance-2 pre"); got != "fn main() {" {
		t.Errorf("a file without a counterpart shows %q", got)
	}
}

// What an older version of the check has said is shown for what it was.
func TestComparisonByTheFirstVersion(t *testing.T) {
	doc := read(t, serve(everything()), "/crates/traced/1.0.0/security")
	want := []string{"2 in a submodule that was not read", "6 the same"}
	if diff := cmp.Diff(want, doc.Texts(".kinds tbody tr")); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if doc.Count(".comparison[open]") != 0 {
		t.Error("what is in order is unfolded")
	}
	if got := doc.Text(".blind"); !strings.Contains(got, "whether a branch or tag leads to the commit") {
		t.Errorf("not looked at: %q", got)
	}
}

func TestNoComparison(t *testing.T) {
	for name, facts := range map[string]string{
		"none": ``, "not an object": `[1]`, "of another shape": `{"files": "many", "commit": "x"}`, "of a release without a repository": `{"reason": "no-repository", "path": ""}`,
	} {
		f := &fake{}
		r := f.add("one", store.Release{Version: "1.0.0"})[0]
		f.set(r.ID, did("provenance", check.Report{Conclusion: check.Inconclusive, Title: "Not known", Facts: []byte(facts)}))
		doc := read(t, serve(f), "/crates/one/security")
		if doc.Count(".comparison") != 0 || doc.Text("#check-provenance .sentence") != "Not known" {
			t.Errorf("facts %s: want the row without a comparison", name)
		}
	}
}

func TestHistory(t *testing.T) {
	doc := read(t, serve(everything()), "/crates/traced/security")
	if got, want := doc.Text(".later"), "Looked again 24 h ago: ? inconclusive The tag v1.1.0 is gone since 12 November 2026. What was found before stands."; got != want {
		t.Errorf("the later run: %q, want %q", got, want)
	}
	const matches = "✓ success 24 files and the manifest match git.example/o/traced at 3f2a91c, the tag v1.1.0 "
	want := []string{
		"? inconclusive The tag v1.1.0 is gone since 12 November 2026 19 November 2026, 12:10:00 UTC, version 2 of the check, asked again",
		matches + "12 November 2026, 12:10:00 UTC, version 2 of the check · in force",
		matches + "5 November 2026, 12:10:00 UTC, version 2 of the check",
	}
	if diff := cmp.Diff(want, doc.Texts(".history li")); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	// The answer that counts colours the page, whatever came after it.
	if got := doc.Text("#check-provenance .line .word"); got != "success" {
		t.Errorf("the row says %q, want success", got)
	}
	if n := read(t, serve(everything()), "/crates/tampered/security").Count(".history"); n != 0 {
		t.Errorf("%d histories of a single run, want none", n)
	}
}

func TestVisited(t *testing.T) {
	const day = 24 * time.Hour
	at := func(s store.CheckState, age time.Duration) store.CheckState {
		s.Counts.CompletedAt = ago(age)
		return s
	}
	policy := concluded("security-policy", check.Neutral, "None")
	lately := at(concluded("security-policy", check.Neutral, "None"), 2*day)
	lately.Later = &store.CheckRun{Check: "security-policy", CompletedAt: ago(time.Hour)}
	tests := []struct {
		name  string
		state store.CheckState
		path  string
		want  []string
	}{
		{"an old answer", at(policy, 2*day), "/crates/one/security", []string{"security-policy"}},
		{"a fresh one", at(concluded("security-policy", check.Neutral, "None"), day/2), "/crates/one/security", nil},
		{"one that was lately asked for", lately, "/crates/one/security", nil},
		{"one on its way", willRetry(at(concluded("security-policy", check.Neutral, "None"), 2*day), time.Minute), "/crates/one/security", nil},
		{"of a version that does not speak for the crate", at(concluded("security-policy", check.Neutral, "None"), 2*day), "/crates/one/1.0.0/security", nil},
		{"of another check", at(concluded("archive", check.Success, "Fine"), 2*day), "/crates/one/security", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{}
			for _, r := range f.add("one", store.Release{Version: "2.0.0"}, store.Release{Version: "1.0.0"}) {
				f.set(r.ID, tt.state)
			}
			var got []string
			h := serveWith(f, func(c *Config) {
				c.Visited = func(_ context.Context, name string, _ store.ID) error {
					got = append(got, name)
					return nil
				}
			})
			read(t, h, tt.path)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("asked again (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffLines(t *testing.T) {
	tests := []struct {
		name, diff string
		want       []line
	}{
		{"nothing", "", nil},
		{"numbers are the newer file's", "@@ -3,2 +7,3 @@\n a\n-b\n+c\r\n+d\n\\ No newline at end of file\n", []line{
			{Sign: "@", Text: "@@ -3,2 +7,3 @@", Numbered: true}, {Number: 7, Sign: " ", Text: " a", Numbered: true}, {Sign: "-", Text: "-b", Numbered: true},
			{Number: 8, Sign: "+", Text: "+c", Numbered: true}, {Number: 9, Sign: "+", Text: "+d", Numbered: true},
			{Sign: "\\", Text: "\\ No newline at end of file", Numbered: true},
		}},
		{"a header that says nothing", "@@ +x @@\n+a", []line{{Sign: "@", Text: "@@ +x @@", Numbered: true}, {Sign: "+", Text: "+a", Numbered: true}}},
		{"an empty line", "@@ -1 +1 @@\n\n+a", []line{
			{Sign: "@", Text: "@@ -1 +1 @@", Numbered: true}, {Number: 1, Numbered: true}, {Number: 2, Sign: "+", Text: "+a", Numbered: true},
		}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, diffLines(tt.diff)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if n := len(diffLines(strings.Repeat("+a\n", 2000))); n != maxDiffLines+1 {
		t.Errorf("%d lines of a long diff, want %d and one that says so", n, maxDiffLines)
	}
}
