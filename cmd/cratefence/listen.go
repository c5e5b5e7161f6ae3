package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// What a client may take, and how many requests it may have under way on one
// connection of HTTP/2.
const (
	headerTime    = 10 * time.Second
	requestTime   = 2 * time.Minute // a submitted crate, over a slow line
	idleTime      = 2 * time.Minute
	maxHeader     = 64 << 10
	maxConcurrent = 250
)

// A front is the HTTP server that everything is served by.
type front struct {
	server   *http.Server
	upgrades *upgrader // nil where plain HTTP stays HTTP/1.1
	tls      bool
}

// frontConfig is what a front is made of.
type frontConfig struct {
	Handler http.Handler
	// Certificate and Key are files; "" serves plain HTTP.
	Certificate, Key string
	H2C              string // h2cLoopback, h2cAlways or h2cNever
	Log              *slog.Logger
}

// newFront makes a server. The certificate is read, so that a bad one is found
// before anything listens.
func newFront(c frontConfig) (*front, error) {
	f := &front{server: &http.Server{
		Handler:           c.Handler,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxConcurrent},
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}}
	switch {
	case c.Certificate != "":
		cert, err := newCertificate(c.Certificate, c.Key, c.Log)
		if err != nil {
			return nil, err
		}
		f.tls = true
		f.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}
	case c.H2C != h2cNever:
		//lint:ignore SA1019 see upgrader
		h2 := &http2.Server{MaxConcurrentStreams: maxConcurrent, IdleTimeout: idleTime}
		//lint:ignore SA1019 see upgrader
		if err := http2.ConfigureServer(f.server, h2); err != nil { // so that a shutdown reaches its connections
			return nil, fmt.Errorf("configure HTTP/2: %w", err)
		}
		f.upgrades = &upgrader{next: c.Handler, mode: c.H2C, server: h2}
		f.server.Handler = f.upgrades
	}
	return f, nil
}

// Scheme is "https" or "http".
func (f *front) Scheme() string {
	if f.tls {
		return "https"
	}
	return "http"
}

// Serve serves until Shutdown or Close, and returns http.ErrServerClosed then.
func (f *front) Serve(l net.Listener) error {
	if f.tls {
		return f.server.ServeTLS(l, "", "")
	}
	return f.server.Serve(l)
}

// Shutdown lets requests under way end, also those of connections that were
// upgraded, for which net/http does not wait.
func (f *front) Shutdown(ctx context.Context) error {
	if err := f.server.Shutdown(ctx); err != nil || f.upgrades == nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		f.upgrades.connections.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends at once.
func (f *front) Close() error { return f.server.Close() }

// certificateEvery is how often the files of a certificate are looked at, at most.
const certificateEvery = 10 * time.Second

// A certificate is read again when its files change. One that cannot be read
// leaves the one before in force.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu       sync.Mutex
	current  *tls.Certificate
	changed  [2]time.Time // of the files, as last read or tried
	lookedAt time.Time
}

func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	changed, err := c.stat()
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate: %w", err)
	}
	if err := c.read(changed); err != nil {
		return nil, err
	}
	c.lookedAt = c.now()
	return c, nil
}

func (c *certificate) stat() (changed [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return changed, err
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}

func (c *certificate) read(changed [2]time.Time) error {
	c.changed = changed
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read TLS certificate %q with key %q: %w", c.certFile, c.keyFile, err)
	}
	c.current = &pair
	return nil
}

// get is tls.Config's GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.lookedAt) >= certificateEvery {
		c.lookedAt = now
		c.refresh()
	}
	return c.current, nil
}

func (c *certificate) refresh() {
	changed, err := c.stat()
	if err == nil && changed != c.changed {
		if err = c.read(changed); err == nil {
			c.log.Info("TLS certificate read again", "file", c.certFile)
		}
	}
	if err != nil {
		c.log.Error("TLS certificate not read again: the one before stays", "error", err)
	}
}
