package registry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// batches remembers what was written, and fails while err is set.
type batches struct {
	mu    sync.Mutex
	sizes []int
	tries int
	err   error
}

func (b *batches) RecordFetches(_ context.Context, fetches []store.Fetch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.err == nil {
		b.sizes = append(b.sizes, len(fetches))
	}
	return b.err
}

func (b *batches) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *batches) written() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, size := range b.sizes {
		n += size
	}
	return n
}

func (b *batches) tried() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries
}

func TestFetchLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &batches{}
		l := NewFetchLog(s, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { l.Run(ctx); close(ended) }()
		record := func(n int) {
			for range n {
				l.Record(store.Fetch{Crate: "tidy-int"})
			}
		}

		record(fetchBatch + 10)
		synctest.Wait()
		if got := s.written(); got != fetchBatch {
			t.Errorf("%d written at once, want a whole batch of %d", got, fetchBatch)
		}
		time.Sleep(fetchEvery)
		synctest.Wait()
		if got := s.written(); got != fetchBatch+10 {
			t.Errorf("%d written after a second, want all", got)
		}

		// The store is away: a batch waits in its writer's hands, and a queue behind it.
		s.fail(errors.New("disk gone"))
		record(fetchBatch)
		synctest.Wait()
		record(maxUnwritten + 7)
		if got := l.Dropped(); got != 7 {
			t.Errorf("%d dropped, want 7: Record does not block", got)
		}
		tries := s.tried()
		time.Sleep(10 * fetchEvery)
		synctest.Wait()
		if got := s.tried() - tries; got != 10 {
			t.Errorf("%d tries in ten seconds, want 10", got)
		}
		s.fail(nil)
		time.Sleep(fetchEvery)
		stop()
		<-ended
		if want, got := 2*fetchBatch+10+maxUnwritten, s.written(); got != want {
			t.Errorf("%d written in the end, want %d", got, want)
		}
		if !strings.Contains(log.String(), "disk gone") {
			t.Error("the log tells nothing of the trouble")
		}
	})
}
