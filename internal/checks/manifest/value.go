package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A field is a key of a table that cargo knows.
type field struct {
	name string
	old  string // the spelling of former days, "" where there is none
	read reader
}

// A reader returns a value's canonical form, nil for one that says no more than
// leaving the key out. It is false for a value of a type that cargo does not take.
type reader func(value any) (canonical any, ok bool)

// take reads the known keys of a table and leaves the others aside.
func (c *canoniser) take(path []string, table map[string]any, fields []field) map[string]any {
	out := map[string]any{}
	known := make(map[string]bool, len(fields))
	for _, f := range fields {
		known[f.name] = true
		value, ok := table[f.name]
		if old, isOld := table[f.old]; isOld && f.old != "" {
			known[f.old] = true
			if ok {
				c.leave(RuleIgnored, key(path, f.old), old, "%s is ignored beside `%s`", quote(key(path, f.old)), f.name)
			} else {
				c.note(RuleSpelling, key(path, f.old), "%s is the old spelling of `%s`", quote(key(path, f.old)), f.name)
				value, ok = old, true
			}
		}
		if !ok || f.read == nil { // nil: others read it
			continue
		}
		canonical, ok := f.read(value)
		if !ok {
			c.leaveUnknown(key(path, f.name), value)
		} else if canonical != nil {
			out[f.name] = canonical
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if !known[name] {
			c.leaveUnknown(key(path, name), table[name])
		}
	}
	return out
}

func (c *canoniser) leaveUnknown(path []string, value any) {
	c.leave(RuleUnknown, path, value, "%s is nothing that cargo knows, and is not published", quote(path))
}

func text(value any) (any, bool) {
	s, ok := value.(string)
	return s, ok
}

// prose is text in which the ends of lines do not matter: old cargos published
// them in either form, and with a last one or without.
func prose(value any) (any, bool) {
	s, ok := value.(string)
	return plainLines(s), ok
}

func plainLines(s string) string {
	return strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\r\n")
}

// list is an array of strings, in which order counts.
func list(value any) (any, bool) {
	array, ok := stringsOf(value)
	if !ok || len(array) == 0 {
		return nil, ok
	}
	return array, true
}

// set is an array of strings, in which order does not count.
func set(value any) (any, bool) {
	array, ok := stringsOf(value)
	if !ok || len(array) == 0 {
		return nil, ok
	}
	return sortedSet(array), true
}

func sortedSet(array []string) []string {
	sorted := slices.Clone(array)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// oneOrMore is a string or an array of them.
func oneOrMore(value any) (any, bool) {
	if s, ok := value.(string); ok {
		return []string{s}, true
	}
	return list(value)
}

// yesNo is a bool whose two values both differ from leaving it out.
func yesNo(value any) (any, bool) {
	b, ok := value.(bool)
	return b, ok
}

// off is a flag that is off where it is not written.
func off(value any) (any, bool) {
	b, ok := value.(bool)
	if !b {
		return nil, ok
	}
	return b, ok
}

// on is a flag that is on where it is not written.
func on(value any) (any, bool) {
	b, ok := value.(bool)
	if b {
		return nil, ok
	}
	return b, ok
}

func flagOrText(value any) (any, bool) {
	switch value.(type) {
	case bool, string:
		return value, true
	}
	return nil, false
}

func flagOrList(value any) (any, bool) {
	switch value := value.(type) {
	case bool:
		return on(value)
	case []any:
		array, ok := stringsOf(value)
		return array, ok
	}
	return nil, false
}

func integer(value any) (any, bool) {
	n, ok := value.(int64)
	return n, ok
}

// anything is what cargo passes on without knowing what it is.
func anything(value any) (any, bool) {
	switch value := value.(type) {
	case string:
		return plainLines(value), true
	case []any:
		array := make([]any, len(value))
		for i, element := range value {
			if array[i], _ = anything(element); array[i] == nil {
				array[i] = map[string]any{} // an element has its place, empty or not
			}
		}
		return array, true
	case map[string]any:
		table := make(map[string]any, len(value))
		for name, element := range value {
			if canonical, _ := anything(element); canonical != nil {
				table[name] = canonical
			}
		}
		if len(table) == 0 {
			return nil, true
		}
		return table, true
	}
	return value, true
}

func stringsOf(value any) ([]string, bool) {
	switch value := value.(type) {
	case []string:
		return value, true
	case []any:
		array := make([]string, len(value))
		for i, element := range value {
			s, ok := element.(string)
			if !ok {
				return nil, false
			}
			array[i] = s
		}
		return array, true
	}
	return nil, false
}

// sizeOf is about the bytes that a value takes.
func sizeOf(value any) int {
	const word = 16
	switch value := value.(type) {
	case string:
		return word + len(value)
	case []any:
		size := word
		for _, element := range value {
			size += sizeOf(element)
		}
		return size
	case map[string]any:
		size := word
		for name, element := range value {
			size += len(name) + sizeOf(element)
		}
		return size
	}
	return word
}

// render writes a value as TOML does inline, tables sorted by key. Two canonical
// values are equal if they are written alike.
func render(value any) string {
	var b strings.Builder
	write(&b, value)
	return b.String()
}

func write(b *strings.Builder, value any) {
	switch value := value.(type) {
	case nil:
	case string:
		b.WriteString(strconv.Quote(value))
	case []string:
		writeAll(b, value)
	case []any:
		writeAll(b, value)
	case map[string]any:
		b.WriteByte('{')
		for i, name := range slices.Sorted(maps.Keys(value)) {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(Dotted([]string{name}))
			b.WriteString(" = ")
			write(b, value[name])
		}
		b.WriteByte('}')
	case float64: // an integer is another value than a float
		b.WriteString(strconv.FormatFloat(value, 'e', -1, 64))
	default:
		fmt.Fprint(b, value)
	}
}

func writeAll[T any](b *strings.Builder, array []T) {
	b.WriteByte('[')
	for i, element := range array {
		if i > 0 {
			b.WriteString(", ")
		}
		write(b, element)
	}
	b.WriteByte(']')
}
