package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sayProto answers with the protocol that it was asked by.
var sayProto = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })

// startFront serves until the test ends, and returns where.
func startFront(t *testing.T, c frontConfig) (*front, string) {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	f, err := newFront(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(l) }()
	t.Cleanup(func() {
		f.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v, want http.ErrServerClosed", err)
		}
	})
	return f, l.Addr().String()
}

const upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"

// Who is upgraded, and who stays with HTTP/1.1.
func TestUpgradeOffers(t *testing.T) {
	tests := []struct {
		name, mode, request string
		body                string
		want                string // how the answer begins
	}{
		{name: "cargo's offer", mode: h2cLoopback, request: "GET /x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n" + upgrade, want: "HTTP/1.1 101 "},
		{name: "by name", mode: h2cLoopback, request: "GET /x HTTP/1.1\r\nHost: localhost:80\r\n" + upgrade, want: "HTTP/1.1 101 "},
		{name: "never", mode: h2cNever, request: "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n" + upgrade, want: "HTTP/1.1 200 "},
		{name: "no offer", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: a.example\r\n", want: "HTTP/1.1 200 "},
		{name: "always", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: fence.example\r\n" + upgrade, want: "HTTP/1.1 101 "},
		// A proxy on this machine, which passes on what it does not understand.
		{name: "another name on loopback", mode: h2cLoopback, request: "GET /x HTTP/1.1\r\nHost: fence.example\r\n" + upgrade, want: "HTTP/1.1 200 "},
		{name: "a proxy's trace", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: fence.example\r\nX-Forwarded-For: 10.0.0.1\r\n" + upgrade, want: "HTTP/1.1 200 "},
		{name: "a proxy's other trace", mode: h2cLoopback, request: "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nVia: 1.1 a\r\n" + upgrade, want: "HTTP/1.1 200 "},
		// A body would have to be read first.
		{name: "a write", mode: h2cAlways, request: "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n" + upgrade, body: "x", want: "HTTP/1.1 200 "},
		{name: "a read with a body", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n" + upgrade, body: "0\r\n\r\n", want: "HTTP/1.1 200 "},
		{name: "settings that are none", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: a\r\n" + strings.Replace(upgrade, "AAMAAABkAAQAAP__", "A*", 1), want: "HTTP/1.1 200 "},
		{name: "settings twice", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: a\r\nHTTP2-Settings: AAMAAABk\r\n" + upgrade, want: "HTTP/1.1 200 "},
		{name: "another protocol", mode: h2cAlways, request: "GET /x HTTP/1.1\r\nHost: a\r\n" + strings.Replace(upgrade, "h2c", "websocket", 1), want: "HTTP/1.1 200 "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, addr := startFront(t, frontConfig{Handler: sayProto, H2C: tt.mode})
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, tt.request+"\r\n"+tt.body)
			got := make([]byte, len(tt.want))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != tt.want {
				t.Errorf("answer begins %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// curl upgrades as cargo does, which is built on the same library.
func TestUpgradeByCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl to upgrade with")
	}
	_, addr := startFront(t, frontConfig{Handler: sayProto, H2C: h2cLoopback})
	out, err := exec.Command(curl, "--silent", "--http2", "http://"+addr+"/a", "http://"+addr+"/b").CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v: %s", err, out)
	}
	// The first request is answered on the connection that it upgraded.
	if got := string(out); got != "HTTP/1.1HTTP/2.0" && got != "HTTP/2.0HTTP/2.0" {
		t.Errorf("asked by %q, want HTTP/2 for the second at least", got)
	}
}

// A shutdown lets a request end that came over an upgraded connection.
func TestShutdownWaitsForUpgraded(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl to upgrade with")
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	f, addr := startFront(t, frontConfig{H2C: h2cLoopback, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "whole")
	})})
	var out bytes.Buffer
	cmd := exec.Command(curl, "--silent", "--http2", "http://"+addr+"/")
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-entered
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Shutdown(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown with a request under way = %v, want it to have waited", err)
	}
	close(leave)
	if err := f.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if err := cmd.Wait(); err != nil || out.String() != "whole" {
		t.Errorf("curl got %q (%v), want the whole answer", out.String(), err)
	}
}

// writeCertificate writes a certificate for 127.0.0.1 with a serial number.
func writeCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "fence"},
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// Files written within one tick of the file system's clock differ still.
		at := time.Unix(1_700_000_000+serial, 0)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestTLS(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), 1)
	f, addr := startFront(t, frontConfig{Handler: sayProto, Certificate: cert, Key: key, H2C: h2cAlways})
	if f.Scheme() != "https" {
		t.Errorf("Scheme = %q", f.Scheme())
	}
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "HTTP/2.0" {
		t.Errorf("asked by %s, want HTTP/2.0", body)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", addr, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writeCertificate(t, dir, 1)
	var log bytes.Buffer
	c, err := newCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := c.now()
	c.now = func() time.Time { return now }
	serial := func() int64 {
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.SerialNumber.Int64()
	}
	writeCertificate(t, dir, 2)
	if got := serial(); got != 1 {
		t.Errorf("serial %d at once, want 1: files are not looked at on each handshake", got)
	}
	now = now.Add(certificateEvery)
	if got := serial(); got != 2 {
		t.Errorf("serial %d, want 2", got)
	}
	if err := os.WriteFile(certFile, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(certificateEvery)
	if got := serial(); got != 2 || !strings.Contains(log.String(), "the one before stays") {
		t.Errorf("serial %d and log %q after a broken file, want 2 and a loud log", got, log.String())
	}
	writeCertificate(t, dir, 3)
	now = now.Add(certificateEvery)
	if got := serial(); got != 3 {
		t.Errorf("serial %d, want 3", got)
	}
}

func TestNewFrontRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := newFront(frontConfig{Certificate: filepath.Join(dir, "no"), Key: "no", Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("newFront without its certificate = %v, want os.ErrNotExist", err)
	}
}

// The server's handler sees a request's own address through the upgrade.
func TestLocal(t *testing.T) {
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	tests := []struct {
		remote, host string
		here         net.Addr
		want         bool
	}{
		{"127.0.0.1:5", "127.0.0.1:80", here, true},
		{"[::1]:5", "[::1]:80", here, true},
		{"[::ffff:127.0.0.1]:5", "localhost", here, true},
		{"10.0.0.1:5", "127.0.0.1", here, false},
		{"127.0.0.1:5", "127.0.0.1", &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2)}, false},
		{"127.0.0.1:5", "fence.example:80", here, false},
		{"127.0.0.1:5", "", here, false},
		{"@", "localhost", &net.UnixAddr{Name: "/run/x"}, false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, tt.here))
		if got := local(r); got != tt.want {
			t.Errorf("local(from %q to %v as %q) = %v, want %v", tt.remote, tt.here, tt.host, got, tt.want)
		}
	}
}
