package checks

import (
	"context"
	"errors"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
)

const provenanceVersion = 3

// Provenance asks whether the files of a release are those of its repository.
var Provenance = check.Register(&check.Check{
	Name:     "provenance",
	Version:  provenanceVersion,
	Category: check.CategorySecurity,
	About:    check.AboutRelease,
	Doc:      provenanceDoc,
	Needs:    check.NeedsFiles | check.NeedsSource | check.NeedsRegistry,
	Timeout:  2 * time.Minute,
	Recheck:  7 * 24 * time.Hour,
	Run:      runProvenance,
})

func runProvenance(ctx context.Context, s *check.Subject) (check.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // and nothing is asked any more
	p, missing, err := newProvenanceReport(ctx, s)
	switch {
	case err != nil:
		return check.Report{}, err
	case missing != nil:
		return provenanceUnknown(since(s.Previous, missing.patient(s.Attempt)), ProvenanceFacts{})
	}
	result, err := provenance.Compare(ctx, provenance.Input{
		Name: releaseName(s), Archive: s.Archive, Snapshot: p.source.snapshot, Source: s.Source,
		Path: p.source.info.PathInVCS, Repository: p.source.repository,
	})
	switch {
	case errors.Is(err, provenance.ErrNoPackage):
		return p.noPackage()
	case err != nil && ctx.Err() != nil:
		return check.Report{}, ctx.Err()
	case err != nil:
		missing, err := whyNoSource(err, p.source.repository, p.source.info.SHA1)
		if err != nil {
			return check.Report{}, err
		}
		return provenanceUnknown(missing, p.facts)
	}
	found, err := p.reaching.wait()
	if err := p.reach(ctx, found, err); err != nil {
		return check.Report{}, err
	}
	if err := p.lookElsewhere(ctx, result); err != nil {
		return check.Report{}, err
	}
	p.compared(result)
	p.newDeclarations(ctx, result)
	p.lockChecksums(ctx, result)
	p.origin()
	p.since()
	return p.finish(p.title(result), p.summary(result), p.metrics(result))
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
