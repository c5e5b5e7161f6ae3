package policy

import (
	"fmt"
	"strings"
)

// orNearest ends a complaint about a name: with the one that was meant, or else
// with other words.
func orNearest(name string, candidates []string, otherwise string) string {
	if near := nearest(name, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return otherwise
}

// nearest returns the candidate that is fewest edits from s, or "" when none is
// near enough to be meant.
func nearest(s string, candidates []string) string {
	best, bestDistance := "", min(len(s), maxName)/2+1
	for _, c := range candidates {
		if d := editDistance(clip(strings.ToLower(s), maxName), c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
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
