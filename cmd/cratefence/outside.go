package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/intake"
	"github.com/cratefence/cratefence/internal/upstream"
)

// newEgress makes the only dialer to the outside, with its exceptions.
func newEgress(proxy string, allow []string) (*egress.Egress, error) {
	cfg := egress.Config{UserAgent: userAgent()}
	for _, text := range allow {
		exception, err := egress.ParseException(text)
		if err != nil {
			return nil, err
		}
		cfg.Exceptions = append(cfg.Exceptions, exception)
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil {
			return nil, fmt.Errorf("egress proxy: %w", err)
		}
		cfg.Proxy = u
	}
	return egress.New(cfg)
}

func userAgent() string {
	return "cratefence/" + version + " (https://github.com/cratefence/cratefence)"
}

// newUpstream makes the client of the configured registry.
func newUpstream(cfg Config, out *egress.Egress) (*upstream.Client, error) {
	if err := reachable(cfg.Upstream.Index, out); err != nil {
		return nil, err
	}
	client := out.Client(egress.Upstream, egress.Limits{
		// An index file may be larger than a crate; upstream has its own limits on each.
		Bytes:     max(cfg.Limits.CrateBytes, 64<<20),
		Timeout:   time.Duration(cfg.Worker.FetchTimeout),
		Redirects: egress.MaxRedirects,
	})
	return upstream.New(cfg.Upstream.Index, client, upstream.Options{MaxCrate: cfg.Limits.CrateBytes, UserAgent: userAgent()})
}

// reachable refuses a registry that egress would refuse every time: announcements
// would be turned away for good, for a mistake of ours. What cannot be read as a
// URL is upstream's to refuse.
func reachable(indexURL string, out *egress.Egress) error {
	u, err := url.Parse(strings.TrimPrefix(indexURL, "sparse+"))
	if err != nil || u.Scheme != "http" || out.Allows(egress.Upstream, u) {
		return nil
	}
	return fmt.Errorf("upstream.index %q is plain HTTP: where that is meant, egress.allow = [%q] permits it",
		u.Redacted(), "upstream="+u.Host)
}

func (c Config) crateLimits() crate.Limits {
	lim := crate.DefaultLimits
	lim.Packed, lim.Unpacked, lim.Files = c.Limits.CrateBytes, c.Limits.UnpackedBytes, c.Limits.Files
	return lim
}

// downloads is the registry as intake sees it: it says which answers are final.
type downloads struct{ client *upstream.Client }

func (d downloads) Download(ctx context.Context, name, version, from string, sum crate.Checksum) ([]byte, error) {
	data, err := d.fetch(ctx, name, version, from, sum)
	if other, ok := errors.AsType[*upstream.ChecksumError](err); ok {
		return other.Data, fmt.Errorf("%w: %w", intake.ErrRefused, err)
	}
	for _, final := range []error{upstream.ErrTooLarge, egress.ErrRefused} {
		if errors.Is(err, final) {
			return nil, fmt.Errorf("%w: %w", intake.ErrRefused, err)
		}
	}
	// Not found is worth another try: a download may follow its announcement.
	return data, err
}

func (d downloads) fetch(ctx context.Context, name, version, from string, sum crate.Checksum) ([]byte, error) {
	if from == "" {
		return d.client.DownloadRelease(ctx, name, version, sum)
	}
	data, err := d.client.Download(ctx, from)
	if err != nil {
		return nil, err
	}
	if err := upstream.Verify(data, sum); err != nil {
		return nil, fmt.Errorf("download %s@%s: %w", name, version, err)
	}
	return data, nil
}

// registryView is the registry as checks see it: it says why there is no answer.
type registryView struct {
	client *upstream.Client
	limits crate.Limits
}

func (v registryView) Line(ctx context.Context, name, version string) (index.Line, error) {
	line, err := v.client.Line(ctx, name, version)
	return line, whyNoAnswer(err)
}

func (v registryView) Lines(ctx context.Context, name string) ([]index.Line, error) {
	lines, err := v.client.Versions(ctx, name)
	return lines, whyNoAnswer(err)
}

func (v registryView) Before(ctx context.Context, name, version string) (string, *crate.Archive, error) {
	lines, err := v.client.Versions(ctx, name)
	if err != nil {
		return "", nil, whyNoAnswer(err)
	}
	line, ok := before(lines, version)
	if !ok {
		return "", nil, fmt.Errorf("%w: nothing before %s@%s", check.ErrNotInRegistry, name, version)
	}
	data, err := v.client.DownloadRelease(ctx, line.Name, line.Vers, line.Cksum)
	if err != nil {
		return "", nil, whyNoAnswer(err)
	}
	a, err := crate.Read(data, crate.Release{Name: line.Name, Version: line.Vers, Checksum: line.Cksum}, v.limits)
	return line.Vers, a, err
}

// before is the line of the greatest version below the one given.
func before(lines []index.Line, version string) (found index.Line, ok bool) {
	at, err := crate.ParseVersion(version)
	if err != nil {
		return index.Line{}, false
	}
	var greatest crate.Version
	for _, line := range lines {
		v, err := crate.ParseVersion(line.Vers)
		if err != nil || v.Compare(at) >= 0 || ok && v.Compare(greatest) < 0 {
			continue
		}
		found, greatest, ok = line, v, true
	}
	return found, ok
}

func whyNoAnswer(err error) error {
	switch {
	case errors.Is(err, upstream.ErrNotFound):
		return fmt.Errorf("%w: %w", check.ErrNotInRegistry, err)
	case errors.Is(err, upstream.ErrUnreachable):
		return fmt.Errorf("%w: %w", check.ErrRegistryUnreachable, err)
	}
	return err
}

// newServiceClient makes a client of the service at base, which the person at
// the command line named: it may be on this machine.
func newServiceClient(base *url.URL, timeout time.Duration) (*http.Client, error) {
	out, err := egress.New(egress.Config{
		UserAgent:  userAgent(),
		Exceptions: []egress.Exception{{Purpose: egress.Service, Host: base.Host}},
	})
	if err != nil {
		return nil, fmt.Errorf("use service %q: %w", base.Redacted(), err)
	}
	return out.Client(egress.Service, egress.Limits{Bytes: 1 << 20, Timeout: timeout}), nil
}
