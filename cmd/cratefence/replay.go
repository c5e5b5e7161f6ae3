package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
)

// The replay is the pattern of the attack on arrayref of 2026-08-20, with crates
// of the demo's own: whoever took the account yanked the good versions, so that
// everybody would move, and published one that brought the crate's first
// dependency, on a crate made for the purpose minutes before.
const (
	replayCrate = "array-lens"
	replayBad   = "0.3.10"
	replayBait  = "proc-lens1"
)

// attacked are the releases of the replay that the fence takes in at once.
var attacked = []cratetest.Published{{Name: replayCrate, Version: replayBad}}

var replayGood = []string{"0.3.5", "0.3.6", "0.3.7", "0.3.8", "0.3.9"}

// before publishes the versions that were good for years.
func (w *world) before() error {
	for i, version := range replayGood {
		at := time.Date(2024, time.Month(1+2*i), 11, 9, 30, 0, 0, time.UTC)
		if err := w.publishReplay(replayCrate, version, "", at); err != nil {
			return err
		}
	}
	return nil
}

// attack does in one go what the attacker did in minutes. The fence at service
// has to know the crate from before.
func (w *world) attack(ctx context.Context, service string, now time.Time) error {
	if err := askIndex(ctx, service, replayCrate); err != nil {
		return err
	}
	if err := w.publishReplay(replayBait, "1.0.0", "", now.Add(-13*time.Minute)); err != nil {
		return err
	}
	for _, version := range replayGood {
		if err := w.index.Yank(replayCrate, version, true); err != nil {
			return err
		}
	}
	if err := w.publishReplay(replayCrate, replayBad, replayBait+" = \"1\"", now.Add(-9*time.Minute)); err != nil {
		return err
	}
	return askIndex(ctx, service, replayCrate)
}

func (w *world) publishReplay(name, version, dependency string, at time.Time) error {
	manifest := fmt.Sprintf("[package]\nname = %q\nversion = %q\nedition = \"2021\"\nlicense = \"MIT\"\ndescription = \"Part of the demo's replay of an attack\"\n\n[dependencies]\n%s\n", name, version, dependency)
	data, err := cratetest.Pack(cratetest.Package{Name: name, Version: version, Files: []cratetest.File{
		{Path: "Cargo.toml", Data: []byte(manifest)},
		{Path: "src/lib.rs", Data: []byte("#![no_std]\n")},
	}})
	if err != nil {
		return err
	}
	return w.index.Publish(name, version, data, at)
}

// askIndex asks the fence for a crate's index file, as a cargo does.
func askIndex(ctx context.Context, service, name string) error {
	base, err := url.Parse(service)
	if err != nil {
		return err
	}
	client, err := newServiceClient(base, time.Minute)
	if err != nil {
		return err
	}
	path, err := index.Path(name)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("p", "default", "index", path).String(), nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the fence for %q: %s", name, resp.Status)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}
