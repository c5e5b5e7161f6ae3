package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/store"
)

// world is the demo's outside: a git server, a registry, and what is published.
type world struct {
	git, registry *cratetest.Server
	index         *cratetest.Registry // what registry serves
	releases      []cratetest.Published
}

// startWorld makes the demo's repositories below dir and serves them and their
// crates on loopback.
func startWorld(ctx context.Context, dir string) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	gitHandler, err := cratetest.GitServer(dir)
	if err != nil {
		return nil, err
	}
	if w.git, err = cratetest.Serve("127.0.0.1:0", gitHandler); err != nil {
		return nil, err
	}
	if w.releases, err = cratetest.World(ctx, dir, w.git.URL); err != nil {
		return nil, err
	}
	w.index = cratetest.NewRegistry()
	for _, r := range w.releases {
		if err := w.index.Publish(r.Name, r.Version, r.Crate, r.PublishedAt); err != nil {
			return nil, err
		}
	}
	if err := w.before(); err != nil {
		return nil, err
	}
	w.registry, err = cratetest.Serve("127.0.0.1:0", w.index)
	return w, err
}

// close stops what was started.
func (w *world) close() error {
	var errs []error
	for _, s := range []*cratetest.Server{w.git, w.registry} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// announce tells the service of every release, as a registry would: by a signed
// webhook.
func (w *world) announce(ctx context.Context, service string, secret auth.WebhookSecret) error {
	base, err := url.Parse(service)
	if err != nil {
		return err
	}
	client, err := newServiceClient(base, time.Minute)
	if err != nil {
		return err
	}
	hook := base.JoinPath("api", "v1", "webhooks", "publish").String()
	for i, r := range w.releases {
		body, err := json.Marshal(map[string]any{
			"name": r.Name, "version": r.Version, "checksum": crate.Sum(r.Crate),
			"publisher": r.Publisher, "published_at": r.PublishedAt,
		})
		if err != nil {
			return err
		}
		if err := post(ctx, client, hook, fmt.Sprintf("demo-%d", i), body, secret); err != nil {
			return fmt.Errorf("announce %s %s: %w", r.Name, r.Version, err)
		}
	}
	return nil
}

// post sends a signed message.
func post(ctx context.Context, client *http.Client, url, id string, body []byte, secret auth.WebhookSecret) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	secret.Sign(req.Header, id, time.Now(), body)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, problemText(answer))
	}
	return nil
}

// waitChecked waits until every check has answered for each of releases, telling
// how far it is.
func waitChecked(ctx context.Context, db database, p *progress, releases []cratetest.Published) error {
	defer p.clear()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := allChecked(ctx, db, releases)
		if err != nil {
			return err
		}
		if done == len(releases) {
			return nil
		}
		p.say(fmt.Sprintf("checked %d of %d releases …", done, len(releases)))
		select {
		case <-ctx.Done():
			return fmt.Errorf("checked %d of %d releases in time: %w", done, len(releases), ctx.Err())
		case <-tick.C:
		}
	}
}

// allChecked counts the releases for which every check has answered.
func allChecked(ctx context.Context, db database, releases []cratetest.Published) (int, error) {
	done := 0
	for _, r := range releases {
		release, err := db.Release(ctx, r.Name, r.Version)
		if errors.Is(err, store.ErrNotFound) {
			continue // still being fetched
		}
		if err != nil {
			return 0, err
		}
		states, err := db.CheckStates(ctx, release.ID)
		if err != nil {
			return 0, err
		}
		n := 0
		for _, s := range states[release.ID] {
			if s.Counts != nil {
				n++
			}
		}
		if n == len(check.All()) {
			done++
		}
	}
	return done, nil
}

// hostPort is where a server of the world listens.
func hostPort(s *cratetest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
