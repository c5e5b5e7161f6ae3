package checks

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
)

// manifestFindings tells what is amiss with the manifests.
func (p *provenanceReport) manifestFindings(r *provenance.Result) {
	m := r.Manifest
	if m.OtherName != "" {
		p.add(check.Finding{
			Rule: "other-package", Level: check.LevelError, Path: crate.ManifestFile,
			Message: fmt.Sprintf("The repository's manifest is of the package %q, not of %q", m.OtherName, releaseName(p.subject)),
			Help:    "Name the crate's own repository in Cargo.toml.",
		})
	}
	if recorded := p.source.info.PathInVCS; r.PathGuessed && recorded != nil {
		p.add(check.Finding{
			Rule: "path-wrong", Level: check.LevelWarning, Path: crate.VCSInfoFile,
			Message: fmt.Sprintf("The recorded folder %q holds no package; it was found at %q", *recorded, cmp.Or(r.Path, ".")),
		})
	}
	if n := len(r.Twins); n > 0 {
		p.add(check.Finding{
			Rule: "package-twin", Level: check.LevelWarning, Path: crate.VCSInfoFile,
			Message: fmt.Sprintf("The crate was packaged from the folder %q, and the repository holds %s of its name where a reader may look first: %s",
				r.Path, counted(n, "other package"), named(quotedAll(r.Twins), n)),
			Help: "Keep one package of a name in a repository, or look at the one that is published.",
		})
	}
	for _, u := range m.Unreadable {
		p.unreadable(u)
	}
	if m.NoWorkspace {
		p.unsettled = append(p.unsettled, &noSource{
			Reason:  "workspace-missing",
			Message: "The manifest inherits from a workspace that was not found, so what it inherits was not compared",
			Help:    "Keep the workspace's manifest in a folder above the package, in the same repository.",
		})
	}
	for _, d := range m.Differences {
		p.add(p.difference(d))
	}
	for _, f := range m.Flags {
		p.flag(f)
	}
	if m.Original == provenance.Edited && len(m.Differences) == 0 && m.OtherName == "" {
		p.add(check.Finding{
			Rule: "manifest-edited", Level: check.LevelNote, Path: crate.ManifestOrigFile, Help: publishClean,
			Message: fmt.Sprintf("The author's manifest is not the text that the repository holds at %s, and means the same", p.commit()),
		})
	}
}

func quotedAll(folders []string) (all []string) {
	for _, folder := range folders {
		all = append(all, strconv.Quote(cmp.Or(folder, ".")))
	}
	return all
}

// unreadable tells of a manifest that was not compared. What cargo reads must be
// readable; the author's own text may be newer than we are, and is public.
func (p *provenanceReport) unreadable(u provenance.Unreadable) {
	if u.File == crate.ManifestFile {
		f := check.Finding{
			Rule: "manifest-unreadable", Level: check.LevelError, Path: u.File,
			Message: u.File + " cannot be read, so what it makes cargo do was not compared",
			Help:    "Publish with cargo, which writes a manifest that every reader of TOML 1.0 understands.",
		}
		if u.Err != nil {
			f.Message = fmt.Sprintf("%s is no manifest as cargo publishes it: %v", u.File, u.Err)
		}
		p.add(f)
		return
	}
	p.unsettled = append(p.unsettled, &noSource{
		Reason:  "manifest-unreadable",
		Message: cmp.Or(u.File, "The repository's "+crate.ManifestFile) + " cannot be read, so the published manifest was not compared with it",
		Help:    "A manifest that every reader of TOML 1.0 understands settles it.",
	})
}

// difference tells of a setting. It fails the release where it decides what is
// built and is no habit of honest authors; after Cargo.toml.orig was written,
// nobody edits.
func (p *provenanceReport) difference(d provenance.Difference) check.Finding {
	f := check.Finding{
		Rule: d.Rule, Level: check.LevelWarning, Message: p.settingMessage(d), Path: crate.ManifestFile, StartLine: d.Line, EndLine: d.Line,
		Help: "Commit the change to Cargo.toml, and publish with cargo from that commit, under a new version.",
	}
	switch {
	case d.Known == manifest.EditOldCargo: // nobody's edit, but what was known then
		f.Level, f.Help = check.LevelNote, ""
	case d.Known == manifest.EditRegistry: // which the author's own configuration decides
	case d.Class == manifest.Build && (d.Generated || !forgiven(d)):
		f.Level = check.LevelError
	}
	if file := p.subject.Archive.File(crate.ManifestFile); file != nil && d.Line > 0 {
		f.Snippet = crate.Snippet(file.Data, d.Line, d.Line)
	}
	return f
}

// flag tells of what cargo never publishes, where no difference tells of it
// already. That a dependency is of another registry is the repository's to say.
func (p *provenanceReport) flag(f manifest.Flag) {
	told := func(other check.Finding) bool {
		return f.Line > 0 && other.StartLine == f.Line && other.Path == crate.ManifestFile
	}
	if slices.ContainsFunc(p.findings, told) {
		return
	}
	finding := check.Finding{
		Rule: f.Rule, Level: check.LevelError, Message: f.Message, Path: crate.ManifestFile, StartLine: f.Line, EndLine: f.Line,
		Help: "Publish with cargo, and leave what it packages as it is.",
	}
	at := p.subject.PublishedAt
	old := f.Old && (at.IsZero() || at.Before(indexFromManifest)) // since when nobody publishes with such a cargo
	switch {
	case old || f.Rule == manifest.FlagRegistry:
		finding.Level, finding.Help = check.LevelNote, ""
	case f.Rule == manifest.FlagHeader || f.Rule == manifest.FlagOriginal:
		finding.Level = check.LevelWarning
	}
	p.add(finding)
}

// forgiven reports whether a difference from the repository's manifest is known
// to be made by honest authors. Another version alone is: what is in the files
// was compared.
func forgiven(d provenance.Difference) bool {
	return d.Known != "" || manifest.Dotted(d.Path) == "package.version"
}

func (p *provenanceReport) settingMessage(d provenance.Difference) string {
	origin := "the author's manifest"
	if p.fromOriginal(d) {
		origin = crate.ManifestOrigFile
	}
	if d.Known == manifest.EditOldCargo || d.Known == manifest.EditRegistry || d.Known != "" && !d.Generated {
		return d.Message
	}
	key := "`" + manifest.Dotted(d.Path) + "`"
	switch {
	case d.Rule == "dependency-added":
		return fmt.Sprintf("The published Cargo.toml adds the dependency `%s`, which %s does not name", d.Path[len(d.Path)-1], origin)
	case d.Rule == "dependency-removed":
		return fmt.Sprintf("The published Cargo.toml lacks the dependency `%s`, which %s names", d.Path[len(d.Path)-1], origin)
	case d.Git == "":
		return fmt.Sprintf("The published Cargo.toml sets %s to `%s`, and %s does not", key, d.Published, origin)
	case d.Published == "":
		return fmt.Sprintf("The published Cargo.toml does not set %s, which %s sets to `%s`", key, origin, d.Git)
	}
	return fmt.Sprintf("The published Cargo.toml sets %s to `%s`, and %s to `%s`", key, d.Published, origin, d.Git)
}

// fromOriginal reports whether a difference is from Cargo.toml.orig, where that is
// not the repository's text.
func (p *provenanceReport) fromOriginal(d provenance.Difference) bool {
	return d.Generated && p.facts.OriginalManifest == provenance.Edited
}

// settingFacts lists what differs, for the page.
func (p *provenanceReport) settingFacts(all []provenance.Difference) (facts []ProvenanceSetting) {
	for _, d := range all[:min(len(all), maxFactSettings)] {
		s := ProvenanceSetting{
			Path: shortened(manifest.Dotted(d.Path)), Origin: shortened(d.Git), Published: shortened(d.Published), From: "repository",
			Class: string(d.Class), Known: string(d.Known), Text: shortened(p.settingMessage(d)),
		}
		if p.fromOriginal(d) {
			s.From = crate.ManifestOrigFile
		}
		facts = append(facts, s)
	}
	return facts
}
