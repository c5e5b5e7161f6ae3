package main

import (
	"testing"

	"github.com/cratefence/cratefence/internal/index"
)

func TestBefore(t *testing.T) {
	var lines []index.Line
	for _, v := range []string{"1.10.0", "0.9.0", "1.2.0", "2.0.0-rc.1", "not a version", "2.0.0"} { // in order of publishing
		lines = append(lines, index.Line{Vers: v})
	}
	tests := []struct{ version, want string }{
		{"1.10.0", "1.2.0"}, // by version, not by text
		{"2.0.0", "2.0.0-rc.1"},
		{"2.0.0-rc.1", "1.10.0"},
		{"1.5.0", "1.2.0"}, // not in the index yet
		{"0.9.0", ""},
		{"nonsense", ""},
	}
	for _, tt := range tests {
		line, ok := before(lines, tt.version)
		if line.Vers != tt.want || ok != (tt.want != "") {
			t.Errorf("before(%q) = %q, %v; want %q", tt.version, line.Vers, ok, tt.want)
		}
	}
}
