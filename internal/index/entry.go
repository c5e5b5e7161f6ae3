package index

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

// An Entry is what is asked of every line, read without building the rest: which
// version it states, of which bytes, since when, and whether it is yanked.
type Entry struct {
	Name    string
	Vers    string
	Cksum   crate.Checksum
	Pubtime time.Time // zero where the registry does not say
	Yanked  bool

	// Raw is the line as the registry wrote it, without the line feed.
	Raw []byte

	member span // "yanked":VALUE in Raw; empty where there is none
	value  span // VALUE of it
}

// A span is a part of a line.
type span struct{ start, end int }

func (s span) empty() bool { return s.start == s.end }

// Scan reads one line of an index file. It takes the lines that ParseLine takes,
// with the same values and errors, about ten times as fast. The entry keeps raw.
func Scan(raw []byte) (Entry, error) {
	s := scanner{data: raw}
	if s.line() {
		s.entry.Raw = raw
		return s.entry, nil
	}
	// Unusual, or no line at all: the slow way says which.
	line, err := ParseLine(raw)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Name: line.Name, Vers: line.Vers, Cksum: line.Cksum, Pubtime: line.Pubtime, Yanked: line.Yanked, Raw: raw}
	e.member, e.value = findMember(raw, "yanked")
	return e, nil
}

// Entries reads the lines of an index file, in their order. A line that cannot
// be read comes as a *LineError, and costs its own version and no other.
func Entries(data []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		number := 0
		for raw := range bytes.Lines(data) {
			number++
			raw = bytes.TrimSpace(raw)
			if len(raw) == 0 {
				continue
			}
			entry, err := Scan(raw)
			if err != nil {
				err = &LineError{Number: number, Err: err}
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// Key is the version without build metadata: what tells the versions of a crate
// apart.
func (e *Entry) Key() string { return VersionKey(e.Vers) }

// VersionKey is a version without build metadata. To cargo and to
// registries two versions with one key are the same.
func VersionKey(version string) string {
	key, _, _ := strings.Cut(version, "+")
	return key
}

// Digest is the SHA-256 of the line without its top-level member "yanked". That
// member's bytes, from the quote before its key to the end of its value, are
// taken out together with what lies between it and the comma behind it, that
// comma included; where none is behind, together with what lies between it and
// the comma before it, that comma included. A line without the member is taken
// whole. Two lines of one digest state the same of a release, but for yanks.
func (e *Entry) Digest() [sha256.Size]byte {
	if e.member.empty() {
		return sha256.Sum256(e.Raw)
	}
	cut := e.member
	if behind := skipSpace(e.Raw, cut.end); e.Raw[behind] == ',' {
		cut.end = behind + 1
	} else if comma := skipSpaceBack(e.Raw, cut.start); e.Raw[comma-1] == ',' {
		cut.start = comma - 1
	}
	h := sha256.New()
	h.Write(e.Raw[:cut.start])
	h.Write(e.Raw[cut.end:])
	return [sha256.Size]byte(h.Sum(nil))
}

// AppendYanked appends the line, stating that it is yanked or not, to buf. Only
// the value of its "yanked" differs; a line that says nothing of it gets the
// member as its last.
func (e *Entry) AppendYanked(buf []byte, yanked bool) []byte {
	value := "false"
	if yanked {
		value = "true"
	}
	if e.value.empty() {
		end := bytes.LastIndexByte(e.Raw, '}') // of the outermost object
		buf = append(buf, e.Raw[:end]...)
		buf = append(buf, `,"yanked":`...)
		buf = append(buf, value...)
		return append(buf, e.Raw[end:]...)
	}
	buf = append(buf, e.Raw[:e.value.start]...)
	buf = append(buf, value...)
	return append(buf, e.Raw[e.value.end:]...)
}

// Digest is Entry.Digest of a line. The error wraps ErrLine.
func Digest(raw []byte) ([sha256.Size]byte, error) {
	e, err := Scan(raw)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest: %w", err)
	}
	return e.Digest(), nil
}

// findMember returns where the member of a key lies in the outermost object, and
// its value. data is valid JSON with unique keys; the key may be escaped in it.
func findMember(data []byte, key string) (member, value span) {
	depth, wantKey := 0, false
	start := -1 // of the member that was found, while its end is looked for
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			depth++
			wantKey = depth == 1
		case '}', ']', ',':
			if start >= 0 && depth == 1 {
				value.end = skipSpaceBack(data, i)
				return span{start, value.end}, value
			}
			if data[i] != ',' {
				depth--
			}
			wantKey = depth == 1 && data[i] == ','
		case ':':
			if start >= 0 && value.start == 0 {
				value.start = skipSpace(data, i+1)
			}
		case '"':
			end := stringEnd(data, i)
			if wantKey {
				if k, err := unquote(data[i:end]); err == nil && string(k) == key {
					start = i
				}
			}
			wantKey = false
			i = end - 1
		}
	}
	return span{}, span{}
}

// skipSpace returns the first index from i on at which no white space stands.
func skipSpace(data []byte, i int) int {
	for i < len(data) && isSpace(data[i]) {
		i++
	}
	return i
}

// skipSpaceBack returns the index after the last byte before i that is no white
// space.
func skipSpaceBack(data []byte, i int) int {
	for i > 0 && isSpace(data[i-1]) {
		i--
	}
	return i
}

// isSpace reports whether c is white space to JSON.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
