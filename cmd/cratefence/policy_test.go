package main

import (
	"path/filepath"
	"testing"
)

// The manual in docs is the one that the program prints.
func TestPolicyManual(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "policy.md"), []byte(policyMarkdown()))
}
