// Package upstream is the client of a sparse registry: its config.json, the
// lines of its index, its downloads.
//
// It takes a registry's word for nothing that it can check: a release's bytes
// have the checksum that was asked for, or are an error. It does not cache what
// it fetched, nor decide what to do with it, and it dials through the client
// that it is given.
package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// Sentinel errors. All but ErrUnreachable are final until the registry changes.
var (
	// ErrNotFound: the registry has no such crate, version or file, or shows it
	// to nobody without a token. Object stores answer 403 for a missing file.
	ErrNotFound = errors.New("not in the registry")
	// ErrUnreachable: no answer, or one that says "later" (429, 5xx). Worth
	// another try.
	ErrUnreachable = errors.New("registry unreachable")
	// ErrChecksum: the bytes are not those of the checksum; see ChecksumError.
	ErrChecksum = errors.New("other bytes than the checksum says")
	// ErrTooLarge: the answer was longer than allowed. Nothing of it is kept.
	ErrTooLarge = errors.New("answer too large")
	// ErrProtocol: an answer that no registry gives.
	ErrProtocol = errors.New("not a registry's answer")
)

// Options bound a Client. Each zero value stands for its default.
type Options struct {
	MaxCrate  int64         // bytes of a .crate; 64 MiB
	MaxIndex  int64         // bytes of an index file; index.MaxFile, which is also the most
	ConfigTTL time.Duration // how long config.json is believed; an hour
	UserAgent string        // begins with "cratefence/"; "cratefence/dev"
	Now       func() time.Time
}

func (o Options) withDefaults() Options {
	o.MaxCrate = cmp.Or(o.MaxCrate, 64<<20)
	o.MaxIndex = min(cmp.Or(o.MaxIndex, index.MaxFile), index.MaxFile)
	o.ConfigTTL = cmp.Or(o.ConfigTTL, time.Hour)
	o.UserAgent = cmp.Or(o.UserAgent, "cratefence/dev")
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Client reads one registry. It is safe for concurrent use.
type Client struct {
	base string // ends in "/"
	http *http.Client
	opts Options

	mu        sync.Mutex
	config    index.Config
	fetchedAt time.Time // of config; zero is never
}

// New returns a client of the sparse registry at indexURL, with or without
// cargo's "sparse+" before it. As with cargo, the URL ends in a slash. The
// client's own limits on addresses, redirects and time apply.
func New(indexURL string, client *http.Client, opts Options) (*Client, error) {
	base := strings.TrimPrefix(indexURL, "sparse+")
	u, err := url.Parse(base)
	switch {
	case err != nil: // not quoted: a password may be in it
		return nil, fmt.Errorf("use registry: not a URL: %w", errors.Unwrap(err))
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("use registry at %q: a user, query or fragment has no place in its URL", u.Host)
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, fmt.Errorf("use registry %q: want sparse+https://HOST/PATH/", indexURL)
	case !strings.HasSuffix(u.Path, "/"):
		return nil, fmt.Errorf("use registry %q: a sparse registry's URL ends in a slash", indexURL)
	}
	return &Client{base: base, http: client, opts: opts.withDefaults()}, nil
}

// Config returns the registry's config.json, which is believed for ConfigTTL.
// While a new one cannot be had, the old one stands.
func (c *Client) Config(ctx context.Context) (index.Config, error) {
	c.mu.Lock()
	config, fetchedAt := c.config, c.fetchedAt
	c.mu.Unlock()
	if !fetchedAt.IsZero() && c.opts.Now().Sub(fetchedAt) < c.opts.ConfigTTL {
		return config, nil
	}
	fresh, err := c.fetchConfig(ctx)
	if errors.Is(err, ErrUnreachable) && !fetchedAt.IsZero() {
		return config, nil
	}
	if err != nil {
		return index.Config{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config, c.fetchedAt = fresh, c.opts.Now()
	return fresh, nil
}

func (c *Client) fetchConfig(ctx context.Context) (index.Config, error) {
	data, err := c.get(ctx, c.base+index.ConfigPath, index.MaxConfig)
	if err != nil {
		return index.Config{}, err
	}
	config, err := index.ParseConfig(data)
	if err != nil {
		return index.Config{}, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return config, nil
}

// Versions returns what the index states of a crate, in the registry's order.
// Lines that cannot be read are left out, as cargo does.
func (c *Client) Versions(ctx context.Context, name string) ([]index.Line, error) {
	file, err := c.file(ctx, name)
	return file.Lines, err
}

// Line returns what the index states of one version.
func (c *Client) Line(ctx context.Context, name, version string) (index.Line, error) {
	file, err := c.file(ctx, name)
	if err != nil {
		return index.Line{}, err
	}
	var found *index.Line
	for i, line := range file.Lines {
		if line.Vers != version {
			continue
		}
		if found != nil {
			return index.Line{}, fmt.Errorf("look up %q: %w: the index states the version twice", name+"@"+version, ErrProtocol)
		}
		found = &file.Lines[i]
	}
	switch {
	case found != nil:
		return *found, nil
	case len(file.Bad) > 0:
		return index.Line{}, fmt.Errorf("look up %q: %w, nor could every line be read: %w", name+"@"+version, ErrNotFound, &file.Bad[0])
	default:
		return index.Line{}, fmt.Errorf("look up %q: %w", name+"@"+version, ErrNotFound)
	}
}

func (c *Client) file(ctx context.Context, name string) (index.File, error) {
	path, err := index.Path(name)
	if err != nil {
		return index.File{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	data, err := c.get(ctx, c.base+path, c.opts.MaxIndex)
	if err != nil {
		return index.File{}, err
	}
	file, err := index.Parse(data)
	if err != nil {
		return index.File{}, err
	}
	for _, line := range file.Lines {
		if !strings.EqualFold(line.Name, name) {
			return index.File{}, fmt.Errorf("look up %q: %w: its index file names %q", name, ErrProtocol, line.Name)
		}
	}
	return file, nil
}

// DownloadRelease fetches the .crate of a release from where config.json says.
// Its SHA-256 equals sum, or the error is a *ChecksumError.
func (c *Client) DownloadRelease(ctx context.Context, name, version string, sum crate.Checksum) ([]byte, error) {
	from, err := c.DownloadURL(ctx, name, version, sum)
	if err != nil {
		return nil, err
	}
	data, err := c.Download(ctx, from)
	if err != nil {
		return nil, err
	}
	if err := Verify(data, sum); err != nil {
		return nil, fmt.Errorf("download %s@%s: %w", name, version, err)
	}
	return data, nil
}

// Download fetches a .crate from any URL. The caller verifies the bytes.
func (c *Client) Download(ctx context.Context, from string) ([]byte, error) {
	return c.get(ctx, from, c.opts.MaxCrate)
}

// A ChecksumError holds the bytes that arrived in place of a release, so that
// they can be kept as an incident. It wraps ErrChecksum.
type ChecksumError struct {
	Want, Got crate.Checksum
	Data      []byte
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%v: want %s, got %s (%d bytes)", ErrChecksum, e.Want, e.Got, len(e.Data))
}

// Unwrap returns ErrChecksum.
func (e *ChecksumError) Unwrap() error { return ErrChecksum }

// Verify returns a *ChecksumError unless data has the checksum.
func Verify(data []byte, want crate.Checksum) error {
	if got := crate.Sum(data); got != want {
		return &ChecksumError{Want: want, Got: got, Data: data}
	}
	return nil
}
