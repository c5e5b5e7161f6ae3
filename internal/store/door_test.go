package store

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"serde", "serde"},
		{"é🦀\u2028\t\n\x7f\x01", "é🦀\u2028\t\n\x7f\x01"}, // odd, but every database keeps it
		{"\x00", "\uFFFD"},
		{"a\x00\x00b", "a\uFFFD\uFFFDb"},
		{"a\xff\xfe\xfdb", "a\uFFFDb"},
		{"\xc3", "\uFFFD"},
		{"\xed\xa0\x80", "\uFFFD"}, // half of a surrogate pair
		{"\xc0\x80", "\uFFFD"},     // NUL in more bytes than it has
	}
	for _, tt := range tests {
		if got := Clean(tt.in); got != tt.want {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if Clean(got) != got {
			t.Errorf("Clean(%q) is not clean", got)
		}
	})
}

func TestInstant(t *testing.T) {
	zone := time.FixedZone("", 3600)
	if got, want := Instant(time.Date(2026, 3, 1, 0, 0, 0, 1_999_999, zone)), time.Date(2026, 2, 28, 23, 0, 0, 1_000_000, time.UTC); got != want {
		t.Errorf("Instant = %v, want %v", got, want)
	}
	if got := Instant(time.Time{}); !got.IsZero() {
		t.Errorf("Instant of the zero time = %v", got)
	}
}
