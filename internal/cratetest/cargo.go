package cratetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// A Cargo is a real cargo with a home of its own, so that neither configuration
// nor caches of the machine take part.
type Cargo struct {
	path string
	home string // scratch folder
}

// oldestCargo is the first minor version whose behaviour the tests know: it
// speaks to sparse registries and packages as today's do. Debian's is older.
const oldestCargo = 87

// NewCargo returns the installed cargo, working below the folder scratch. The
// error wraps ErrNoCargo where there is none, or only one that is too old.
func NewCargo(scratch string) (*Cargo, error) {
	path, err := exec.LookPath("cargo")
	if err != nil {
		return nil, fmt.Errorf("find cargo: %w", ErrNoCargo)
	}
	said, err := exec.Command(path, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("run cargo --version: %w", err)
	}
	var minor int
	if _, err := fmt.Sscanf(string(said), "cargo 1.%d.", &minor); err != nil || minor < oldestCargo {
		return nil, fmt.Errorf("%w: there is %q, and 1.%d or later is needed", ErrNoCargo, bytes.TrimSpace(said), oldestCargo)
	}
	home := filepath.Join(scratch, "cargo-home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("find cargo: %w", err)
	}
	return &Cargo{path: path, home: home}, nil
}

// Config writes the cargo home's config.toml.
func (c *Cargo) Config(toml string) error {
	return os.WriteFile(filepath.Join(c.home, "config.toml"), []byte(toml), 0o644)
}

// Run runs cargo in dir and returns what it printed; the error holds it, too.
func (c *Cargo) Run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = dir
	cmd.Env = append(gitEnv(),
		"CARGO_HOME="+c.home,
		"CARGO_TARGET_DIR="+c.target(),
		"CARGO_TERM_COLOR=never",
		// Where cargo is rustup's, it finds its toolchains by these.
		"RUSTUP_HOME="+cmp.Or(os.Getenv("RUSTUP_HOME"), filepath.Join(os.Getenv("HOME"), ".rustup")),
		"RUSTUP_TOOLCHAIN="+os.Getenv("RUSTUP_TOOLCHAIN"),
	)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("run cargo %s: %w: %s", args[0], err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

func (c *Cargo) target() string { return filepath.Join(c.home, "target") }

// Package runs `cargo package` on the package in dir, which has to be clean, and
// returns its .crate. Nothing is built and no registry is asked.
func (c *Cargo) Package(ctx context.Context, dir, name, version string) ([]byte, error) {
	if _, err := c.Run(ctx, dir, "package", "--no-verify", "--offline", "--quiet", "--package", name); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(c.target(), "package", name+"-"+version+".crate"))
}
