package checks

import (
	"fmt"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
)

const maxLockEntries = 200

// lockFindings tells how the published Cargo.lock relates to the repository's. It
// is read by `cargo install --locked` alone.
func (p *provenanceReport) lockFindings(r *provenance.Result) {
	if r.Lock == nil {
		return
	}
	if r.Lock.Err != nil {
		p.add(check.Finding{
			Rule: "lock-unreadable", Level: check.LevelWarning, Path: crate.LockFile,
			Message: fmt.Sprintf("Cargo.lock is not as cargo writes it: %v", r.Lock.Err),
		})
		return
	}
	var chosen []string
	for _, d := range r.Lock.Differences {
		switch {
		case d.Kind.Contradicts():
			p.add(check.Finding{
				Rule: "lock-contradicts", Level: check.LevelWarning, Path: crate.LockFile, Message: "Cargo.lock: " + d.Message,
				Help: "Let cargo write Cargo.lock when it packages.",
			})
		case d.Kind == manifest.LockResolved:
			chosen = append(chosen, d.Package.Name+" "+d.Package.Version)
		}
	}
	if n := len(chosen); n > 0 {
		p.add(check.Finding{
			Rule: "lock-resolved", Level: check.LevelNote, Path: crate.LockFile,
			Message: fmt.Sprintf("%s of Cargo.lock %s chosen when publishing, and not in the repository's: %s",
				entries(n), verb(n, "was", "were"), named(chosen, n)),
		})
	}
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func lockFacts(l *provenance.Lock) *ProvenanceLock {
	if l == nil || l.Err != nil {
		return nil
	}
	facts := &ProvenanceLock{InRepository: l.InRepository, Entries: l.Entries}
	for _, d := range l.Differences[:min(len(l.Differences), maxLockEntries)] {
		name := shortened(d.Package.Name + " " + d.Package.Version)
		switch {
		case d.Kind.Contradicts():
			facts.Contradicted = append(facts.Contradicted, name)
		case d.Kind == manifest.LockResolved:
			facts.Resolved = append(facts.Resolved, name)
		}
	}
	return facts
}

// indexFromManifest is when crates.io began to take its index from the manifest
// in the crate: before, a line could say what it would.
var indexFromManifest = time.Date(2023, time.November, 1, 0, 0, 0, 0, time.UTC)

// indexFindings holds the index line that cargo resolves by against the manifest
// that it builds by.
func (p *provenanceReport) indexFindings() {
	m, err := p.subject.Archive.Manifest()
	if p.subject.Index == nil || err != nil {
		return
	}
	level := check.LevelError
	if at := p.subject.PublishedAt; !at.IsZero() && at.Before(indexFromManifest) {
		level = check.LevelNote
	}
	differences := manifest.CompareIndex(m, *p.subject.Index)
	p.facts.IndexDifferences = len(differences)
	for _, d := range differences {
		p.add(check.Finding{
			Rule: "index-disagrees", Level: level, Path: crate.ManifestFile, StartLine: d.Line, EndLine: d.Line,
			Message: "The registry's index and Cargo.toml disagree: " + lowerFirst(d.Message),
			Help:    "Publish again, under a new version, with a current cargo.",
		})
	}
}
