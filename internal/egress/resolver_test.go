package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A zone answers DNS questions of type A from a map.
type zone map[string]netip.Addr

func (z zone) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go z.serve(theirs)
		return ours, nil
	}}
}

// serve speaks DNS over a stream: each message after its length.
func (z zone) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(question) != nil {
			return
		}
		m.Response = true
		m.Additionals = nil
		q := m.Questions[0]
		if addr, ok := z[q.Name.String()]; ok && q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			}}
		}
		answer, err := m.AppendPack(make([]byte, 2, 512))
		if err != nil {
			return
		}
		binary.BigEndian.PutUint16(answer, uint16(len(answer)-2))
		conn.Write(answer)
	}
}

// A public name that leads to a private address is refused when dialed, also
// where an exception opens that very address and port under another name.
func TestNameThatLeadsInside(t *testing.T) {
	reached := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "https://")
	_, port, _ := net.SplitHostPort(addr)

	e := newEgress(t, Exception{Purpose: Git, Host: addr})
	e.public.DialContext = dialPublic(zone{"rebind.example.com.": netip.MustParseAddr("127.0.0.1")}.resolver())
	e.public.TLSClientConfig.InsecureSkipVerify = true // the address is to stop us, not the certificate
	_, err := e.Client(Git, Limits{}).Get("https://rebind.example.com:" + port + "/")
	refused, ok := errors.AsType[*Refused](err)
	if !ok || !strings.Contains(refused.Why, "loopback") {
		t.Errorf("got %v, want refused: loopback", err)
	}
	if reached {
		t.Error("the server inside was reached")
	}
}
