package crate

import (
	"errors"
	"fmt"
	"strings"
)

// ErrName is wrapped by every error about a crate's name.
var ErrName = errors.New("not a crate name")

const maxName = 64

// ValidateName checks a name by crates.io's rules: ASCII letters, digits,
// hyphens and underscores, a letter first, at most 64.
func ValidateName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("validate name %q: %w: it is empty", name, ErrName)
	case len(name) > maxName:
		return fmt.Errorf("validate name %q: %w: longer than %d characters", name[:maxName], ErrName, maxName)
	case !isLetter(name[0]):
		return fmt.Errorf("validate name %q: %w: it does not begin with a letter", name, ErrName)
	}
	for i := range len(name) {
		if c := name[i]; c != '-' && c != '_' && !isAlphanumeric(c) {
			return fmt.Errorf("validate name %q: %w: it has other than letters, digits, hyphens and underscores", name, ErrName)
		}
	}
	return nil
}

// Canonical returns the form in which crates.io compares names: two crates may
// not differ only in case or in hyphens and underscores.
func Canonical(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "-", "_")
}

// SplitFileName reads the name and version out of "NAME-VERSION.crate". There
// is but one way to: a name has no dots, so the first dot ends the major number,
// and the hyphen before that ends the name.
func SplitFileName(file string) (name, version string, err error) {
	stem, ok := strings.CutSuffix(file, ".crate")
	if !ok {
		return "", "", fmt.Errorf("split file name %q: want NAME-VERSION.crate", file)
	}
	major, _, _ := strings.Cut(stem, ".")
	hyphen := strings.LastIndexByte(major, '-')
	if hyphen < 0 {
		return "", "", fmt.Errorf("split file name %q: want NAME-VERSION.crate", file)
	}
	name, version = stem[:hyphen], stem[hyphen+1:]
	if err := ValidateName(name); err != nil {
		return "", "", fmt.Errorf("split file name %q: %w", file, err)
	}
	if _, err := ParseVersion(version); err != nil {
		return "", "", fmt.Errorf("split file name %q: %w", file, err)
	}
	return name, version, nil
}
