package cratetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/upstream"
)

const base = `
-- Cargo.toml --
[package]
name = "base"
version = "1.2.0"
edition = "2021"
-- src/lib.rs --
pub const ANSWER: u32 = 42;
`

const user = `
-- Cargo.toml --
[package]
name = "user"
version = "0.3.1"
edition = "2021"
links = "sky"
rust-version = "1.70"
build = "build.rs"

[features]
default = ["plain"]
plain = []
renamed = ["dep:ground"]

[dependencies]
base = "1"
ground = { package = "base", version = "1.1", optional = true, default-features = false, features = ["x"] }

[build-dependencies]
base = "^1.2"

[dev-dependencies.base]
version = "1"

[target.'cfg(windows)'.dependencies]
base = { version = "1" }
-- src/lib.rs --
pub use base::ANSWER;
-- build.rs --
fn main() {}
`

func TestIndexLine(t *testing.T) {
	data := MustPackText(t, "user", "0.3.1", user)
	got, err := indexLine("user", "0.3.1", data)
	if err != nil {
		t.Fatal(err)
	}
	none := []string{}
	want := index.Line{
		Name: "user", Vers: "0.3.1", Cksum: crate.Sum(data),
		Deps: []index.Dep{
			{Name: "base", Req: "1", Features: none, DefaultFeatures: true, Kind: index.Normal},
			{Name: "ground", Package: "base", Req: "1.1", Features: []string{"x"}, Optional: true, Kind: index.Normal},
			{Name: "base", Req: "^1.2", Features: none, DefaultFeatures: true, Kind: index.Build},
			{Name: "base", Req: "1", Features: none, DefaultFeatures: true, Kind: index.Dev},
			{Name: "base", Req: "1", Features: none, DefaultFeatures: true, Kind: index.Normal, Target: "cfg(windows)"},
		},
		Features:  map[string][]string{"default": {"plain"}, "plain": {}},
		Features2: map[string][]string{"renamed": {"dep:ground"}},
		V:         2, Links: "sky", RustVersion: "1.70",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("indexLine (-want +got):\n%s", diff)
	}
}

func publish(t *testing.T, r *Registry, name, version string, data []byte) {
	t.Helper()
	if err := r.Publish(name, version, data, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
}

// Our own client and the registry understand each other.
func TestRegistry(t *testing.T) {
	data := MustPackText(t, "base", "1.2.0", base)
	r := NewRegistry()
	publish(t, r, "base", "1.2.0", data)
	if err := r.Publish("base", "1.2.0", data, time.Time{}); err == nil {
		t.Error("a version is published twice")
	}
	publish(t, r, "crooked-box", "0.0.7", []byte("not an archive"))
	client, err := upstream.New(IndexURL(MustServe(t, r)), http.DefaultClient, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	line, err := client.Line(t.Context(), "base", "1.2.0")
	if err != nil || line.Yanked || line.Pubtime.IsZero() {
		t.Fatalf("Line = %+v, %v, want it not yanked and with its time", line, err)
	}
	got, err := client.DownloadRelease(t.Context(), "base", "1.2.0", line.Cksum)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("download of %d bytes: %v, want what was published", len(got), err)
	}
	if _, err := client.Line(t.Context(), "crooked-box", "0.0.7"); err != nil {
		t.Errorf("an archive that nobody can read has no line: %v", err)
	}
	if err := r.Yank("base", "1.2.0", true); err != nil {
		t.Fatal(err)
	}
	if line, err := client.Line(t.Context(), "base", "1.2.0"); err != nil || !line.Yanked {
		t.Errorf("Line = %+v, %v, want it yanked", line, err)
	}
	if err := r.Yank("base", "9.9.9", true); err == nil {
		t.Error("a version that does not exist is yanked")
	}

	r.Misbehave("/dl/base/1.2.0", Bytes([]byte("other")))
	if _, err := client.DownloadRelease(t.Context(), "base", "1.2.0", line.Cksum); !errors.Is(err, upstream.ErrChecksum) {
		t.Errorf("download of other bytes = %v, want ErrChecksum", err)
	}
	r.Misbehave("/dl/base/1.2.0", Endless())
	if _, err := client.DownloadRelease(t.Context(), "base", "1.2.0", line.Cksum); !errors.Is(err, upstream.ErrTooLarge) {
		t.Errorf("download without end = %v, want ErrTooLarge", err)
	}
	r.Misbehave("/dl/base/1.2.0", Hang())
	hung, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := client.DownloadRelease(hung, "base", "1.2.0", line.Cksum); !errors.Is(err, upstream.ErrUnreachable) {
		t.Errorf("download that hangs = %v, want ErrUnreachable", err)
	}
	r.Misbehave("/dl/base/1.2.0", nil)
	if _, err := client.DownloadRelease(t.Context(), "base", "1.2.0", line.Cksum); err != nil {
		t.Errorf("download of a registry that behaves again: %v", err)
	}
}

func TestRegistryRevalidates(t *testing.T) {
	r := NewRegistry()
	publish(t, r, "base", "1.2.0", MustPackText(t, "base", "1.2.0", base))
	url := MustServe(t, r) + "/index/ba/se/base"
	get := func(etag string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", etag)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp
	}
	etag := get("").Header.Get("ETag")
	if code := get(etag).StatusCode; code != http.StatusNotModified {
		t.Errorf("status %d for the ETag just given, want 304", code)
	}
	if err := r.Yank("base", "1.2.0", true); err != nil {
		t.Fatal(err)
	}
	if code := get(etag).StatusCode; code != http.StatusOK {
		t.Errorf("status %d for an ETag from before, want 200", code)
	}
}

// A real cargo resolves, downloads and builds from the registry in crates.io's
// place, and notices a yank.
func TestCargoUsesTheRegistry(t *testing.T) {
	cargo := MustCargo(t)
	r := NewRegistry()
	publish(t, r, "base", "1.2.0", MustPackText(t, "base", "1.2.0", base))
	publish(t, r, "base", "1.3.0", MustPackText(t, "base", "1.3.0", strings.Replace(base, "1.2.0", "1.3.0", 1)))
	publish(t, r, "user", "0.3.1", MustPackText(t, "user", "0.3.1", user))
	if err := r.Yank("base", "1.3.0", true); err != nil {
		t.Fatal(err)
	}
	err := cargo.Config("[source.crates-io]\nreplace-with = \"local\"\n" +
		"[source.local]\nregistry = \"" + IndexURL(MustServe(t, r)) + "\"\n")
	if err != nil {
		t.Fatal(err)
	}
	app := t.TempDir()
	write(t, app, `
-- Cargo.toml --
[package]
name = "app"
version = "0.0.0"
edition = "2021"

[dependencies]
user = "0.3"
-- src/lib.rs --
pub fn answer() -> u32 {
    user::ANSWER
}
`)
	if _, err := cargo.Run(t.Context(), app, "check", "--quiet"); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(filepath.Join(app, "Cargo.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(lock), "name = \"base\"\nversion = \"1.2.0\"") {
		t.Errorf("cargo locked another version than the one that is not yanked:\n%s", lock)
	}
}

// write puts the files of a text in txtar form below dir.
func write(t *testing.T, dir, text string) {
	t.Helper()
	for _, f := range txtar.Parse([]byte(text)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
