package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/cratetest"
)

// beBare makes the test binary be a server of plain files, which the fence is
// compared with: net/http with a map behind it ("bare"), or that behind the front
// that the fence has, with the key h2c as configured there.
const (
	beBare   = "CRATEFENCE_TEST_BE_BARE"
	bareHTTP = "bare"
)

// A bareAnswer is an index file with its header.
type bareAnswer struct {
	Body   []byte
	Header http.Header
}

// startBare runs a server in a process of its own that writes answers by path.
func startBare(b *testing.B, answers map[string]bareAnswer, kind string) *process {
	b.Helper()
	data, err := json.Marshal(answers)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "answers.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Setenv(beBare, kind)
	p, err := launch("", os.Stderr, file)
	os.Unsetenv(beBare) // other processes are the program
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.kill)
	return p
}

// serveBare is that process.
func serveBare(kind, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var answers map[string]bareAnswer
	if err := json.Unmarshal(data, &answers); err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		for key, values := range a.Header {
			h[key] = values
		}
		if tag := r.Header["If-None-Match"]; len(tag) == 1 && tag[0] == a.Header["Etag"][0] {
			delete(h, "Content-Length")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(a.Body)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("serves on http://%s\n", l.Addr())
	if kind == bareHTTP {
		return http.Serve(l, handler)
	}
	front, err := newFront(frontConfig{Handler: handler, H2C: kind, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return front.Serve(l)
}

// recorded is what a fence answers, for a server that knows nothing else.
func (f *benchFence) recorded(b *testing.B, x *cratetest.WholeIndex) map[string]bareAnswer {
	b.Helper()
	answers := map[string]bareAnswer{}
	for i := range min(benchTop, x.Len()) {
		path := "/p/" + f.policies[0] + "/index/" + indexPath(b, x.Name(i))
		answers[path] = f.record(b, path)
	}
	return answers
}

func (f *benchFence) record(b *testing.B, path string) bareAnswer {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, f.process.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	if f.token != "" {
		req.Header.Set("Authorization", f.token)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	resp.Header.Del("Date")
	return bareAnswer{Body: body, Header: resp.Header}
}

// memory is what a process holds, in MiB.
type memory struct{ resident, peak float64 }

func processMemory(b *testing.B, p *process) (m memory) {
	b.Helper()
	for line := range strings.Lines(processFile(b, p, "status")) {
		key, value, _ := strings.Cut(line, ":")
		kB, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch {
		case err != nil:
		case key == "VmRSS":
			m.resident = kB / 1024
		case key == "VmHWM":
			m.peak = kB / 1024
		}
	}
	return m
}

// processTime is the CPU time that a process has used.
func processTime(b *testing.B, p *process) (used time.Duration) {
	b.Helper()
	stat := processFile(b, p, "stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	for _, ticks := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(ticks)
		if err != nil {
			b.Fatal(err)
		}
		used += time.Duration(n) * 10 * time.Millisecond
	}
	return used
}

func processFile(b *testing.B, p *process, name string) string {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name))
	if err != nil {
		b.Skip("there is no /proc to read from")
	}
	return string(data)
}

// delayed listens, and passes connections on to addr. What goes either way arrives
// later by the time given, as on a long line: of its width nothing is lost.
func delayed(b *testing.B, addr string, by time.Duration) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				in.Close()
				continue
			}
			go carry(in, out, by)
			go carry(out, in, by)
		}
	}()
	return l.Addr().String()
}

func carry(to io.WriteCloser, from io.Reader, by time.Duration) {
	type parcel struct {
		data []byte
		due  time.Time
	}
	line := make(chan parcel, 4096)
	go func() {
		defer to.Close()
		for p := range line {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				break
			}
		}
		for range line { // the reader ends when it is told that the other end is gone
		}
	}()
	defer close(line)
	for {
		buf := make([]byte, 64<<10)
		n, err := from.Read(buf)
		if n > 0 {
			line <- parcel{buf[:n], time.Now().Add(by)}
		}
		if err != nil {
			return
		}
	}
}
