package main

import (
	"fmt"
	"strings"
)

// A cargoVersion is cargo's minor version and the whole of its text.
type cargoVersion struct {
	minor int
	text  string
}

// String is the version as cargo writes it.
func (v cargoVersion) String() string { return v.text }

func parseCargoVersion(said string) (cargoVersion, error) {
	var minor int
	words := strings.Fields(said)
	if _, err := fmt.Sscanf(said, "cargo 1.%d.", &minor); err != nil || len(words) < 2 {
		return cargoVersion{}, fmt.Errorf("cargo --version said %q: want \"cargo 1.MINOR.PATCH\"", strings.TrimSpace(said))
	}
	return cargoVersion{minor, words[1]}, nil
}

// Minor versions of cargo since which something works.
const (
	sinceSparse = 68  // sparse registries
	sinceAuth   = 74  // tokens for reading, by a credential provider
	sinceMinAge = 100 // cargo's own cool-off
)

// A setupPlan is what cargo is to use.
type setupPlan struct {
	cargo        cargoVersion
	policy       string
	index        string // "sparse+…/"
	token        bool
	registryOnly bool
}

// possible says what the installed cargo is too old for.
func (p setupPlan) possible() error {
	switch {
	case p.cargo.minor < sinceSparse:
		return fmt.Errorf("cargo %s knows no sparse registries: use 1.%d or later", p.cargo, sinceSparse)
	case p.token && p.cargo.minor < sinceAuth:
		return fmt.Errorf("cargo %s brings no token to a registry that it reads: use 1.%d or later", p.cargo, sinceAuth)
	}
	return nil
}

// lines are the lines of config.toml. The replacement points at a registry by its
// name, since one that is given by its address cannot authenticate.
func (p setupPlan) lines() string {
	var b strings.Builder
	if !p.registryOnly {
		b.WriteString("[source.crates-io]\nreplace-with = \"fence\"\n\n")
	}
	fmt.Fprintf(&b, "[registries.fence]\nindex = %q\n", p.index)
	if p.token {
		b.WriteString("credential-provider = [\"cargo:token\"]\n")
	}
	return b.String()
}

// notes say what to do next, a paragraph each.
func (p setupPlan) notes() []string {
	var notes []string
	if p.token {
		notes = append(notes, "Next: cargo login --registry fence, with a token of the scope fetch "+
			"(cratefence token create --scope fetch NAME); in CI set CARGO_REGISTRIES_FENCE_TOKEN instead.")
	}
	if p.registryOnly {
		notes = append(notes, `Dependencies come through the fence where Cargo.toml says so: NAME = { version = "1", registry = "fence" }.`)
	} else {
		notes = append(notes, "Cargo downloads each crate once more, through the fence. Lock files do not change. "+
			"cargo publish, search and owner now want to be told where: --registry crates-io.",
			"cargo install reads no project's file: for it, and for every project, write to config.toml in cargo's home "+
				"(cratefence setup --write=$HOME/.cargo/config.toml).")
	}
	if p.cargo.minor >= sinceMinAge {
		notes = append(notes, "This cargo has a cool-off of its own, which adds to the fence's and knows no exceptions. Where it is wanted, "+
			"set registry.global-min-publish-age, or registries.crates-io.min-publish-age: registries.fence.min-publish-age "+
			"has no effect on what the fence replaces.")
	}
	return notes
}
