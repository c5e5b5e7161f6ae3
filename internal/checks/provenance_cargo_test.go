package checks

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// packagedByCargo uses most of what cargo rewrites in a manifest.
const packagedByCargo = `
-- Cargo.toml --
[workspace]
members = ["crates/*"]
resolver = "2"

[workspace.package]
version = "1.4.0"
edition = "2021"
license-file = "LICENSE.txt"
repository = "https://example.org/o/demo"
rust-version = "1.60"

[workspace.dependencies]
base = "1"
again = { package = "base", version = "1.1", default-features = false, features = ["x"] }
sibling = { path = "crates/sibling", version = "0.1.0" }

[workspace.lints.rust]
unused = "warn"
-- LICENSE.txt --
free
-- README.md --
read me
-- docs/notes.md --
notes
-- crates/sibling/Cargo.toml --
[package]
name = "sibling"
version = "0.1.0"
-- crates/sibling/src/lib.rs --
-- crates/local/Cargo.toml --
[package]
name = "local"
version = "0.0.0"
[features]
y = []
-- crates/local/src/lib.rs --
-- crates/demo/Cargo.toml --
# Comments are not published.
[package]
name = "demo"
version.workspace = true
edition.workspace = true
license-file.workspace = true
repository.workspace = true
rust-version = { workspace = true }
description = "A demo"
readme = "../../README.md"
links = "sky"
exclude = ["tools"]

[lints]
workspace = true

[lib]
crate-type = ["lib"]

[[bin]]
name = "tool"
path = "tools/main.rs"

[features]
default = ["renamed"]
renamed = ["dep:ground"]
test = ["local/y", "base/x"]

[dependencies]
base.workspace = true
again = { workspace = true, features = ["y"], optional = true }
sibling = { workspace = true }
ground = { package = "base", version = ">= 1.0, < 3", optional = true, default-features = false }

[dev-dependencies]
local = { path = "../local" }
kept = { package = "base", version = "1.2" }

[build-dependencies]
base = "^1.2"

[target.'cfg(windows)'.dependencies]
base = { version = "1", features = ["x"] }

[profile.release]
debug = true

[package.metadata.docs.rs]
all-features = true
-- crates/demo/build.rs --
fn main() {}
-- crates/demo/src/lib.rs --
pub fn demo() {}
-- crates/demo/src/bin/second.rs --
fn main() {}
-- crates/demo/tools/main.rs --
fn main() {}
-- crates/demo/examples/show.rs --
fn main() {}
-- crates/demo/run.sh +x --
#!/bin/sh
-- crates/demo/NOTES.md -> ../../docs/notes.md --
-- crates/demo/notes -> ../../docs --
`

const baseCrate = `
-- Cargo.toml --
[package]
name = "base"
version = "1.2.0"
[features]
default = []
x = []
y = []
-- src/lib.rs --
`

const siblingCrate = `
-- Cargo.toml --
[package]
name = "sibling"
version = "0.1.0"
-- src/lib.rs --
`

// packagedDemo is what a real cargo packages of packagedByCargo, and the forge that
// has its repository.
func packagedDemo(t *testing.T) (*forge, *check.Subject) {
	t.Helper()
	registry := cratetest.NewRegistry()
	for name, crate := range map[string]struct{ version, text string }{"base": {"1.2.0", baseCrate}, "sibling": {"0.1.0", siblingCrate}} {
		if err := registry.Publish(name, crate.version, cratetest.MustPackText(t, name, crate.version, crate.text), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	index := cratetest.IndexURL(cratetest.MustServe(t, registry))
	cargo := cratetest.MustCargo(t)
	if err := cargo.Config(fmt.Sprintf("[source.crates-io]\nreplace-with = \"small\"\n[source.small]\nregistry = %q\n", index)); err != nil {
		t.Fatal(err)
	}
	f := newForge(t, packagedByCargo)
	out := t.TempDir()
	if _, err := cargo.Run(t.Context(), f.repository.Dir, "package", "--no-verify", "--target-dir", out, "--package", "demo"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(out, "package", "demo-1.4.0.crate"))
	if err != nil {
		t.Fatal(err)
	}
	s := subject("demo", "1.4.0", data)
	if s.ArchiveErr != nil {
		t.Fatal(s.ArchiveErr)
	}
	s.Repository, s.Source = f.url+"/o/demo", f.source(t)
	return f, s
}

// What a real cargo packages from a real repository is accounted for, all of it.
func TestProvenanceOfCargo(t *testing.T) {
	_, s := packagedDemo(t)
	r, facts := runCheck(t, s)
	if r.Conclusion != check.Success || len(r.Findings) > 0 {
		t.Errorf("concludes %s, %q: %+v", r.Conclusion, r.Title, r.Findings)
	}
	want := map[provenance.Kind]int{provenance.Exact: 6, provenance.Linked: 2, provenance.Copied: 2, provenance.Generated: 3}
	if diff := cmp.Diff(want, facts.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if facts.Dirty || facts.Workspace == nil || *facts.Workspace != "" {
		t.Errorf("facts %+v", facts)
	}
}
