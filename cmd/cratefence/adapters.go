package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cratefence/cratefence/internal/advisory"
	"github.com/cratefence/cratefence/internal/blob"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/mirror"
	"github.com/cratefence/cratefence/internal/registry"
	"github.com/cratefence/cratefence/internal/upstream"
)

// Below is how rooms that do not know of each other meet: an adapter, as a verb or
// a way in asks it.

// advisories are the folder as the gate asks it.
type advisories struct{ folder *advisory.Folder }

func (a advisories) Affecting(name, version string) []gate.Advisory {
	return gateAdvisories(a.folder.Affecting(name, version))
}

func (a advisories) Fixing(name, version string) []gate.Advisory {
	return gateAdvisories(a.folder.Fixing(name, version))
}

func gateAdvisories(list []*advisory.Advisory) []gate.Advisory {
	var out []gate.Advisory
	for _, a := range list {
		out = append(out, gate.Advisory{ID: a.ID, Vulnerability: a.Informational == ""})
	}
	return out
}

// kept are the crates that were taken in.
type kept struct{ blobs *blob.Folder }

func (k kept) Open(ctx context.Context, sum crate.Checksum) (io.ReadCloser, int64, error) {
	body, size, err := k.blobs.Open(ctx, sum)
	if errors.Is(err, blob.ErrNotFound) {
		err = fmt.Errorf("%w: %w", registry.ErrMissing, err)
	}
	return body, size, err
}

// released is the upstream registry as downloads ask it.
type released struct{ client *upstream.Client }

func (r released) Open(ctx context.Context, name, version string, sum crate.Checksum) (io.ReadCloser, int64, error) {
	body, size, err := r.client.OpenRelease(ctx, name, version, sum)
	if errors.Is(err, upstream.ErrNotFound) {
		err = fmt.Errorf("%w: %w", registry.ErrMissing, err)
	}
	return body, size, err
}

func (r released) URL(ctx context.Context, name, version string, sum crate.Checksum) (string, error) {
	return r.client.DownloadURL(ctx, name, version, sum)
}

// indexFiles is the upstream registry as the mirror asks it.
type indexFiles struct{ client *upstream.Client }

func (i indexFiles) IndexFile(ctx context.Context, name, etag, lastModified string) (mirror.Answer, error) {
	a, err := i.client.IndexFile(ctx, name, etag, lastModified)
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		err = fmt.Errorf("%w: %w", mirror.ErrNotFound, err)
	case errors.Is(err, upstream.ErrUnreachable):
		err = fmt.Errorf("%w: %w", mirror.ErrUnreachable, err)
	}
	return mirror.Answer(a), err
}
