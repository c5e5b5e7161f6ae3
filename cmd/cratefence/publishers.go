package main

import (
	"context"
	"log/slog"

	"golang.org/x/time/rate"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/upstream"
)

// publishers asks the registry's web API who published. crates.io asks for one
// request a second at the most (https://crates.io/data-access).
type publishers struct {
	client *upstream.Client
	pace   *rate.Limiter
	log    *slog.Logger
}

func newPublishers(client *upstream.Client, log *slog.Logger) *publishers {
	return &publishers{client: client, pace: rate.NewLimiter(1, 5), log: log}
}

func (p *publishers) Publisher(ctx context.Context, name, version string, sum crate.Checksum) (intake.Publisher, bool) {
	if err := p.pace.Wait(ctx); err != nil {
		return intake.Publisher{}, false
	}
	all, err := p.client.Publications(ctx, name)
	if err != nil {
		p.log.DebugContext(ctx, "who published is not known", "crate", name, "version", version, "error", err)
		return intake.Publisher{}, false
	}
	return publisherOf(all, version, sum)
}

// publisherOf finds who published a version, and what else of the crate before.
func publisherOf(all []upstream.Publication, version string, sum crate.Checksum) (intake.Publisher, bool) {
	for _, one := range all {
		if one.Version != version || one.Checksum != sum {
			continue
		}
		who := intake.Publisher{Name: accountOf(one), Trusted: one.Trusted != nil, At: one.PublishedAt, Since: one.PublishedAt}
		for _, other := range all {
			if accountOf(other) != who.Name || !other.PublishedAt.Before(one.PublishedAt) {
				continue
			}
			who.Releases++
			if other.PublishedAt.Before(who.Since) {
				who.Since = other.PublishedAt
			}
		}
		return who, who.Name != ""
	}
	return intake.Publisher{}, false
}

// accountOf names who published; "" when that is not known.
func accountOf(p upstream.Publication) string {
	if p.Trusted != nil && p.Trusted.Provider != "" && p.Trusted.Repository != "" {
		return p.Trusted.Provider + ":" + p.Trusted.Repository
	}
	return p.Publisher
}
