package crate

import (
	"strings"
	"testing"
)

func TestSnippet(t *testing.T) {
	long := strings.Repeat("ä", 300)
	tests := []struct {
		name, data string
		start, end int
		want       string
	}{
		{"one line", "a\nb\nc\n", 2, 2, "b"},
		{"a range", "a\r\nb\r\nc", 2, 3, "b\nc"},
		{"empty lines stay", "\n\nc\n", 1, 3, "\n\nc"},
		{"past the end", "a\n", 2, 9, ""},
		{"before the start", "a\nb\n", -1, 1, "a"},
		{"long line", long, 1, 1, long[:400] + "…"},
		{"many lines", strings.Repeat("x\n", 30), 1, 30, strings.Repeat("x\n", 20) + "…"},
		{"hostile", "a\x1b[2Jb\u202ec\xffd\te", 1, 1, "a\ufffd[2Jb\ufffdc\ufffdd\te"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Snippet([]byte(test.data), test.start, test.end); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
