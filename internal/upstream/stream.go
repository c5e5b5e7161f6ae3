package upstream

import (
	"context"
	"fmt"
	"io"

	"github.com/cratefence/cratefence/internal/crate"
)

// DownloadURL is where the registry gives a release's .crate to everybody.
func (c *Client) DownloadURL(ctx context.Context, name, version string, sum crate.Checksum) (string, error) {
	config, err := c.Config(ctx)
	if err != nil {
		return "", err
	}
	from, err := config.DownloadURL(name, version, sum)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return from, nil
}

// OpenRelease begins to download the .crate of a release; size is -1 where the
// registry does not announce it. The bytes are not verified, and bounded by what
// is announced and by the client's own limits: the caller does both.
func (c *Client) OpenRelease(ctx context.Context, name, version string, sum crate.Checksum) (body io.ReadCloser, size int64, err error) {
	from, err := c.DownloadURL(ctx, name, version, sum)
	if err != nil {
		return nil, 0, err
	}
	resp, err := c.open(ctx, from)
	if err != nil {
		return nil, 0, err
	}
	return resp.Body, resp.ContentLength, nil
}
