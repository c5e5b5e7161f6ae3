package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// TestHelpFits holds each command's help to a terminal of 80 columns, and has it
// show how the command is used.
func TestHelpFits(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Vars{"version": "", "scopes": scopeNames()})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		words := []string{"--help"}
		for node := command; node.Type != kong.ApplicationNode; node = node.Parent {
			words = append([]string{node.Name}, words...)
		}
		var out bytes.Buffer
		if code := run(t.Context(), words, nil, &out, &out); code != exitOK {
			t.Errorf("cratefence %q: exit code %d", words, code)
			continue
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
				t.Errorf("cratefence %q: %d columns: %s", words, n, line)
			}
		}
		if !strings.Contains(out.String(), "Example") {
			t.Errorf("cratefence %q shows no example", words)
		}
	}
}
