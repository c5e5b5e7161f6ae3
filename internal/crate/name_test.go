package crate

import (
	"errors"
	"strings"
	"testing"
)

func TestValidateName(t *testing.T) {
	for _, name := range []string{"a", "serde", "serde_json", "base64", "A-b_C", strings.Repeat("a", 64)} {
		if err := ValidateName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "-a", "_a", "1a", "a.b", "a/b", "../a", "a b", "ä", "a\x00", "a+b", strings.Repeat("a", 65)} {
		if err := ValidateName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestCanonical(t *testing.T) {
	if got, want := Canonical("Foo-Bar_baz"), "foo_bar_baz"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSplitFileName(t *testing.T) {
	tests := []struct{ file, name, version string }{
		{"serde-1.0.217.crate", "serde", "1.0.217"},
		{"foo-bar-0.1.0-rc.1+b.crate", "foo-bar", "0.1.0-rc.1+b"},
		{"sha-1-0.10.0.crate", "sha-1", "0.10.0"},
		// A pre-release that looks like a version.
		{"a-1.0.0-2.0.0.crate", "a", "1.0.0-2.0.0"},
		{"a-1-2.3.4.crate", "a-1", "2.3.4"},
		{"a--1.0.0.crate", "a-", "1.0.0"},
	}
	for _, test := range tests {
		name, version, err := SplitFileName(test.file)
		if name != test.name || version != test.version || err != nil {
			t.Errorf("%q: got %q, %q, %v", test.file, name, version, err)
		}
	}
	for _, file := range []string{"", ".crate", "serde.crate", "serde-1.0.crate", "serde-1.0.0", "-1.0.0.crate", "1.0.0.crate", "a/b-1.0.0.crate", "serde-1.0.0.crate.crate"} {
		if name, version, err := SplitFileName(file); err == nil {
			t.Errorf("%q: got %q, %q and no error", file, name, version)
		}
	}
}
