package api

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// stalled is a body that arrives only once it is released.
type stalled struct {
	begun   chan<- struct{}
	release <-chan struct{}
}

func (s stalled) Read([]byte) (int, error) {
	s.begun <- struct{}{}
	<-s.release
	return 0, io.EOF
}

func (s stalled) Close() error { return nil }

// Submitted crates are in memory as a whole: however many arrive at once, only
// so many are read.
func TestSubmitsAtOnce(t *testing.T) {
	w := newWorld(t)
	begun, release := make(chan struct{}, maxSubmits+1), make(chan struct{})
	var reading sync.WaitGroup
	for range maxSubmits {
		r := w.submission("/api/v1/crates/serde/2.0.0", nil)
		r.Body, r.ContentLength = stalled{begun, release}, -1
		reading.Go(func() { w.handler.ServeHTTP(httptest.NewRecorder(), r) })
	}
	for range maxSubmits {
		<-begun
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	r := w.submission("/api/v1/crates/serde/2.0.0", nil).WithContext(impatient)
	r.Body, r.ContentLength = unread{t}, -1
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" || !strings.Contains(rec.Body.String(), "Try again") {
		t.Errorf("one too many: %d %s, want 503 that says when to try again", rec.Code, rec.Body)
	}
	close(release)
	reading.Wait()
	if rec := w.call(t, w.submission("/api/v1/crates/serde/2.0.0", []byte("new"))); rec.Code != 201 {
		t.Errorf("after they ended: %d %s, want 201", rec.Code, rec.Body)
	}
}
