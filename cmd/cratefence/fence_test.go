package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/lockfile"
	"github.com/cratefence/cratefence/internal/store"
)

// fenced is a fence at work: a service in a process of its own before a registry of ours.
type fenced struct {
	t        *testing.T
	dir      string
	registry *cratetest.Registry
	upstream *cratetest.Server
	// closeUpstream is what an outage of upstream looks like.
	closeUpstream func() error
	process       *process
	config        string // the file
}

// yesterday is the baseline of the policies here: what was published before it
// is taken as it is.
func yesterday() time.Time { return time.Now().UTC().Add(-24 * time.Hour) }

// ages of releases
const (
	old     = 400 * 24 * time.Hour // long before the baseline
	minutes = 9 * time.Minute      // nothing of it has cooled off
)

// newFence serves a registry and a fence before it whose policies are the TOML
// given, with BASELINE replaced. More is added to the service's configuration.
func newFenced(t *testing.T, policies, more string) *fenced {
	t.Helper()
	f := &fenced{t: t, dir: t.TempDir(), registry: cratetest.NewRegistry()}
	var err error
	if f.upstream, err = cratetest.Serve("127.0.0.1:0", f.registry); err != nil {
		t.Fatal(err)
	}
	f.closeUpstream = sync.OnceValue(f.upstream.Close)
	t.Cleanup(func() { f.do(f.closeUpstream()) })
	f.write("policies.toml", strings.ReplaceAll(policies, "BASELINE", yesterday().Format("2006-01-02")))
	f.config = f.write("cratefence.toml", fmt.Sprintf(`
data = %q
listen = "127.0.0.1:0"
[upstream]
index = %q
name = "the test's registry"
[egress]
allow = ["upstream=%s"]
[fence]
policies = %q
index_ttl = "0s"
gate_wait = "1s"
ask_publishers = false
%s`, filepath.Join(f.dir, "data"), cratetest.IndexURL(f.upstream.URL), hostPort(f.upstream), filepath.Join(f.dir, "policies.toml"), more))
	return f
}

func (f *fenced) write(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// start runs the service until the test ends or it is killed. A second start
// takes the first one's address, so that cargo's caches stay good.
func (f *fenced) start() {
	f.t.Helper()
	listen := "127.0.0.1:0"
	if f.process != nil {
		listen = strings.TrimPrefix(f.process.url, "http://")
	}
	f.process = startProcess(f.t, "--config", f.config, "serve", "--listen", listen)
	eventually(f.t, "the service is ready", func() bool {
		resp, err := http.Get(f.process.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// publish puts a release into the upstream registry; deps are lines of its
// [dependencies].
func (f *fenced) publish(name, version string, age time.Duration, deps ...string) crate.Checksum {
	f.t.Helper()
	manifest := fmt.Sprintf("[package]\nname = %q\nversion = %q\nedition = \"2021\"\n\n[dependencies]\n%s\n", name, version, strings.Join(deps, "\n"))
	data, err := cratetest.Pack(cratetest.Package{Name: name, Version: version, Files: []cratetest.File{
		{Path: "Cargo.toml", Data: []byte(manifest)},
		{Path: "src/lib.rs", Data: fmt.Appendf(nil, "pub const VERSION: &str = %q;\n", version)},
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	var at time.Time
	if age >= 0 {
		at = time.Now().Add(-age)
	}
	f.do(f.registry.Publish(name, version, data, at))
	return crate.Sum(data)
}

func (f *fenced) do(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// run runs the program on the fence's folder.
func (f *fenced) run(args ...string) string {
	f.t.Helper()
	out, err := f.try(args...)
	if err != nil {
		f.t.Fatalf("cratefence %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (f *fenced) try(args ...string) (string, error) {
	var out, errOut strings.Builder
	code := run(f.t.Context(), append([]string{"--config", f.config}, args...), strings.NewReader(""), &out, &errOut)
	if code != exitOK {
		return out.String() + errOut.String(), fmt.Errorf("exit %d", code)
	}
	return out.String(), nil
}

// get returns what an anonymous client gets.
func (f *fenced) get(path string, header ...string) (status int, body string, h http.Header) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.process.url+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	text := new(strings.Builder)
	if _, err := io.Copy(text, resp.Body); err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, text.String(), resp.Header
}

// checked waits until every check of a release has answered.
func (f *fenced) checked(name, version string) {
	f.t.Helper()
	eventually(f.t, name+" "+version+" is checked", func() bool {
		runs, ok := getJSON[api.CheckDocument](f.t, f.process.url+"/api/v1/crates/"+name+"/"+version+"/check-runs")
		pending := slices.ContainsFunc(runs.CheckRuns, func(r api.CheckRun) bool { return r.Status != string(store.Completed) })
		return ok && len(runs.CheckRuns) > 0 && !pending
	})
}

// yanked returns how the fence serves a crate's versions.
func (f *fenced) yanked(policy, name string) map[string]bool {
	f.t.Helper()
	path, err := index.Path(name)
	f.do(err)
	status, body, _ := f.get("/p/" + policy + "/index/" + path)
	if status != http.StatusOK {
		f.t.Fatalf("index of %s: %d %s", name, status, body)
	}
	file, err := index.Parse([]byte(body))
	f.do(err)
	got := map[string]bool{}
	for _, line := range file.Lines {
		got[line.Vers] = line.Yanked
	}
	return got
}

// download returns what a download of a version is answered.
func (f *fenced) download(policy, name, version string, sum crate.Checksum) (int, string) {
	f.t.Helper()
	status, body, _ := f.get(fmt.Sprintf("/p/%s/dl/%s/%s/%s", policy, name, version, sum))
	return status, body
}

// A project is a package that depends on something, and a machine of its own to
// build it on.
type project struct {
	f     *fenced
	dir   string
	cargo *cratetest.Cargo
}

// project makes a package with lines of [dependencies].
func (f *fenced) project(deps ...string) *project {
	f.t.Helper()
	p := &project{f: f, dir: f.t.TempDir()}
	p.depend(deps...)
	f.do(os.Mkdir(filepath.Join(p.dir, "src"), 0o755))
	f.do(os.WriteFile(filepath.Join(p.dir, "src", "lib.rs"), nil, 0o600))
	p.machine()
	return p
}

func (p *project) depend(deps ...string) {
	p.f.t.Helper()
	manifest := "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n" + strings.Join(deps, "\n") + "\n"
	p.f.do(os.WriteFile(filepath.Join(p.dir, "Cargo.toml"), []byte(manifest), 0o600))
}

// machine gives the project a new machine: no cargo cache is warm.
func (p *project) machine() {
	t := p.f.t
	t.Helper()
	cargo, err := cratetest.NewCargo(t.TempDir())
	if errors.Is(err, cratetest.ErrNoCargo) {
		t.Skip(err)
	}
	p.f.do(err)
	p.cargo = cargo
	p.through("default")
}

// through points the machine at a policy of the fence.
func (p *project) through(policy string) {
	p.f.t.Helper()
	p.f.do(p.cargo.Config(fmt.Sprintf("[source.crates-io]\nreplace-with = \"fence\"\n[source.fence]\nregistry = \"sparse+%s/p/%s/index/\"\n[net]\nretry = 0\n",
		p.f.process.url, policy)))
}

// run runs cargo, which has to succeed.
func (p *project) run(args ...string) string {
	p.f.t.Helper()
	out, err := p.cargo.Run(p.f.t.Context(), p.dir, args...)
	if err != nil {
		p.f.t.Fatal(err)
	}
	return out
}

// fail runs cargo, which has to fail, and returns what it printed.
func (p *project) fail(args ...string) string {
	p.f.t.Helper()
	out, err := p.cargo.Run(p.f.t.Context(), p.dir, args...)
	if err == nil {
		p.f.t.Fatalf("cargo %s succeeded:\n%s", strings.Join(args, " "), out)
	}
	return out
}

// locked returns the version of a crate in the project's Cargo.lock; "" for none.
func (p *project) locked(name string) string {
	p.f.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, "Cargo.lock"))
	p.f.do(err)
	lock, err := lockfile.Parse(data)
	p.f.do(err)
	for _, pkg := range lock.Packages {
		if pkg.Name == name {
			return pkg.Version
		}
	}
	return ""
}

// lock writes a Cargo.lock as if the versions had been chosen before the fence
// was there.
func (p *project) lock(name, version string, sum crate.Checksum) {
	p.f.t.Helper()
	text := fmt.Sprintf("version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n %q,\n]\n\n[[package]]\nname = %q\nversion = %q\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = %q\n",
		name, name, version, sum)
	p.f.do(os.WriteFile(filepath.Join(p.dir, "Cargo.lock"), []byte(text), 0o600))
}

// words removes from what cargo printed whatever differs from run to run.
func (p *project) words(out string) string {
	out = strings.ReplaceAll(out, p.f.process.url, "http://FENCE")
	out = strings.ReplaceAll(out, p.dir, "APP")
	for _, r := range []struct{ pattern, with string }{
		{`\d{4}-\d\d-\d\d \d\d:\d\d UTC`, "DATE"},
		{`/r/[0-9a-z]+`, "/r/CODE"},
		{`[0-9a-f]{64}`, "CHECKSUM"},
		{`first seen here (moments|\d+ \w+) ago`, "first seen here moments ago"},
		{`x-served-by: \S+`, "x-served-by: REQUEST"},
	} {
		out = regexp.MustCompile(r.pattern).ReplaceAllString(out, r.with)
	}
	return out
}
