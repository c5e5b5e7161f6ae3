package index

import (
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
)

// Path returns where a crate's file lies below the index's base URL: "1/a",
// "2/ab", "3/a/abc", "ab/cd/abcdef", in lower case. The error wraps crate.ErrName.
func Path(name string) (string, error) {
	if err := crate.ValidateName(name); err != nil {
		return "", fmt.Errorf("find index path: %w", err)
	}
	lower := strings.ToLower(name)
	return prefix(lower) + "/" + lower, nil
}

// prefix returns the folder of a valid name, in the name's own case.
func prefix(name string) string {
	switch len(name) {
	case 1:
		return "1"
	case 2:
		return "2"
	case 3:
		return "3/" + name[:1]
	default:
		return name[:2] + "/" + name[2:4]
	}
}
