package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
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
	boundMemory(memoryGoal(cfg))
	collectEarly()
	s, err := startService(ctx, cfg, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "cratefence serves on %s (stop with Ctrl-C)\n", s.url)
	return s.wait(ctx)
}

// boundMemory has garbage collected in time: unpacked crates are large and soon
// done with, and by default the heap may be twice what is in use. It is a goal
// and no wall; GOMEMLIMIT in the environment goes before it.
func boundMemory(goal int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(goal)
	}
}

// heapGrowth is how much garbage there may be, in percent of what is in use.
const heapGrowth = 75

// collectEarly has less garbage lie about than by default, where the heap grows
// to twice what is in use: nearly all that a fence holds is a registry's index,
// hundreds of megabytes that stay, and the machine would have to have as much again
// for garbage. It is no less than this because each collection looks at every crate,
// which an answer pays its share of. GOGC in the environment goes before it.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
}

// memoryGoal is one crate of the largest kind for each worker, and one on its way
// in. Numbers too large to be meant are no limit.
func memoryGoal(cfg Config) int64 {
	each := float64(cfg.Limits.CrateBytes) + float64(cfg.Limits.UnpackedBytes)
	if goal := (float64(cfg.Worker.Checks) + 1) * each; goal < math.MaxInt64/2 {
		return max(int64(goal), 256<<20)
	}
	return math.MaxInt64
}

func newLogger(out io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, nil))
	}
	return slog.New(slog.NewTextHandler(out, nil))
}
