package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines finds the line of every key, by its path joined by dots; the elements
// of an array of tables are numbered from 0. Keys with dots in them may share a
// line with another, which costs a wrong number in a complaint.
type lines struct {
	at       map[string]int
	newlines []int
	elements map[string]int
	parser   unstable.Parser
}

// linesOf reads a document that is known to be sound.
func linesOf(data []byte) map[string]int {
	l := lines{at: map[string]int{}, elements: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			l.newlines = append(l.newlines, i)
		}
	}
	l.parser.Reset(data)
	var table []string
	for l.parser.NextExpression() {
		switch e := l.parser.Expression(); e.Kind {
		case unstable.Table:
			table = l.note(nil, e.Key())
		case unstable.ArrayTable:
			table = l.note(nil, e.Key())
			name := pathKey(table)
			table = append(table, strconv.Itoa(l.elements[name]))
			l.at[pathKey(table)] = l.at[name]
			delete(l.at, name) // each element notes its own
			l.elements[name]++
		case unstable.KeyValue:
			l.keyValue(table, e)
		}
	}
	return l.at
}

// maxPath bounds the paths that are kept, in bytes: many keys below one long name
// would cost gigabytes. No honest path is near it.
const maxPath = 500

// pathKey joins a path. All that are too long share one key.
func pathKey(path []string) string {
	length := len(path)
	for _, part := range path {
		length += len(part)
	}
	if length > maxPath {
		return "too long"
	}
	return strings.Join(path, ".")
}

// note notes the line of each part of a key below a path, and returns the whole.
func (l *lines) note(path []string, parts unstable.Iterator) []string {
	path = slices.Clone(path)
	for parts.Next() {
		if n := l.elements[pathKey(path)]; n > 0 {
			path = append(path, strconv.Itoa(n-1))
		}
		path = append(path, string(parts.Node().Data))
		if name := pathKey(path); l.at[name] == 0 {
			before, _ := slices.BinarySearch(l.newlines, int(parts.Node().Raw.Offset))
			l.at[name] = before + 1
		}
	}
	return path
}

func (l *lines) keyValue(table []string, e *unstable.Node) {
	path := l.note(table, e.Key())
	if e.Value().Kind != unstable.InlineTable {
		return
	}
	for inner := e.Value().Children(); inner.Next(); {
		l.keyValue(path, inner.Node())
	}
}
