package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/policy"
)

// The manual in docs is the one that the program prints.
func TestPolicyManual(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "policy.md"), []byte(policyMarkdown()))
}

// The README's policies can be taken as they stand there.
func TestREADMEPolicies(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```toml\n[policy.")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md shows no policy")
	}
	set, err := policy.Parse([]byte("[policy." + text))
	if err != nil {
		t.Fatal(err)
	}
	var checks []string
	for _, c := range check.All() {
		checks = append(checks, c.Name)
	}
	if warnings := set.Warnings(checks, time.Now()); len(warnings) > 0 {
		t.Errorf("it is warned of: %v", warnings)
	}
}
