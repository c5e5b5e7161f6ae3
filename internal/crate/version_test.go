package crate

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		in   string
		want Version
	}{
		{"1.2.3", Version{Major: 1, Minor: 2, Patch: 3}},
		{"0.0.0", Version{}},
		{"18446744073709551615.0.0", Version{Major: 1<<64 - 1}},
		{"1.0.0-alpha.1", Version{Major: 1, Pre: "alpha.1"}},
		{"1.0.0--", Version{Major: 1, Pre: "-"}},
		{"1.0.0-0a", Version{Major: 1, Pre: "0a"}}, // not a number, so its zero leads nothing
		{"1.0.0+007", Version{Major: 1, Build: "007"}},
		{"1.0.0+a-b", Version{Major: 1, Build: "a-b"}},
		{"1.0.0-rc.1+build.5", Version{Major: 1, Pre: "rc.1", Build: "build.5"}},
		// The numbers of a pre-release have no bound.
		{"1.0.0-99999999999999999999", Version{Major: 1, Pre: "99999999999999999999"}},
	}
	for _, test := range tests {
		got, err := ParseVersion(test.in)
		if err != nil {
			t.Errorf("%q: %v", test.in, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.in, diff)
		}
		if got.String() != test.in {
			t.Errorf("%q is written %q", test.in, got)
		}
	}
}

func TestParseVersionRefuses(t *testing.T) {
	for _, in := range []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", " 1.2.3", "1.2.3 ", "01.2.3", "1.02.3", "1.2.03",
		"1.2.x", "-1.2.3", "+1.2.3", "1..3", "1.2.", "1.2.3-", "1.2.3+", "1.2.3-+b", "1.2.3-a..b", "1.2.3-01",
		"1.2.3-a_b", "1.2.3+a+b", "1.2.3-ä", "18446744073709551616.0.0", "1.2.٣", "1.0.0-" + strings.Repeat("a", 300),
	} {
		if v, err := ParseVersion(in); !errors.Is(err, ErrVersion) {
			t.Errorf("%q: got %v, %v", in, v, err)
		}
	}
}

// The order is that of Rust's semver crate, which cargo resolves by.
func TestVersionCompare(t *testing.T) {
	ordered := []string{
		"0.0.0", "0.0.1", "0.1.0",
		"1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0-99999999999999999999",
		"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
		"1.0.0", "1.0.0+0", "1.0.0+0.1", "1.0.0+00", "1.0.0+1", "1.0.0+01", "1.0.0+2", "1.0.0+10", "1.0.0+a", "1.0.0+a.b", "1.0.0+b",
		"1.0.1", "2.0.0", "10.0.0",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := mustVersion(t, a).Compare(mustVersion(t, b)); got != want {
				t.Errorf("%q against %q: got %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestVersionKey(t *testing.T) {
	v := mustVersion(t, "1.2.3-rc.1+g5")
	if got, want := v.Key(), "1.2.3-rc.1"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
	if !v.IsPrerelease() || mustVersion(t, "1.2.3+rc").IsPrerelease() {
		t.Error("IsPrerelease looks at the build metadata")
	}
}

func mustVersion(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
