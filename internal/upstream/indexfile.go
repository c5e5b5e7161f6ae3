package upstream

import (
	"compress/gzip"
	"context"
	"fmt"
	"net/http"

	"github.com/cratefence/cratefence/internal/index"
)

// An IndexAnswer is what a registry says of a crate's index file.
type IndexAnswer struct {
	Body []byte // the file; nil when NotModified
	// ETag and LastModified are to be given when asking again; "" where the registry
	// gave none.
	ETag, LastModified string
	NotModified        bool // the file is as it was when the validators were given
}

// IndexFile fetches a crate's index file, unless it is still as the validators of
// an earlier answer say. What is in it is the caller's to judge. The error wraps
// ErrNotFound only where the registry says that there is no such crate: an answer
// that it may not be seen (401, 403) wraps ErrProtocol, and says nothing of the
// crate.
func (c *Client) IndexFile(ctx context.Context, name, etag, lastModified string) (IndexAnswer, error) {
	path, err := index.Path(name)
	if err != nil {
		return IndexAnswer{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	from := c.base + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return IndexAnswer{}, fmt.Errorf("fetch %q: %w", from, ErrProtocol)
	}
	req.Header.Set("User-Agent", c.opts.UserAgent)
	req.Header.Set("Accept-Encoding", "gzip")
	switch { // a registry prefers the tag when it gets both, and some stumble
	case etag != "":
		req.Header.Set("If-None-Match", etag)
	case lastModified != "":
		req.Header.Set("If-Modified-Since", lastModified)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return IndexAnswer{}, unanswered(ctx, from, err)
	}
	defer resp.Body.Close()
	conditional := etag != "" || lastModified != ""
	if resp.StatusCode == http.StatusNotModified && conditional {
		return IndexAnswer{ETag: etag, LastModified: lastModified, NotModified: true}, nil
	}
	if err := judgeIndex(resp); err != nil {
		return IndexAnswer{}, fmt.Errorf("fetch %q: %w", from, err)
	}
	body, err := c.unpack(ctx, from, resp)
	if err != nil {
		return IndexAnswer{}, err
	}
	return IndexAnswer{Body: body, ETag: validator(resp, "ETag"), LastModified: validator(resp, "Last-Modified")}, nil
}

func judgeIndex(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fmt.Errorf("%w: answered %s", ErrProtocol, status(resp))
	case code == http.StatusOK && resp.Header.Get("Content-Encoding") == "gzip":
		return nil
	default:
		return judge(resp)
	}
}

// unpack reads a body that may be gzip-compressed, to no more than an index file
// may have. One that breaks off or is garbled is worth another try.
func (c *Client) unpack(ctx context.Context, from string, resp *http.Response) ([]byte, error) {
	if !encoded(resp) {
		return readAll(ctx, from, resp.Body, resp.ContentLength, c.opts.MaxIndex)
	}
	packed, err := gzip.NewReader(resp.Body)
	if err != nil {
		return nil, unanswered(ctx, from, err)
	}
	return readAll(ctx, from, packed, -1, c.opts.MaxIndex)
}

// validator returns a header that can be sent back as it is, or "".
func validator(resp *http.Response, name string) string {
	const longest = 256
	value := resp.Header.Get(name)
	if len(value) > longest {
		return ""
	}
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return value
}
