package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/cratefence/cratefence/internal/nearest"
)

//go:embed config.go
var configSource []byte // its comments are the manual: see manual.go

// Config is the whole configuration. The comments of its fields are the manual
// that `cratefence serve --help` prints. Every key has a default; components
// get values from it, never the whole.
type Config struct {
	// The address that pages, API and webhook are served on. Port 0 picks a free one.
	Listen string `toml:"listen"`
	// The address under which others reach this service, as in
	// "https://fence.example". Empty: derived from each request.
	BaseURL string `toml:"base_url"`
	// The folder that holds everything: database, crates, webhook secret. It is
	// made if missing, readable by its owner alone.
	Data string `toml:"data"`
	// A PostgreSQL address (postgres://user@host/database), for more than one
	// machine. Empty: SQLite in the data folder. A password belongs into
	// PGPASSFILE or database_file, not here.
	Database string `toml:"database"`
	// A file that holds the PostgreSQL address, instead of database.
	DatabaseFile string `toml:"database_file"`
	// How logs are written to standard error: "text" or "json".
	LogFormat string `toml:"log_format"`

	Upstream UpstreamConfig `toml:"upstream"`
	Fence    FenceConfig    `toml:"fence"`
	People   []PersonConfig `toml:"people"`
	TLS      TLSConfig      `toml:"tls"`
	Webhook  WebhookConfig  `toml:"webhook"`
	Limits   LimitsConfig   `toml:"limits"`
	Worker   WorkerConfig   `toml:"worker"`
	Egress   EgressConfig   `toml:"egress"`
}

// UpstreamConfig is the registry whose crates are checked.
type UpstreamConfig struct {
	// The sparse index of the registry.
	Index string `toml:"index"`
	// What pages call the registry.
	Name string `toml:"name"`
}

// FenceConfig is what cargo gets at /p/POLICY/index/.
type FenceConfig struct {
	// The file of the policies. Empty: one policy, "default", which is the preset
	// medium. It is read again when it changes; one with a mistake is not taken,
	// and the policies before stay in force.
	Policies string `toml:"policies"`
	// The policies that a client without a token may use. Whoever may use one may
	// read its decisions.
	Anonymous []string `toml:"anonymous"`
	// The policies that a token may use, by the token's name, as in
	// ci = ["strict"]. A token that is not named here may use those of anonymous.
	Tokens map[string][]string `toml:"tokens"`
	// Whether a token is needed for everything of the fence: of cargo, one with the
	// scope fetch, and of whoever reads decisions. Pages about crates and checks stay
	// open.
	AuthRequired bool `toml:"auth_required"`
	// How long an index file is served before upstream is asked whether it changed.
	IndexTTL Duration `toml:"index_ttl"`
	// How long a download waits for checks that are under way, before it is told
	// to come again.
	GateWait Duration `toml:"gate_wait"`
	// How long the fence may be without word from its database before nothing new
	// is allowed.
	MaxStale Duration `toml:"max_stale"`
	// Where cargo gets an allowed crate: "stream" through this service, or
	// "redirect" to the upstream registry's own address.
	Downloads string `toml:"downloads"`
	// A folder of OSV files, such as a clone of
	// https://github.com/rustsec/advisory-db at its branch osv. Empty: none.
	Advisories string `toml:"advisories"`
	// Whether the registry's web API is asked who published a version. Unknown
	// publishers wait the full time.
	AskPublishers bool `toml:"ask_publishers"`
}

// PersonConfig is who decides, by which tokens and at which command lines, and
// publishes with which accounts, so that nobody decides on a release of their own.
type PersonConfig struct {
	// What the person is called in decisions.
	Name string `toml:"name"`
	// The names of the person's tokens.
	Tokens []string `toml:"tokens"`
	// The person's user names on machines where they decide at the command line.
	Users []string `toml:"users"`
	// The person's accounts at the upstream registry; empty for none.
	Publishers []string `toml:"publishers"`
}

// TLSConfig is how this service is reached without a proxy before it.
type TLSConfig struct {
	// A file with the certificate chain, PEM, read again when it changes. With it
	// the address serves HTTPS and HTTP/2.
	Certificate string `toml:"certificate"`
	// A file with the certificate's private key, PEM.
	Key string `toml:"key"`
	// Whether plain HTTP may be upgraded to HTTP/2, as cargo offers: "loopback",
	// "always" (no proxy may stand in between) or "never".
	H2C string `toml:"h2c"`
}

// WebhookConfig is how a registry announces a new version: POST
// /api/v1/webhooks/publish with a Standard Webhooks signature.
type WebhookConfig struct {
	// Files that hold one signing secret each ("whsec_…"); any of them is
	// accepted, so that a secret can be changed without a gap. Empty: the file
	// webhook.secret in the data folder, made on first start.
	SecretFiles []string `toml:"secret_files"`
}

// LimitsConfig is what bounds the reading of a crate.
type LimitsConfig struct {
	// The largest .crate, in bytes.
	CrateBytes int64 `toml:"crate_bytes"`
	// The most that a .crate may unpack to, in bytes.
	UnpackedBytes int64 `toml:"unpacked_bytes"`
	// The most files in a .crate.
	Files int `toml:"files"`
}

// WorkerConfig is the part that fetches and checks.
type WorkerConfig struct {
	// How many check runs go on at once; of those that need a repository, as many
	// again. Each may take as much memory as limits.crate_bytes and
	// limits.unpacked_bytes together.
	Checks int `toml:"checks"`
	// How many downloads go on at once.
	Fetches int `toml:"fetches"`
	// How long one download may take.
	FetchTimeout Duration `toml:"fetch_timeout"`
	// The longest that any check may take; each has a timeout of its own, which
	// holds where it is shorter. "0s" leaves those.
	MaxCheckTimeout Duration `toml:"max_check_timeout"`
	// How often lost runs are looked for.
	RescueEvery Duration `toml:"rescue_every"`
	// How often runs of newer check versions, and of checks whose answers have
	// grown old, are queued.
	RefillEvery Duration `toml:"refill_every"`
	// How many answers are asked for again in an hour because they have grown old,
	// such as whether a commit is still public. The results before stay on record.
	// 0: none.
	RechecksPerHour int `toml:"rechecks_per_hour"`
	// How old an answer is then. "0s": each check's own time, a week for most.
	RecheckEvery Duration `toml:"recheck_every"`
}

// EgressConfig is what this service may reach. Without exceptions it speaks
// HTTPS only, to addresses that everybody can route to.
type EgressConfig struct {
	// An HTTP proxy for every outgoing connection, as in
	// "http://proxy.example:3128". The environment's proxy variables are ignored.
	Proxy string `toml:"proxy"`
	// Exceptions, each "PURPOSE=HOST:PORT" where PURPOSE is upstream or git: for
	// that host plain HTTP, private addresses and IP literals are allowed. For git
	// a path pattern may follow, as in "git=forge.example:443/team/*".
	Allow []string `toml:"allow"`
}

// Duration is a time.Duration written as in "1m30s".
type Duration time.Duration

// UnmarshalText reads "1m30s".
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as \"30s\" or \"1h\"", text)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes "1m30s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func defaultConfig() Config {
	return Config{
		Listen:    "127.0.0.1:8080",
		Data:      "cratefence-data",
		LogFormat: "text",
		Upstream:  UpstreamConfig{Index: "sparse+https://index.crates.io/", Name: "crates.io"},
		Fence: FenceConfig{
			Anonymous: []string{"default"},
			IndexTTL:  Duration(time.Minute), GateWait: Duration(10 * time.Second), MaxStale: Duration(15 * time.Minute),
			Downloads: "stream", AskPublishers: true,
		},
		TLS:    TLSConfig{H2C: "loopback"},
		Limits: LimitsConfig{CrateBytes: 64 << 20, UnpackedBytes: 512 << 20, Files: 50_000},
		Worker: WorkerConfig{
			Checks: 4, Fetches: 4,
			FetchTimeout:    Duration(2 * time.Minute),
			RescueEvery:     Duration(5 * time.Second),
			RefillEvery:     Duration(time.Minute),
			RechecksPerHour: 600,
		},
	}
}

// loadConfig reads a file over the defaults; an empty path is the defaults.
func loadConfig(path string) (Config, error) {
	cfg := defaultConfig()
	if path == "" {
		return cfg, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	decoder := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := decoder.Decode(&cfg); err != nil {
		return Config{}, fmt.Errorf("read configuration %q: %w", path, explainTOML(err))
	}
	if err := cfg.validate(); err != nil {
		return Config{}, fmt.Errorf("read configuration %q: %w", path, err)
	}
	return cfg, nil
}

// explainTOML turns go-toml's errors into one sentence with a place and, for an
// unknown key, the nearest one there is.
func explainTOML(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		row, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		if near := nearest.Of(key, configKeys()); near != "" {
			return fmt.Errorf("line %d: unknown key %q; did you mean %q?", row, key, near)
		}
		return fmt.Errorf("line %d: unknown key %q; 'cratefence serve --help' lists the keys", row, key)
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		row, col := decode.Position()
		if key := strings.Join(decode.Key(), "."); key != "" {
			return fmt.Errorf("line %d, column %d: key %q wants a value such as %s", row, col, key, defaultOf(key))
		}
		return fmt.Errorf("line %d, column %d: %w", row, col, err)
	}
	return err
}

// maxGateWait stays below cargo's http.timeout.
const maxGateWait = Duration(20 * time.Second)

// maxLimit is far from where adding to a limit would overflow.
const maxLimit = math.MaxInt32

func (c Config) validate() error {
	switch {
	case c.Worker.Checks < 1 || c.Worker.Fetches < 1:
		return errors.New("worker.checks and worker.fetches must be at least 1")
	case c.Worker.FetchTimeout <= 0 || c.Worker.RescueEvery <= 0 || c.Worker.RefillEvery <= 0:
		return errors.New("worker.fetch_timeout, worker.rescue_every and worker.refill_every must be above 0s")
	case c.Worker.RechecksPerHour < 0 || c.Worker.RecheckEvery < 0:
		return errors.New("worker.rechecks_per_hour and worker.recheck_every must not be negative")
	case c.Worker.MaxCheckTimeout < 0:
		return errors.New("worker.max_check_timeout must not be negative")
	case c.Limits.CrateBytes < 1 || c.Limits.UnpackedBytes < 1 || c.Limits.Files < 1:
		return errors.New("limits must be at least 1")
	case c.Limits.CrateBytes > maxLimit || c.Limits.UnpackedBytes > maxLimit || c.Limits.Files > maxLimit:
		return fmt.Errorf("limits must be at most %d: a crate is read into memory", int64(maxLimit))
	case c.Fence.IndexTTL < 0 || c.Fence.GateWait < 0 || c.Fence.MaxStale <= 0:
		return errors.New("fence.index_ttl and fence.gate_wait must not be negative, and fence.max_stale must be above 0s")
	case c.Fence.GateWait > maxGateWait:
		return fmt.Errorf("fence.gate_wait must be at most %s: cargo gives up on a server that is silent for 30s", time.Duration(maxGateWait))
	case c.Fence.Downloads != "stream" && c.Fence.Downloads != "redirect":
		return fmt.Errorf("fence.downloads %q: want \"stream\" or \"redirect\"", c.Fence.Downloads)
	case (c.TLS.Certificate == "") != (c.TLS.Key == ""):
		return errors.New("tls.certificate and tls.key are set both or not at all")
	case c.TLS.H2C != "loopback" && c.TLS.H2C != "always" && c.TLS.H2C != "never":
		return fmt.Errorf("tls.h2c %q: want \"loopback\", \"always\" or \"never\"", c.TLS.H2C)
	case c.LogFormat != "text" && c.LogFormat != "json":
		return fmt.Errorf("log_format %q: want \"text\" or \"json\"", c.LogFormat)
	case c.BaseURL != "" && !isWebURL(c.BaseURL):
		return fmt.Errorf("base_url %q: want https://HOST or http://HOST, with nothing after it", c.BaseURL)
	case c.Database != "" && c.DatabaseFile != "":
		return errors.New("database and database_file are both set; keep one")
	}
	return nil
}

// isWebURL reports whether s is where a browser could find us.
func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == ""
}

// databaseURL is the PostgreSQL address; "" means SQLite in the data folder.
func (c Config) databaseURL() (string, error) {
	if c.DatabaseFile == "" {
		return c.Database, nil
	}
	data, err := os.ReadFile(c.DatabaseFile)
	if err != nil {
		return "", fmt.Errorf("read database_file: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// databasePath is where SQLite keeps its file.
func (c Config) databasePath() string { return c.inData("cratefence.db") }

func (c Config) inData(name string) string { return filepath.Join(c.Data, name) }
