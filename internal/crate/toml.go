package crate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Bounds on a manifest. The largest honest ones have some 200 KiB and well below
// 10,000 keys. Parsing takes time quadratic in the keys: at this bound about half
// a second.
const (
	maxManifest      = 1 << 20 // bytes
	maxManifestKeys  = 20_000  // keys, parts of dotted keys and opening brackets
	maxManifestDepth = 64      // nested brackets, and parts of one dotted key
	maxManifestKey   = 4096    // bytes of one part of a key
)

// guardTOML refuses documents that would cost the recursive parser its stack or
// its time. It need not judge syntax: where the text is not TOML the parser
// stops no later than this does.
func guardTOML(data []byte) error {
	if len(data) > maxManifest {
		return fmt.Errorf("%d bytes, over the limit of %d", len(data), maxManifest)
	}
	keys, depth, dots := 0, 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"', '\'':
			i = skipString(data, i)
		case '#':
			i = skipComment(data, i)
			dots = 0
		case '[', '{':
			keys, depth, dots = keys+1, depth+1, 0
		case ']', '}':
			depth, dots = depth-1, 0
		case '=':
			keys, dots = keys+1, 0
		case '.':
			keys, dots = keys+1, dots+1
		case ',', '\n':
			dots = 0
		}
		if depth > maxManifestDepth || dots > maxManifestDepth {
			return fmt.Errorf("nested deeper than %d", maxManifestDepth)
		}
		if keys > maxManifestKeys {
			return fmt.Errorf("more than %d keys", maxManifestKeys)
		}
	}
	return nil
}

// skipString returns the index of the last byte of the string that begins at i.
func skipString(data []byte, i int) int {
	quote := data[i : i+1]
	escapes := quote[0] == '"'
	end, multi := quote, false
	if triple := bytes.Repeat(quote, 3); bytes.HasPrefix(data[i:], triple) {
		end, multi = triple, true
	}
	for i += len(end); i < len(data); i++ {
		switch {
		case escapes && data[i] == '\\':
			i++
		case bytes.HasPrefix(data[i:], end):
			return i + len(end) - 1
		case !multi && data[i] == '\n':
			return i // unterminated: an error to the parser
		}
	}
	return len(data)
}

func skipComment(data []byte, i int) int {
	if n := bytes.IndexByte(data[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(data)
}

// keyLines finds the line of every table and key, by key path joined by NUL.
// The document has been parsed before, so its syntax is sound.
func keyLines(data []byte) (map[string]int, error) {
	k := lineFinder{lines: map[string]int{}, elements: map[string]int{}}
	k.parser.Reset(data)
	for i, c := range data {
		if c == '\n' {
			k.newlines = append(k.newlines, i)
		}
	}
	var table []string
	for k.parser.NextExpression() {
		switch e := k.parser.Expression(); e.Kind {
		case unstable.Table:
			table = k.key(nil, e.Key())
		case unstable.ArrayTable:
			table = k.element(k.key(nil, e.Key()))
		case unstable.KeyValue:
			k.keyValue(table, e)
		}
	}
	if k.longest > maxManifestKey {
		return nil, fmt.Errorf("a key of %d bytes, over the limit of %d", k.longest, maxManifestKey)
	}
	return k.lines, nil
}

// pathKey joins a key path, for maps. All that are too long share one key, which
// has no line: thousands of keys below one long path would cost gigabytes.
func pathKey(path []string) string {
	length := len(path)
	for _, part := range path {
		length += len(part)
	}
	if length > maxManifestKey {
		return tooLongKey
	}
	return strings.Join(path, "\x00")
}

const tooLongKey = "\x00too long"

type lineFinder struct {
	parser   unstable.Parser
	newlines []int
	lines    map[string]int
	elements map[string]int // elements so far of an array of tables
	last     int            // line of the key that was read last
	longest  int            // bytes of the longest part of a key
}

// key records every part of a dotted key below the path and returns the whole.
func (k *lineFinder) key(path []string, parts unstable.Iterator) []string {
	path = slices.Clone(path)
	for parts.Next() {
		n := parts.Node()
		// A key below an array of tables belongs to the element opened last.
		if elements := k.elements[pathKey(path)]; elements > 0 {
			path = append(path, strconv.Itoa(elements-1))
		}
		path = append(path, string(n.Data))
		k.longest = max(k.longest, len(n.Data))
		before, _ := slices.BinarySearch(k.newlines, int(n.Raw.Offset))
		k.last = before + 1
		k.record(path)
	}
	return path
}

func (k *lineFinder) record(path []string) {
	key := pathKey(path)
	if _, known := k.lines[key]; !known && key != tooLongKey {
		k.lines[key] = k.last
	}
}

// element numbers the element of an array of tables that its header opens.
func (k *lineFinder) element(path []string) []string {
	key := pathKey(path)
	path = append(path, strconv.Itoa(k.elements[key]))
	k.elements[key]++
	k.record(path)
	return path
}

func (k *lineFinder) keyValue(table []string, e *unstable.Node) {
	path := k.key(table, e.Key())
	if e.Value().Kind != unstable.InlineTable {
		return
	}
	for inner := e.Value().Children(); inner.Next(); {
		k.keyValue(path, inner.Node())
	}
}

// tomlReader takes typed values out of a decoded document and keeps the first
// error.
type tomlReader struct {
	lines map[string]int
	err   error
}

func (r *tomlReader) line(path []string) int { return r.lines[pathKey(path)] }

func (r *tomlReader) fail(path []string, key, why string) {
	if r.err != nil {
		return
	}
	r.err = fmt.Errorf("%.100q: %s", strings.Join(join(path, key), "."), why)
	if line := r.line(join(path, key)); line > 0 {
		r.err = fmt.Errorf("line %d: %w", line, r.err)
	}
}

// table returns the first of the tables called names, and its name.
func (r *tomlReader) table(parent map[string]any, at []string, names ...string) (string, map[string]any) {
	for _, name := range names {
		value, ok := parent[name]
		if !ok {
			continue
		}
		t, ok := value.(map[string]any)
		if !ok {
			r.fail(at, name, "want a table, not "+typeName(value))
		}
		return name, t
	}
	return "", nil
}

// A tomlTable is a table that typed values are taken from.
type tomlTable struct {
	r         *tomlReader
	path      []string
	values    map[string]any
	inherited map[string]bool // where set, keys may be the workspace's
}

// get returns the value of key, or nil where it is absent or inherited.
func (t *tomlTable) get(key string) any {
	value := t.values[key]
	if t.inherited == nil {
		return value
	}
	if from, ok := value.(map[string]any); ok && from["workspace"] == true {
		t.inherited[key] = true
		return nil
	}
	return value
}

func (t *tomlTable) text(key string) string {
	value := t.get(key)
	s, ok := value.(string)
	if value != nil && !ok {
		t.r.fail(t.path, key, "want a string, not "+typeName(value))
	}
	return s
}

func (t *tomlTable) texts(key string) []string {
	value := t.get(key)
	if value == nil {
		return nil
	}
	list, err := stringList(value)
	if err != nil {
		t.r.fail(t.path, key, err.Error())
	}
	return list
}

func (t *tomlTable) files(key string) FileSetting {
	switch value := t.get(key).(type) {
	case nil:
		return FileSetting{}
	case bool:
		return FileSetting{Set: true, Guess: value}
	case string:
		return FileSetting{Set: true, Paths: []string{value}}
	case []any:
		return FileSetting{Set: true, Paths: t.texts(key)}
	default:
		t.r.fail(t.path, key, "want a path or a bool, not "+typeName(value))
		return FileSetting{}
	}
}

func (t *tomlTable) flag(key string) bool {
	value := t.maybeFlag(key)
	return value != nil && *value
}

func (t *tomlTable) maybeFlag(keys ...string) *bool {
	for _, key := range keys {
		switch value := t.values[key].(type) {
		case nil:
			continue
		case bool:
			return &value
		default:
			t.r.fail(t.path, key, "want true or false, not "+typeName(value))
		}
	}
	return nil
}

func stringList(value any) ([]string, error) {
	array, ok := value.([]any)
	if !ok {
		return nil, errors.New("want an array of strings, not " + typeName(value))
	}
	list := make([]string, 0, len(array))
	for _, element := range array {
		s, ok := element.(string)
		if !ok {
			return nil, errors.New("want strings in the array, not " + typeName(element))
		}
		list = append(list, s)
	}
	return list, nil
}

// typeName names a decoded value's type in TOML's words.
func typeName(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case bool:
		return "a bool"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}

// join appends without touching path's backing array.
func join(path []string, parts ...string) []string {
	return append(slices.Clip(path), parts...)
}
