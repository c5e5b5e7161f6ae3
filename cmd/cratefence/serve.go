package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// serveCmd is `cratefence serve`.
type serveCmd struct {
	Listen string `placeholder:"ADDR" help:"Listen here instead of the configured address; port 0 picks a free one."`
}

func (serveCmd) Help() string {
	return `Needs no configuration: it listens on 127.0.0.1:8080 and keeps a SQLite database
and the crates in one folder, with workers inside. A registry announces a new
version to POST /api/v1/webhooks/publish, signed with the secret in
DATA/webhook.secret.

Examples:
  cratefence serve
  cratefence serve --listen 127.0.0.1:0 --data /var/lib/cratefence
  cratefence --config /etc/cratefence.toml serve

Configuration: a TOML file, named by --config. Every key with its default:
` + manualText()
}

func (c *serveCmd) Run(ctx context.Context, t *terminal, cli *cli) error {
	cfg, err := cli.config()
	if err != nil {
		return err
	}
	cfg.Listen = orElse(c.Listen, cfg.Listen)
	log := newLogger(t.err, cfg.LogFormat)
	s, err := startService(ctx, cfg, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "cratefence serves on %s (stop with Ctrl-C)\n", s.url)
	return s.wait(ctx)
}

func newLogger(out io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}
