package checks

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
)

// A provenanceReport puts a comparison into words.
type provenanceReport struct {
	subject *check.Subject
	source  *source
	origins *provenance.Choice
	// reaching asks what leads to the commit.
	reaching *reaching
	// versionTags are the tags named for this version, wherever they point.
	versionTags []check.Ref
	facts       ProvenanceFacts
	findings    []check.Finding
	// unsettled are the things that could not be known, gravest first. With
	// nothing found that is wrong, they make the report inconclusive.
	unsettled []*noSource
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

// place names the repository and commit as people do: "github.com/o/r at 3f2a91c".
func (p *provenanceReport) place() string { return p.repositoryName() + " at " + p.commit() }

func (p *provenanceReport) repositoryName() string { return repositoryName(p.source.snapshot.URL()) }

func repositoryName(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host + u.Path
	}
	return address
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

func (p *provenanceReport) compared(r *provenance.Result) {
	p.takeFacts(r)
	p.manifestFindings(r)
	p.indexFindings()
	p.fileFindings(r)
	p.lockFindings(r)
	p.otherTag()
}

func (p *provenanceReport) metrics(r *provenance.Result) map[string]float64 {
	m := map[string]float64{
		"files_compared": 0, "bytes_compared": 0, "unverified_build_files": 0,
		"files_modified": float64(p.facts.Files[provenance.Modified]),
		"files_unknown":  float64(p.facts.Files[provenance.Unknown]),
		"files_declared": float64(p.facts.Files[provenance.Declared]),
	}
	if l := p.facts.Lock; l != nil {
		m["lock_entries"], m["lock_entries_unmatched"], m["lock_entries_asked"] = float64(l.Entries), float64(l.Unmatched), float64(l.Asked)
	}
	for _, f := range r.Files {
		if f.Kind != provenance.Generated && f.Kind != provenance.Uncompared {
			m["files_compared"]++
			m["bytes_compared"] += float64(f.Size)
		}
		if f.Kind == provenance.Uncompared || f.Kind.Differs() && f.Source {
			m["unverified_build_files"]++
		}
	}
	return m
}

// finish concludes: failure where anything found is an error, inconclusive where
// something could not be known, neutral where anything is worth reading.
func (p *provenanceReport) finish(title, summary string, metrics map[string]float64) (check.Report, error) {
	r := check.Report{Title: title, Summary: summary, Findings: p.findings, Metrics: metrics}
	switch {
	case len(p.errors()) > 0:
		r.Conclusion = check.Failure
	case len(p.unsettled) > 0:
		r.Conclusion, r.RetryAt, p.facts.Reason = check.Inconclusive, p.unsettled[0].RetryAt, p.unsettled[0].Reason
	case p.has(check.LevelWarning):
		r.Conclusion = check.Neutral
	default:
		r.Conclusion = check.Success
	}
	facts, err := json.Marshal(p.facts)
	if err != nil {
		return check.Report{}, err
	}
	r.Facts = facts
	return r, nil
}

func (p *provenanceReport) has(level check.Level) bool {
	return slices.ContainsFunc(p.findings, func(f check.Finding) bool { return f.Level == level })
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
	switch errs := p.errors(); {
	case len(errs) == 1:
		return errs[0].Message
	case len(errs) > 1:
		return p.failureTitle(errs)
	case len(p.unsettled) > 0:
		return p.unsettled[0].Message
	}
	same, differ := 0, 0
	changed := slices.ContainsFunc(r.Manifest.Differences, edited)
	for _, f := range r.Files {
		switch {
		case f.Kind == provenance.Generated || f.Kind == provenance.Edited && !changed: // "the manifest"
		case f.Kind.Differs() || f.Kind == provenance.Edited:
			differ++
		default:
			same++
		}
	}
	title := counted(same, "file")
	if differ > 0 {
		title = fmt.Sprintf("%d of %s", same, counted(same+differ, "file"))
	}
	if differ == 0 && !changed {
		title += " and the manifest match " + p.place() + p.reached() + p.guessed()
		if !p.has(check.LevelWarning) {
			title = "Verified: " + title
		}
		return title
	}
	title += " " + verb(same, "matches", "match") + " " + p.place() + p.reached() + p.guessed()
	if n := p.facts.Files[provenance.Declared]; n > 0 {
		return title + fmt.Sprintf("; %d %s declared as generated", n, verb(n, "is", "are"))
	}
	return title + "; nothing that differs is seen to be built"
}

// edited reports whether somebody made a setting differ, rather than an old cargo.
func edited(d provenance.Difference) bool { return d.Known != manifest.EditOldCargo }

// verb picks the form that agrees with a number.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func (p *provenanceReport) failureTitle(errs []check.Finding) string {
	files := 0
	for _, f := range errs {
		if slices.Contains([]string{"file-modified", "file-unknown", "sha1-collision"}, f.Rule) {
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
	commit := "the commit that cargo recorded"
	if p.origins.Ref != "" {
		commit = "the commit at `" + codeSpan(shortRef(p.origins.Ref)) + "`"
	}
	b.WriteString("The crate's files were compared with those of " + commit + ", by git object id")
	if r.Path != "" {
		fmt.Fprintf(&b, ", in the folder `%s`", codeSpan(r.Path))
	}
	b.WriteString(". ")
	switch {
	case len(p.errors()) > 0:
		b.WriteString("Who reads the repository does not see what is published here. There may be an honest reason, such as a file made when " +
			"packaging or a change not committed; only the author can say. ")
	case len(p.unsettled) > 0:
		b.WriteString(p.settling())
	case p.facts.Files[provenance.Declared] > 0:
		b.WriteString("All that is seen to be built from the crate stands in the repository, but for files that its manifest declares as generated. ")
	case p.has(check.LevelWarning):
		b.WriteString("All that is seen to be built from the crate stands in the repository. ")
	default:
		b.WriteString("Every file is accounted for, and the published manifest is what cargo makes of the author's. ")
	}
	b.WriteString(p.lockWords())
	if p.facts.Dirty {
		b.WriteString("Cargo noted uncommitted changes when it packaged the crate. ")
	}
	return strings.TrimSpace(b.String())
}

// settling says what would settle what is not known; the title says the first of
// it.
func (p *provenanceReport) settling() string {
	var b strings.Builder
	if !p.has(check.LevelWarning) {
		b.WriteString("What could be compared matches. ")
	}
	for i, u := range p.unsettled {
		if i > 0 {
			b.WriteString(u.Message + ". ")
		}
		b.WriteString(u.Help + " ")
	}
	return b.String()
}

// codeSpan makes text from a repository fit to stand between Markdown's
// backquotes.
func codeSpan(s string) string {
	return strings.ReplaceAll(strings.Trim(strconv.QuoteToASCII(s), `"`), "`", "")
}
