package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxDepth is how deep serde_json, and with it cargo, follows nested values.
const maxDepth = 127

// fieldNames are the keys that a decoder of ours knows, by the key under whose
// array or object they stand; "" is the outermost object.
type fieldNames map[string][]string

var lineFields = fieldNames{
	"":     {"name", "vers", "deps", "cksum", "features", "features2", "yanked", "links", "v", "rust_version", "pubtime"},
	"deps": {"name", "req", "features", "optional", "default_features", "target", "kind", "registry", "package", "public"},
}

var configFields = fieldNames{"": {"dl", "api", "auth-required"}}

// A frame is an object or array that the scan is in.
type frame struct {
	object bool
	fields []string            // known keys of an object
	known  uint                // those of fields so far, a bit each
	others map[string]struct{} // its other keys so far
}

// checkKeys refuses an object that holds a key twice, and a known key in
// another case. Go takes the last of the first and accepts the second; cargo
// refuses the first and ignores the second. data is valid JSON.
func checkKeys(data []byte, known fieldNames) error {
	var (
		stack   []frame
		key     []byte // the last key read
		section []byte // the key of the outermost object that the scan is under
		wantKey bool
	)
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(stack) == maxDepth {
				return errors.New("nested too deeply")
			}
			if len(stack) == 1 {
				section = key
			}
			f := frame{object: data[i] == '{'}
			if f.object {
				f.fields = fieldsAt(known, len(stack), string(section))
			}
			stack = append(stack, f)
			wantKey = f.object
		case '}', ']':
			stack = stack[:len(stack)-1]
		case ',':
			wantKey = stack[len(stack)-1].object
		case '"':
			end := stringEnd(data, i)
			if wantKey {
				var err error
				if key, err = stack[len(stack)-1].add(data[i:end]); err != nil {
					return err
				}
				wantKey = false
			}
			i = end - 1
		}
	}
	return nil
}

// fieldsAt returns the known keys of an object that opens at a depth: those of
// the outermost object, or of an object in the array of one of its keys.
func fieldsAt(known fieldNames, depth int, section string) []string {
	switch {
	case depth == 0:
		return known[""]
	case depth == 2 && section != "":
		return known[section]
	}
	return nil
}

// add notes a key, given with its quotes, and returns it without.
func (f *frame) add(quoted []byte) ([]byte, error) {
	key, err := unquote(quoted)
	if err != nil {
		return nil, err
	}
	for i, field := range f.fields {
		if string(key) == field {
			if f.known&(1<<i) != 0 {
				return nil, twice(key)
			}
			f.known |= 1 << i
			return key, nil
		}
		if strings.EqualFold(string(key), field) {
			return nil, fmt.Errorf("key %q is %q in another case", clip(string(key)), field)
		}
	}
	if _, ok := f.others[string(key)]; ok {
		return nil, twice(key)
	}
	if f.others == nil {
		f.others = map[string]struct{}{}
	}
	f.others[string(key)] = struct{}{}
	return key, nil
}

// unquote returns the value of a string that is given with its quotes.
func unquote(quoted []byte) ([]byte, error) {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var value string
	if err := json.Unmarshal(quoted, &value); err != nil {
		return nil, err
	}
	return []byte(value), nil
}

func twice(key []byte) error { return fmt.Errorf("key %q stands twice", clip(string(key))) }

// stringEnd returns the index after the string that begins at start.
func stringEnd(data []byte, start int) int {
	for i := start + 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}
