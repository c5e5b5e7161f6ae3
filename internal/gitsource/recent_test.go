package gitsource

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Callers who want the same commit at once share one exchange with the server.
func TestShared(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	id := f.commit(t, "repo", map[string]string{"a": "a\n"})
	log := &recorded{Handler: f.handler}
	server, source := serve(t, DefaultLimits, log)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			snap, err := source.Snapshot(t.Context(), server.URL+"/repo", id)
			if err != nil {
				t.Error(err)
				return
			}
			a, _ := gitobj.BlobID([]byte("a\n"))
			if blobs, err := snap.Blobs(t.Context(), a); err != nil || string(blobs[a]) != "a\n" {
				t.Errorf("blobs %q, %v", blobs, err)
			}
		})
	}
	group.Wait()
	if len(log.requests) != 3 {
		t.Errorf("%d requests, want 3: %q", len(log.requests), log.requests)
	}
}

// What went wrong is asked again: the commit may have been pushed meanwhile.
func TestFailureNotKept(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	f.commit(t, "repo", map[string]string{"a": "a\n"})
	pushed := false
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !pushed {
			http.NotFound(w, r)
			return
		}
		f.handler.ServeHTTP(w, r)
	}))
	id := mustID(t, runGit(t, f.dir+"/repo", "rev-parse", "HEAD"))
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", id); !errors.Is(err, check.ErrRepositoryMissing) {
		t.Fatalf("got %v, want %v", err, check.ErrRepositoryMissing)
	}
	pushed = true
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", id); err != nil {
		t.Error(err)
	}
}

// Who waits for another shares what came of it, but not that the other was called
// off.
func TestRecentWaits(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name      string
		calledOff bool
		want      int // times it is opened
	}{
		{"failed", false, 1},
		{"called off", true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recent[*snapshot]
				opened := 0
				open := func(ctx context.Context) error {
					_, err := r.open(ctx, "a", func() (*snapshot, error) {
						opened++
						time.Sleep(2 * time.Second) // until the other waits
						return nil, broken
					})
					return err
				}
				ctx, cancel := context.WithCancel(t.Context())
				if tt.calledOff {
					cancel()
				}
				defer cancel()
				var group sync.WaitGroup
				group.Go(func() {
					if err := open(ctx); !errors.Is(err, broken) {
						t.Errorf("first: %v, want %v", err, broken)
					}
				})
				group.Go(func() {
					time.Sleep(time.Second)
					if err := open(t.Context()); !errors.Is(err, broken) {
						t.Errorf("second: %v, want %v", err, broken)
					}
				})
				group.Wait()
				if opened != tt.want {
					t.Errorf("opened %d times, want %d", opened, tt.want)
				}
			})
		})
	}
}

func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recent[*snapshot]{most: recentSnapshots, keep: shareable}
		opened := ""
		open := func(key string, kept int) {
			r.open(t.Context(), key, func() (*snapshot, error) {
				opened += key
				return &snapshot{kept: kept}, nil
			})
		}
		for _, key := range []string{"a", "a", "b", "a"} {
			open(key, 0)
		}
		time.Sleep(recentFor + time.Second) // of the bubble's clock
		open("a", 0)
		open("large", maxRecentKept+1)
		open("large", maxRecentKept+1)
		for i := range recentSnapshots {
			open(string(rune('0'+i)), 0)
		}
		open("a", 0) // pushed out
		if want := "aba" + "largelarge" + "01234567" + "a"; opened != want {
			t.Errorf("opened %q, want %q", opened, want)
		}
	})
}
