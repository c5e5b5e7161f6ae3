package cratetest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Server is a handler on a listener of its own.
type Server struct {
	URL string // "http://HOST:PORT", without a slash
	srv *http.Server
	end chan error
}

// Serve listens on addr ("127.0.0.1:0" picks a port) and serves h until Close.
func Serve(addr string, h http.Handler) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve %q: %w", addr, err)
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(),
		srv: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		end: make(chan error, 1),
	}
	go func() { s.end <- s.srv.Serve(listener) }()
	return s, nil
}

// Close ends every connection and waits for the server.
func (s *Server) Close() error {
	err := s.srv.Close()
	if ended := <-s.end; !errors.Is(ended, http.ErrServerClosed) {
		return ended
	}
	return err
}
