package index

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/crate"
)

// A scanner reads a line as registries write them: strict JSON whose known keys
// are spelled plainly and hold what they should. Its methods return false for
// all else, be it wrong or only rare; then ParseLine judges. So they need not
// know all that is right, but never take what ParseLine would refuse.
type scanner struct {
	data  []byte
	pos   int
	entry Entry
}

// What a line has to state.
const (
	hasName = 1 << iota
	hasVers
	hasDeps
	hasCksum
	hasAll = 1<<iota - 1
)

func (s *scanner) line() bool {
	if !utf8.Valid(s.data) {
		return false
	}
	stated := 0
	ok := s.object(&lineKeys, func(key int, start int) bool {
		switch key {
		case keyName:
			stated |= hasName
			return s.name()
		case keyVers:
			stated |= hasVers
			return s.version()
		case keyDeps:
			stated |= hasDeps
			return s.dependencies()
		case keyCksum:
			stated |= hasCksum
			return s.checksum()
		case keyFeatures, keyFeatures2:
			return s.featureMap()
		case keyYanked:
			return s.yanked(start)
		case keyV:
			return s.smallNumber()
		case keyPubtime:
			return s.pubtime()
		default: // links, rust_version
			return s.null() || s.text()
		}
	})
	s.space()
	return ok && s.pos == len(s.data) && stated == hasAll
}

// A keySet is the keys that an object may have besides unknown ones, by their
// place in names.
type keySet struct {
	names []string
	// byLength narrows the search: no two keys in ours share length and first letter
	// often.
	byLength [32][]int
}

func newKeySet(names []string) keySet {
	set := keySet{names: names}
	for i, name := range names {
		set.byLength[len(name)] = append(set.byLength[len(name)], i)
	}
	return set
}

// find returns a key's place, or -1 for an unknown one.
func (k *keySet) find(key []byte) int {
	if len(key) >= len(k.byLength) {
		return -1
	}
	for _, i := range k.byLength[len(key)] {
		if string(key) == k.names[i] {
			return i
		}
	}
	return -1
}

// The places of lineKeys that line asks for.
const (
	keyName = iota
	keyVers
	keyDeps
	keyCksum
	keyFeatures
	keyFeatures2
	keyYanked
	keyLinks
	keyV
	keyRustVersion
	keyPubtime
)

// The places of depKeys.
const (
	depName = iota
	depReq
	depFeatures
	depOptional
	depDefaultFeatures
	depTarget
	depKind
	depRegistry
	depPackage
	depPublic
)

var (
	lineKeys = newKeySet(lineFields[""])
	depKeys  = newKeySet(lineFields["deps"])
)

// object reads an object with each known key at most once. Known values are read
// by value, which is told where the member begins.
func (s *scanner) object(keys *keySet, value func(key, start int) bool) bool {
	if !s.byte('{') {
		return false
	}
	if s.byte('}') {
		return true
	}
	var (
		seen   uint
		others [8][]byte // unknown keys
		n      int
	)
	for {
		s.space()
		start := s.pos
		name, ok := s.plain()
		if !ok || !s.byte(':') {
			return false
		}
		if key := keys.find(name); key >= 0 {
			if seen&(1<<key) != 0 {
				return false
			}
			seen |= 1 << key
			s.space()
			if !value(key, start) {
				return false
			}
		} else {
			if n == len(others) || !keys.foreign(name) || slices.ContainsFunc(others[:n], func(o []byte) bool { return bytes.Equal(o, name) }) {
				return false
			}
			others[n] = name
			n++
			if !s.unknown() {
				return false
			}
		}
		if s.byte('}') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}

// foreign reports whether a key is none of the known ones in another case.
func (k *keySet) foreign(key []byte) bool {
	for _, c := range key {
		if c >= utf8.RuneSelf { // some fold to ASCII
			return false
		}
	}
	return !slices.ContainsFunc(k.names, func(name string) bool { return strings.EqualFold(name, string(key)) })
}

// unknown reads the value of an unknown key: a string, a literal or a small
// number, or a list of strings.
func (s *scanner) unknown() bool {
	s.space()
	return s.text() || s.null() || s.bool() || s.smallNumber() || s.strings()
}

func (s *scanner) name() bool {
	name, ok := s.plain()
	if !ok {
		return false
	}
	s.entry.Name = string(name)
	return crate.ValidateName(s.entry.Name) == nil
}

func (s *scanner) version() bool {
	vers, ok := s.plain()
	if !ok {
		return false
	}
	s.entry.Vers = string(vers)
	if plainVersion(vers) {
		return true
	}
	_, err := crate.ParseVersion(s.entry.Vers)
	return err == nil
}

// plainVersion reports whether v is three numbers of up to 9 digits.
func plainVersion(v []byte) bool {
	dots, digits := 0, 0
	for i, c := range v {
		switch {
		case c == '.':
			if digits == 0 {
				return false
			}
			dots, digits = dots+1, 0
		case '0' <= c && c <= '9':
			if digits == 1 && v[i-1] == '0' || digits == 9 {
				return false
			}
			digits++
		default:
			return false
		}
	}
	return dots == 2 && digits > 0
}

func (s *scanner) checksum() bool {
	digits, ok := s.plain()
	if !ok || len(digits) != hex.EncodedLen(len(s.entry.Cksum)) {
		return false
	}
	for _, c := range digits {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(s.entry.Cksum[:], digits)
	return err == nil && !s.entry.Cksum.IsZero()
}

func (s *scanner) yanked(start int) bool {
	value := s.pos
	s.entry.Yanked = bytes.HasPrefix(s.data[value:], []byte("true"))
	if !s.bool() {
		return false
	}
	s.entry.member, s.entry.value = span{start, s.pos}, span{value, s.pos}
	return true
}

func (s *scanner) pubtime() bool {
	if s.null() {
		return true
	}
	text, ok := s.plain()
	if !ok || !isTime(text) {
		return false
	}
	at, err := time.Parse(time.RFC3339, string(text))
	s.entry.Pubtime = at
	return err == nil
}

// isTime reports whether text has the form of a time in UTC, to the second.
func isTime(text []byte) bool {
	const form = "0000-00-00T00:00:00Z"
	if len(text) != len(form) {
		return false
	}
	for i, c := range text {
		if c != form[i] && (form[i] != '0' || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (s *scanner) dependencies() bool {
	return s.list(func() bool {
		return s.object(&depKeys, func(key, _ int) bool {
			switch key {
			case depFeatures:
				return s.null() || s.strings()
			case depOptional, depDefaultFeatures, depPublic:
				return s.null() || s.bool()
			case depKind:
				return s.null() || s.kind()
			default:
				return s.null() || s.text()
			}
		})
	})
}

func (s *scanner) kind() bool {
	text, ok := s.plain()
	return ok && (string(text) == string(Normal) || string(text) == string(Build) || string(text) == string(Dev))
}

// featureMap reads an object of lists of strings, without a key twice. Registries
// sort its keys today, which shows that at once; old lines are not sorted.
func (s *scanner) featureMap() bool {
	if s.null() {
		return true
	}
	start, sorted, last := s.pos, true, []byte(nil)
	ok := s.features(func(key []byte) {
		sorted = sorted && (last == nil || bytes.Compare(last, key) < 0)
		last = key
	})
	if !ok || sorted {
		return ok
	}
	var keys [][]byte
	again := scanner{data: s.data, pos: start}
	again.features(func(key []byte) { keys = append(keys, key) })
	slices.SortFunc(keys, bytes.Compare)
	all := len(keys)
	return len(slices.CompactFunc(keys, bytes.Equal)) == all
}

func (s *scanner) features(each func(key []byte)) bool {
	if !s.byte('{') {
		return false
	}
	if s.byte('}') {
		return true
	}
	for {
		s.space()
		key, ok := s.plain()
		if !ok || !s.byte(':') {
			return false
		}
		each(key)
		s.space()
		if !s.null() && !s.strings() {
			return false
		}
		if s.byte('}') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}
