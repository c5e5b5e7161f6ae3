package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/lockfile"
)

const (
	resolveWant  = 700 // packages
	resolveDelay = 10 * time.Millisecond
)

// BenchmarkResolve has a real cargo lock about 700 packages from nothing, 20 ms
// away, through the fence and from a server of the same files as they are, in
// turns: "ratio" is the fence's time by the other's.
func BenchmarkResolve(b *testing.B) {
	cratetest.MustCargo(b)
	g := benchGraph(b)
	upstream := cratetest.MustServe(b, indexHandler(func(path string) ([]byte, bool) {
		body, ok := g.files[path]
		return body, ok
	}))
	folder := b.TempDir()
	g.write(b, folder)
	for _, bb := range []struct {
		name string
		h2c  string
		cold bool // the fence has seen nothing yet, and asks upstream
	}{
		{"h2c", h2cLoopback, false},
		{"http1", h2cNever, false},
		{"cold", h2cLoopback, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var fence, plain time.Duration
			var packages int
			f := newBenchFence(b, upstream, benchPolicies[:1], "[tls]\nh2c = \""+bb.h2c+"\"\n")
			f.token = "" // anybody may ask
			if !bb.cold {
				f.run(b, "import-index", "--undated-as-old", folder)
			}
			for b.Loop() {
				if bb.cold {
					if err := os.RemoveAll(filepath.Join(f.dir, "data")); err != nil {
						b.Fatal(err)
					}
				}
				f.start(b)
				if !bb.cold {
					for path := range g.files { // whatever a fence does once is done
						f.record(b, g.path(path))
					}
				}
				took, n := g.resolve(b, f.process, g.prefix())
				fence, packages = fence+took, n
				bare := startBare(b, g.answers(b, f), bb.h2c)
				took, _ = g.resolve(b, bare, g.prefix())
				plain += took
				bare.kill()
				f.process.kill()
			}
			b.ReportMetric(fence.Seconds()/float64(b.N), "fence-s")
			b.ReportMetric(plain.Seconds()/float64(b.N), "plain-s")
			b.ReportMetric(fence.Seconds()/plain.Seconds(), "ratio")
			b.ReportMetric(float64(packages), "packages")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A graph is an index of the crates that a package depends on, all in all.
type graph struct {
	roots []string
	files map[string][]byte // by path: "/index/…"
}

// benchGraph takes crates until they depend on enough others.
func benchGraph(b *testing.B) graph {
	spec := cratetest.IndexSpec{Crates: 20_000, Versions: 600_000, End: time.Now().UTC().AddDate(0, -1, 0)} // nothing is held
	spec.Edges = benchEdges(b)
	x, err := cratetest.NewWholeIndex(spec)
	if err != nil {
		b.Fatal(err)
	}
	number := map[string]int{}
	for i := range x.Len() {
		number[x.Name(i)] = i
	}
	g := graph{files: map[string][]byte{}}
	for i := 1000; len(g.files) < resolveWant && i < x.Len(); i += 97 {
		more := g.reach(b, x, number, i)
		if len(more) == 0 || len(g.files)+len(more) > resolveWant+resolveWant/20 {
			continue
		}
		g.roots = append(g.roots, x.Name(i))
		maps.Copy(g.files, more)
	}
	return g
}

// reach returns the files that crate i adds.
func (g graph) reach(b *testing.B, x *cratetest.WholeIndex, number map[string]int, i int) map[string][]byte {
	more := map[string][]byte{}
	for todo := []int{i}; len(todo) > 0; todo = todo[1:] {
		path := "/index/" + indexPath(b, x.Name(todo[0]))
		if g.files[path] != nil || more[path] != nil {
			continue
		}
		more[path] = resolvable(x.File(todo[0]))
		file, err := index.Parse(more[path])
		if err != nil {
			b.Fatal(err)
		}
		for _, d := range file.Lines[len(file.Lines)-1].Deps {
			todo = append(todo, number[d.Name])
		}
	}
	return more
}

var requirement = regexp.MustCompile(`"req":"[^"]*"`)

// resolvable has made-up lines be such as cargo takes: the newest version of a
// crate is there, and does for all that depend on it.
func resolvable(file []byte) []byte {
	file = requirement.ReplaceAll(file, []byte(`"req":"*"`))
	file = bytes.ReplaceAll(file, []byte(`"dep-of-feature/std"`), []byte(`"default"`))
	newest := 1 + bytes.LastIndexByte(file[:len(file)-1], '\n')
	line := bytes.Replace(file[newest:], []byte(`"yanked":true`), []byte(`"yanked":false`), 1)
	if !bytes.Contains(line, []byte(`"pubtime"`)) {
		line = bytes.Replace(line, []byte(`"yanked":false`), []byte(`"yanked":false,"pubtime":"2025-01-01T00:00:00Z"`), 1)
	}
	return append(file[:newest:newest], line...)
}

// benchEdges are the edges of the file that CRATEFENCE_EDGES names, if it does.
// Those are left out that lead to a crate that fewer others depend on: like that,
// nothing depends on itself.
func benchEdges(b *testing.B) io.Reader {
	path := os.Getenv("CRATEFENCE_EDGES")
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = bufio.NewReader(f)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			b.Fatal(err)
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		b.Fatal(err)
	}
	dependents := map[string]int{}
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			b.Fatalf("%s: %q is not DEPENDENT DEPENDENCY KINDS", path, line)
		}
		dependents[string(fields[1])]++
	}
	var upwards bytes.Buffer
	for line := range bytes.Lines(data) {
		fields := bytes.Fields(line)
		if dependents[string(fields[0])] < dependents[string(fields[1])] {
			upwards.Write(line)
		}
	}
	return &upwards
}

func (g graph) write(b *testing.B, folder string) {
	b.Helper()
	for path, body := range g.files {
		file := filepath.Join(folder, strings.TrimPrefix(path, "/index/"))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

func (graph) prefix() string { return "/p/" + benchPolicies[0] }

func (g graph) path(file string) string { return g.prefix() + file }

// answers are what a fence answers with, and a config.json.
func (g graph) answers(b *testing.B, f *benchFence) map[string]bareAnswer {
	b.Helper()
	answers := map[string]bareAnswer{g.path("/index/config.json"): {
		Body: []byte(`{"dl":"http://127.0.0.1/dl","api":null}`), Header: http.Header{"Etag": {`"config"`}},
	}}
	for path := range g.files {
		answers[g.path(path)] = f.record(b, g.path(path))
	}
	return answers
}

// resolve has cargo lock the graph from a server that is far away, on a machine
// that has nothing yet.
func (g graph) resolve(b *testing.B, p *process, prefix string) (took time.Duration, packages int) {
	b.Helper()
	addr := delayed(b, strings.TrimPrefix(p.url, "http://"), resolveDelay)
	dir := b.TempDir()
	cargo := cratetest.MustCargo(b)
	err := cargo.Config(fmt.Sprintf("[source.crates-io]\nreplace-with = \"fence\"\n[source.fence]\nregistry = \"sparse+http://%s%s/index/\"\n", addr, prefix))
	if err != nil {
		b.Fatal(err)
	}
	manifest := "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n"
	for _, name := range slices.Sorted(slices.Values(g.roots)) {
		manifest += name + " = \"*\"\n"
	}
	for name, text := range map[string]string{"Cargo.toml": manifest, "lib.rs": "//! App.\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	begun := time.Now()
	if _, err := cargo.Run(b.Context(), dir, "generate-lockfile"); err != nil {
		b.Fatal(err)
	}
	took = time.Since(begun)
	data, err := os.ReadFile(filepath.Join(dir, "Cargo.lock"))
	if err != nil {
		b.Fatal(err)
	}
	lock, err := lockfile.Parse(data)
	if err != nil || len(lock.Packages) != len(g.files)+1 {
		b.Fatalf("%d packages are locked, %v; want %d and the app", len(lock.Packages), err, len(g.files))
	}
	return took, len(lock.Packages)
}
