package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
)

// Provenance asks whether the files of a release are those of its repository.
var Provenance = check.Register(&check.Check{
	Name:     "provenance",
	Version:  1,
	Category: check.CategorySecurity,
	About:    check.AboutRelease,
	Doc:      provenanceDoc,
	Needs:    check.NeedsFiles | check.NeedsSource,
	Timeout:  2 * time.Minute,
	Run:      runProvenance,
})

const provenanceDoc = `The files are those of the repository

Whoever reviews a crate reads its repository; whoever uses it gets what was published. Nothing but custom
makes the two the same. This check compares them.

**Looked at:** the repository that the manifest names, at the commit that cargo recorded in
` + "`.cargo_vcs_info.json`" + `. Of the commit only the lists of its files are fetched, and compared with the crate's
files by git object id, which is computed here, with detection of SHA-1 collision attacks. Nothing is executed
or checked out. Symbolic links, readme and licence files copied from outside the package, and line ends of
other systems are accounted for. The published manifest, which cargo generates, must not have a dependency,
feature or build setting that the author's manifest, or the workspace it inherits from, does not account for.

- **neutral**: every file that was compared is in the commit, or differs only where nothing is built from it
  (documentation, tests, the project's tooling). At this version of the check the generated manifest is not
  compared in full, nor whether the commit belongs to a branch or tag; so it never concludes success.
- **failure**: a file that can be built or run is not what the commit holds or is not in it at all; the manifest
  has more than its origin accounts for; or the commit holds another package.
- **inconclusive**: no repository or commit is recorded, or it cannot be fetched. The summary says what would
  settle it. Where a commit may only not have been pushed yet, or a host may be down, it is tried again.

**Not seen:** whether the code in the repository is any good; what stands in submodules; ` + "`Cargo.lock`" + `.
A note that the crate was packaged with uncommitted changes is recorded as a fact and excuses nothing.

**Facts:** ` + "`repository`" + ` as it answered and ` + "`declared`" + ` as the manifest spells it, ` + "`commit`" + `, ` + "`committed_at`" + `,
` + "`path`" + ` of the package in it and ` + "`path_guessed`" + ` (found by its manifest), ` + "`dirty`" + `, ` + "`files`" + ` (how many there
are of each kind: exact, other-mode, linked, link-text, copied, line-ends, generated, edited, submodule, modified, unknown,
collides), ` + "`original_manifest`" + ` (how Cargo.toml.orig relates to the repository's Cargo.toml), ` + "`workspace`" + ` (the folder
settings are inherited from), ` + "`manifest_differences`" + ` and, if inconclusive, ` + "`reason`" + `.
`

// ProvenanceFacts are the facts of the check provenance.
type ProvenanceFacts struct {
	Reason              string                  `json:"reason,omitempty"`
	Repository          string                  `json:"repository,omitempty"`
	Declared            string                  `json:"declared,omitempty"`
	Commit              string                  `json:"commit,omitempty"`
	CommittedAt         time.Time               `json:"committed_at,omitzero"`
	Path                string                  `json:"path"`
	PathGuessed         bool                    `json:"path_guessed,omitempty"`
	Dirty               bool                    `json:"dirty,omitempty"`
	Files               map[provenance.Kind]int `json:"files,omitempty"`
	OriginalManifest    provenance.Kind         `json:"original_manifest,omitempty"`
	Workspace           *string                 `json:"workspace,omitempty"`
	ManifestDifferences int                     `json:"manifest_differences,omitempty"`
}

func runProvenance(ctx context.Context, s *check.Subject) (check.Report, error) {
	src, missing, err := openSource(ctx, s)
	switch {
	case err != nil:
		return check.Report{}, err
	case missing != nil:
		return provenanceUnknown(missing, ProvenanceFacts{})
	}
	p := provenanceReport{subject: s, source: src, facts: ProvenanceFacts{
		Repository:  src.snapshot.URL(),
		Declared:    src.repository,
		Commit:      src.info.SHA1,
		CommittedAt: src.snapshot.Commit().Committed,
		Dirty:       src.info.Dirty,
	}}
	result, err := provenance.Compare(ctx, provenance.Input{
		Name: releaseName(s), Archive: s.Archive, Snapshot: src.snapshot, Path: src.info.PathInVCS,
	})
	switch {
	case errors.Is(err, provenance.ErrNoPackage):
		return p.noPackage()
	case err != nil && ctx.Err() != nil:
		return check.Report{}, ctx.Err()
	case err != nil:
		missing, err := whyNoSource(err, src.repository, src.info.SHA1)
		if err != nil {
			return check.Report{}, err
		}
		return provenanceUnknown(missing, p.facts)
	}
	return p.compared(result)
}

// releaseName is the name announced; an unpacked folder may have only its
// manifest's.
func releaseName(s *check.Subject) string {
	if s.Release.Name != "" {
		return s.Release.Name
	}
	if m, err := s.Archive.Manifest(); err == nil {
		return m.Package.Name
	}
	return ""
}

func provenanceUnknown(missing *noSource, facts ProvenanceFacts) (check.Report, error) {
	facts.Reason = missing.Reason
	encoded, err := json.Marshal(facts)
	if err != nil {
		return check.Report{}, err
	}
	return check.Report{
		Conclusion: check.Inconclusive,
		Title:      missing.Message,
		Summary:    strings.TrimSpace("The files could not be compared with a repository; this says nothing about them. " + missing.Help),
		Facts:      encoded,
		RetryAt:    missing.RetryAt,
	}, nil
}

// A provenanceReport puts a comparison into words.
type provenanceReport struct {
	subject  *check.Subject
	source   *source
	facts    ProvenanceFacts
	findings []check.Finding
}

// place names the repository and commit as people do: "github.com/o/r at 3f2a91c".
func (p *provenanceReport) place() string {
	name := p.source.snapshot.URL()
	if u, err := url.Parse(name); err == nil {
		name = u.Host + u.Path
	}
	return name + " at " + p.commit()
}

func (p *provenanceReport) commit() string { return p.source.info.SHA1[:7] }

func (p *provenanceReport) add(f check.Finding) { p.findings = append(p.findings, f) }

const publishClean = "Commit everything, push it, and publish from that commit without --allow-dirty, under a new version."

func (p *provenanceReport) noPackage() (check.Report, error) {
	p.add(check.Finding{
		Rule: "package-missing", Level: check.LevelError, Path: crate.VCSInfoFile,
		Message: fmt.Sprintf("%s holds no package named %q", p.place(), releaseName(p.subject)),
		Help:    "Correct `repository` in Cargo.toml, and publish from a commit that holds the package.",
	})
	return p.finish(p.findings[0].Message, "The commit is there, but not the package that is said to come from it. Nothing could be compared.", nil)
}

func (p *provenanceReport) compared(r *provenance.Result) (check.Report, error) {
	p.facts.Path, p.facts.PathGuessed = r.Path, r.PathGuessed
	p.facts.OriginalManifest, p.facts.Workspace = r.Manifest.Original, r.Manifest.Workspace
	p.facts.ManifestDifferences = len(r.Manifest.Differences)
	p.facts.Files = map[provenance.Kind]int{}
	for _, f := range r.Files {
		p.facts.Files[f.Kind]++
	}
	p.manifestFindings(r)
	p.fileFindings(r)
	metrics := map[string]float64{
		"files_compared": 0, "bytes_compared": 0,
		"files_modified": float64(p.facts.Files[provenance.Modified]),
		"files_unknown":  float64(p.facts.Files[provenance.Unknown]),
	}
	for _, f := range r.Files {
		if f.Kind != provenance.Generated && f.Kind != provenance.Submodule {
			metrics["files_compared"]++
			metrics["bytes_compared"] += float64(f.Size)
		}
	}
	return p.finish(p.title(r), p.summary(r), metrics)
}

// finish concludes: failure where anything found is an error.
func (p *provenanceReport) finish(title, summary string, metrics map[string]float64) (check.Report, error) {
	facts, err := json.Marshal(p.facts)
	if err != nil {
		return check.Report{}, err
	}
	r := check.Report{
		Conclusion: check.Neutral, Title: title, Summary: summary,
		Findings: p.findings, Metrics: metrics, Facts: facts,
	}
	if len(p.errors()) > 0 {
		r.Conclusion = check.Failure
	}
	return r, nil
}

func (p *provenanceReport) errors() (all []check.Finding) {
	for _, f := range p.findings {
		if f.Level == check.LevelError {
			all = append(all, f)
		}
	}
	return all
}

func (p *provenanceReport) title(r *provenance.Result) string {
	if errs := p.errors(); len(errs) == 1 {
		return errs[0].Message
	} else if len(errs) > 1 {
		return p.failureTitle(r, errs)
	}
	same, differ, submodule := 0, 0, 0
	for _, f := range r.Files {
		switch f.Kind {
		case provenance.Generated:
		case provenance.Submodule:
			submodule++
		case provenance.Modified, provenance.Unknown, provenance.Edited:
			differ++
		default:
			same++
		}
	}
	title := counted(same, "file")
	if all := same + differ + submodule; all > same {
		title = fmt.Sprintf("%d of %s", same, counted(all, "file"))
	}
	title += " " + verb(same, "matches", "match") + " " + p.place()
	if differ > 0 {
		title += ", nothing is built from what differs"
	}
	if submodule > 0 {
		title += fmt.Sprintf(", %d %s in a submodule and not compared yet", submodule, verb(submodule, "is", "are"))
	}
	return title + "; the generated Cargo.toml is not compared yet"
}

// verb picks the form that agrees with a number.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (p *provenanceReport) failureTitle(r *provenance.Result, errs []check.Finding) string {
	files := 0
	for _, f := range r.Files {
		if f.Source && (f.Kind == provenance.Modified || f.Kind == provenance.Unknown || f.Kind == provenance.Collides) {
			files++
		}
	}
	rest := len(errs) - files
	switch {
	case rest == 0:
		return fmt.Sprintf("%s can be built or run and are not what %s holds", counted(files, "file"), p.place())
	case files == 0:
		return fmt.Sprintf("%s that %s does not account for", counted(rest, "thing")+" in the manifest", p.place())
	}
	return fmt.Sprintf("%s and %s that %s does not account for", counted(files, "file"), counted(rest, "thing")+" in the manifest", p.place())
}

func (p *provenanceReport) summary(r *provenance.Result) string {
	var b strings.Builder
	b.WriteString("The crate's files were compared with those of the commit that cargo recorded, by git object id")
	if r.Path != "" {
		folder := strings.Trim(strconv.QuoteToASCII(r.Path), `"`) // in Markdown, from the repository
		fmt.Fprintf(&b, ", in the folder `%s`", strings.ReplaceAll(folder, "`", ""))
	}
	b.WriteString(". ")
	if len(p.errors()) > 0 {
		b.WriteString("Who reads the repository does not see what is published here. There may be an honest reason, such as a file made when " +
			"packaging or a change not committed; only the author can say. ")
	} else {
		aside := "its generated manifest"
		if p.facts.Files[provenance.Submodule] > 0 {
			aside += " and what stands in submodules"
		}
		fmt.Fprintf(&b, "What is built from the crate, %s aside, stands in the repository. ", aside)
	}
	if p.facts.Dirty {
		b.WriteString("Cargo noted uncommitted changes when it packaged the crate. ")
	}
	return strings.TrimSpace(b.String())
}
