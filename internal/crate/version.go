package crate

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrVersion is wrapped by every error of ParseVersion.
var ErrVersion = errors.New("not a semantic version")

// maxVersion bounds a version in bytes. No registry has one half as long.
const maxVersion = 256

// A Version is a semantic version (semver.org, 2.0.0) as cargo reads one: the
// three numbers fit 64 bits.
type Version struct {
	Major, Minor, Patch uint64
	Pre                 string // "alpha.1", without the hyphen
	Build               string // "20260101", without the plus
}

// ParseVersion reads a version strictly: all three numbers, no leading zeros,
// no spaces, no "v".
func ParseVersion(s string) (Version, error) {
	if len(s) > maxVersion {
		return Version{}, fmt.Errorf("parse version %q: %w: longer than %d bytes", s[:maxVersion], ErrVersion, maxVersion)
	}
	v, why := parseVersion(s)
	if why != "" {
		return Version{}, fmt.Errorf("parse version %q: %w: %s", s, ErrVersion, why)
	}
	return v, nil
}

func parseVersion(s string) (v Version, why string) {
	rest, build, hasBuild := strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(rest, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) != 3 {
		return Version{}, "want MAJOR.MINOR.PATCH"
	}
	for i, to := range []*uint64{&v.Major, &v.Minor, &v.Patch} {
		if *to, why = parseNumber(numbers[i]); why != "" {
			return Version{}, why
		}
	}
	if hasPre {
		if why = checkIdentifiers(pre, false); why != "" {
			return Version{}, "pre-release: " + why
		}
	}
	if hasBuild {
		if why = checkIdentifiers(build, true); why != "" {
			return Version{}, "build metadata: " + why
		}
	}
	v.Pre, v.Build = pre, build
	return v, ""
}

func parseNumber(s string) (n uint64, why string) {
	if !isDigits(s) || s == "" {
		return 0, fmt.Sprintf("%q is not a number", s)
	}
	if len(s) > 1 && s[0] == '0' {
		return 0, fmt.Sprintf("%q has a leading zero", s)
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Sprintf("%q is too large", s)
	}
	return n, ""
}

// checkIdentifiers reads dot-separated identifiers. Only those of build
// metadata may have leading zeros.
func checkIdentifiers(s string, leadingZeros bool) (why string) {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" {
			return "an empty identifier"
		}
		for _, c := range []byte(id) {
			if c != '-' && !isAlphanumeric(c) {
				return fmt.Sprintf("identifier %q has other than letters, digits and hyphens", id)
			}
		}
		if !leadingZeros && len(id) > 1 && id[0] == '0' && isDigits(id) {
			return fmt.Sprintf("%q has a leading zero", id)
		}
	}
	return ""
}

// String returns the version as it was parsed.
func (v Version) String() string {
	if v.Build == "" {
		return v.Key()
	}
	return v.Key() + "+" + v.Build
}

// Key returns the version without build metadata. Two versions with one key are
// the same version to a registry.
func (v Version) Key() string {
	core := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Pre == "" {
		return core
	}
	return core + "-" + v.Pre
}

// IsPrerelease reports whether v is a pre-release.
func (v Version) IsPrerelease() bool { return v.Pre != "" }

// Compare orders versions by precedence and then, which SemVer leaves open, by
// build metadata as cargo does: a total order in which only equal versions are
// equal.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, w.Major),
		cmp.Compare(v.Minor, w.Minor),
		cmp.Compare(v.Patch, w.Patch),
		comparePre(v.Pre, w.Pre),
		compareIdentifiers(v.Build, w.Build),
	)
}

func comparePre(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "": // a release comes after its pre-releases
		return 1
	case b == "":
		return -1
	}
	return compareIdentifiers(a, b)
}

func compareIdentifiers(a, b string) int {
	for a != b {
		idA, restA, moreA := strings.Cut(a, ".")
		idB, restB, moreB := strings.Cut(b, ".")
		if c := compareIdentifier(idA, idB); c != 0 {
			return c
		}
		if !moreA || !moreB {
			return cmp.Compare(len(a), len(b)) // the one with more identifiers comes later
		}
		a, b = restA, restB
	}
	return 0
}

// compareIdentifier puts numbers before words, and orders numbers by value and
// then by their leading zeros: 0, 00, 1, 01, 2.
func compareIdentifier(a, b string) int {
	numA, numB := isDigits(a), isDigits(b)
	switch {
	case numA && !numB:
		return -1
	case !numA && numB:
		return 1
	case !numA:
		return strings.Compare(a, b)
	}
	valueA, valueB := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(
		cmp.Compare(len(valueA), len(valueB)),
		strings.Compare(valueA, valueB),
		cmp.Compare(len(a), len(b)),
	)
}

// isDigits reports whether s has nothing but ASCII digits.
func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func isAlphanumeric(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9'
}

func isLetter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z'
}
