// Command cratefence is the security fence for Rust crates: it checks published
// versions, shows what was found, and serves it to people and programs.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes of every subcommand.
const (
	exitOK    = 0
	exitFound = 1 // a check concluded failure (with --strict: or could not tell)
	exitUsage = 2 // bad usage, nothing to read, or the command could not do its work
)

// A terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}
