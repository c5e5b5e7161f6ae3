package index

// The words of JSON, as the scanner meets them. Each reads its word or leaves
// the scanner where it was, but for white space; what is half a word fails the
// line.

// space skips white space.
func (s *scanner) space() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

// byte reads one punctuation mark and the white space before it. At the end of
// the outermost object it takes what follows, too.
func (s *scanner) byte(c byte) bool {
	s.space()
	if s.pos == len(s.data) || s.data[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// Classes of bytes in a string.
const (
	inString = iota // stands for itself
	quote
	escape
	control // not allowed
)

var stringByte = func() (class [256]uint8) {
	for c := range ' ' {
		class[c] = control
	}
	class['"'], class['\\'] = quote, escape
	return class
}()

// plain reads a string without escapes and returns it without quotes.
func (s *scanner) plain() ([]byte, bool) {
	if s.pos >= len(s.data) || s.data[s.pos] != '"' {
		return nil, false
	}
	rest := s.data[s.pos+1:]
	for i, c := range rest {
		if stringByte[c] == inString {
			continue
		}
		if c != '"' {
			return nil, false
		}
		s.pos += i + 2
		return rest[:i], true
	}
	return nil, false
}

// text reads a string whose value does not matter, escapes and all.
func (s *scanner) text() bool {
	data := s.data
	if s.pos >= len(data) || data[s.pos] != '"' {
		return false
	}
	for i := s.pos + 1; i < len(data); i++ {
		switch stringByte[data[i]] {
		case quote:
			s.pos = i + 1
			return true
		case control:
			return false
		case escape:
			n := escapeLength(data[i+1:])
			if n == 0 {
				return false
			}
			i += n
		}
	}
	return false
}

// escapeLength returns how many bytes belong to an escape after its backslash, 0
// when it is none.
func escapeLength(rest []byte) int {
	if len(rest) == 0 {
		return 0
	}
	switch rest[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(rest) < 5 {
			return 0
		}
		for _, c := range rest[1:5] {
			if !('0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f') {
				return 0
			}
		}
		return 5
	}
	return 0
}

// word reads a literal.
func (s *scanner) word(w string) bool {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

func (s *scanner) null() bool { return s.word("null") }

func (s *scanner) bool() bool { return s.word("true") || s.word("false") }

// smallNumber reads a whole number of up to 9 digits.
func (s *scanner) smallNumber() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	n := s.pos - start
	return n > 0 && n < 10 && (n == 1 || s.data[start] != '0')
}

// list reads a list whose items item reads.
func (s *scanner) list(item func() bool) bool {
	if !s.byte('[') {
		return false
	}
	if s.byte(']') {
		return true
	}
	for {
		s.space()
		if !item() {
			return false
		}
		if s.byte(']') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}

// strings reads a list of strings.
func (s *scanner) strings() bool {
	if !s.byte('[') {
		return false
	}
	if s.byte(']') {
		return true
	}
	for {
		s.space()
		if !s.text() {
			return false
		}
		if s.byte(']') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}
