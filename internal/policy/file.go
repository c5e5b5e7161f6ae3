package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A reader takes typed values out of a decoded document, and keeps the first
// thing that is wrong with it.
type reader struct {
	lines map[string]int // by path
	err   error
}

// fail notes what is wrong with a key, and on which line it or what it stands in
// begins.
func (r *reader) fail(path, why string, args ...any) {
	if r.err != nil {
		return
	}
	r.err = fmt.Errorf("%q: %s", clip(path, maxText), fmt.Sprintf(why, args...))
	for at := path; at != ""; at = at[:max(strings.LastIndexByte(at, '.'), 0)] {
		if line := r.lines[at]; line > 0 {
			r.err = fmt.Errorf("line %d: %w", line, r.err)
			return
		}
	}
}

// A table is one that values are taken from.
type table struct {
	*reader
	path   string // in the document
	kind   string // which of the documented tables it is; "" where its keys are names
	values map[string]any
}

// key is the path of a key of the table.
func (t table) key(name string) string {
	if t.path == "" {
		return name
	}
	return t.path + "." + name
}

// open checks that there is nothing in a table but what is documented.
func (t table) open() table {
	known := keyNames(t.kind)
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		if !slices.Contains(known, name) {
			t.fail(t.key(name), "unknown key%s", orNearest(name, known, "; there are "+strings.Join(known, ", ")))
		}
	}
	return t
}

// want notes that a key's value is not what it should be.
func (t table) want(name string) { t.fail(t.key(name), "want %s", wanted(t.kind, name)) }

// take returns the value of a key. One of another type is a mistake; none is the
// zero value.
func take[T any](t table, name string) (value T, ok bool) {
	set, ok := t.values[name]
	if !ok {
		return value, false
	}
	if value, ok = set.(T); !ok {
		t.want(name)
	}
	return value, ok
}

// otherwise is the value of a key, or else another.
func otherwise[T any](t table, name string, other T) T {
	if value, ok := take[T](t, name); ok {
		return value
	}
	return other
}

func (t table) text(name string) string { return otherwise(t, name, "") }

func (t table) number(name string, other, least, most int) int {
	n := otherwise(t, name, int64(other))
	if n < int64(least) || n > int64(most) {
		t.fail(t.key(name), "want %d to %d", least, most)
		return other
	}
	return int(n)
}

func (t table) span(name string, other time.Duration) time.Duration {
	text, ok := take[string](t, name)
	if !ok {
		return other
	}
	d, err := parseDuration(text)
	if err != nil {
		t.fail(t.key(name), "%s", err)
	}
	return d
}

// choice is the value of a key that is one of a few words.
func choice[T ~string](t table, name string, other T, words ...T) T {
	text := T(otherwise(t, name, string(other)))
	if text != other && !slices.Contains(words, text) {
		t.want(name)
	}
	return text
}

func (t table) verdict(name string, other Verdict) Verdict {
	return choice(t, name, other, Allow, Hold, Block)
}

func (t table) date(name string) time.Time {
	if d, ok := take[toml.LocalDate](t, name); ok {
		return d.AsTime(time.UTC)
	}
	return time.Time{}
}

func (t table) texts(name string, other []string) []string {
	list, ok := take[[]any](t, name)
	if !ok {
		return other
	}
	texts := make([]string, 0, len(list))
	for _, element := range list {
		text, ok := element.(string)
		if !ok {
			t.want(name)
		}
		texts = append(texts, text)
	}
	return texts
}

// table returns the table that stands under a key, empty where there is none.
func (t table) table(name, kind string) table {
	values, _ := take[map[string]any](t, name)
	inner := table{reader: t.reader, path: t.key(name), kind: kind, values: values}
	if kind == "" {
		return inner // its keys are names
	}
	return inner.open()
}

// tables returns the elements of an array of tables, of which there may be so
// many.
func (t table) tables(name, kind string, most int) []table {
	list, _ := take[[]any](t, name)
	if len(list) > most {
		t.fail(t.key(name), "%d of them, over the limit of %d", len(list), most)
		return nil
	}
	made := make([]table, 0, len(list))
	for i, element := range list {
		values, ok := element.(map[string]any)
		if !ok {
			t.want(name)
		}
		made = append(made, table{reader: t.reader, path: t.key(name) + "." + strconv.Itoa(i), kind: kind, values: values}.open())
	}
	return made
}
