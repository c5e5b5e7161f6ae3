package checks

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
)

// fileFindings tells the files that are not the repository's.
func (p *provenanceReport) fileFindings(r *provenance.Result) {
	submodule := 0
	for i, f := range r.Files {
		level := check.LevelWarning
		if f.Source {
			level = check.LevelError
		}
		switch f.Kind {
		case provenance.Modified:
			p.add(p.modified(f, level))
		case provenance.Unknown:
			p.add(p.unknown(f, level, p.subject.Archive.Files[i].Data))
		case provenance.Collides:
			p.add(check.Finding{
				Rule: "sha1-collision", Level: check.LevelError, Path: f.Path,
				Message: f.Path + " is made to have the git object id of other content",
				Help:    "No honest file is. Do not use it.",
			})
		case provenance.Submodule:
			submodule++
		}
	}
	if submodule > 0 {
		p.add(check.Finding{
			Rule: "in-submodule", Level: check.LevelWarning,
			Message: fmt.Sprintf("%s %s in a submodule of the repository and %s not compared yet",
				counted(submodule, "file"), verb(submodule, "stands", "stand"), verb(submodule, "is", "are")),
		})
	}
}

func (p *provenanceReport) modified(f provenance.File, level check.Level) check.Finding {
	finding := check.Finding{
		Rule: "file-modified", Level: level, Path: f.Path, Help: publishClean,
		Message: fmt.Sprintf("%s is not what the repository holds at %s", f.Path, p.commit()),
	}
	if h := f.Hunk; h != nil {
		finding.StartLine, finding.EndLine, finding.Snippet = h.Start, max(h.Start, h.End), h.Snippet
		if h.End < h.Start {
			finding.Message += fmt.Sprintf("; lines are missing before line %d", h.Start)
		}
	}
	return finding
}

func (p *provenanceReport) unknown(f provenance.File, level check.Level, data []byte) check.Finding {
	finding := check.Finding{
		Rule: "file-unknown", Level: level, Path: f.Path, Help: publishClean,
		Message: fmt.Sprintf("%s is not in the repository at %s", f.Path, p.commit()),
	}
	switch {
	case f.Escapes:
		finding.Message += "; there a link stands in its place that leads out of the repository"
	case f.Elsewhere != "":
		finding.Message += fmt.Sprintf("; the same content stands there at %q", f.Elsewhere)
	}
	const shown = 5
	if snippet := crate.Snippet(data, 1, shown); f.Source && !strings.ContainsRune(snippet, '\uFFFD') {
		if finding.Snippet = snippet; snippet != "" {
			finding.StartLine, finding.EndLine = 1, 1+strings.Count(snippet, "\n")
		}
	}
	return finding
}

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
	if r.PathGuessed && p.source.info.PathInVCS != nil {
		p.add(check.Finding{
			Rule: "path-wrong", Level: check.LevelWarning, Path: crate.VCSInfoFile,
			Message: fmt.Sprintf("The recorded folder %q holds no package; it was found at %q", *p.source.info.PathInVCS, cmp.Or(r.Path, ".")),
		})
	}
	for _, file := range m.Unreadable {
		p.add(unreadable(file))
	}
	if m.NoWorkspace {
		p.add(check.Finding{
			Rule: "workspace-missing", Level: check.LevelWarning, Path: crate.ManifestOrigFile,
			Message: "The manifest inherits from a workspace that was not found; what it inherits was not compared",
			Help:    "Keep the workspace's manifest in a folder above the package, in the same repository.",
		})
	}
	if m.Original == provenance.Edited {
		p.add(check.Finding{
			Rule: "manifest-edited", Level: check.LevelWarning, Path: crate.ManifestOrigFile, Help: publishClean,
			Message: fmt.Sprintf("The author's manifest is not the text that the repository holds at %s", p.commit()),
		})
	}
	for _, d := range m.Differences {
		p.add(p.difference(d))
	}
}

// unreadable tells of a manifest that was not compared. What cargo reads must be
// readable; the author's own text may be newer than we are, and is public.
func unreadable(file string) check.Finding {
	f := check.Finding{
		Rule: "manifest-unreadable", Level: check.LevelWarning, Path: file,
		Message: file + " cannot be read, so the published manifest was not compared with it",
		Help:    "Publish with cargo, which writes a manifest that every reader of TOML 1.0 understands.",
	}
	if file == crate.ManifestFile {
		f.Level = check.LevelError
		f.Message = file + " cannot be read, so what it makes cargo do was not compared"
	}
	return f
}

func (p *provenanceReport) difference(d provenance.Difference) check.Finding {
	f := check.Finding{
		Rule: d.Rule, Level: check.LevelError, Message: d.Message, Path: d.File, StartLine: d.Line, EndLine: d.Line,
		Help: "Commit the change to Cargo.toml, and publish with cargo from that commit, under a new version.",
	}
	if d.Harmless {
		f.Level = check.LevelWarning
	}
	if file := p.subject.Archive.File(d.File); file != nil && d.Line > 0 {
		f.Snippet = crate.Snippet(file.Data, d.Line, d.Line)
	}
	return f
}
