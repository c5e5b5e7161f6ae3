package provenance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/checks/manifest"
)

// differences writes what the manifests of a result differ in: a line for each.
func differences(r *Result) string {
	var b strings.Builder
	for _, d := range r.Manifest.Differences {
		b.WriteString(string(d.Class))
		if d.Generated {
			b.WriteString(" generated")
		}
		if d.Known != "" {
			b.WriteString(" " + string(d.Known))
		}
		fmt.Fprintf(&b, ": %s: %s -> %s\n", manifest.Dotted(d.Path), d.Git, d.Published)
	}
	return b.String()
}

// What honest cargo makes of manifests, and from which workspace: none of it is a
// difference. Its rules are tested in package manifest.
func TestHonestManifests(t *testing.T) {
	tests := []struct{ name, at, fixture string }{
		{"inherited from a workspace", "crates/demo", `
-- Cargo.toml --
[workspace]
resolver = "3"
members = ["crates/*"]
exclude = ["crates/other"]
[workspace.package]
version = "3.1.0"
edition = "2024"
[workspace.dependencies]
a = "1.2"
b = { version = "2", package = "real-b", features = ["x"], default-features = false }
c = { version = "3", path = "crates/c", default-features = false }
-- crates/demo/Cargo.toml --
[package]
name = "demo"
version.workspace = true
edition = { workspace = true }
[dependencies]
a.workspace = true
b = { workspace = true, features = ["y"], optional = true }
c = { workspace = true, default-features = true }
-- crate/Cargo.toml --
[package]
name = "demo"
version = "3.1.0"
edition = "2024"
[dependencies.a]
version = "1.2"
[dependencies.b]
version = "2"
features = ["x", "y"]
optional = true
default-features = false
package = "real-b"
[dependencies.c]
version = "3"
`},
		{"a workspace that excludes it on the way to its own", "a/b/demo", `
-- Cargo.toml --
[workspace]
[workspace.dependencies]
x = "1"
-- a/Cargo.toml --
[workspace]
exclude = ["b"]
[workspace.dependencies]
x = "9"
-- a/b/demo/Cargo.toml --
[package]
name = "demo"
[dependencies]
x.workspace = true
-- crate/Cargo.toml --
[package]
name = "demo"
[dependencies.x]
version = "1"
`},
		{"a workspace named outright", "demo", `
-- ws/Cargo.toml --
[workspace]
[workspace.dependencies]
x = "1"
-- demo/Cargo.toml --
[package]
name = "demo"
workspace = "../ws"
[dependencies]
x.workspace = true
-- crate/Cargo.toml --
[package]
name = "demo"
[dependencies.x]
version = "1"
`},
		{"targets that are not packaged", "", `
-- Cargo.toml --
[package]
name = "demo"
build = "tools/build.rs"
[[bin]]
name = "x"
path = "tools/x.rs"
-- tools/build.rs --
-- tools/x.rs --
-- crate/tools/build.rs gone --
-- crate/tools/x.rs gone --
-- crate/Cargo.toml --
[package]
name = "demo"
build = false
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := compare(t, newFixture(t, test.at, test.fixture), test.at)
			if got := differences(r); got != "" {
				t.Errorf("differences:\n%s", got)
			}
			if r.Manifest.NoWorkspace {
				t.Error("no workspace was found")
			}
		})
	}
}

// Each side of a manifest's way from the repository into the crate.
func TestManifestSides(t *testing.T) {
	const committed = "[package]\nname = \"demo\"\nversion = \"1.0.0\"\ndescription = \"one\"\n[dependencies]\na = \"1\"\n"
	change := func(old, new string) string { return strings.Replace(committed, old, new, 1) }
	tests := []struct {
		name                        string
		repository, orig, published string
		want                        string
	}{
		{"the same", committed, committed, committed, ""},
		{
			"cargo's part", committed, committed, change(`a = "1"`, `a = "*"`),
			`build generated: dependencies.a.version: "1" -> "*"` + "\n",
		},
		{
			"the author's part", committed, change(`a = "1"`, `a = "*"`), change(`a = "1"`, `a = "*"`),
			`build: dependencies.a.version: "1" -> "*"` + "\n",
		},
		{ // told once, as what nobody's edit explains
			"back and forth", committed, change(`a = "1"`, `a = "2"`), committed,
			`build generated: dependencies.a.version: "2" -> "1"` + "\n",
		},
		{
			"a version raised when publishing", committed, change("1.0.0", "1.0.1"), change("1.0.0", "1.0.1"),
			`build version-bump: package.version: "1.0.0" -> "1.0.1"` + "\n",
		},
		{
			"words", committed, change("one", "two"), change("one", "two"),
			`metadata: package.description: "one" -> "two"` + "\n",
		},
		{
			"before manifests were generated", committed, "", change(`a = "1"`, `a = "*"`),
			`build: dependencies.a.version: "1" -> "*"` + "\n",
		},
		{
			"the repository's cannot be read", "[package\n", committed, committed, "unreadable \"\"\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := "-- Cargo.toml --\n" + test.repository + "-- crate/Cargo.toml --\n" + test.published
			if test.orig != "" {
				text += "-- crate/Cargo.toml.orig --\n" + test.orig
			} else {
				text += "-- crate/Cargo.toml.orig gone --\n"
			}
			r := compare(t, newFixture(t, "", text), "")
			got := differences(r)
			for _, u := range r.Manifest.Unreadable {
				got += fmt.Sprintf("unreadable %q\n", u.File)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOtherName(t *testing.T) {
	for _, text := range []string{
		"-- Cargo.toml --\n[package]\nname = \"serde\"\n",
		"-- Cargo.toml --\n[package]\nname = \"serde\"\n-- crate/Cargo.toml.orig --\n[package]\nname = \"demo\"\n",
	} {
		if got := compare(t, newFixture(t, "", text), "").Manifest.OtherName; got != "serde" {
			t.Errorf("the other name is %q, want %q", got, "serde")
		}
	}
}

// A workspace that cannot be found is said to be so; what is inherited is not
// taken for added.
func TestNoWorkspace(t *testing.T) {
	r := compare(t, newFixture(t, "demo", `
-- Cargo.toml --
[package]
name = "no-workspace"
-- demo/Cargo.toml --
[package]
name = "demo"
edition.workspace = true
[dependencies]
a.workspace = true
-- crate/Cargo.toml --
[package]
name = "demo"
edition = "2021"
[dependencies.a]
version = "1"
`), "demo")
	if got := differences(r); got != "" || !r.Manifest.NoWorkspace {
		t.Errorf("no workspace: %v, differences:\n%s", r.Manifest.NoWorkspace, got)
	}
}
