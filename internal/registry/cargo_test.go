package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/policy"
)

// A cargoWorld is a fence that a real cargo uses in the place of crates.io.
type cargoWorld struct {
	*world
	t     *testing.T
	cargo *cratetest.Cargo
	base  string
	known *cratetest.Registry

	mu       sync.Mutex
	requests []*http.Request
}

func newCargoWorld(t *testing.T) *cargoWorld {
	w := &cargoWorld{world: newWorld(), t: t, cargo: cratetest.MustCargo(t), known: cratetest.NewRegistry()}
	w.start()
	return w
}

// start serves the fence as w.deps have it.
func (w *cargoWorld) start() {
	handler := New(w.deps)
	w.base = cratetest.MustServe(w.t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r)
		w.mu.Unlock()
		handler.ServeHTTP(rw, r)
	}))
}

// publish puts a version of the crate foo behind the fence; held ones are served
// as yanked.
func (w *cargoWorld) publish(policyName, version string, state policy.State) {
	w.t.Helper()
	data := cratetest.MustPackText(w.t, "foo", version, "-- Cargo.toml --\n[package]\nname = \"foo\"\nversion = \""+version+"\"\nedition = \"2021\"\n-- src/lib.rs --\n//! Foo.\n")
	if err := w.known.Publish("foo", version, data, noon); err != nil {
		w.t.Fatal(err)
	}
	if state.Verdict() != policy.Allow {
		if err := w.known.Yank("foo", version, true); err != nil {
			w.t.Fatal(err)
		}
	}
	w.release(policyName, "foo", version, data, state)
	file := httptest.NewRecorder()
	w.known.ServeHTTP(file, httptest.NewRequest(http.MethodGet, "/index/3/f/foo", nil))
	w.gate.serve(policyName+"/foo", file.Body.String())
}

// project makes a package that depends on foo, and returns its folder.
func (w *cargoWorld) project(policyName, requirement, more string) string {
	w.t.Helper()
	config := fmt.Sprintf("[source.crates-io]\nreplace-with = \"fence\"\n[registries.fence]\nindex = \"sparse+%s/p/%s/index/\"\n%s\n[net]\nretry = 0\n", w.base, policyName, more)
	if err := w.cargo.Config(config); err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	for name, text := range map[string]string{
		"Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nfoo = \"" + requirement + "\"\n",
		"src/lib.rs": "//! App.\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

// run runs cargo and returns what it printed; want says whether it may fail.
func (w *cargoWorld) run(dir string, fails bool, args ...string) string {
	w.t.Helper()
	out, err := w.cargo.Run(w.t.Context(), dir, args...)
	if (err != nil) != fails {
		w.t.Fatalf("cargo %s: %v, want failure %v", args[0], err, fails)
	}
	return out
}

// A held version is not resolved to; one that is locked to is refused with our
// words.
func TestCargoIsTold(t *testing.T) {
	w := newCargoWorld(t)
	w.publish("default", "1.0.0", policy.Allowed)
	w.publish("default", "1.0.1", policy.Held)
	dir := w.project("default", "1", "")
	w.run(dir, false, "fetch")
	lock, err := os.ReadFile(filepath.Join(dir, "Cargo.lock"))
	if err != nil || !strings.Contains(string(lock), `version = "1.0.0"`) {
		t.Fatalf("locked %s (%v), want 1.0.0", lock, err)
	}
	w.run(dir, false, "update", "foo", "--precise", "1.0.1")
	out := w.run(dir, true, "fetch")
	for _, want := range []string{"got 403", "foo 1.0.1", "published 9 minutes ago (cool-off 7d)", w.base + "/r/8f3k", "x-served-by: cratefence/"} {
		if !strings.Contains(strings.ReplaceAll(out, "X-Served-By", "x-served-by"), want) { // spelled by cargo's version
			t.Errorf("cargo printed:\n%s\nwant in it %q", out, want)
		}
	}
}

// A policy that wants a token gets it from cargo with index and downloads, and
// upstream's address never sees it.
func TestCargoBringsItsToken(t *testing.T) {
	w := newCargoWorld(t)
	var leaked []string
	cdn := cratetest.MustServe(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" || strings.Contains(r.URL.String(), "secret") {
			leaked = append(leaked, r.URL.String())
		}
		rw.Write(w.upstream.byName["foo-1.0.0"])
	}))
	w.deps.Upstream, w.deps.Redirect = elsewhere{fakeUpstream{w.world.upstream}, cdn}, true
	w.start()
	w.publish("strict", "1.0.0", policy.Allowed)

	dir := w.project("strict", "1", "")
	out := w.run(dir, true, "fetch")
	if !strings.Contains(out, "credential-provider") && !strings.Contains(out, "token") {
		t.Errorf("cargo without a token printed:\n%s\nwant it to ask for one", out)
	}
	dir = w.project("strict", "1", "credential-provider = [\"cargo:token\"]\ntoken = \"wrong\"")
	out = w.run(dir, true, "fetch")
	if !strings.Contains(out, "token rejected for `fence`") || !strings.Contains(out, "the token is not known here") {
		t.Errorf("cargo with a wrong token printed:\n%s", out)
	}
	dir = w.project("strict", "1", "credential-provider = [\"cargo:token\"]\ntoken = \"ci-secret\"")
	w.run(dir, false, "fetch")
	if len(leaked) > 0 {
		t.Errorf("the token reached upstream: %q", leaked)
	}
	if n := len(w.fetches.seen); n == 0 || w.fetches.seen[n-1].Actor != "token:ci" || !w.fetches.seen[n-1].Passed {
		t.Errorf("fetches %+v, want one of token:ci", w.fetches.seen)
	}
}

// elsewhere is an upstream at another address.
type elsewhere struct {
	fakeUpstream
	base string
}

func (e elsewhere) URL(_ context.Context, name, version string, _ crate.Checksum) (string, error) {
	return e.base + "/" + name + "-" + version + ".crate", nil
}

// A token in the registry's URL is refused with a sentence.
func TestCargoWithATokenInTheURL(t *testing.T) {
	w := newCargoWorld(t)
	w.publish("default", "1.0.0", policy.Allowed)
	dir := w.project("default", "1", "")
	// Under [registries] cargo refuses it by itself.
	config := "[source.crates-io]\nreplace-with = \"fence\"\n[source.fence]\nregistry = \"sparse+" +
		strings.Replace(w.base, "http://", "http://user:hunter2@", 1) + "/p/default/index/\"\n"
	if err := w.cargo.Config(config); err != nil {
		t.Fatal(err)
	}
	out := w.run(dir, true, "fetch")
	if !strings.Contains(out, "a user name or password in the registry's URL is not read here") {
		t.Errorf("cargo printed:\n%s", out)
	}
	if strings.Contains(w.log.String(), "hunter2") {
		t.Error("the log tells the password")
	}
}

// Cargo revalidates with the tag that it was given, and takes the 304.
func TestCargoRevalidates(t *testing.T) {
	w := newCargoWorld(t)
	w.publish("default", "1.0.0", policy.Allowed)
	dir := w.project("default", "1", "")
	w.run(dir, false, "fetch")
	w.run(dir, false, "update")
	last := w.requests[len(w.requests)-1]
	if got := last.Header.Get("If-None-Match"); got != w.gate.files["default/foo"].ETag {
		t.Errorf("last request %s with If-None-Match %q, want the file's tag", last.URL, got)
	}
}
