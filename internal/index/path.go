package index

import (
	"fmt"
	"strings"
)

// maxName is crates.io's limit.
const maxName = 64

// validName reports whether name can be a crate's in a registry: cargo's
// alphabet, cut to ASCII as crates.io does. Such a name is safe in a path.
func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		switch {
		case letter, c == '_':
		case ('0' <= c && c <= '9' || c == '-') && i > 0:
		default:
			return false
		}
	}
	return true
}

// Path returns where a crate's file lies below the index's base URL: "1/a",
// "2/ab", "3/a/abc", "ab/cd/abcdef", in lower case. The error wraps ErrName.
func Path(name string) (string, error) {
	if !validName(name) {
		return "", fmt.Errorf("index path of %q: %w", clip(name), ErrName)
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
