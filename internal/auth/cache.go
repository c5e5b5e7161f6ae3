package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cratefence/cratefence/internal/store"
)

// Bounds of a Cache.
const (
	// believed is how long the store's answer is taken at its word where nobody
	// says Forget: a token that is revoked stops working within it.
	believed = time.Second
	// maxKnown and maxRefused bound what is remembered. Whoever sends more wrong
	// tokens than that finds each looked up again, a few at a time.
	maxKnown   = 16 << 10
	maxRefused = 4 << 10
	lookups    = 8
	// lookupTime bounds one question to the store. The last answer stands in for
	// one that does not come.
	lookupTime = 2 * time.Second
)

// A Cache verifies tokens without asking the store each time, for ways in that
// see thousands of requests a second. Auth stays the truth: it is asked again
// once a second while a token is used, and at once after Forget. That a token has
// expired is judged on each use.
//
// While the store does not answer, tokens that it vouched for within MaxStale
// stay good, whatever became of them since; all others cannot be verified.
type Cache struct {
	auth     *Auth
	maxStale time.Duration

	known   bounded      // by the secret's SHA-256: *entry
	refused bounded      // the same: refusal
	forgets atomic.Int64 // how often Forget was called
	slots   chan struct{}
}

// A moment is when the store was asked.
type moment struct {
	at      time.Time
	forgets int64
}

// An entry is a token that the store vouched for.
type entry struct {
	asking chan struct{} // holds one while the store is asked
	last   atomic.Pointer[vouched]
}

type vouched struct {
	token store.Token
	at    time.Time // when the store vouched for it
	asked moment    // when it was asked last, whether or not it answered
}

type refusal struct {
	err   error
	asked moment
}

// NewCache returns an empty cache over a.
func NewCache(a *Auth, maxStale time.Duration) *Cache {
	c := &Cache{auth: a, maxStale: max(maxStale, believed), slots: make(chan struct{}, lookups)}
	c.known.most, c.refused.most = maxKnown, maxRefused
	return c
}

// Forget has every token verified anew, as when one was created or revoked.
func (c *Cache) Forget() { c.forgets.Add(1) }

func (c *Cache) now() moment { return moment{c.auth.Now(), c.forgets.Load()} }

// stillCounts reports whether what the store said at m counts now. A clock that
// was set back makes nothing last longer.
func (m moment) stillCounts(now moment) bool {
	age := now.at.Sub(m.at)
	return now.forgets == m.forgets && age >= 0 && age < believed
}

// Verify is Auth.Verify, at the price of a hash.
func (c *Cache) Verify(ctx context.Context, secret string) (Identity, error) {
	if len(secret) != secretLength {
		return Identity{}, errMalformed
	}
	hash, now := sha256.Sum256([]byte(secret)), c.now()
	if e, ok := c.known.Load(hash); ok {
		return c.again(ctx, e.(*entry), hash, secret, now)
	}
	if !wellFormed(secret) {
		return Identity{}, errMalformed
	}
	if r, ok := c.refused.Load(hash); ok && r.(refusal).asked.stillCounts(now) {
		return Identity{}, r.(refusal).err
	}
	token, err := c.lookup(ctx, secret)
	switch {
	case err == nil:
		e := &entry{asking: make(chan struct{}, 1)}
		e.last.Store(&vouched{token, now.at, now})
		c.known.keep(hash, e)
		return identityOf(token), nil
	case errors.Is(err, ErrUnauthenticated):
		c.refused.keep(hash, refusal{err, now})
	}
	return Identity{}, err
}

// again judges a token that is known: by the store's last answer while that
// counts, else by a new one, which one request asks for while the others with
// that token wait.
func (c *Cache) again(ctx context.Context, e *entry, hash [32]byte, secret string, now moment) (Identity, error) {
	if last := e.last.Load(); last.asked.stillCounts(now) {
		return c.remembered(last, now)
	}
	select {
	case e.asking <- struct{}{}:
		defer func() { <-e.asking }()
	case <-ctx.Done():
		return Identity{}, fmt.Errorf("verify token: %w", ctx.Err())
	}
	last := e.last.Load()
	if last.asked.stillCounts(now) {
		return c.remembered(last, now) // the request before has asked
	}
	asking, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	token, err := c.auth.verify(asking, secret)
	switch {
	case err == nil:
		e.last.Store(&vouched{token, now.at, now})
		return identityOf(token), nil
	case errors.Is(err, ErrUnauthenticated):
		c.known.drop(hash, e)
		c.refused.keep(hash, refusal{err, now})
		return Identity{}, err
	case ctx.Err() != nil:
		return Identity{}, err // whoever asked has gone: that says nothing of the store
	default:
		last = &vouched{last.token, last.at, now}
		e.last.Store(last)
		return c.remembered(last, now)
	}
}

// remembered answers for the store.
func (c *Cache) remembered(v *vouched, now moment) (Identity, error) {
	switch age := now.at.Sub(v.at); {
	case !now.at.Before(v.token.ExpiresAt):
		return Identity{}, expired(v.token)
	case age >= c.maxStale:
		return Identity{}, fmt.Errorf("verify token: the store has not answered for %s", age.Round(time.Second))
	}
	return identityOf(v.token), nil
}

// lookup asks the store about a secret that is not known, a few at a time:
// guessing tokens is slow, and keeps nobody else waiting.
func (c *Cache) lookup(ctx context.Context, secret string) (store.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
		return c.auth.verify(ctx, secret)
	case <-ctx.Done():
		return store.Token{}, fmt.Errorf("verify token: %w", ctx.Err())
	}
}

// bounded is a map that forgets everything when it holds too much.
type bounded struct {
	sync.Map
	most int64
	held atomic.Int64
}

func (b *bounded) keep(hash [32]byte, value any) {
	if _, old := b.Swap(hash, value); !old && b.held.Add(1) > b.most {
		b.Clear()
		b.held.Store(0)
	}
}

func (b *bounded) drop(hash [32]byte, value any) {
	if b.CompareAndDelete(hash, value) {
		b.held.Add(-1)
	}
}
