package web

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks"
	"github.com/cratefence/cratefence/internal/store"
)

func TestBadge(t *testing.T) {
	const (
		security = "archive"
		another  = "provenance"
		quality  = "licence"
	)
	tests := []struct {
		name   string
		states []store.CheckState
		want   string
	}{
		{"none", nil, "not checked"},
		{"one in order", []store.CheckState{concluded(security, check.Success, "")}, "success"},
		{"the worst counts", []store.CheckState{concluded(security, check.Success, ""), concluded(another, check.Failure, "")}, "failure"},
		{"our trouble is not success", []store.CheckState{concluded(security, check.Success, ""), concluded(another, check.Error, "")}, "error"},
		{"not known is not success", []store.CheckState{concluded(security, check.Success, ""), concluded(another, check.Inconclusive, "")}, "inconclusive"},
		{"facts", []store.CheckState{concluded(security, check.Success, ""), concluded(another, check.Neutral, "")}, "neutral"},
		{"only skipped", []store.CheckState{concluded(security, check.Skipped, "")}, "skipped"},
		{"success beside skipped", []store.CheckState{concluded(security, check.Skipped, ""), concluded(another, check.Success, "")}, "success"},
		{"pending only", []store.CheckState{isQueued(security), isRunning(another)}, "running"},
		{"still to come is not in order", []store.CheckState{concluded(security, check.Success, ""), isQueued(another)}, "queued"},
		{"a failure stands whatever is to come", []store.CheckState{concluded(security, check.Failure, ""), isRunning(another)}, "failure"},
		{"an earlier answer stands during a retry", []store.CheckState{willRetry(concluded(security, check.Inconclusive, ""), 0)}, "inconclusive"},
		{"other questions do not colour it", []store.CheckState{concluded(security, check.Success, ""), concluded(quality, check.Failure, "")}, "success"},
		{"only other questions", []store.CheckState{concluded(quality, check.Failure, "")}, "not checked"},
		{"an unknown check may be about security", []store.CheckState{concluded("checker/unknown", check.Failure, "")}, "failure"},
		{"an unknown conclusion is our trouble", []store.CheckState{concluded(security, "excellent", "")}, "error"},
		{"nothing at all is known of a check", []store.CheckState{{Check: security}}, "not checked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{}
			r := f.add("one", store.Release{Version: "1.0.0"})[0]
			f.set(r.ID, tt.states...)
			if got := read(t, serve(f), "/crates/one").Text(".tabs .mark .word"); got != tt.want {
				t.Errorf("the badge says %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSecurityTab(t *testing.T) {
	h := serve(everything())
	doc := read(t, h, "/crates/arrayview/security")
	order := []string{
		"✕ failure dependencies", "✕ failure publisher", "! error advisories", "? inconclusive provenance", "i neutral changes", "✓ success archive",
		"… running sandbox-build", "… queued checker/reviews", "– skipped build-script",
	}
	if diff := cmp.Diff(order, doc.Texts(".checks h3")); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	chips := []string{"✕ 2 failure", "! 1 error", "? 1 inconclusive", "i 1 neutral", "✓ 1 success", "… 1 running", "… 1 queued", "– 1 skipped"}
	if diff := cmp.Diff(chips, doc.Texts(".chips li")); diff != "" {
		t.Errorf("chips (-want +got):\n%s", diff)
	}
	// The worst finding first, though the check named it last; both unfolded, for the check failed.
	findings := []string{"New dependency on a crate of another publisher, one edit from slice-macros Cargo.toml:23–24", "src/lib.rs does not use the new dependency src/lib.rs:1–2"}
	if diff := cmp.Diff(findings, doc.Texts("#check-dependencies .findings summary")); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	texts := []struct{ selector, want string }{
		{"#check-dependencies-1 p", "What to do: Do not update. If you publish this crate, check who holds its tokens."},
		{"#check-dependencies-more p", "Version 1 of the check, on 20 November 2026, 12:02:00 UTC, in 1.3 s. Version 2 is to look again."},
		{"#check-dependencies .metrics", "bytes compared 1 234 567 dependencies 1 dependencies added 1"},
		{"#check-provenance .more .quiet", "Another try in 34 min, attempt 2"},
		{"#check-advisories .more .quiet", "Queued for 1 min, attempt 2"},
		{"#check-sandbox-build .sentence", "Running for 2 min"},
		{"#check-checker-reviews .sentence", "Queued for 40 s"},
		{"#check-publisher .age", "8 min ago"},
		{"#waiting", "3 checks are still to report. Reload the page to see more."},
		{".incidents p", "Other bytes were offered as arrayview 0.3.10 5 min ago by webhook (crates.example). They came 3 times, last 4 min ago. " +
			"The first bytes stay; the others are kept aside, and are neither served nor checked."},
	}
	for _, tt := range texts {
		if got := doc.Text(tt.selector); got != tt.want {
			t.Errorf("%s says %q, want %q", tt.selector, got, tt.want)
		}
	}
	attrs := []struct{ selector, name, want string }{
		{"#check-publisher time", "datetime", "2026-11-20T12:02:00Z"},
		{"#check-publisher time", "title", "20 November 2026, 12:02:00 UTC"},
		{"main", "data-pending", "3"},
		{"link[rel=canonical]", "href", "https://fence.example/crates/arrayview/security"},
	}
	for _, tt := range attrs {
		if got := doc.Attr(tt.selector, tt.name); got != tt.want {
			t.Errorf("%s has %s %q, want %q", tt.selector, tt.name, got, tt.want)
		}
	}
	if json := "/api/v1/crates/arrayview/0.3.10/check-runs"; !slices.Contains(doc.Links(), json) {
		t.Errorf("no link to %s", json)
	}
	if open := doc.Count("#check-dependencies details[open]"); open != 2 {
		t.Errorf("%d of the failure's details are unfolded, want its 2 findings", open)
	}
}

func TestPolicyCard(t *testing.T) {
	tests := []struct {
		path, heading, text string
	}{
		{"/crates/arrayview/security", "Security policy", "From .github/SECURITY.md in github.com/example/arrayview at 3f2a91c, read 8 min ago with version 0.3.10."},
		{"/crates/quiet-crate/security", "No security policy found", "Looked for in the crate and in git.example/quiet-crate at a1b2c3d 8 min ago, with version 1.60.0."},
		{"/crates/Pointing_Out/security", "Security policy", "The crate says that its policy is at pointing.example/security, on the host pointing.example. It was not read from there."},
		{"/crates/tampered/security", "Security policy", "From SECURITY.md in git.example/o/tampered at 3f2a91c, read 8 min ago with version 2.1.0."},
		{"/crates/tampered/security", "Security policy", "It reads otherwise in the repository's default branch now."},
		{"/crates/tampered/security", "Security policy", "Write to new@example.org"},
		{"/crates/traced/security", "Security policy", "From .github/SECURITY.md in github.com/o/.github at 3f2a91c, read 8 min ago with version 1.1.0. It holds for all repositories of this owner that have none of their own."},
		{"/crates/fresh/security", "Security policy", "The check that looks for one has not reported yet."},
		{"/crates/silent/security", "Security policy", "No security policy in the crate, and its repository could not be looked into. Why"},
	}
	h := serve(everything())
	for _, tt := range tests {
		doc := read(t, h, tt.path)
		if got := doc.Text(".policy h2"); got != tt.heading {
			t.Errorf("GET %s: the card is headed %q, want %q", tt.path, got, tt.heading)
		}
		if !slices.Contains(doc.Texts(".policy p"), tt.text) {
			t.Errorf("GET %s: the card says %q, want %q among it", tt.path, doc.Texts(".policy p"), tt.text)
		}
	}
	doc := read(t, h, "/crates/arrayview/security")
	if got, want := doc.Text(".policy .host"), "(example.org)"; got != want {
		t.Errorf("a link shows the host %q, want %q", got, want)
	}
	if doc.Has(".policy img") || strings.Contains(doc.Text(".policy .text"), "Security policy") {
		t.Error("the policy shows an image, or its own title below the card's")
	}
}

// A long policy does not push the checks off a phone's screen.
func TestLongPolicyIsFolded(t *testing.T) {
	lines := strings.Repeat("one line of it\n", 300)
	tests := []struct {
		name          string
		policy        checks.SecurityPolicy
		unfolded, has int // bytes of text at most, at least
	}{
		{"plain text", checks.SecurityPolicy{Path: "SECURITY.txt", Text: lines}, 0, 4000},
		{"one paragraph", checks.SecurityPolicy{Path: "SECURITY.md", Text: lines}, 0, 4000},
		{"many paragraphs", checks.SecurityPolicy{Path: "SECURITY.md", Text: strings.ReplaceAll(lines, "\n", "\n\n")}, 600, 4000},
		{"a short one", checks.SecurityPolicy{Path: "SECURITY.md", Text: "Write to us."}, 600, 12},
	}
	for _, tt := range tests {
		f := &fake{}
		r := f.add("long", store.Release{Version: "1.0.0"})[0]
		tt.policy.Found = true
		f.keep(r, tt.policy)
		doc := read(t, serve(f), "/crates/long/security")
		folded := len(doc.Text("#policy-rest .text"))
		total := 0
		for _, text := range doc.Texts(".policy .text") {
			total += len(text)
		}
		if total-folded > tt.unfolded || total < tt.has {
			t.Errorf("%s: of %d bytes %d are unfolded, want %d at most", tt.name, total, total-folded, tt.unfolded)
		}
	}
}

func TestBrokenPolicyLeavesThePage(t *testing.T) {
	f := everything()
	r, err := f.Release(t.Context(), "arrayview", "0.3.10")
	if err != nil {
		t.Fatal(err)
	}
	f.facts[r.CrateID] = store.CrateFacts{Facts: []byte(`{"found": "perhaps"}`)}
	doc := read(t, serve(f), "/crates/arrayview/security")
	if got, want := doc.Text(".policy p"), "What is kept of it cannot be read."; got != want || !doc.Has("#check-archive") {
		t.Errorf("the card says %q, want %q; checks are shown: %v", got, want, doc.Has("#check-archive"))
	}
}

// A check that is known but was never asked of a release is not passed over.
func TestMissingChecksAreNamed(t *testing.T) {
	doc := read(t, serve(everything()), "/crates/fresh/security")
	want := "Not asked of this release yet: advisories, build-script, changes, dependencies, publisher, sandbox-build."
	if got := doc.Text(".missing"); got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
}

func TestManyFindings(t *testing.T) {
	f := &fake{}
	r := f.add("many", store.Release{Version: "1.0.0"})[0]
	report := check.Report{Conclusion: check.Failure, Title: "Many", Findings: make([]check.Finding, 1000)}
	f.set(r.ID, did("archive", report))
	doc := read(t, serve(f), "/crates/many/security")
	if shown, open := doc.Count(".findings details"), doc.Count(".findings details[open]"); shown != maxFindings || open != openFindings {
		t.Errorf("%d findings are shown, %d unfolded; want %d and %d", shown, open, maxFindings, openFindings)
	}
	if folded := doc.Count("#check-archive-rest .findings details"); folded != maxFindings-firstFindings {
		t.Errorf("%d findings are folded away, want %d", folded, maxFindings-firstFindings)
	}
	if !strings.Contains(doc.Text("#check-archive"), "950 more findings are in the JSON.") {
		t.Errorf("the page does not say that there is more: %q", doc.Text("#check-archive"))
	}
}

func TestChecksTabIsThereForOtherChecks(t *testing.T) {
	h := serve(everything())
	if got := read(t, h, "/crates/quiet-crate").Texts(".tabs a"); slices.Contains(got, "Checks") {
		t.Errorf("a crate with security checks alone has tabs %q", got)
	}
	doc := read(t, h, "/crates/arrayview/checks")
	if diff := cmp.Diff([]string{"✓ success licence", "✓ success security-policy"}, doc.Texts(".checks h3")); diff != "" {
		t.Errorf("the Checks tab (-want +got):\n%s", diff)
	}
}
