// Package gitsource reads commits and their trees, refs and histories from
// repositories that nobody vouches for. It speaks git's protocol version 2 over
// HTTPS itself (gitprotocol-v2, gitprotocol-http): one request for what the server
// can do, one for a commit and those of its trees that are not at hand from other
// commits, further ones for single files, lists of refs and commits in between.
//
// It never runs git, never checks anything out and knows no credentials.
package gitsource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Limits bound what one answer may cost us, and what we cost hosts.
type Limits struct {
	Bytes   int64         // of one response
	Timeout time.Duration // from the first request to the last tree
	Pack    gitobj.PackLimits
	Trees   int64 // bytes of trees kept for the next release, in memory
	Shelf   Shelf // and on disk
	Manners Manners
}

// DefaultLimits hold the trees of every repository that publishes crates. Of
// those whose server cannot leave files out, some are too large.
var DefaultLimits = Limits{
	Bytes: 64 << 20, Timeout: 60 * time.Second, Pack: gitobj.DefaultPackLimits, Trees: 64 << 20,
	Manners: Manners{AtOnce: 2, Rate: 10, Burst: 40},
}

// A Source implements check.Source. It is safe for concurrent use.
type Source struct {
	limits Limits
	plain  func(*url.URL) bool
	// discovery follows redirects; what is asked of the place it led to does not,
	// as with git itself.
	discovery, list, fetch *http.Client
	remotes                recent[*remote]
	snapshots              recent[*snapshot]
	trees                  trees
	hosts                  hosts
}

// New returns a source that reaches out through e.
func New(e *egress.Egress, lim Limits) *Source {
	client := func(bytes int64, redirects int) *http.Client {
		return e.Client(egress.Git, egress.Limits{Bytes: min(bytes, lim.Bytes), Timeout: lim.Timeout, Redirects: redirects})
	}
	return &Source{
		limits:    lim,
		plain:     func(u *url.URL) bool { return e.Allows(egress.Git, u) },
		discovery: client(1<<20, egress.MaxRedirects),
		list:      client(maxList, 0),
		fetch:     client(lim.Bytes, 0),
		remotes:   recent[*remote]{most: recentRemotes},
		snapshots: recent[*snapshot]{most: recentSnapshots, keep: shareable},
		trees:     trees{most: lim.Trees},
		hosts:     hosts{manners: lim.Manners},
	}
}

// Snapshot implements check.Source.
func (s *Source) Snapshot(ctx context.Context, repository string, commit gitobj.ID) (check.Snapshot, error) {
	snap, err := s.snapshots.open(ctx, repository+" "+commit.String(), func() (snap *snapshot, err error) {
		err = s.ask(ctx, repository, func(ctx context.Context, r *remote) error {
			snap, err = r.snapshot(ctx, commit)
			return err
		})
		return snap, err
	})
	if err != nil {
		return nil, fmt.Errorf("read commit %s of %q: %w", commit, repository, err)
	}
	return snap, nil
}

// ask finds the repository and puts a question to it, within the time of both.
func (s *Source) ask(ctx context.Context, repository string, question func(context.Context, *remote) error) error {
	urls, err := candidates(repository, s.plain)
	if err != nil {
		return err
	}
	leave, err := s.hosts.at(urls[0].Host).enter(ctx) // waiting for it is not the host's time
	if err != nil {
		return err
	}
	defer leave()
	bounded, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	r, err := s.remotes.open(ctx, urls[0].String(), func() (*remote, error) { return s.discover(bounded, urls) })
	if err == nil {
		err = question(bounded, r)
	}
	if err != nil && ctx.Err() != nil { // the caller's own end says nothing of the repository
		return ctx.Err()
	}
	return err
}

// discover asks one candidate after another until one answers as a git server.
// Where none does, the first answer counts: it is that of the URL as written.
func (s *Source) discover(ctx context.Context, urls []*url.URL) (*remote, error) {
	var first error
	for _, u := range urls {
		r, err := s.connect(ctx, u)
		if err == nil {
			return r, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, check.ErrRepositoryMissing) && !errors.Is(err, check.ErrRepositoryProtocol) {
			break
		}
	}
	return nil, first
}
