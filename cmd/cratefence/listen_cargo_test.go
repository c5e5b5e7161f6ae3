package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
)

// Cargo fetches a whole graph over connections that it upgraded to HTTP/2.
func TestCargoUpgrades(t *testing.T) {
	const crates = 30
	cargo := cratetest.MustCargo(t)
	known := cratetest.NewRegistry()
	var wanted strings.Builder
	for i := range crates {
		name := fmt.Sprintf("foo%d", i)
		data := cratetest.MustPackText(t, name, "1.0.0", "-- Cargo.toml --\n[package]\nname = \""+name+"\"\nversion = \"1.0.0\"\nedition = \"2021\"\n-- src/lib.rs --\n//! Foo.\n")
		if err := known.Publish(name, "1.0.0", data, time.Time{}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&wanted, "%s = \"1\"\n", name)
	}
	var mu sync.Mutex
	protocols := map[string]int{}
	_, addr := startFront(t, frontConfig{H2C: h2cLoopback, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		protocols[r.Proto]++
		mu.Unlock()
		known.ServeHTTP(w, r)
	})})
	if err := cargo.Config("[source.crates-io]\nreplace-with = \"fence\"\n[registries.fence]\nindex = \"" + cratetest.IndexURL("http://"+addr) + "\"\n"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	manifest := "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n" + wanted.String()
	for name, text := range map[string]string{"Cargo.toml": manifest, "lib.rs": "//! App.\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := cargo.Run(t.Context(), dir, "fetch"); err != nil {
		t.Fatal(err)
	}
	// What begins a connection comes as HTTP/1.1, and is answered as HTTP/2.
	if one, two := protocols["HTTP/1.1"], protocols["HTTP/2.0"]; one > 6 || two < 2*crates-6 {
		t.Errorf("%d requests came over HTTP/1.1 and %d over HTTP/2, want nearly all %d over HTTP/2", one, two, 2*crates+1)
	}
}
