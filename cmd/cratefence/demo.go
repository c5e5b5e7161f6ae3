package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
)

// demoCmd is `cratefence demo`.
type demoCmd struct {
	Listen string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Where the pages are served (${default}); port 0 picks a free one."`
	JSON   bool   `name:"json" help:"Print one line of JSON once everything is checked."`
}

func (demoCmd) Help() string {
	return `Starts a small registry and a git server of its own on loopback, with crates built
on the spot: honest ones, one with a source file that its repository lacks, one
whose published manifest gained a dependency, one without a recorded commit, and
a hostile archive. It publishes them through the webhook, as a registry would,
replays the attack on arrayref of August 2026 behind the fence, and prints the
page to open and how a cargo gets through it. Needs git, and no network. Its data goes to a
temporary folder, or to the one that --data names.

Examples:
  cratefence demo
  cratefence demo --listen 127.0.0.1:0 --json`
}

// demoTimeout bounds the time until everything is checked.
const demoTimeout = 2 * time.Minute

// demoReady is the line that --json prints.
type demoReady struct {
	Web      string `json:"web"`
	API      string `json:"api"`
	Fence    string `json:"fence"`    // the index that cargo is pointed at
	Upstream string `json:"upstream"` // the registry behind it
}

func (c *demoCmd) Run(ctx context.Context, t *terminal, cli *cli) (err error) {
	dir, remove, err := demoFolder(cli.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	w, err := startWorld(ctx, filepath.Join(dir, "world"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	cfg := defaultConfig()
	cfg.Listen, cfg.Data = c.Listen, filepath.Join(dir, "data")
	cfg.Upstream.Index, cfg.Upstream.Name = cratetest.IndexURL(w.registry.URL), "the demo's registry"
	cfg.Fence.IndexTTL = Duration(0) // what happens upstream is seen at once
	if cfg.Fence.Policies, err = demoPolicies(dir, time.Now()); err != nil {
		return err
	}
	cfg.Egress.Allow = []string{"upstream=" + hostPort(w.registry), "git=" + hostPort(w.git)}
	log := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := startService(ctx, cfg, log)
	if err != nil {
		return err
	}
	if err := c.publish(ctx, t, s, w, cfg); err != nil {
		return errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s.wait(ctx)
}

// publish announces the world's releases, waits until they are checked and says
// where to look.
func (c *demoCmd) publish(ctx context.Context, t *terminal, s *service, w *world, cfg Config) error {
	secrets, err := webhookSecrets(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	if err := w.announce(ctx, s.url, secrets[0]); err != nil {
		return err
	}
	if err := waitChecked(ctx, s.db, newProgress(t.err), w.releases); err != nil {
		return err
	}
	if err := w.attack(ctx, s.url, time.Now()); err != nil {
		return err
	}
	if err := waitChecked(ctx, s.db, newProgress(t.err), attacked); err != nil {
		return err
	}
	ready := demoReady{
		Web: s.url, API: s.url + "/api/v1",
		Fence: "sparse+" + s.url + "/p/default/index/", Upstream: cratetest.IndexURL(w.registry.URL),
	}
	if c.JSON {
		return json.NewEncoder(t.out).Encode(ready)
	}
	ready.print(t, w)
	return nil
}

func (r demoReady) print(t *terminal, w *world) {
	fmt.Fprintf(t.out, "%d releases are published and checked. Open:\n\n", len(w.releases))
	fmt.Fprintf(t.out, "  %s/\n", r.Web)
	for _, release := range w.releases {
		fmt.Fprintf(t.out, "  %s/crates/%s/%s/security\n", r.Web, release.Name, release.Version)
	}
	fmt.Fprintf(t.out, `
An attack like that on arrayref was replayed behind the fence: %[1]s 0.3.5 to
0.3.9 were yanked together, and %[2]s brought a first dependency, %[3]s,
which is minutes old. Why it is kept back, and what waits for a person:

  %[4]s/crates/%[1]s/%[2]s/fence
  %[4]s/queue

What a cargo gets, in an empty folder (0.3.9, and none of it from the network):

  cargo init --name guarded
  printf '[source.crates-io]\nreplace-with="demo"\n[source.demo]\nregistry="%%s"\n' \
    %[5]s > demo.toml
  cargo add %[1]s --config demo.toml
  cargo build --config demo.toml

What a cargo without the fence locks (%[2]s), and what the fence says to that lock
file, with what to do about it:

  cargo update --config demo.toml --config 'source.demo.registry="%[7]s"'
  cargo build --config demo.toml
  cargo update --config demo.toml

'cratefence setup --url %[4]s' prints the lines for .cargo/config.toml.
The API is at %[6]s, the registry behind the fence at
%[7]s. Stop with Ctrl-C.
`, replayCrate, replayBad, replayBait, r.Web, r.Fence, r.API, r.Upstream)
}

// demoPolicies writes the demo's policy: the preset, and as the baseline the day
// on which the demo starts.
func demoPolicies(dir string, now time.Time) (string, error) {
	path := filepath.Join(dir, "policies.toml")
	text := "[policy.default]\npreset = \"medium\"\nbaseline = " + now.UTC().Format(time.DateOnly) + "\n"
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// demoFolder is where the demo keeps its data, and how to be rid of it: named, or
// a temporary folder.
func demoFolder(named string) (dir string, remove func() error, err error) {
	if named != "" {
		// The repositories' addresses change with every start, and stand in the
		// manifests: an earlier demo's crates would be other bytes.
		if entries, err := os.ReadDir(named); err == nil && len(entries) > 0 {
			return "", nil, fmt.Errorf("the folder %q is not empty; name one for this demo alone", named)
		}
		return named, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", "cratefence-demo-*")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
