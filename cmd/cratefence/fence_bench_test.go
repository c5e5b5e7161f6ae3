package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/api"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
)

// benchTop is how many crates are asked for: those that most others depend on.
const benchTop = 1000

// benchPolicies are those of the presets. What was published in the last
// fortnight is held or not by its own merits; what is older is taken as it is.
var benchPolicies = []string{"medium", "low", "high"}

// BenchmarkFence measures the whole service in a process of its own, on an index a
// hundredth of crates.io's size; on one of the real size where CRATEFENCE_WHOLE is
// set. CRATEFENCE_EDGES may name a file of real dependencies, gzip'd or not: see
// cratetest.IndexSpec. Clients take part of the same machine, so that the CPU time that the
// service took for an answer tells more than answers per second do.
func BenchmarkFence(b *testing.B) {
	x := benchIndex(b)
	dir := b.TempDir()
	git := filepath.Join(dir, "index.git")
	if err := x.WriteGit(b.Context(), git); err != nil {
		b.Fatal(err)
	}
	upstream := cratetest.MustServe(b, wholeUpstream(b, x))
	for _, count := range []int{1, 3} {
		f := newBenchFence(b, upstream, benchPolicies[:count], "auth_required = true\n")
		b.Run(fmt.Sprintf("policies=%d", count), func(b *testing.B) {
			f.load(b, git)
			f.start(b)
			f.memory(b, x)
			if count > 1 {
				return
			}
			f.answers(b, x)
			b.Run("decision", func(b *testing.B) { f.decision(b, x) })
		})
	}
}

// benchIndex is an index of which some was published within the last days.
func benchIndex(b *testing.B) *cratetest.WholeIndex {
	b.Helper()
	spec := cratetest.IndexSpec{Crates: cratetest.RealSize.Crates / 100, Versions: cratetest.RealSize.Versions / 100}
	if os.Getenv("CRATEFENCE_WHOLE") != "" {
		spec = cratetest.RealSize
	}
	spec.End = time.Now().UTC().Truncate(24 * time.Hour)
	spec.Edges = benchEdges(b)
	x, err := cratetest.NewWholeIndex(spec)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// wholeUpstream serves an index of which nothing ever changes.
func wholeUpstream(b *testing.B, x *cratetest.WholeIndex) http.Handler {
	number := make(map[string]int, x.Len())
	for i := range x.Len() {
		number["/index/"+indexPath(b, x.Name(i))] = i
	}
	return indexHandler(func(path string) ([]byte, bool) {
		i, ok := number[path]
		if !ok {
			return nil, false
		}
		return x.File(i), true
	})
}

// indexHandler answers with index files and a config.json.
func indexHandler(file func(path string) ([]byte, bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := file(r.URL.Path)
		switch {
		case r.URL.Path == "/index/config.json":
			body = []byte(`{"dl":"http://` + r.Host + `/dl","api":null}`)
		case !ok:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"same"`)
		if r.Header.Get("If-None-Match") == `"same"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(body)
	})
}

func indexPath(b *testing.B, name string) string {
	b.Helper()
	path, err := index.Path(name)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// A benchFence is a fence that is measured.
type benchFence struct {
	dir, config string
	policies    []string
	token       string // of a client that may do all; "" is one without
	process     *process
	ready       time.Duration // from its start to the first answer
}

// newBenchFence configures a fence before an upstream. Releases that are older
// than a fortnight are taken as they are. More is added to the table fence.
func newBenchFence(b *testing.B, upstream string, policies []string, more string) *benchFence {
	b.Helper()
	f := &benchFence{dir: b.TempDir(), policies: policies}
	text := ""
	for _, name := range policies {
		text += fmt.Sprintf("[policy.%s]\npreset = %[1]q\nbaseline = %s\n", name, time.Now().Add(-14*24*time.Hour).Format(time.DateOnly))
	}
	f.write(b, "policies.toml", text)
	named, err := json.Marshal(policies)
	if err != nil {
		b.Fatal(err)
	}
	f.config = f.write(b, "cratefence.toml", fmt.Sprintf(`
data = %q
listen = "127.0.0.1:0"
[upstream]
index = %q
[egress]
allow = ["upstream=%s"]
[fence]
policies = %q
anonymous = %s
index_ttl = "10h"
ask_publishers = false
%s`, filepath.Join(f.dir, "data"), cratetest.IndexURL(upstream), strings.TrimPrefix(upstream, "http://"), filepath.Join(f.dir, "policies.toml"), named, more))
	f.token = strings.TrimSpace(f.run(b, "token", "create", "--scope", "fetch", "--scope", "read", "--scope", "decide", "bench"))
	return f
}

func (f *benchFence) write(b *testing.B, name, text string) string {
	b.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func (f *benchFence) run(b *testing.B, args ...string) string {
	b.Helper()
	var out, errOut strings.Builder
	if code := run(b.Context(), append([]string{"--config", f.config}, args...), strings.NewReader(""), &out, &errOut); code != exitOK {
		b.Fatalf("cratefence %q: exit %d\n%s%s", args, code, out.String(), errOut.String())
	}
	return out.String()
}

// load imports an index, in a process of its own.
func (f *benchFence) load(b *testing.B, copy string) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "--config", f.config, "import-index", copy)
	cmd.Env = append(os.Environ(), beProgram+"=1")
	begun := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("import-index: %v\n%s", err, out)
	}
	took := time.Since(begun)
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	b.Run("import", func(b *testing.B) {
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s")
		b.ReportMetric(float64(used.Maxrss)/1024, "peak-MiB")
		b.ReportMetric(0, "ns/op")
	})
}

func (f *benchFence) start(b *testing.B, args ...string) {
	b.Helper()
	begun := time.Now()
	p, err := launch("", io.Discard, append([]string{"--config", f.config, "serve"}, args...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.kill)
	resp, err := http.Get(p.url + "/readyz")
	if err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("not ready: %s", resp.Status)
	}
	f.process, f.ready = p, time.Since(begun)
}

// memory asks for all that is asked for most, and tells what the service holds.
func (f *benchFence) memory(b *testing.B, x *cratetest.WholeIndex) {
	b.Helper()
	idle := processMemory(b, f.process)
	for _, policy := range f.policies {
		f.ask(b, policy, x, false)
	}
	asked := processMemory(b, f.process)
	b.Run("memory", func(b *testing.B) {
		b.ReportMetric(f.ready.Seconds(), "ready-s")
		b.ReportMetric(idle.resident, "ready-MiB")
		b.ReportMetric(asked.resident, "asked-MiB")
		b.ReportMetric(asked.peak, "peak-MiB")
		b.ReportMetric(0, "ns/op")
	})
}

// ask asks for the index files that are asked for most, and returns the requests
// that cargo asks with; tagged are those of a cargo that has them already.
func (f *benchFence) ask(b *testing.B, policy string, x *cratetest.WholeIndex, tagged bool) (requests [][]byte) {
	b.Helper()
	addr := strings.TrimPrefix(f.process.url, "http://")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range min(benchTop, x.Len()) {
		request := "GET /p/" + policy + "/index/" + indexPath(b, x.Name(i)) + " HTTP/1.1\r\nHost: " + addr +
			"\r\nUser-Agent: cargo/1.95.0 (f2d3ce0bd 2026-03-21)\r\nAccept-Encoding: deflate, gzip\r\ncargo-protocol: version=1\r\naccept: text/plain\r\nAuthorization: " + f.token + "\r\n"
		fmt.Fprint(c, request, "\r\n")
		status, tag, err := readAnswer(r)
		if err != nil || status != http.StatusOK {
			b.Fatalf("index of %s: %d, %v", x.Name(i), status, err)
		}
		if tagged {
			request += "If-None-Match: " + tag + "\r\n"
		}
		requests = append(requests, []byte(request+"\r\n"))
	}
	return requests
}

// readAnswer reads an answer and throws its body away.
func readAnswer(r *bufio.Reader) (status int, tag string, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch key, value, _ := bytes.Cut(line, []byte(": ")); {
		case first && len(line) > 12:
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 0:
			_, err := r.Discard(length)
			return status, tag, err
		case string(key) == "Content-Length":
			length, _ = strconv.Atoi(string(value))
		case string(key) == "Etag":
			tag = string(value)
		}
	}
}

// answers measures what cargo asks most, beside a handler that does nothing but
// write the same: in net/http as it comes ("bare"), and behind the front of the
// fence, which gives up on slow clients ("front").
func (f *benchFence) answers(b *testing.B, x *cratetest.WholeIndex) {
	recorded := f.recorded(b, x)
	bare, front := startBare(b, recorded, bareHTTP), startBare(b, recorded, h2cLoopback)
	for _, kind := range []string{"304", "200"} {
		requests := f.ask(b, f.policies[0], x, kind == "304")
		b.Run(kind+"/fence", func(b *testing.B) { measureAnswers(b, f.process, requests) })
		b.Run(kind+"/bare", func(b *testing.B) { measureAnswers(b, bare, requests) })
		b.Run(kind+"/front", func(b *testing.B) { measureAnswers(b, front, requests) })
	}
}

// measureAnswers asks over connections that are kept.
func measureAnswers(b *testing.B, p *process, requests [][]byte) {
	before := processTime(b, p)
	b.ResetTimer()
	var next atomic.Int64
	var clients sync.WaitGroup
	for n := range 32 {
		clients.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReaderSize(c, 64<<10)
			chance := rand.New(rand.NewPCG(1, uint64(n)))
			for next.Add(1) <= int64(b.N) {
				c.Write(requests[chance.IntN(len(requests))])
				if status, _, err := readAnswer(r); err != nil || status >= http.StatusBadRequest {
					b.Errorf("answer %d, %v", status, err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
	b.ReportMetric(float64((processTime(b, p)-before).Microseconds())/float64(b.N), "cpu-µs/answer")
}

// decision measures how long it takes from a person's word until cargo gets it.
func (f *benchFence) decision(b *testing.B, x *cratetest.WholeIndex) {
	name := x.Name(0)
	var version string
	status, body := f.do(b, http.MethodGet, "/p/"+f.policies[0]+"/index/"+indexPath(b, name), "")
	file, err := index.Parse(body)
	if err != nil || status != http.StatusOK {
		b.Fatalf("index of %s: %d, %v", name, status, err)
	}
	for _, line := range file.Lines {
		if !line.Yanked {
			version = line.Vers // the newest that is let through
		}
	}
	rulings := "/api/v1/crates/" + name + "/" + version + "/rulings"
	status, body = f.do(b, http.MethodGet, rulings, "")
	var made api.RulingList
	if err := json.Unmarshal(body, &made); err != nil || status != http.StatusOK {
		b.Fatalf("rulings: %d %s", status, body)
	}
	var after int64
	if len(made.Rulings) > 0 {
		after = made.Rulings[0].ID
	}
	var took []time.Duration
	b.ResetTimer()
	for n := range b.N {
		action, yanked := "revoke", true
		if n%2 == 1 {
			action, yanked = "allow", false
		}
		begun := time.Now()
		status, body := f.do(b, http.MethodPost, rulings,
			fmt.Sprintf(`{"policy":%q,"action":%q,"reason":"measured","after":%d}`, f.policies[0], action, after))
		var made api.RulingDocument
		if err := json.Unmarshal(body, &made); err != nil || status != http.StatusCreated {
			b.Fatalf("%s: %d %s", action, status, body)
		}
		after = made.Ruling.ID
		want := fmt.Appendf(nil, `"vers":%q`, version)
		for served := !yanked; served != yanked; {
			_, body := f.do(b, http.MethodGet, "/p/"+f.policies[0]+"/index/"+indexPath(b, name), "")
			for line := range bytes.Lines(body) {
				if bytes.Contains(line, want) {
					served = bytes.Contains(line, []byte(`"yanked":true`))
				}
			}
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "longest-ms")
	b.ReportMetric(0, "ns/op")
}

// do asks with the token and returns the answer, unpacked.
func (f *benchFence) do(b *testing.B, method, path, body string) (int, []byte) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, f.process.url+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, answer
}
