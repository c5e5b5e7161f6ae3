package provenance

import (
	"strings"
	"testing"
)

// The rows are what `git check-ignore` answers.
func TestPatterns(t *testing.T) {
	tests := []struct {
		patterns, file string
		want           bool
	}{
		{"*.png", "a.png", true},
		{"*.png", "deep/down/a.png", true},
		{"/*.png", "deep/a.png", false},
		{"docs", "docs/a.md", true},
		{"docs", "src/docs/a.md", true},
		{"/docs", "src/docs/a.md", false},
		{"docs/", "docs", false}, // a file of that name is no folder
		{"docs/", "docs/a.md", true},
		{"src/docs", "a/src/docs/b", false}, // anchored by its slash
		{"**/docs/*.md", "a/b/docs/c.md", true},
		{"**/docs/*.md", "docs/c.md", true},
		{"a/**/z", "a/z", true},
		{"a/**/z", "a/b/c/z", true},
		{"a/**", "a", false},
		{"a/**", "a/b", true},
		{"a/*", "a/b/c", true}, // by its folder a/b
		{"a/*.rs", "a/b/c.rs", false},
		{"!a", "a", false},
		{"*\n!keep.rs", "keep.rs", false},
		{"*\n!keep.rs", "other.rs", true},
		{"# comment", "# comment", false},
		{`\#x`, "#x", true},
		{`\!x`, "!x", true},
		{"a ", "a", true},
		{"[!a].rs", "b.rs", true},
		{"[!a].rs", "a.rs", false},
		{"[a", "[a", false}, // malformed: matches nothing
		{"/", "a", false},
		{"", "a", false},
	}
	for _, test := range tests {
		if got := new(matcher).matchesBelow(parsePatterns(strings.Split(test.patterns, "\n")), test.file); got != test.want {
			t.Errorf("%q on %q: %v, want %v", test.patterns, test.file, got, test.want)
		}
	}
}

// Patterns are the crate's, and so is what they are matched against.
func TestPatternsHostile(t *testing.T) {
	line := strings.Repeat("**/*a*a*a*a*a*a*a*b/", 40)
	file := strings.TrimSuffix(strings.Repeat("aaaaaaaaaaaaaaaaaaaa/", 48), "/")
	m := &matcher{work: maxMatching - 1<<24} // the last of what a release may cost
	all := parsePatterns([]string{line, "**/" + line})
	for range 1000 {
		m.matchesBelow(all, file)
	}
	if !m.exhausted() {
		t.Errorf("work of %d has not exhausted the matcher", m.work)
	}
	if m.matchesBelow(parsePatterns([]string{"*"}), "a") {
		t.Error("an exhausted matcher matches")
	}
	if many := parsePatterns(strings.Split(strings.Repeat("a\n", 10_000), "\n")); len(many) > maxPatterns {
		t.Errorf("%d patterns are kept", len(many))
	}
}
