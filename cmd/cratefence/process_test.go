package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/cratetest"
)

// A process is the program, run by itself so that it can be killed.
type process struct {
	cmd *exec.Cmd
	url string // where it serves
}

// launch runs the program in dir until it says where it serves.
func launch(dir string, log io.Writer, args ...string) (*process, error) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), beProgram+"=1")
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("%v ended before it served: %w", args, err)
	}
	p.url = regexp.MustCompile(`http://[^\s"]+`).FindString(line)
	return p, nil
}

// startProcess is launch for the length of a test.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p, err := launch("", &testLog{t: t}, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// skipWithoutGit skips a test where git is missing; any other error fails it.
func skipWithoutGit(t *testing.T, err error) {
	t.Helper()
	switch {
	case errors.Is(err, cratetest.ErrNoGit):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// kill is what a power cut does.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // "signal: killed" is what was asked for
	}
}

// testLog passes a process's log to the test.
type testLog struct {
	t  *testing.T
	mu sync.Mutex
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Logf("%s", p)
	return len(p), nil
}

// getJSON reads a document of the process's API; ok is false on 404.
func getJSON[T any](t *testing.T, url string) (v T, ok bool) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return v, false
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", url, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	return v, true
}

// eventually polls until done, which another process decides; it fails the test
// when a generous bound has passed.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("not in two minutes: %s", what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// barrier is a handler that lets nothing through until it is opened, and tells
// when the first request has arrived.
type barrier struct {
	next    http.Handler
	arrived chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newBarrier(next http.Handler) *barrier {
	return &barrier{next: next, arrived: make(chan struct{}), open: make(chan struct{})}
}

func (g *barrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.once.Do(func() { close(g.arrived) })
	select {
	case <-g.open:
		g.next.ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}

// crashConfig makes a configuration whose runs are found lost soon after.
func crashConfig(t *testing.T, registryURL, gitURL string) string {
	t.Helper()
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	text := fmt.Sprintf(`
listen = "127.0.0.1:0"
data = %q
[upstream]
index = %q
[egress]
allow = ["upstream=%s", "git=%s"]
[worker]
fetch_timeout = "3s"
max_check_timeout = "3s"
rescue_every = "200ms"
`, filepath.Join(t.TempDir(), "data"), cratetest.IndexURL(registryURL), host(registryURL), host(gitURL))
	path := filepath.Join(t.TempDir(), "crash.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKilledServerLosesNothing kills the server while it fetches a crate, and
// again while it checks one, and expects that the next one carries on: one
// release, and every check answered exactly once.
func TestKilledServerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for lost work to be found")
	}
	t.Parallel()
	dir := t.TempDir()
	gitHandler, err := cratetest.GitServer(dir)
	skipWithoutGit(t, err)
	git := newBarrier(gitHandler)
	gitURL := cratetest.MustServe(t, git)
	releases, err := cratetest.World(t.Context(), dir, gitURL)
	if err != nil {
		t.Fatal(err)
	}
	release := releases[0]
	shop := cratetest.NewRegistry()
	if err := shop.Publish(release.Name, release.Version, release.Crate, release.PublishedAt); err != nil {
		t.Fatal(err)
	}
	registry := newBarrier(shop)
	config := crashConfig(t, cratetest.MustServe(t, registry), gitURL)

	// Killed during intake: the announcement was taken, the bytes not yet.
	p := startProcess(t, "--config", config, "serve")
	cfg, err := loadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := webhookSecrets(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{releases: []cratetest.Published{release}}
	if err := w.announce(t.Context(), p.url, secrets[0]); err != nil {
		t.Fatal(err)
	}
	<-registry.arrived
	p.kill()

	// Killed during a check run: provenance waits for the repository.
	close(registry.open)
	p = startProcess(t, "--config", config, "serve")
	// A sender that saw no answer repeats itself; that makes no second release.
	if err := w.announce(t.Context(), p.url, secrets[0]); err != nil {
		t.Fatal(err)
	}
	<-git.arrived
	p.kill()

	close(git.open)
	p = startProcess(t, "--config", config, "serve")
	document := p.url + "/api/v1/crates/" + release.Name + "/" + release.Version
	eventually(t, "every check has answered", func() bool {
		runs, ok := getJSON[api.CheckDocument](t, document+"/check-runs")
		return ok && answered(runs) == len(check.All())
	})
	assertOnce(t, p.url, release)
}

// answered counts the checks whose counting run knows something.
func answered(d api.CheckDocument) int {
	n := 0
	for _, r := range d.CheckRuns {
		if r.Counts && r.Conclusion != string(check.Error) {
			n++
		}
	}
	return n
}

// assertOnce expects one release of the right bytes, and no attempt doubled.
func assertOnce(t *testing.T, url string, release cratetest.Published) {
	t.Helper()
	got, ok := getJSON[struct {
		Versions  []api.Release `json:"versions"`
		Incidents []any         `json:"incidents"`
	}](t, url+"/api/v1/crates/"+release.Name)
	if !ok || len(got.Versions) != 1 || len(got.Incidents) != 0 {
		t.Fatalf("crate %q: %+v; want one version and no incident", release.Name, got)
	}
	if want := crate.Sum(release.Crate).String(); got.Versions[0].Checksum != want {
		t.Errorf("checksum %s, want %s", got.Versions[0].Checksum, want)
	}
	all, _ := getJSON[api.CheckDocument](t, url+"/api/v1/crates/"+release.Name+"/"+release.Version+"/check-runs?all=true")
	type attempt struct {
		check string
		n     int
	}
	seen := map[attempt]int{}
	good := map[string]int{}
	for _, r := range all.CheckRuns {
		seen[attempt{r.Check, r.Attempt}]++
		if r.Status == "completed" && r.Conclusion != string(check.Error) {
			good[r.Check]++
		}
	}
	for a, n := range seen {
		if n != 1 {
			t.Errorf("attempt %d of %s stands %d times, want once", a.n, a.check, n)
		}
	}
	for _, c := range check.All() {
		if good[c.Name] != 1 {
			t.Errorf("%s answered %d times, want once", c.Name, good[c.Name])
		}
	}
}

// TestOrderlyShutdown expects that an interrupted server ends by itself, with
// exit code 0.
func TestOrderlyShutdown(t *testing.T) {
	t.Parallel()
	config := crashConfig(t, "http://127.0.0.1:1", "http://127.0.0.1:1")
	p := startProcess(t, "--config", config, "serve")
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 200, "/": 200, "/no-such-page": 404} {
		resp, err := http.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: %s, want %d", path, resp.Status, want)
		}
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("interrupted server: %v, want exit code 0", err)
	}
}
