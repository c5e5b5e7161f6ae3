package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// Archive asks whether a .crate is one that cargo would write.
var Archive = check.Register(&check.Check{
	Name:     "archive",
	Version:  1,
	Category: check.CategorySecurity,
	About:    check.AboutRelease,
	Doc:      archiveDoc,
	Timeout:  30 * time.Second,
	Run:      runArchive,
})

const archiveDoc = `The archive is one that cargo would write, and nothing more

A ` + "`.crate`" + ` is a gzip-compressed tar archive. Programs disagree about unusual archives: one sees a
file where another sees none, or other contents. A reviewer, a scanner and cargo may then look at
different code. So the archive is read by a strict reader of our own, which refuses whatever is ambiguous.

**Looked at:** the gzip stream is one member and nothing follows it; the tar headers are those cargo writes,
without extensions that programs apply differently; every entry is a regular file under ` + "`NAME-VERSION/`" + `,
with a path that is safe and unique on every system; sizes and counts stay within limits. Then
` + "`Cargo.toml`" + ` must be there, be readable, and name the crate and version that were published, and
` + "`.cargo_vcs_info.json`" + `, if there, must be well formed.

- **success**: nothing that cargo would not write, or only what old versions of cargo wrote and every program
  reads the same (directory entries, other header formats, owners, modes). The latter are listed as notes.
- **failure**: something that cargo or crates.io would refuse, or that could be read in two ways. The other
  checks that need files do not look into such an archive.
- **skipped**: an unpacked folder, which has no archive to look at. Its manifest is still checked.

**Not seen:** what the files do. A sound archive can hold bad code.

**Facts:** ` + "`files`" + `, ` + "`generated`" + ` (the files in it that cargo generates) and ` + "`cargo_at_least`" + ` (the oldest
cargo that writes what the crate contains; anybody can imitate a newer or older one).
`

// ArchiveFacts are the facts of the check archive.
type ArchiveFacts struct {
	Files        int      `json:"files"`
	Generated    []string `json:"generated"`
	CargoAtLeast string   `json:"cargo_at_least,omitempty"`
}

func runArchive(_ context.Context, s *check.Subject) (check.Report, error) {
	if refused, ok := errors.AsType[*crate.FormatError](s.ArchiveErr); ok {
		return archiveRefused(s, refused), nil
	}
	if s.Archive == nil {
		return check.Report{}, fmt.Errorf("read archive of %s: %w", s.Release, cmp.Or(s.ArchiveErr, errors.New("no archive was given")))
	}
	findings := append(manifestFindings(s), vcsInfoFindings(s)...)
	notes := archiveNotes(s)
	facts, err := json.Marshal(archiveFacts(s.Archive))
	if err != nil {
		return check.Report{}, err
	}
	r := check.Report{
		Conclusion: check.Success,
		Summary: "The archive was read strictly, and its manifest compared with the name and version that were published. " +
			"This says nothing about what the files do.",
		Findings: append(findings, notes...),
		Metrics:  archiveMetrics(s),
		Facts:    facts,
	}
	switch files := counted(len(s.Archive.Files), "file"); {
	case len(findings) == 1:
		r.Conclusion, r.Title = check.Failure, findings[0].Message
	case len(findings) > 1:
		r.Conclusion, r.Title = check.Failure, counted(len(findings), "problem")+" in the manifest and in what cargo generates"
	case isFolder(s):
		r.Conclusion, r.Title = check.Skipped, "An unpacked folder of "+files+" has no archive to look at"
		r.Summary = "Only a `.crate` has an archive. The manifest was compared with the name and version asked for, and agrees."
	case len(notes) > 0:
		r.Title = files + ", read the same by every program; " + counted(len(notes), "thing") + " that cargo writes otherwise today"
	default:
		r.Title = files + ", nothing cargo would not write"
	}
	return r, nil
}

func archiveRefused(s *check.Subject, refused *crate.FormatError) check.Report {
	r := check.Report{
		Conclusion: check.Failure,
		Title:      counted(len(refused.Problems)+refused.More, "thing") + " in the archive that cargo would refuse or programs read differently",
		Summary: "The archive is not one that cargo writes. Programs may see different files in it, so no other check looks inside. " +
			"Publish the crate again, under a new version, with `cargo publish`.",
		Metrics: archiveMetrics(s),
	}
	if isFolder(s) {
		r.Title = counted(len(refused.Problems)+refused.More, "thing") + " in the folder that a crate cannot hold"
		r.Summary = "The folder holds what cargo would not put into a `.crate` or could not unpack everywhere. No other check looks inside."
	}
	for _, p := range refused.Problems {
		r.Findings = append(r.Findings, archiveFinding(s, p, check.LevelError))
	}
	if refused.More > 0 {
		r.Findings = append(r.Findings, check.Finding{
			Rule: "more-problems", Level: check.LevelError,
			Message: counted(refused.More, "further problem") + " of these kinds",
		})
	}
	return r
}

// archiveFinding tells a problem with its path taken as the crate's own where
// it is below the crate's folder.
func archiveFinding(s *check.Subject, p crate.Problem, level check.Level) check.Finding {
	return check.Finding{
		Rule: p.Rule, Level: level, Message: sentence(p.Message), Help: archiveHelp[p.Rule],
		Path: printable(strings.TrimPrefix(p.Path, s.Release.Name+"-"+s.Release.Version+"/")),
	}
}

// sentence begins a problem, which reads like an error, with a capital.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

const publishAgain = "Package and publish with cargo itself, under a new version; do not put the archive together by other means."

// archiveHelp says what an honest author would do. Notes need none.
var archiveHelp = map[string]string{
	crate.RulePackedSize:    "Leave out what a build does not need, with `exclude` or `include` in Cargo.toml.",
	crate.RuleUnpackedSize:  "Leave out what a build does not need, with `exclude` or `include` in Cargo.toml.",
	crate.RuleFileCount:     "Leave out what a build does not need, with `exclude` or `include` in Cargo.toml.",
	crate.RuleGzip:          publishAgain,
	crate.RuleTrailingData:  publishAgain,
	crate.RuleTruncated:     publishAgain,
	crate.RuleHeader:        publishAgain,
	crate.RuleExtension:     publishAgain,
	crate.RuleEntryType:     "Package with cargo, which stores the file that a link points to instead of the link.",
	crate.RuleLongName:      publishAgain,
	crate.RuleOutside:       publishAgain,
	crate.RulePath:          publishAgain,
	crate.RulePathCharacter: "Rename the file, using characters that every system allows.",
	crate.RuleDuplicate:     publishAgain,
	crate.RuleCaseCollision: "Rename one of the files: on Windows and macOS one would overwrite the other.",
	crate.RuleFileAndFolder: publishAgain,
	crate.RuleManifestCase:  "Call the manifest Cargo.toml, and have only one.",
}

func archiveNotes(s *check.Subject) []check.Finding {
	var notes []check.Finding
	for _, n := range s.Archive.Notes {
		notes = append(notes, archiveFinding(s, n, check.LevelNote))
	}
	return notes
}

// manifestFindings holds the manifest against what was published.
func manifestFindings(s *check.Subject) []check.Finding {
	m, err := s.Archive.Manifest()
	switch {
	case errors.Is(err, crate.ErrNoManifest):
		return []check.Finding{{
			Rule: "manifest-missing", Level: check.LevelError, Path: crate.ManifestFile,
			Message: "The crate has no Cargo.toml",
			Help:    publishAgain,
		}}
	case err != nil:
		return []check.Finding{{
			Rule: "manifest-malformed", Level: check.LevelError, Path: crate.ManifestFile,
			Message: "The manifest cannot be read: " + err.Error(),
			Help:    "Publish with cargo, which writes the manifest itself.",
		}}
	}
	var findings []check.Finding
	differs := func(key, has, published string) {
		line := m.Line("package", key)
		findings = append(findings, check.Finding{
			Rule: "manifest-" + key, Level: check.LevelError, Path: crate.ManifestFile, StartLine: line, EndLine: line,
			Message: fmt.Sprintf("The manifest's %s is %s, but the release was published as %q", key, has, published),
			Snippet: crate.Snippet(s.Archive.File(crate.ManifestFile).Data, line, line),
			Help:    "A registry takes both from the manifest: ask whoever runs it how the two came apart.",
		})
	}
	if m.Package.Name != s.Release.Name {
		differs("name", fmt.Sprintf("%q", m.Package.Name), s.Release.Name)
	}
	switch {
	case m.Package.Inherited["version"]:
		differs("version", "left to a workspace that is not in the crate", s.Release.Version)
	case !sameVersion(m.Package.Version, s.Release.Version):
		differs("version", fmt.Sprintf("%q", m.Package.Version), s.Release.Version)
	}
	return findings
}

// sameVersion compares as cargo does, which trims what old manifests spell with
// spaces.
func sameVersion(inManifest, published string) bool {
	a, errA := crate.ParseVersion(strings.TrimSpace(inManifest))
	b, errB := crate.ParseVersion(published)
	return errA == nil && errB == nil && a == b
}

func vcsInfoFindings(s *check.Subject) []check.Finding {
	_, err := s.Archive.VCSInfo()
	if err == nil {
		return nil
	}
	return []check.Finding{{
		Rule: "vcs-info-malformed", Level: check.LevelError, Path: crate.VCSInfoFile,
		Message: "The note of the commit that the crate was packaged from is not one that cargo writes: " + err.Error(),
		Snippet: crate.Snippet(s.Archive.File(crate.VCSInfoFile).Data, 1, 10),
		Help:    "Do not write this file; cargo generates it.",
	}}
}

// isFolder reports whether the subject is an unpacked folder.
func isFolder(s *check.Subject) bool { return s.Release.Checksum.IsZero() }

func archiveMetrics(s *check.Subject) map[string]float64 {
	metrics := map[string]float64{}
	if !isFolder(s) {
		metrics["bytes_packed"] = float64(s.Size)
	}
	if s.Archive != nil {
		metrics["files"] = float64(len(s.Archive.Files))
		metrics["bytes_unpacked"] = float64(s.Archive.Unpacked)
	}
	return metrics
}

func archiveFacts(a *crate.Archive) ArchiveFacts {
	facts := ArchiveFacts{Files: len(a.Files), Generated: []string{}, CargoAtLeast: cargoAtLeast(a)}
	for _, name := range []string{crate.ManifestFile, crate.ManifestOrigFile, crate.LockFile, crate.VCSInfoFile} {
		if a.File(name) != nil {
			facts.Generated = append(facts.Generated, name)
		}
	}
	return facts
}

// cargoAtLeast tells the oldest cargo that writes what the crate contains, from
// the newest of a few marks; "" where there is none.
func cargoAtLeast(a *crate.Archive) string {
	m, _ := a.Manifest()
	info, _ := a.VCSInfo()
	written := func(key string) bool { return m != nil && m.Line("package", key) > 0 }
	switch {
	case written("autolib"):
		return "1.83"
	case info != nil && info.Dirty:
		return "1.81"
	case written("autobins") && written("autotests") && written("autobenches"):
		return "1.80"
	case info != nil && info.PathInVCS != nil:
		return "1.57"
	case info != nil:
		return "1.30"
	case a.File(crate.ManifestOrigFile) != nil:
		return "1.20"
	}
	return ""
}

// counted says "1 file", "2 files".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
