package registry

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/auth"
	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/mirror"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// benchServer makes the test binary be a server to be measured: "fence" or "bare".
const benchServer = "CRATEFENCE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if kind := os.Getenv(benchServer); kind != "" {
		serveBench(kind)
		return
	}
	os.Exit(m.Run())
}

// top is how many crates are asked for: those that most others depend on.
const top = 1000

// BenchmarkServe asks servers in processes of their own for the index files of
// the top crates, over connections that are kept. It tells answers per second and
// the server's CPU time for each; the client shares the machine. The bare server is
// net/http writing the same bytes from a map. Only the fence looks at the token.
func BenchmarkServe(b *testing.B) {
	files := topFiles(b)
	for _, server := range []string{"fence", "bare", "nginx"} {
		for _, tags := range []bool{true, false} {
			name := server + "/200"
			if tags {
				name = server + "/304"
			}
			b.Run(name, func(b *testing.B) { benchmarkServer(b, server, tags, files) })
		}
	}
}

func benchmarkServer(b *testing.B, server string, tags bool, files []store.IndexFile) {
	addr, pids := startBench(b, server, files)
	requests := benchRequests(b, addr, files, tags)
	before := cpu(b, pids)
	b.ResetTimer()
	var next atomic.Int64
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReaderSize(c, 64<<10)
			chance := rand.New(rand.NewPCG(1, uint64(next.Load())))
			for next.Add(1) <= int64(b.N) {
				c.Write(requests[chance.IntN(len(requests))])
				if status, _, err := readAnswer(r); err != nil || (status == 304) != tags || !tags && status != 200 {
					b.Errorf("answer %d, %v", status, err)
					return
				}
			}
		})
	}
	clients.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
	b.ReportMetric(float64((cpu(b, pids)-before).Microseconds())/float64(b.N), "cpu-µs/answer")
}

// benchRequests are cargo's requests for the files, with their tags if wanted.
func benchRequests(b *testing.B, addr string, files []store.IndexFile, tags bool) [][]byte {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	var requests [][]byte
	for _, f := range files {
		path, err := index.Path(f.Key)
		if err != nil {
			b.Fatal(err)
		}
		head := "GET /p/default/index/" + path + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: cargo/1.95.0 (f2d3ce0bd 2026-03-21)\r\n" +
			"Accept-Encoding: deflate, gzip\r\ncargo-protocol: version=1\r\naccept: text/plain\r\nAuthorization: " + benchSecret + "\r\n"
		fmt.Fprint(c, head, "\r\n")
		status, tag, err := readAnswer(r)
		if err != nil || status != 200 {
			b.Fatalf("%s: %d, %v", path, status, err)
		}
		if tags {
			head += "If-None-Match: " + tag + "\r\n"
		}
		requests = append(requests, []byte(head+"\r\n"))
	}
	return requests
}

// readAnswer reads an answer and throws its body away.
func readAnswer(r *bufio.Reader) (status int, tag string, err error) {
	var length int
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, "", err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first:
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 0:
			_, err := r.Discard(length)
			return status, tag, err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length, _ = strconv.Atoi(string(line[16:]))
		case bytes.HasPrefix(line, []byte("Etag: ")), bytes.HasPrefix(line, []byte("ETag: ")):
			tag = string(line[6:])
		}
	}
}

// topFiles are the files of the top crates of an index as large as crates.io's.
func topFiles(b testing.TB) []store.IndexFile {
	whole, err := cratetest.NewWholeIndex(cratetest.RealSize)
	if err != nil {
		b.Fatal(err)
	}
	var files []store.IndexFile
	for i := range top {
		lines := whole.File(i)
		imported := time.Now().Add(-time.Hour)
		files = append(files, store.IndexFile{
			Key: whole.Name(i), Name: whole.Name(i), Lines: index.Pack(lines), Size: len(lines),
			Imported: imported, FirstSeenAt: imported, CheckedAt: time.Now(), Revision: 1,
		})
	}
	return files
}

// startBench starts a server, and returns where it listens and its processes.
func startBench(b *testing.B, server string, files []store.IndexFile) (addr string, pids []int) {
	if server == "nginx" {
		return startNginx(b, files)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServer+"="+server)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatalf("the server says %q, %v", addr, err)
	}
	return strings.TrimSpace(addr), []int{cmd.Process.Pid}
}

// startNginx has nginx serve the packed files from a folder.
func startNginx(b *testing.B, files []store.IndexFile) (addr string, pids []int) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		b.Skip("no nginx to compare with")
	}
	dir := b.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // its worker runs as another user
		b.Fatal(err)
	}
	for _, f := range files {
		path, err := index.Path(f.Key)
		if err != nil {
			b.Fatal(err)
		}
		name := filepath.Join(dir, "p/default/index", path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name+".gz", f.Lines, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	config := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/log;\nevents { worker_connections 1024; }\n"+
		"http { access_log off; sendfile on; tcp_nopush on; open_file_cache max=4000; keepalive_requests 1000000000;\n"+
		"server { listen %[2]s; root %[1]s; gzip_static always; gunzip off; default_type text/plain; } }\n", dir, addr)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(nginx, "-c", file)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 1000 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr, []int{cmd.Process.Pid}
		}
	}
	b.Skip("nginx does not start")
	return "", nil
}

// cpu is the time that processes have used.
func cpu(b *testing.B, pids []int) (used time.Duration) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Skip("no /proc to read CPU time from")
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, ticks := range fields[11:13] { // utime and stime, in hundredths of a second
			n, err := strconv.Atoi(ticks)
			if err != nil {
				b.Fatal(err)
			}
			used += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return used
}

var benchSecret = "cf_" + strings.Repeat("0", 43) + "0B6Uw6"

// serveBench is the server's process.
func serveBench(kind string) {
	var t fataler
	files := topFiles(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := benchFence(t, files)
	if kind == "bare" {
		h = benchBare(t, h, files)
	}
	fmt.Println(l.Addr())
	t.Fatal(http.Serve(l, h))
}

// fataler ends a server's process.
type fataler struct{ testing.TB }

func (fataler) Fatal(args ...any) { fmt.Fprintln(os.Stderr, args...); os.Exit(1) }

// benchFence is a fence with the real gate, mirror and cache of tokens.
func benchFence(t testing.TB, files []store.IndexFile) http.Handler {
	log := slog.New(slog.DiscardHandler)
	db := benchStore{files: files}
	g, err := gate.Open(context.Background(), gate.Config{Store: db, Policies: policy.Default(), CodeKey: make([]byte, 32), Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.deps.Gate = g
	w.deps.Mirror = &mirror.Mirror{Store: db, Upstream: benchUpstream{}, Now: time.Now, Log: log, TTL: time.Hour}
	w.deps.Tokens = auth.NewCache(&auth.Auth{Store: benchTokens{}, Now: time.Now, Log: log}, time.Minute)
	w.deps.Access = Access{AuthRequired: true, Anonymous: []string{"default"}}
	w.deps.Now = time.Now
	return New(w.deps)
}

// benchBare answers with the same bytes and headers, from a map.
func benchBare(t testing.TB, fence http.Handler, files []store.IndexFile) http.Handler {
	type answer struct {
		body   []byte
		header http.Header
	}
	answers := map[string]answer{}
	for _, f := range files {
		path, err := index.Path(f.Key)
		if err != nil {
			t.Fatal(err)
		}
		recorder := &benchRecorder{header: http.Header{}}
		r, err := http.NewRequest(http.MethodGet, "/p/default/index/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		r.Header.Set("Authorization", benchSecret)
		fence.ServeHTTP(recorder, r)
		answers[r.URL.Path] = answer{recorder.body.Bytes(), recorder.header}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answers[r.URL.Path]
		h := w.Header()
		if tag := r.Header["If-None-Match"]; len(tag) == 1 && tag[0] == a.header["Etag"][0] {
			h["Etag"], h["Cache-Control"], h["Vary"] = a.header["Etag"], a.header["Cache-Control"], a.header["Vary"]
			w.WriteHeader(http.StatusNotModified)
			return
		}
		for key, values := range a.header {
			h[key] = values
		}
		w.Write(a.body)
	})
}

type benchRecorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *benchRecorder) Header() http.Header         { return r.header }
func (r *benchRecorder) WriteHeader(int)             {}
func (r *benchRecorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// benchStore keeps index files and one token.
type benchStore struct {
	gate.Store
	files []store.IndexFile
}

func (s benchStore) IndexFiles(_ context.Context, yield func(store.IndexFile) error) error {
	for _, f := range s.files {
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

func (s benchStore) CrateStates(context.Context, func(store.CrateState) error) error { return nil }

func (s benchStore) Baselines(context.Context) ([]store.Baseline, error) {
	return []store.Baseline{{Policy: "default", At: time.Now()}}, nil
}

func (s benchStore) LastGateEvent(context.Context) (int64, error) { return 0, nil }

func (s benchStore) IndexFile(_ context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	for _, f := range s.files {
		if f.Key == key {
			return f, nil, nil
		}
	}
	return store.IndexFile{}, nil, store.ErrNotFound
}

func (s benchStore) SaveIndex(context.Context, store.IndexSave) error { return nil }

func (s benchStore) TouchIndex(context.Context, []store.IndexTouch) error { return nil }

// benchTokens are those that a store keeps, where it is asked for one.
type benchTokens struct{ auth.Store }

func (benchTokens) TokenByHash(_ context.Context, hash [32]byte) (store.Token, error) {
	return store.Token{Name: "bench", Hash: hash, Scopes: []string{auth.ScopeFetch}, ExpiresAt: time.Now().Add(time.Hour), UsedAt: time.Now()}, nil
}

func (benchTokens) TouchToken(context.Context, store.ID, time.Time) error { return nil }

// benchUpstream says that all is as it was.
type benchUpstream struct{}

func (benchUpstream) IndexFile(context.Context, string, string, string) (mirror.Answer, error) {
	return mirror.Answer{NotModified: true}, nil
}
