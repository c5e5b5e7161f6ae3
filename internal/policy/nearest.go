package policy

import (
	"fmt"

	"github.com/cratefence/cratefence/internal/nearest"
)

// orNearest ends a complaint about a name: with the one that was meant, or else
// with other words.
func orNearest(name string, candidates []string, otherwise string) string {
	if near := nearest.Of(name, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return otherwise
}
