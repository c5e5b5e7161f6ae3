package index

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// MaxConfig bounds a config.json.
const MaxConfig = 64 << 10

// ConfigPath is where config.json lies below the index's base URL.
const ConfigPath = "config.json"

// A Config is a registry's config.json.
type Config struct {
	// DL is the template of download URLs, absolute, http or https.
	DL string `json:"dl"`
	// API is the base of the web API; "" where the registry has none.
	API string `json:"api,omitempty"`
	// AuthRequired says that index, downloads and API all want a token.
	AuthRequired bool `json:"auth-required,omitempty"`
}

// ParseConfig reads a config.json. Keys that cargo does not know are ignored.
// The error wraps ErrConfig or ErrTooLarge.
func ParseConfig(data []byte) (Config, error) {
	if len(data) > MaxConfig {
		return Config{}, fmt.Errorf("parse config.json of %d bytes: %w", len(data), ErrTooLarge)
	}
	var c Config
	if err := decode(data, &c, configFields); err != nil {
		return Config{}, fmt.Errorf("parse config.json: %w: %w", ErrConfig, err)
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("parse config.json: %w: %w", ErrConfig, err)
	}
	return c, nil
}

func (c Config) validate() error {
	if c.DL == "" {
		return errors.New(`no "dl"`)
	}
	// A marker may stand anywhere in the template, so its shape is judged with
	// the markers filled in.
	filled, err := c.DownloadURL("name", "1.0.0", crate.Checksum{})
	if err != nil {
		return err
	}
	if err := checkURL("dl", filled); err != nil {
		return err
	}
	if c.API == "" {
		return nil
	}
	return checkURL("api", c.API)
}

func checkURL(key, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q: %w", key, err)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is %q: want an http or https URL", key, clip(s))
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is %q: want a host, and neither user nor fragment", key, clip(s))
	}
	return nil
}

// The markers of a download template.
const (
	markCrate       = "{crate}"
	markVersion     = "{version}"
	markPrefix      = "{prefix}"
	markLowerPrefix = "{lowerprefix}"
	markChecksum    = "{sha256-checksum}"
)

// DownloadURL returns where a release's .crate lies. A template without any
// marker stands for cargo's default, "/{crate}/{version}/download" below it. The error
// wraps crate.ErrName or crate.ErrVersion.
func (c Config) DownloadURL(name, version string, sum crate.Checksum) (string, error) {
	if err := crate.ValidateName(name); err != nil {
		return "", fmt.Errorf("make download URL: %w", err)
	}
	if _, err := crate.ParseVersion(version); err != nil {
		return "", fmt.Errorf("make download URL of %s: %w", name, err)
	}
	template := c.DL
	if !hasMarker(template) {
		template += "/" + markCrate + "/" + markVersion + "/download"
	}
	return strings.NewReplacer(
		markCrate, name,
		markVersion, version,
		markPrefix, prefix(name),
		markLowerPrefix, prefix(strings.ToLower(name)),
		markChecksum, sum.String(),
	).Replace(template), nil
}

func hasMarker(template string) bool {
	for _, mark := range []string{markCrate, markVersion, markPrefix, markLowerPrefix, markChecksum} {
		if strings.Contains(template, mark) {
			return true
		}
	}
	return false
}
