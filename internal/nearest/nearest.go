// Package nearest guesses which of the names that there are was meant by one that
// there is not.
package nearest

import "strings"

// longest is how much of a name is looked at: a longer one is no slip of the pen.
const longest = 200

// Of returns the candidate that is fewest edits from s, in any case, or "" when
// none is near enough to be meant. A dotted key is not meant by a name without
// dots.
func Of(s string, candidates []string) string {
	s = strings.ToLower(s[:min(len(s), longest)])
	best, bestDistance := "", len(s)/2+1
	for _, c := range candidates {
		if strings.Contains(s, ".") && !strings.Contains(c, ".") {
			continue
		}
		if d := distance(s, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
