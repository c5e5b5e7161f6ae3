package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
)

// How plain HTTP may become HTTP/2.
const (
	h2cLoopback = "loopback"
	h2cAlways   = "always"
	h2cNever    = "never"
)

// upgrader lets plain HTTP/1.1 connections become HTTP/2 by "Upgrade: h2c" (RFC
// 7540, 3.2), as cargo offers with every first request: over one connection a
// resolve of hundreds of crates takes a sixth of the time.
//
// It upgrades reads without a body alone. A proxy in between that passes the
// upgrade on without understanding it would let later requests through unseen, so
// what shows a proxy's traces stays as it is.
type upgrader struct {
	next http.Handler
	mode string
	//lint:ignore SA1019 net/http itself speaks it only to clients that begin so; cargo upgrades
	server *http2.Server

	connections sync.WaitGroup
}

func (u *upgrader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	settings, ok := u.offered(r)
	if !ok {
		u.next.ServeHTTP(w, r)
		return
	}
	// Counted while net/http still counts it too: a shutdown never misses it.
	u.connections.Add(1)
	defer u.connections.Done()
	conn, err := switchProtocols(w)
	if err != nil {
		panic(http.ErrAbortHandler) // what was to become another connection answers no more
	}
	defer conn.Close()
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	//lint:ignore SA1019 see upgrader
	u.server.ServeConn(conn, &http2.ServeConnOpts{
		Context: r.Context(), BaseConfig: server, Handler: u.next,
		UpgradeRequest: r, Settings: settings,
	})
}

// offered returns the settings of a client that offers HTTP/2 where it may.
func (u *upgrader) offered(r *http.Request) (settings []byte, ok bool) {
	h := r.Header
	if r.ProtoMajor != 1 || len(h["Upgrade"]) == 0 || len(h["Http2-Settings"]) != 1 || r.TLS != nil {
		return nil, false
	}
	if (r.Method != http.MethodGet && r.Method != http.MethodHead) || r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		return nil, false
	}
	if !httpguts.HeaderValuesContainsToken(h["Upgrade"], "h2c") ||
		!httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade") ||
		!httpguts.HeaderValuesContainsToken(h["Connection"], "HTTP2-Settings") {
		return nil, false
	}
	if proxied(h) || u.mode != h2cAlways && !local(r) {
		return nil, false
	}
	settings, err := base64.RawURLEncoding.DecodeString(h["Http2-Settings"][0])
	return settings, err == nil && len(settings)%6 == 0
}

// proxied reports whether a request shows that a proxy passed it on.
func proxied(h http.Header) bool {
	for _, trace := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"} {
		if len(h[trace]) > 0 {
			return true
		}
	}
	return false
}

// local reports whether both ends of a connection are on this machine, and the
// client called it so: a proxy on the same machine passes another name on.
func local(r *http.Request) bool {
	here, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !loopback(here.String()) || !loopback(r.RemoteAddr) {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return strings.EqualFold(host, "localhost") || loopback(net.JoinHostPort(strings.Trim(host, "[]"), "0"))
}

func loopback(addr string) bool {
	a, err := netip.ParseAddrPort(addr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// switchProtocols answers 101 and takes the connection over.
func switchProtocols(w http.ResponseWriter) (net.Conn, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("upgrade connection: %w", err)
	}
	_, err = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	if err = errors.Join(err, rw.Flush()); err != nil {
		return nil, errors.Join(fmt.Errorf("upgrade connection: %w", err), conn.Close())
	}
	if rw.Reader.Buffered() == 0 {
		return conn, nil
	}
	return &readAhead{Conn: conn, ahead: rw.Reader}, nil
}

// readAhead is a connection of which some was read before it was taken over.
type readAhead struct {
	net.Conn
	ahead *bufio.Reader
}

func (c *readAhead) Read(p []byte) (int, error) {
	if n := c.ahead.Buffered(); n > 0 {
		return c.ahead.Read(p[:min(n, len(p))])
	}
	return c.Conn.Read(p)
}
