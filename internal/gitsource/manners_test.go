package gitsource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Two are at a host at once; a third waits, also for what a fourth at another
// host does not.
func TestMannersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hosts{manners: Manners{AtOnce: 2, Rate: 1, Burst: 1}}
		var leaves []func()
		for range 2 {
			leave, err := h.at("one").enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		entered := false
		go func() {
			if _, err := h.at("one").enter(t.Context()); err == nil {
				entered = true
			}
		}()
		synctest.Wait()
		if entered {
			t.Error("three are at a host at once")
		}
		if _, err := h.at("other").enter(t.Context()); err != nil {
			t.Error(err)
		}
		leaves[0]()
		synctest.Wait()
		if !entered {
			t.Error("the place given back is not taken")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.at("one").enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a full host: %v", err)
		}
	})
}

func TestMannersRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hosts{manners: Manners{AtOnce: 1, Rate: 2, Burst: 3}}
		start := time.Now()
		for range 7 {
			if err := h.at("one").next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("seven requests took %v, want three at once and four at two a second", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := h.at("one").next(ctx); !errors.Is(err, check.ErrRepositoryUnreachable) {
			t.Errorf("no turn in time: %v", err)
		}
	})
}

func TestMannersPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for header, want := range map[string]time.Duration{
			"30": 30 * time.Second, "1000000000000": maxPause, "99999999": maxPause, "-5": 0, "0": 0, "": 0, "soon": 0,
		} {
			h := &host{}
			h.heed(&http.Response{StatusCode: 200, Header: http.Header{"Retry-After": {"60"}}})
			h.heed(&http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {header}}})
			err := h.next(t.Context())
			if (want > 0) != errors.Is(err, check.ErrRepositoryUnreachable) {
				t.Errorf("%q: %v", header, err)
			}
			time.Sleep(want + 1) // of the bubble's clock
			if err := h.next(t.Context()); err != nil {
				t.Errorf("%q: after %v: %v", header, want, err)
			}
		}
	})
}

// Hosts at rest are forgotten, not those that want a pause.
func TestMannersForget(t *testing.T) {
	h := hosts{manners: DefaultLimits.Manners}
	h.at("paused").heed(&http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"60"}}})
	for i := range 3 * maxHosts {
		h.at(fmt.Sprint(i))
	}
	if len(h.byName) > maxHosts {
		t.Errorf("%d hosts remembered", len(h.byName))
	}
	if err := h.at("paused").next(t.Context()); err == nil {
		t.Error("a pause was forgotten")
	}
}

// A host that asks for a pause gets one, whatever is asked of it.
func TestPauseHeeded(t *testing.T) {
	m := &meter{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})}
	server, source := serve(t, DefaultLimits, m)
	for _, repository := range []string{"/one", "/two"} {
		if _, err := source.Snapshot(t.Context(), server.URL+repository, gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryUnreachable) {
			t.Errorf("%s: %v", repository, err)
		}
	}
	if m.requests != 1 {
		t.Errorf("%d requests, want 1", m.requests)
	}
}
