package provenance

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"testing"
)

func TestTakenIn(t *testing.T) {
	tests := []struct {
		source string
		want   bool // that "x.txt" is among what may be taken in
	}{
		{`include!("x.txt");`, true},
		{`include!(concat!(env!("OUT_DIR"), "x.txt"));`, true},
		{"#[path\n\t= \"x.txt\"] mod x;", true},
		{"(include!(\"y\"))\ninclude!(\"x.txt\")", true},
		{`path = "a" include! path = "x.txt"`, true},
		{`path = " path = "x.txt"`, true}, // whatever opens and what closes
		{`const X: &str = include_str!("x.txt");`, true},
		{`f(include_bytes! ("x.txt"))`, true},
		{"#include \"x.txt\"\n", true},
		{"# embed \"x.txt\"\n", true},
		{"#include <x.txt>\n", true},
		{"Vec<x.txt>", false},
		{".incbin \"x.txt\"\n", true},
		{"#![doc = include_str!(\"x.txt\")]", false},
		{"#![cfg_attr(feature = \"d\", doc =\ninclude_str!(\"x.txt\"))]", false},
		{"#[doc = concat!(\"a\", include_str!(\"x.txt\"))]", false},
		{"doc_comment!(include_str!(\"x.txt\"));", false},
		{"#[cfg(doctest)] mod m { external_doc_test!(include_str!(\"x.txt\")); }", false},
		{"external_doc_test!(include_str!(\"x.txt\"));", true},
		{"#[cfg(doctest)] mod m {} f!(include_str!(\"x.txt\"));", true},
		{"let doc = include_str!(\"x.txt\");", true},
		{"#[doc = \"a\"] const X: &str = include_str!(\"x.txt\");", true},
		{"#[nodoc = include_str!(\"x.txt\")]", true},
		{"#![doc = include_str!(\"y\")]\ninclude!(\"x.txt\");", true},
		{`include!(` + strings.Repeat(" ", 900) + `"x.txt"`, true},
		{`include!("x.txt`, false},
		{`include!(); "x.txt"`, false}, // of another statement
		{`my_include!("x.txt")`, false},
		{`mypath = "x.txt"`, false},
		{`path("x.txt")`, false},
		{`"x.txt"`, false},
	}
	for _, test := range tests {
		got := false
		for name := range takenIn([]byte(test.source)) {
			got = got || string(name) == "x.txt"
		}
		if got != test.want {
			t.Errorf("takenIn(%.40q) has x.txt: %t, want %t", test.source, got, test.want)
		}
	}
}

// Source that is made to be slow is read once all the same.
func TestTakenInIsBounded(t *testing.T) {
	const n = 10_000
	names := slices.Collect(takenIn([]byte(strings.Repeat(`path="`, n))))
	if len(names) > n {
		t.Errorf("%d names in %d quotes", len(names), n)
	}
}

func TestWraps(t *testing.T) {
	tests := []struct {
		source string
		want   bool
	}{
		{`include!("x.rs"); // as it is`, false},
		{"use core::include_str as x;", true},
		{"use core::include as\n\tx;", true},
		{"include assets", false},
		{"macro_rules! x { ($a:expr) => { include_bytes!(concat!(\"../\", $a)) }; }", true},
		{"macro_rules! x { ($a:expr) => { #[doc = include_str!($a)] const X: () = (); }; }", false},
		{"include!(\"a\"); $x", false},
		{"", false},
	}
	for _, test := range tests {
		if got := wraps([]byte(test.source)); got != test.want {
			t.Errorf("wraps(%q) is %t, want %t", test.source, got, test.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	const source = `#![doc = include_str!("a.md")] const B: &str = include_str!("b.md");`
	names := slices.Collect(quoted([]byte(source)))
	for name, want := range map[string]bool{"a.md": false, "b.md": true} {
		if got := slices.ContainsFunc(names, func(n []byte) bool { return string(n) == name }); got != want {
			t.Errorf("%s is among the names: %t, want %t", name, got, want)
		}
	}
}

// Source is whatever somebody publishes.
func FuzzTakenIn(f *testing.F) {
	f.Add([]byte("#![doc = include_str!(\"a\")] use std::include as x; #include <b>\n.incbin \"c\""))
	f.Fuzz(func(t *testing.T, source []byte) {
		for _, names := range []iter.Seq[[]byte]{takenIn(source), quoted(source)} {
			for name := range names {
				if !bytes.Contains(source, name) {
					t.Errorf("%q is not in the source", name)
				}
			}
		}
		wraps(source)
		mentions(source, "tests")
	})
}
