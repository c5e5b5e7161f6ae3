package intake

import (
	"context"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/store"
)

// Publishers tells who published releases, as a registry's web API knows.
type Publishers interface {
	// Publisher returns ok false where nobody is known, for whatever reason: who is
	// not known gets no benefit of it.
	Publisher(ctx context.Context, name, version string, sum crate.Checksum) (_ Publisher, ok bool)
}

// A Publisher is who published a release.
type Publisher struct {
	Name     string // the account, or the trusted-publishing identity as "github:owner/name"
	Trusted  bool   // by such an identity
	At       time.Time
	Since    time.Time // when the same published the crate for the first time
	Releases int       // how often before
}

// publisherTime bounds how long a release waits for word of its publisher.
const publisherTime = 15 * time.Second

// askPublisher adds who published. Where the registry and the announcement name
// two, neither is believed.
func (in *Intake) askPublisher(ctx context.Context, p *store.Publication) {
	if in.Publishers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, publisherTime)
	defer cancel()
	told, ok := in.Publishers.Publisher(ctx, p.Release.Crate, p.Release.Version, p.Release.Checksum)
	if !ok {
		return
	}
	if announced := p.Release.Publisher; announced != "" && !strings.EqualFold(announced, told.Name) {
		p.Release.Publisher = ""
		return
	}
	p.Release.Publisher = told.Name
	if p.Release.PublishedAt.IsZero() {
		p.Release.PublishedAt = told.At
	}
	p.Facts.Trusted, p.Facts.TrustedKnown = told.Trusted, true
	p.Facts.PublisherSince, p.Facts.PublisherReleases = told.Since, told.Releases
}
