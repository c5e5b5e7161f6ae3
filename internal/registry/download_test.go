package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

var bytesOf = func(n int) []byte { return bytes.Repeat([]byte("0123456789abcde\n"), n/16+1)[:n] }

// Every state, and what cargo gets: bytes, or the policy's words.
func TestDownloadStates(t *testing.T) {
	tests := []struct {
		state policy.State
		want  int
	}{
		{policy.Allowed, 200}, {policy.Waived, 200}, {policy.Grandfathered, 200},
		{policy.Held, 403}, {policy.Unknown, 403}, {policy.Quarantined, 403}, {policy.Revoked, 403},
		{"", 403}, {"a state to come", 403},
	}
	for _, tt := range tests {
		t.Run(string(tt.state), func(t *testing.T) {
			w := newWorld()
			data := bytesOf(1000)
			path := w.release("default", "tidy-int", "0.2.0", data, tt.state)
			got := w.get(t, path, "")
			if got.Code != tt.want {
				t.Fatalf("answer %d %s, want %d", got.Code, got.Body, tt.want)
			}
			checkRefusal(t, got)
			if tt.want == 200 && !bytes.Equal(got.Body.Bytes(), data) {
				t.Error("other bytes arrived")
			}
			if tt.want == 403 && (!strings.Contains(got.Body.String(), "tidy-int 0.2.0") || !strings.Contains(got.Body.String(), "http://fence.example/r/8f3k")) {
				t.Errorf("words %q: want the release and its page", got.Body)
			}
			want := []store.Fetch{{
				At: noon, Actor: "anonymous", Policy: "default", Crate: "tidy-int", Version: "0.2.0",
				Checksum: crate.Sum(data), Passed: tt.want == 200,
			}}
			if diff := cmp.Diff(want, w.fetches.seen); diff != "" {
				t.Errorf("fetches (-want +got):\n%s", diff)
			}
			if cached := got.Header().Get("Cache-Control"); cached != "no-store" {
				t.Errorf("Cache-Control: %s, want no-store", cached)
			}
		})
	}
}

func TestDownloadHeaders(t *testing.T) {
	w := newWorld()
	path := w.release("strict", "tidy-int", "0.2.0", bytesOf(chunk*3+5), policy.Allowed)
	got := w.get(t, path, "ci-secret")
	want := http.Header{
		"Cache-Control":          {"no-store"},
		"Content-Length":         {"196613"},
		"Content-Type":           {"application/gzip"},
		"Vary":                   {"Authorization"},
		"X-Content-Type-Options": {"nosniff"},
	}
	if diff := cmp.Diff(want, got.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if actor := w.fetches.seen[0].Actor; actor != "token:ci" {
		t.Errorf("actor %q", actor)
	}
}

// The gate's word on a release that the path names otherwise than the index does.
func TestDownloadOfWhatIsNotListed(t *testing.T) {
	w := newWorld()
	path := w.release("default", "tidy-int", "0.2.0", bytesOf(10), policy.Allowed)
	w.gate.admit("default/tidy-int/0.2.0", gate.Admission{Decision: policy.Decision{State: policy.Allowed}}) // not Listed
	got := w.get(t, path, "")
	if got.Code != 403 {
		t.Errorf("answer %d, want 403: nothing that is not listed passes", got.Code)
	}
	if len(w.intake.wanted) > 0 || w.upstream.asked.Load() > 0 {
		t.Errorf("wanted %q, and upstream was asked %d times, for bytes that only the client names", w.intake.wanted, w.upstream.asked.Load())
	}
	if len(w.fetches.seen) > 0 {
		t.Errorf("recorded %+v: anybody could fill the record", w.fetches.seen)
	}
	if len(w.mirror.asked) != 1 {
		t.Errorf("upstream's index was looked at %d times, want once: cargo's copy may be newer", len(w.mirror.asked))
	}
}

// Cargo gives up at a refusal. Who does not, fills no record with it.
func TestRefusalsAreRecordedOnceInAMinute(t *testing.T) {
	w := newWorld()
	path := w.release("default", "tidy-int", "0.2.0", bytesOf(10), policy.Held)
	allowed := w.release("default", "tidy-int", "0.1.0", bytesOf(20), policy.Allowed)
	now := noon
	w.deps.Now = func() time.Time { return now }
	fence := New(w.deps)
	for _, tt := range []struct {
		after time.Duration
		path  string
		want  int // records so far
	}{
		{0, path, 1},
		{59 * time.Second, path, 1},
		{0, allowed, 2},
		{0, allowed, 3}, // what passes is counted each time
		{time.Second, path, 4},
	} {
		now = now.Add(tt.after)
		fence.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://fence.example"+tt.path, nil))
		if got := len(w.fetches.seen); got != tt.want {
			t.Errorf("%s after %s: %d records, want %d", tt.path, tt.after, got, tt.want)
		}
	}
}

func TestRedirect(t *testing.T) {
	w := newWorld()
	w.deps.Redirect = true
	allowed := w.release("strict", "tidy-int", "0.2.0", bytesOf(10), policy.Allowed)
	held := w.release("strict", "tidy-int", "0.3.0", bytesOf(11), policy.Held)
	got := w.get(t, allowed, "ci-secret")
	if location := got.Header().Get("Location"); got.Code != 302 || location != "https://static.example/crates/tidy-int/tidy-int-0.2.0.crate" {
		t.Errorf("answer %d to %q", got.Code, location)
	}
	if got.Header().Get("Cache-Control") != "no-store" {
		t.Error("a redirect that may be stored outlives its decision")
	}
	if got := w.get(t, held, "ci-secret"); got.Code != 403 {
		t.Errorf("held: %d, want 403", got.Code)
	}
	w.upstream.away = true
	if got := w.get(t, allowed, "ci-secret"); got.Code != 200 || got.Body.Len() != 10 {
		t.Errorf("without upstream's address: %d with %d bytes, want the crate from here", got.Code, got.Body.Len())
	}
}

// A download waits for checks that are under way, and no longer than GateWait.
func TestDownloadWaits(t *testing.T) {
	pending := policy.Decision{State: policy.Unknown, Pending: true}
	tests := []struct {
		name  string
		then  []policy.Decision // each after a second
		want  int
		after time.Duration
	}{
		{"allowed in time", []policy.Decision{{State: policy.Allowed}}, 200, time.Second},
		{"something else happens first", []policy.Decision{pending, pending, {State: policy.Allowed}}, 200, 3 * time.Second},
		{"decided against in time", []policy.Decision{{State: policy.Quarantined}}, 403, time.Second},
		{"not in time", nil, 403, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.deps.GateWait = 10 * time.Second
				path := w.release("default", "tidy-int", "0.2.0", bytesOf(10), policy.Unknown)
				now := pending
				changed := make(chan struct{})
				set := func(d policy.Decision) {
					a := gate.Admission{Decision: d, Listed: true}
					if d.Pending {
						a.Wait = changed
					}
					w.gate.admit("default/tidy-int/0.2.0", a)
				}
				set(now)
				start := time.Now()
				go func() {
					for _, d := range tt.then {
						time.Sleep(time.Second) // of the bubble's clock
						before := changed
						changed = make(chan struct{})
						set(d)
						close(before)
					}
				}()
				got := w.get(t, path, "")
				if took := time.Since(start); got.Code != tt.want || took != tt.after {
					t.Errorf("answer %d after %s, want %d after %s", got.Code, took, tt.want, tt.after)
				}
				if diff := cmp.Diff([]string{"tidy-int@0.2.0"}, w.intake.wanted); diff != "" {
					t.Errorf("wanted (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Held by time alone, a release is told of at once, and asked for once a minute.
func TestDownloadAsksForIntakeOnce(t *testing.T) {
	w := newWorld()
	now := noon
	w.deps.Now = func() time.Time { return now }
	w.deps.GateWait = time.Hour
	w.intake.err = errors.New("database away")
	path := w.release("default", "tidy-int", "0.2.0", bytesOf(10), policy.Held)
	w.gate.admits["default/tidy-int/0.2.0"].TakenIn = false
	handler := New(w.deps)
	for _, after := range []time.Duration{0, time.Second, 58 * time.Second, time.Second} {
		now = now.Add(after)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != 403 {
			t.Fatalf("answer %d, want 403", answer.Code)
		}
	}
	if len(w.intake.wanted) != 2 {
		t.Errorf("asked for %d times, want 2", len(w.intake.wanted))
	}
	if !strings.Contains(w.log.String(), "database away") {
		t.Errorf("log %q tells nothing of the trouble", w.log)
	}
}

// brokenReader ends with an error.
type brokenReader struct {
	io.Reader
	err error
}

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

// What arrives whole has the checksum, whatever is there in its place.
func TestDownloadVerifies(t *testing.T) {
	small, large, exact := bytesOf(100), bytesOf(5*chunk+7), bytesOf(2*chunk)
	other := append(bytes.Clone(large[:len(large)-1]), 'x')
	reader := func(data []byte, size int64) func() (io.ReadCloser, int64, error) {
		return func() (io.ReadCloser, int64, error) { return io.NopCloser(bytes.NewReader(data)), size, nil }
	}
	broken := func(data []byte, size int64) func() (io.ReadCloser, int64, error) {
		return func() (io.ReadCloser, int64, error) {
			return io.NopCloser(brokenReader{bytes.NewReader(data), io.ErrUnexpectedEOF}), size, nil
		}
	}
	tests := []struct {
		name     string
		release  []byte
		blob     func() (io.ReadCloser, int64, error) // nil: not taken in
		upstream func() (io.ReadCloser, int64, error)
		want     int // 0: broken off
		incident bool
	}{
		{name: "small", release: small, upstream: reader(small, 100), want: 200},
		{name: "large", release: large, upstream: reader(large, int64(len(large))), want: 200},
		{name: "whole chunks", release: exact, upstream: reader(exact, int64(len(exact))), want: 200},
		{name: "size unknown", release: large, upstream: reader(large, -1), want: 200},
		{name: "small, size unknown", release: small, upstream: reader(small, -1), want: 200},
		{name: "taken in", release: large, blob: reader(large, int64(len(large))), want: 200},

		{name: "other small bytes", release: small, upstream: reader(bytesOf(99), 99), want: 403, incident: true},
		{name: "nothing", release: small, upstream: reader(nil, 0), want: 403, incident: true},
		{name: "one byte is another", release: large, upstream: reader(other, int64(len(other))), incident: true},
		{name: "one byte is another, size unknown", release: large, upstream: reader(other, -1), incident: true},
		{name: "cut off at once", release: small, upstream: broken(small[:50], 100), want: 503},
		{name: "cut off later", release: large, upstream: broken(large[:4*chunk], int64(len(large)))},
		{name: "too large", release: small, upstream: reader(nil, 2<<20), want: 503},
		{name: "too large without a word", release: small, upstream: reader(bytesOf(2<<20), -1)},
		{name: "not there", release: small, upstream: func() (io.ReadCloser, int64, error) { return nil, 0, ErrMissing }, want: 404},
		{name: "no answer", release: small, upstream: func() (io.ReadCloser, int64, error) { return nil, 0, errors.New("dial 10.0.0.1") }, want: 503},

		{name: "a small file is damaged here", release: small, blob: reader(bytesOf(99), 99), upstream: reader(small, 100), want: 200},
		{name: "a large file is damaged here", release: large, blob: reader(other, int64(len(other))), upstream: reader(large, int64(len(large)))},
		{name: "the folder cannot be read", release: small, upstream: reader(small, 100), want: 200,
			blob: func() (io.ReadCloser, int64, error) { return nil, 0, errors.New("input/output error") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			path := w.release("default", "tidy-int", "0.2.0", tt.release, policy.Allowed)
			w.blobs.open, w.upstream.open = tt.blob, tt.upstream
			server := httptest.NewServer(New(w.deps))
			defer server.Close()
			resp, err := http.Get(server.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			switch {
			case tt.want == 0:
				if err == nil {
					t.Errorf("answer %d arrived whole, %d bytes, want it broken off", resp.StatusCode, len(body))
				}
			case err != nil || resp.StatusCode != tt.want:
				t.Errorf("answer %d, %v, want %d", resp.StatusCode, err, tt.want)
			case tt.want == 200 && !bytes.Equal(body, tt.release):
				t.Error("other bytes arrived as the release")
			case tt.want != 200 && strings.Contains(string(body), "10.0.0.1"):
				t.Errorf("body %q tells of the inside", body)
			}
			server.Close() // so that the handler is done
			if got := len(w.other) > 0; got != tt.incident {
				t.Errorf("told of other bytes: %v, want %v", got, tt.incident)
			}
		})
	}
}

// A client that does not read is given up on. Those of one address take no more
// than their share, so that the next waits there, and is told to come again; of
// many addresses they take all.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.deps.Now = time.Now
		data := bytesOf(1000)
		path := w.release("default", "tidy-int", "0.2.0", data, policy.Allowed)
		handler := New(w.deps)
		from := func(host string) *http.Request {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.RemoteAddr = host + ":4711"
			return r
		}
		left := make(chan any, maxStreams)
		slow := func(host string) {
			for range maxOfOne {
				go func() {
					defer func() { left <- recover() }()
					handler.ServeHTTP(&slowClient{ResponseRecorder: httptest.NewRecorder()}, from(host))
				}()
			}
			synctest.Wait()
		}
		start := time.Now()
		for _, tt := range []struct {
			slow, host string
			want       int
			wait       time.Duration
		}{
			{slow: "192.0.2.1", host: "192.0.2.1", want: 503, wait: slotTime},
			{host: "192.0.2.2", want: 200},
			{slow: "192.0.2.2", host: "192.0.2.3", want: 503, wait: slotTime},
		} {
			if tt.slow != "" {
				slow(tt.slow)
			}
			begun, answer := time.Now(), httptest.NewRecorder()
			handler.ServeHTTP(answer, from(tt.host))
			if took := time.Since(begun); answer.Code != tt.want || took != tt.wait {
				t.Errorf("one more of %s: %d after %s, want %d after %s", tt.host, answer.Code, took, tt.want, tt.wait)
			}
		}
		for range maxStreams {
			if got := <-left; got != http.ErrAbortHandler {
				t.Fatalf("a slow download ended with %v, want it broken off", got)
			}
		}
		if took := time.Since(start); took != slotTime+chunkTime { // the last came a slotTime after the first
			t.Errorf("slow clients were given up on after %s, want %s", took, slotTime+chunkTime)
		}
		if held := len(handler.(*fence).turns.one); held != 0 {
			t.Errorf("%d addresses are remembered, want none", held)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != 200 {
			t.Errorf("afterwards: %d, want 200", answer.Code)
		}
	})
}

// slowClient takes nothing until the deadline for writing has come.
type slowClient struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (c *slowClient) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *slowClient) Write([]byte) (int, error) {
	time.Sleep(time.Until(c.deadline)) // of the bubble's clock
	return 0, os.ErrDeadlineExceeded
}
