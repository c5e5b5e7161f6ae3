package egress

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestNotGlobal(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"1.1.1.1", ""},
		{"140.82.121.4", ""},
		{"100.63.255.255", ""}, // just below the carrier-grade block
		{"100.128.0.0", ""},    // just above
		{"172.32.0.1", ""},
		{"198.20.0.1", ""},
		{"2606:4700:4700::1111", ""},
		{"2a01:4f8::1", ""},

		{"0.0.0.0", "this network"},
		{"0.1.2.3", "this network"},
		{"10.1.2.3", "private"},
		{"100.64.0.1", "carrier-grade NAT"},
		{"100.127.255.255", "carrier-grade NAT"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.254", "loopback"},
		{"169.254.169.254", "link-local"}, // cloud metadata
		{"172.16.0.1", "private"},
		{"172.31.255.255", "private"},
		{"192.0.0.8", "protocol assignments"},
		{"192.0.2.1", "documentation"},
		{"192.168.1.1", "private"},
		{"198.18.0.1", "benchmarking"},
		{"198.19.255.255", "benchmarking"},
		{"198.51.100.7", "documentation"},
		{"203.0.113.7", "documentation"},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.1", "reserved"},
		{"255.255.255.255", "broadcast"},

		{"::", "unspecified"},
		{"::1", "loopback"},
		{"::7f00:1", "IPv4-compatible"},
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:169.254.169.254", "link-local"},
		{"::ffff:1.1.1.1", ""}, // mapped, and public as IPv4
		{"64:ff9b::7f00:1", "NAT64"},
		{"64:ff9b:1::1", "local NAT64"},
		{"100::1", "discard"},
		{"2001::1", "Teredo"},
		{"2001:10::1", "ORCHID"},
		{"2001:20::1", "ORCHIDv2"},
		{"2001:2::1", "protocol assignments"},
		{"2001:db8::1", "documentation"},
		{"2002:7f00:1::1", "6to4"},
		{"3fff::1", "documentation"},
		{"fc00::1", "unique local"},
		{"fd00:ec2::254", "unique local"}, // cloud metadata over IPv6
		{"fe80::1", "link-local"},
		{"fe80::1%eth0", "an address with a zone"},
		{"2606:4700::1%eth0", "an address with a zone"},
		{"fec0::1", "site-local"},
		{"ff02::1", "multicast"},
		{"4000::1", "unallocated"},
		{"5f00::1", "unallocated"}, // segment routing
	}
	for _, test := range tests {
		if got := notGlobal(netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("notGlobal(%s) = %q, want %q", test.addr, got, test.want)
		}
	}
	if notGlobal(netip.Addr{}) == "" {
		t.Error("notGlobal of the zero address is public")
	}
}

func TestControlPublic(t *testing.T) {
	tests := []struct {
		address string
		want    error
	}{
		{"1.1.1.1:443", nil},
		{"[2606:4700::1]:443", nil},
		{"127.0.0.1:443", ErrRefused},
		{"[::1]:443", ErrRefused},
		{"[fe80::1%eth0]:443", ErrRefused},
		{"example.com:443", ErrRefused}, // a name here means that nobody resolved it
		{"", ErrRefused},
	}
	for _, test := range tests {
		if err := controlPublic(context.Background(), "tcp", test.address, nil); !errors.Is(err, test.want) {
			t.Errorf("controlPublic(%q) = %v, want %v", test.address, err, test.want)
		}
	}
}

// What we call global, net/netip must not call anything else; and an address
// and its IPv4-mapped form reach the same host, so they get the same answer.
func FuzzNotGlobal(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", "2001:4860::1", "64:ff9b::1", "fe80::1"} {
		b, _ := netip.MustParseAddr(s).MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		what := notGlobal(a)
		u := a.Unmap()
		if what == "" && (!u.IsGlobalUnicast() || u.IsPrivate() || u.IsLoopback() || u.IsLinkLocalUnicast() ||
			u.IsMulticast() || u.IsUnspecified()) {
			t.Errorf("%v is called global", a)
		}
		if u.Is4() {
			mapped := netip.AddrFrom16(u.As16())
			if got := notGlobal(mapped); got != what {
				t.Errorf("%v is %q, %v is %q", a, what, mapped, got)
			}
		}
	})
}
