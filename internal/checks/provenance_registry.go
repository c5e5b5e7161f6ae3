package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/manifest"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/lockfile"
)

// newDeclarations tells of files that are declared as generated for the first
// time: whoever means harm would begin so, too.
func (p *provenanceReport) newDeclarations(ctx context.Context, r *provenance.Result) {
	if len(r.Declaration.Patterns) == 0 || p.subject.Registry == nil {
		return
	}
	version, before, err := p.subject.Registry.Before(ctx, releaseName(p.subject), p.subject.Release.Version)
	if errors.Is(err, check.ErrNotInRegistry) {
		return // the first version declares what it likes
	}
	var m *crate.Manifest
	if err == nil {
		m, err = before.Manifest()
	}
	if err != nil {
		p.add(check.Finding{
			Rule: "declaration-unknown", Level: check.LevelNote, Path: crate.ManifestFile,
			Message: "Whether the version before declared the same files as generated is not known: it could not be read",
		})
		return
	}
	declared := provenance.DeclaredIn(m)
	for _, pattern := range r.Declaration.Patterns {
		if !slices.Contains(declared, pattern) {
			p.add(check.Finding{
				Rule: "declaration-new", Level: check.LevelWarning, Path: crate.ManifestFile,
				Message: fmt.Sprintf("%q is declared as generated for the first time: version %s did not", pattern, version),
				Help:    "Look at what it covers; an author would say in the changelog why it is needed.",
			})
		}
	}
}

// Bounds on what the registry is asked about a Cargo.lock: each question costs a
// crate's whole index file.
const (
	maxLockQuestions = 128
	lockQuestions    = 8 // at once
	lockPatience     = 20 * time.Second
)

// lockChecksums holds the entries of Cargo.lock that nothing in the repository
// vouches for against the registry's index. What the registry does not answer is
// left open: such an entry fails to download, and never builds as something else.
func (p *provenanceReport) lockChecksums(ctx context.Context, r *provenance.Result) {
	if r.Lock == nil || p.facts.Lock == nil || p.subject.Registry == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	asked := lockEntries(r.Lock.Unmatched)
	p.facts.Lock.Unmatched = len(asked)
	asked = asked[:min(len(asked), maxLockQuestions)]
	answers := make([]string, len(asked))
	var wait sync.WaitGroup
	turn := make(chan struct{}, lockQuestions)
	for i, entry := range asked {
		wait.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			if ctx.Err() != nil {
				return
			}
			if line, err := p.subject.Registry.Line(ctx, entry.Name, entry.Version); err == nil {
				answers[i] = line.Cksum.String()
			}
		})
	}
	wait.Wait()
	for i, entry := range asked {
		if answers[i] == "" {
			continue
		}
		p.facts.Lock.Asked++
		if answers[i] == entry.Checksum {
			continue
		}
		p.facts.Lock.Contradicted = append(p.facts.Lock.Contradicted, shortened(entry.Name+" "+entry.Version))
		p.add(check.Finding{
			Rule: "lock-checksum", Level: check.LevelWarning, Path: crate.LockFile,
			Message: fmt.Sprintf("Cargo.lock: `%s %s` has the checksum %s, and %s in the registry's index",
				entry.Name, entry.Version, entry.Checksum, answers[i]),
			Help: "Let cargo write Cargo.lock when it packages.",
		})
	}
}

// lockWords say how much of Cargo.lock was held against the registry's index; ""
// where none had to be.
func (p *provenanceReport) lockWords() string {
	l := p.facts.Lock
	if l == nil || l.Unmatched == 0 {
		return ""
	}
	return fmt.Sprintf("Of the %s of Cargo.lock that the repository does not vouch for, %d %s held against the registry's index. ",
		entries(l.Unmatched), l.Asked, verb(l.Asked, "was", "were"))
}

// lockEntries are the entries that can be asked for.
func lockEntries(all []lockfile.Package) []lockfile.Package {
	var chosen []lockfile.Package
	for _, entry := range all {
		if manifest.FromCratesIO(entry.Source) && entry.Checksum != "" {
			chosen = append(chosen, entry)
		}
	}
	return chosen
}
