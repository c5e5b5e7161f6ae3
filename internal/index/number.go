package index

import "github.com/cratefence/cratefence/internal/crate"

// parseVersion is crate.ParseVersion, which allocates, but for the plain numbers
// that nearly all versions are: the history of a crate with thousands of versions
// parses each of them for each.
func parseVersion(s string) (crate.Version, error) {
	if v, ok := parseNumbers(s); ok {
		return v, nil
	}
	return crate.ParseVersion(s)
}

// parseNumbers reads three numbers of up to 9 digits.
func parseNumbers(s string) (v crate.Version, ok bool) {
	var numbers [3]uint64
	part, digits := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9' && digits < 9 && (digits == 0 || numbers[part] > 0):
			numbers[part] = 10*numbers[part] + uint64(c-'0')
			digits++
		case c == '.' && digits > 0 && part < 2:
			part, digits = part+1, 0
		default:
			return crate.Version{}, false
		}
	}
	return crate.Version{Major: numbers[0], Minor: numbers[1], Patch: numbers[2]}, part == 2 && digits > 0
}
