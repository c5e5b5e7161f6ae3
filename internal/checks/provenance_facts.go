package checks

import (
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/checks/provenance"
)

// ProvenanceFacts are the facts of the check provenance: what was compared with
// what, as a table that a person can follow. Lists are cut; their counts are not.
type ProvenanceFacts struct {
	// Reason is why the check is inconclusive: lower-case words joined by hyphens.
	Reason string `json:"reason,omitempty"`

	Repository string `json:"repository,omitempty"` // as it answered
	Declared   string `json:"declared,omitempty"`   // as the manifest spells it

	Commit string `json:"commit,omitempty"`
	// Origin says who names the commit: attested, recorded, tag, history. In the
	// latter two nobody does, and it was looked for.
	Origin provenance.Origin `json:"origin,omitempty"`
	// Absent are the commits that are named and that the repository does not have.
	Absent      []string  `json:"absent,omitempty"`
	CommittedAt time.Time `json:"committed_at,omitzero"`
	// Reach says which branch or tag leads to the commit; nil where it was not asked.
	Reach *ProvenanceReach `json:"reach,omitempty"`
	Dirty bool             `json:"dirty,omitempty"` // cargo noted uncommitted changes

	Path        string `json:"path"`                   // of the package in the repository
	PathGuessed bool   `json:"path_guessed,omitempty"` // found by its manifest

	// Files counts the crate's files by kind. Together they are all of its files.
	Files map[provenance.Kind]int `json:"files,omitempty"`
	// Differing are the files that are not the commit's, those that can be built
	// or run first.
	Differing []ProvenanceFile `json:"differing,omitempty"`
	// Submodules are those that files of the crate stand in.
	Submodules []ProvenanceSubmodule `json:"submodules,omitempty"`
	// Missing are the files of the commit that the crate would be expected to hold
	// and does not; MissingExplained counts those left out for a reason, by reason.
	Missing          []string                  `json:"missing,omitempty"`
	MissingExplained map[provenance.Reason]int `json:"missing_explained,omitempty"`

	// OriginalManifest is how Cargo.toml.orig relates to the repository's Cargo.toml.
	OriginalManifest provenance.Kind `json:"original_manifest,omitempty"`
	// Workspace is the folder that settings are inherited from.
	Workspace *string `json:"workspace,omitempty"`
	// ManifestDifferences counts what Settings lists.
	ManifestDifferences int                 `json:"manifest_differences,omitempty"`
	Settings            []ProvenanceSetting `json:"settings,omitempty"`
	// ManifestNotes say what cargo did to the manifest when it published it.
	ManifestNotes []string `json:"manifest_notes,omitempty"`
	// IndexDifferences counts what the registry's index says otherwise.
	IndexDifferences int `json:"index_differences,omitempty"`
	// Lock is how the published Cargo.lock relates to the repository's; nil where
	// the crate has none.
	Lock *ProvenanceLock `json:"lock,omitempty"`
}

// ProvenanceSubmodule is a submodule that files of the crate stand in.
type ProvenanceSubmodule struct {
	Path       string `json:"path"` // in the repository
	Commit     string `json:"commit"`
	Repository string `json:"repository,omitempty"` // as it answered; "" where it was not read
	// Grade says how the commit belongs to that repository, as in ProvenanceReach;
	// "" where that is not known. Refs lead to it.
	Grade provenance.Grade `json:"grade,omitempty"`
	Refs  []string         `json:"refs,omitempty"`
}

// ProvenanceFile is a file of the crate that is not the commit's.
type ProvenanceFile struct {
	Path   string          `json:"path"`
	Kind   provenance.Kind `json:"kind"`
	Source bool            `json:"source,omitempty"` // it can be built or run
	// At is where its counterpart stands in the repository, Elsewhere where the
	// repository holds the same bytes: in the commit, or in what ElsewhereIn names.
	At          string `json:"at,omitempty"`
	Elsewhere   string `json:"elsewhere,omitempty"`
	ElsewhereIn string `json:"elsewhere_in,omitempty"` // "the tag v1.0.1"
	// Diff is a unified diff from the repository's file to the crate's, without
	// file headers, cut at check.MaxSnippet bytes; "" where there is none.
	Diff string `json:"diff,omitempty"`
}

// ProvenanceSetting is a setting of the published manifest that what it was made
// from does not account for.
type ProvenanceSetting struct {
	Path      string `json:"path"`                // "dependencies.foo.features"
	Origin    string `json:"origin,omitempty"`    // what the author's manifest comes to; "" nothing
	Published string `json:"published,omitempty"` // "" nothing
	From      string `json:"from"`                // what it was compared with: repository, or Cargo.toml.orig
	Class     string `json:"class"`               // build, dev, metadata
	Known     string `json:"known,omitempty"`     // the honest edit that it is recognised as
	Text      string `json:"text"`                // a sentence
}

// ProvenanceLock is how the published Cargo.lock relates to the repository's.
type ProvenanceLock struct {
	InRepository bool `json:"in_repository"`
	Entries      int  `json:"entries"`
	// Resolved are the entries that were chosen when publishing: "itoa 1.0.15".
	Resolved []string `json:"resolved,omitempty"`
	// Contradicted are those whose checksum is not the repository's, or not the
	// registry's.
	Contradicted []string `json:"contradicted,omitempty"`
	// Unmatched is how many entries of crates.io nothing in the repository vouches
	// for, where there is a registry to ask; Asked is for how many of them it gave a
	// checksum.
	Unmatched int `json:"unmatched,omitempty"`
	Asked     int `json:"asked,omitempty"`
}

const (
	maxFactFiles    = 200
	maxFactSettings = 200
	maxFactNotes    = 100
	maxFactLinks    = 20
	maxFactText     = 600 // bytes of one text
)

// takeFacts takes what a comparison measured.
func (p *provenanceReport) takeFacts(r *provenance.Result) {
	f := &p.facts
	f.Path, f.PathGuessed = r.Path, r.PathGuessed
	f.OriginalManifest, f.Workspace = r.Manifest.Original, r.Manifest.Workspace
	f.ManifestDifferences, f.Settings = len(r.Manifest.Differences), p.settingFacts(r.Manifest.Differences)
	for _, note := range r.Manifest.Notes[:min(len(r.Manifest.Notes), maxFactNotes)] {
		f.ManifestNotes = append(f.ManifestNotes, shortened(note.Message))
	}
	f.Missing, f.MissingExplained = allShortened(r.Missing.Unexplained), r.Missing.Explained
	f.Lock = lockFacts(r.Lock)
	for _, l := range r.Submodules[:min(len(r.Submodules), maxFactLinks)] {
		s := ProvenanceSubmodule{Path: shortened(l.Path), Commit: l.Commit.String(), Repository: l.URL}
		if l.Reach != nil {
			s.Grade, s.Refs = l.Reach.Grade, allShortened(l.Reach.Refs)
		}
		f.Submodules = append(f.Submodules, s)
	}
	f.Files = map[provenance.Kind]int{}
	for _, source := range []bool{true, false} {
		for _, file := range r.Files {
			if file.Source == source && file.Kind.Differs() && len(f.Differing) < maxFactFiles {
				f.Differing = append(f.Differing, fileFacts(file))
			}
		}
	}
	for _, file := range r.Files {
		f.Files[file.Kind]++
	}
}

func fileFacts(f provenance.File) ProvenanceFile {
	facts := ProvenanceFile{Path: f.Path, Kind: f.Kind, Source: f.Source, At: f.At, Elsewhere: f.Elsewhere, ElsewhereIn: f.ElsewhereIn}
	if f.Diff != nil {
		facts.Diff = f.Diff.Unified
	}
	return facts
}

// shortened cuts a text from a crate or repository, so that no single one can
// push all facts over their limit.
func shortened(s string) string {
	if len(s) <= maxFactText {
		return s
	}
	return strings.ToValidUTF8(s[:maxFactText], "") + "…"
}

func allShortened(texts []string) []string {
	var all []string
	for _, s := range texts {
		all = append(all, shortened(s))
	}
	return all
}
