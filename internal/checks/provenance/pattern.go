package provenance

import (
	"path"
	"strings"
)

// Bounds on the patterns of one file or manifest key. What is over them is not
// matched by anything.
const (
	maxPatterns = 500
	maxPattern  = 1024 // bytes
)

// A pattern is a line of a .gitignore, as https://git-scm.com/docs/gitignore
// describes it. Cargo reads include and exclude so, too.
type pattern struct {
	parts   []string // "**" for any number of folders
	size    int      // of the line
	negated bool
	folder  bool // matches folders only
}

func parsePattern(line string) (p pattern, ok bool) {
	if !strings.HasSuffix(line, `\ `) {
		line = strings.TrimRight(line, " \t\r")
	}
	if line == "" || line[0] == '#' || len(line) > maxPattern {
		return pattern{}, false
	}
	if rest, negated := strings.CutPrefix(line, "!"); negated {
		p.negated, line = true, rest
	}
	if rest, folder := strings.CutSuffix(line, "/"); folder {
		p.folder, line = true, rest
	}
	if !strings.Contains(line, "/") { // then it is matched at any depth
		p.parts = append(p.parts, "**")
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(line, "/"), "/") {
		p.parts = append(p.parts, strings.ReplaceAll(part, "[!", "[^"))
	}
	p.size = len(line)
	return p, line != ""
}

func parsePatterns(lines []string) (all []pattern) {
	for _, line := range lines[:min(len(lines), maxPatterns)] {
		if p, ok := parsePattern(line); ok {
			all = append(all, p)
		}
	}
	return all
}

// A matcher matches patterns until it has done as much work as any honest crate
// gives: then nothing matches any more.
type matcher struct {
	work int // in bytes of patterns times bytes of paths
}

const maxMatching = 1 << 27

func (m *matcher) exhausted() bool { return m.work > maxMatching }

// matches reports whether a pattern matches a path itself, not what lies below
// what it matches.
func (m *matcher) matches(p pattern, at string, folder bool) bool {
	m.work += p.size * len(at)
	return !m.exhausted() && (folder || !p.folder) && matchParts(p.parts, strings.Split(at, "/"))
}

// matchParts takes time that grows with the product of the lengths: from[i] says
// whether the first i names are matched by the parts read so far.
func matchParts(parts, names []string) bool {
	from := make([]bool, len(names)+1)
	from[0] = true
	for n, part := range parts {
		next := make([]bool, len(names)+1)
		for i := range from {
			switch {
			case part == "**" && n == len(parts)-1: // something has to follow
				next[i] = i > 0 && (next[i-1] || from[i-1])
			case part == "**":
				next[i] = from[i] || i > 0 && next[i-1]
			case i > 0 && from[i-1]:
				next[i], _ = path.Match(part, names[i-1])
			}
		}
		from = next
	}
	return from[len(names)]
}

// matchesBelow reports whether the last pattern that matches a file, or else the
// nearest folder above it that any matches, is not a negated one.
func (m *matcher) matchesBelow(all []pattern, file string) bool {
	folder := false
	for at := file; at != "" && !m.exhausted(); at, folder = parent(at), true {
		for i := len(all) - 1; i >= 0; i-- {
			if m.matches(all[i], at, folder) {
				return !all[i].negated
			}
		}
	}
	return false
}
