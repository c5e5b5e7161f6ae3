package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// counting counts how often a store is asked for a token.
type counting struct {
	*memory
	mu    sync.Mutex
	asked int
	hold  chan struct{} // when set, answers wait for it
}

func (c *counting) TokenByHash(ctx context.Context, hash [32]byte) (store.Token, error) {
	c.mu.Lock()
	c.asked++
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return store.Token{}, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.memory.TokenByHash(ctx, hash)
}

func newCache(now func() time.Time) (*Cache, *counting, *Auth) {
	m := &counting{memory: &memory{}}
	a := &Auth{Store: m, Now: now, Log: slog.New(slog.DiscardHandler)}
	return NewCache(a, 15*time.Minute), m, a
}

// What is believed, and for how long: a script of steps on one token.
func TestCache(t *testing.T) {
	down := errors.New("disk gone")
	type step struct {
		after  time.Duration // since the step before
		revoke bool
		forget bool
		down   error
		want   string // "" is in force, else a part of the error
		asks   int    // of the store
	}
	tests := []struct {
		name    string
		expires time.Duration
		steps   []step
	}{
		{name: "asked once a second", steps: []step{
			{asks: 1}, {after: 500 * time.Millisecond}, {after: 499 * time.Millisecond}, {after: time.Millisecond, asks: 1},
		}},
		{name: "revoked: known at the latest after a second", steps: []step{
			{asks: 1}, {revoke: true, after: 999 * time.Millisecond}, {after: time.Millisecond, asks: 1, want: "was revoked"},
			{after: 10 * time.Millisecond, want: "was revoked"},
		}},
		{name: "revoked: known at once when heard of", steps: []step{
			{asks: 1}, {revoke: true, forget: true, asks: 1, want: "was revoked"},
		}},
		{name: "revoked while nobody used it", steps: []step{
			{asks: 1}, {revoke: true, after: time.Hour, asks: 1, want: "was revoked"},
		}},
		{name: "expires between questions", expires: 1500 * time.Millisecond, steps: []step{
			{asks: 1}, {after: time.Second, asks: 1}, {after: 499 * time.Millisecond}, {after: time.Millisecond, want: "expired at"},
		}},
		{name: "the store is down", steps: []step{
			{asks: 1}, {down: down, after: time.Second, asks: 1}, {down: down, after: 10 * time.Millisecond},
			{down: down, after: 14 * time.Minute, asks: 1},
			{down: down, after: 59 * time.Second, asks: 1, want: "the store has not answered for 15m0s"},
			{after: time.Second, asks: 1},
		}},
		{name: "the store is down and the token expires", expires: time.Minute, steps: []step{
			{asks: 1}, {down: down, after: time.Minute, asks: 1, want: "expired at"},
		}},
		{name: "the store is down before the first use", steps: []step{
			{down: down, asks: 1, want: "disk gone"}, {asks: 1},
		}},
		{name: "the clock is set back", steps: []step{
			{asks: 1}, {revoke: true, after: -time.Hour, asks: 1, want: "was revoked"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := noon
			c, m, a := newCache(func() time.Time { return now })
			secret := create(t, a, TokenRequest{Name: "ci", Scopes: []string{ScopeFetch}, ExpiresAt: noon.Add(cmp.Or(tt.expires, 24*time.Hour))})
			for i, s := range tt.steps {
				now = now.Add(s.after)
				m.err, m.asked = nil, 0
				if s.revoke {
					if _, err := a.Revoke(t.Context(), "ci"); err != nil {
						t.Fatal(err)
					}
				}
				if s.forget {
					c.Forget()
				}
				m.err = s.down
				got, err := c.Verify(t.Context(), secret)
				if s.want == "" && (err != nil || got.Token != "ci") || s.want != "" && (err == nil || !strings.Contains(err.Error(), s.want)) {
					t.Errorf("step %d: %+v, %v, want error %q", i, got, err, s.want)
				}
				if m.asked != s.asks {
					t.Errorf("step %d: the store was asked %d times, want %d", i, m.asked, s.asks)
				}
			}
		})
	}
}

// A wrong token costs one question a second, and is known when it is made.
func TestCacheRefuses(t *testing.T) {
	now := noon
	c, m, _ := newCache(func() time.Time { return now })
	secret := newSecret()
	for range 3 {
		if _, err := c.Verify(t.Context(), secret); !errors.Is(err, ErrUnauthenticated) {
			t.Fatalf("Verify of a token that is none = %v", err)
		}
	}
	if m.asked != 1 {
		t.Errorf("the store was asked %d times, want once", m.asked)
	}
	m.tokens = append(m.tokens, store.Token{ID: 1, Name: "late", Hash: sha256.Sum256([]byte(secret)), ExpiresAt: noon.Add(time.Hour)})
	c.Forget()
	if got, err := c.Verify(t.Context(), secret); err != nil || got.Token != "late" {
		t.Errorf("Verify once it is made = %+v, %v", got, err)
	}
	m.asked = 0
	for _, malformed := range []string{"", "cf_", "Basic x", strings.Repeat("x", 1000)} {
		if _, err := c.Verify(t.Context(), malformed); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("Verify(%q) = %v", malformed, err)
		}
	}
	if m.asked != 0 {
		t.Error("the store was asked about what is no token")
	}
	for range maxRefused + 100 {
		c.Verify(t.Context(), newSecret())
	}
	if held := c.refused.held.Load(); held > maxRefused {
		t.Errorf("%d refusals are remembered, want at most %d", held, maxRefused)
	}
}

// Requests with one token ask once, together; guessing keeps none of them waiting.
func TestCacheAsksTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, a := newCache(time.Now)
		secret := create(t, a, TokenRequest{Name: "ci", Scopes: []string{ScopeFetch}})
		if _, err := c.Verify(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		time.Sleep(believed) // of the bubble's clock
		m.asked, m.hold = 0, make(chan struct{})
		results := make(chan error, 200)
		for range 100 {
			go func() { _, err := c.Verify(t.Context(), newSecret()); results <- err }()
			go func() { _, err := c.Verify(t.Context(), secret); results <- err }()
		}
		synctest.Wait()
		if m.asked != lookups+1 {
			t.Errorf("the store is asked %d questions at once, want %d about strangers and one about the token", m.asked, lookups)
		}
		close(m.hold)
		good := 0
		for range 200 {
			if <-results == nil {
				good++
			}
		}
		if good != 100 {
			t.Errorf("%d of 100 requests with the token were let in", good)
		}
	})
}

// A store that hangs is not waited for longer than lookupTime, and by one request
// at a time.
func TestCacheSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, a := newCache(time.Now)
		secret := create(t, a, TokenRequest{Name: "ci", Scopes: []string{ScopeFetch}})
		if _, err := c.Verify(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		time.Sleep(believed)
		m.hold = make(chan struct{})
		start := time.Now()
		if _, err := c.Verify(t.Context(), secret); err != nil || time.Since(start) != lookupTime {
			t.Errorf("Verify with a hanging store = %v after %s, want the last answer after %s", err, time.Since(start), lookupTime)
		}
		// Whoever leaves is not told of as the store's silence.
		time.Sleep(believed)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Verify(gone, secret); !errors.Is(err, context.Canceled) {
			t.Errorf("Verify for a client that has gone = %v", err)
		}
	})
}

func BenchmarkCache(b *testing.B) {
	c, _, a := newCache(time.Now)
	var secrets []string
	for i := range 100 {
		secret, _, err := a.Create(b.Context(), TokenRequest{Name: fmt.Sprintf("t%d", i), Scopes: []string{ScopeFetch}})
		if err != nil {
			b.Fatal(err)
		}
		secrets = append(secrets, secret)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Verify(b.Context(), secrets[i%100]); err != nil {
			b.Fatal(err)
		}
	}
}
