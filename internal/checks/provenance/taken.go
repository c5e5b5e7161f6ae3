package provenance

import (
	"bytes"
	"iter"
)

// mentions reports whether source may lead into a folder of the crate's
// root, as `#[path = "../tests/x.rs"]`, `include!` and `#include` do. Comments and the URLs in
// them do not.
func mentions(source []byte, folder string) bool {
	return leadsInto(source, folder+"/") || leadsInto(source, folder+`\`) // as on Windows
}

func leadsInto(source []byte, folder string) bool {
	name := []byte(folder)
	if !bytes.Contains(source, name) {
		return false
	}
	for line := range bytes.Lines(source) {
		if isComment(line) {
			continue
		}
		for rest := line; ; {
			before, after, found := bytes.Cut(rest, name)
			if !found {
				break
			}
			if len(before) > 0 && bytes.IndexByte([]byte(`"/\`), before[len(before)-1]) >= 0 && !inURL(before) {
				return true
			}
			rest = after
		}
	}
	return false
}

// isComment reports whether a line is one comment and nothing besides.
func isComment(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) && !bytes.Contains(line, []byte("*/"))
}

// inURL reports whether what ends here is part of a URL.
func inURL(before []byte) bool {
	return bytes.Contains(before[bytes.LastIndexAny(before, " \t\"<(")+1:], []byte("://"))
}

// takingReach is the bytes behind a word that takes in files in which their names
// have to stand.
const takingReach = 1200

// takingWords are those that are followed, or preceded, by what marks them as such.
var takingWords = []string{"include", "path", "incbin", "embed"}

// takenIn yields what may be the paths of files of any name that source takes in:
// what stands between quotes behind `include!`, `include_str!`, `path =`,
// `#include` and the like, up to the end of the statement. What is taken into
// documentation is left out. Each byte is looked at a few times at most, whatever
// the source is made of.
func takenIn(source []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, word := range takingWords {
			for at, seen := 0, 0; ; { // seen is where the last quote was
				i := bytes.Index(source[at:], []byte(word))
				if i < 0 {
					break
				}
				begin := at + i
				if at = begin + len(word); !takes(source[:begin], word, source[at:]) {
					continue
				}
				if name, ok := bracketed(source[at:]); ok && !yield(name) {
					return
				}
				end := min(at+takingReach, len(source))
				if i := bytes.IndexByte(source[at:end], ';'); i >= 0 {
					end = at + i
				}
				for from := max(at, seen); from < end; from = seen {
					i := bytes.IndexByte(source[from:end], '"')
					if i < 0 {
						break
					}
					if seen = from + i + 1; !yield(source[from : from+i]) {
						return
					}
				}
			}
		}
	}
}

// takes reports whether a word is one of its own, and takes in what follows: `path`
// is given a value, `include` and its kin are called as macros, and the words of C
// and of assemblers have their sign before and a name behind them. What is taken in
// as documentation is not built.
func takes(before []byte, word string, after []byte) bool {
	if len(before) > 0 && isWordByte(before[len(before)-1]) {
		return false
	}
	if word == "include" {
		for _, data := range []string{"_str", "_bytes"} {
			if rest, ok := bytes.CutPrefix(after, []byte(data)); ok {
				return bytes.HasPrefix(bytes.TrimLeft(rest, blanks), []byte("!")) && !documents(before)
			}
		}
	}
	after = bytes.TrimLeft(after, blanks)
	switch {
	case word == "path":
		return bytes.HasPrefix(after, []byte("="))
	case word == "include" && bytes.HasPrefix(after, []byte("!")):
		return true
	}
	before = bytes.TrimRight(before, " \t")
	return bytes.IndexAny(after, `"<`) == 0 && (bytes.HasSuffix(before, []byte("#")) || bytes.HasSuffix(before, []byte(".")))
}

const blanks = " \t\n\f\r"

func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// documents reports whether what is called here stands in an attribute
// `#[doc = …]`, with other text or alone, or in the macros that were used before
// there was such: doc_comment!, and those for tests of documentation alone.
func documents(before []byte) bool {
	before = bytes.TrimRight(before[max(0, len(before)-600):], blanks)
	if macro, ok := bytes.CutSuffix(before, []byte("!(")); ok {
		name := macro[bytes.LastIndexFunc(macro, func(c rune) bool { return c >= 0x80 || !isWordByte(byte(c)) })+1:]
		return string(name) == "doc_comment" || bytes.Contains(name, []byte("doc")) && bytes.Contains(macro, []byte("#[cfg(doctest)]"))
	}
	before = before[max(0, len(before)-200):]
	i := max(bytes.LastIndex(before, []byte("#[")), bytes.LastIndex(before, []byte("#![")))
	if i < 0 || bytes.ContainsAny(before[i:], "];") {
		return false
	}
	attribute := before[i:]
	doc := bytes.LastIndex(attribute, []byte("doc"))
	if doc < 0 || isWordByte(attribute[doc-1]) {
		return false
	}
	value, ok := bytes.CutPrefix(bytes.TrimLeft(attribute[doc+len("doc"):], blanks), []byte("="))
	value = bytes.TrimLeft(value, blanks)
	return ok && (len(value) == 0 || bytes.HasPrefix(value, []byte("concat!")))
}

// bracketed returns the name that stands between angle brackets, as C has it.
func bracketed(after []byte) (name []byte, ok bool) {
	after, ok = bytes.CutPrefix(bytes.TrimLeft(after[:min(len(after), takingReach)], " \t"), []byte("<"))
	if !ok {
		return nil, false
	}
	name, _, ok = bytes.Cut(after, []byte(">"))
	return name, ok
}

// lastName is the name at the end of a path, as on Unix or on Windows.
func lastName(at []byte) []byte { return at[bytes.LastIndexAny(at, `/\`)+1:] }

// wraps reports whether source makes a word of its own that takes in files, whose
// names then stand where that is called: `use std::include_str as x`, or a macro
// with `include!($x)` in it.
func wraps(source []byte) bool {
	for rest := source; ; {
		before, after, found := bytes.Cut(rest, []byte("include"))
		if !found {
			return false
		}
		before, rest = source[:len(source)-len(rest)+len(before)], after
		for _, data := range []string{"_str", "_bytes"} {
			after = bytes.TrimPrefix(after, []byte(data))
		}
		after = bytes.TrimLeft(after, blanks)
		if name, ok := bytes.CutPrefix(after, []byte("as")); ok && len(name) > 0 && bytes.IndexByte([]byte(blanks), name[0]) >= 0 {
			return true
		}
		call, ok := bytes.CutPrefix(after, []byte("!"))
		if !ok || documents(before) {
			continue
		}
		call, _, _ = bytes.Cut(call[:min(len(call), takingReach)], []byte(";"))
		if bytes.IndexByte(call, '$') >= 0 {
			return true
		}
	}
}

// quoted yields what may stand between quotes: what comes before each of them. What
// is taken into documentation is left out.
func quoted(source []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for from := 0; ; {
			i := bytes.IndexByte(source[from:], '"')
			if i < 0 {
				return
			}
			text := source[from : from+i]
			call, ok := bytes.CutSuffix(source[:max(0, from-1)], []byte("include_str!("))
			if (!ok || !documents(call)) && !yield(text) {
				return
			}
			from += i + 1
		}
	}
}
