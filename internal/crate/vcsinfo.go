package crate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrVCSInfo is wrapped by every error of ParseVCSInfo.
var ErrVCSInfo = errors.New("malformed version-control note")

const (
	maxVCSInfo      = 64 << 10 // cargo writes about a hundred bytes
	maxVCSInfoDepth = 16
)

// VCSInfo is what .cargo_vcs_info.json says of the commit that a crate was
// packaged from. Nobody vouches for it.
type VCSInfo struct {
	SHA1  string // 40 lower-case hexadecimal digits, or 64 of a SHA-256 repository
	Dirty bool   // packaged with uncommitted changes; cargo says so since 1.81
	// PathInVCS is the package's folder in the repository, clean and relative,
	// "" for its root. It is nil before cargo 1.57, which did not write it.
	PathInVCS *string
}

// ParseVCSInfo reads .cargo_vcs_info.json. Unknown keys are ignored, as cargo
// does; a key that stands twice is refused.
func ParseVCSInfo(data []byte) (VCSInfo, error) {
	info, err := parseVCSInfo(data)
	if err != nil {
		return VCSInfo{}, fmt.Errorf("parse %s: %w: %w", VCSInfoFile, ErrVCSInfo, err)
	}
	return info, nil
}

func parseVCSInfo(data []byte) (VCSInfo, error) {
	doc, err := decodeJSON(data)
	if err != nil {
		return VCSInfo{}, err
	}
	top, ok := doc.(map[string]any)
	if !ok {
		return VCSInfo{}, errors.New("want an object")
	}
	git, ok := top["git"].(map[string]any)
	if !ok {
		return VCSInfo{}, errors.New(`"git": want an object`)
	}
	var info VCSInfo
	if info.SHA1, ok = git["sha1"].(string); !ok || !isObjectID(info.SHA1) {
		return VCSInfo{}, fmt.Errorf(`"git.sha1" is %s: want 40 or 64 lower-case hexadecimal digits`, brief(git["sha1"]))
	}
	if dirty, has := git["dirty"]; has {
		if info.Dirty, ok = dirty.(bool); !ok {
			return VCSInfo{}, fmt.Errorf(`"git.dirty" is %s: want true or false`, brief(dirty))
		}
	}
	if in, has := top["path_in_vcs"]; has {
		folder, ok := in.(string)
		if !ok || !isCleanFolder(folder) {
			return VCSInfo{}, fmt.Errorf(`"path_in_vcs" is %s: want a clean relative path`, brief(in))
		}
		info.PathInVCS = &folder
	}
	return info, nil
}

func isObjectID(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// isCleanFolder reports whether s is "" or a relative path that names a folder
// in just one way.
func isCleanFolder(s string) bool {
	if s == "" {
		return true
	}
	odd := func(r rune) bool { return r == '\\' || r == utf8.RuneError || unicode.IsControl(r) }
	return len(s) <= DefaultLimits.Path && path.Clean(s) == s && !path.IsAbs(s) &&
		s != "." && s != ".." && !strings.HasPrefix(s, "../") && strings.IndexFunc(s, odd) < 0
}

// brief shows a JSON value in an error.
func brief(v any) string {
	switch v := v.(type) {
	case nil:
		return "missing or null"
	case string:
		return fmt.Sprintf("%.100q", v)
	default:
		return fmt.Sprintf("of type %T", v)
	}
}

// decodeJSON reads exactly one JSON value. Unlike encoding/json alone it refuses
// a key that stands twice in one object and text that is not UTF-8, of which
// readers disagree.
func decodeJSON(data []byte) (any, error) {
	if len(data) > maxVCSInfo {
		return nil, fmt.Errorf("%d bytes, over the limit of %d", len(data), maxVCSInfo)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data follows the JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxVCSInfoDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxVCSInfoDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		return decodeObject(d, depth)
	case json.Delim('['):
		return decodeArray(d, depth)
	}
	return t, nil
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("%v where a key belongs", t)
		}
		if _, twice := object[key]; twice {
			return nil, fmt.Errorf("the key %.100q stands twice", key)
		}
		if object[key], err = decodeValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token() // the closing brace
	return object, err
}

func decodeArray(d *json.Decoder, depth int) (any, error) {
	var array []any
	for d.More() {
		v, err := decodeValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := d.Token() // the closing bracket
	return array, err
}
