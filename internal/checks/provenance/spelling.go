package provenance

import (
	"bytes"
	"iter"
	"regexp"
	"slices"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// A spelling is a form in which git may hold what a work tree shows otherwise,
// each sure to mean the same.
type spelling struct {
	id   gitobj.ID
	kind Kind
}

// expanded is what git's `ident` attribute makes of "$Id$" when it checks out:
// the blob's own id. Any other text between the dollars is somebody's.
var expanded = regexp.MustCompile(`\$Id: [0-9a-f]{40} \$`)

// spellings yields the ids of a file as it is, and, if it is text, with the line
// ends of other systems and with its ident keywords folded. Each is made when
// asked for, and without a copy: files are large, and the first mostly is the one.
func spellings(data []byte) iter.Seq[spelling] {
	return func(yield func(spelling) bool) {
		if !yield(spelling{blobID(data), Exact}) || !isText(data) {
			return
		}
		from, to := otherLineEnds(data)
		ends := bytes.Contains(data, from)
		whole := slices.Values([][]byte{data})
		if ends && !yield(spelling{piecesID(replaced(whole, from, to)), LineEnds}) {
			return
		}
		if !bytes.Contains(data, []byte("$Id: ")) || !expanded.Match(data) {
			return
		}
		if yield(spelling{piecesID(folded(data)), Ident}) && ends {
			yield(spelling{piecesID(replaced(folded(data), from, to)), Ident})
		}
	}
}

// otherLineEnds says what to replace for a text to be written as on Unix or, where
// it is so already, as on Windows.
func otherLineEnds(text []byte) (from, to []byte) {
	windows, unix := []byte("\r\n"), []byte("\n")
	if bytes.Contains(text, windows) {
		return windows, unix
	}
	return unix, windows
}

// folded yields the pieces of a text with its ident keywords folded.
func folded(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rest := text
		for at := expanded.FindIndex(rest); at != nil; at = expanded.FindIndex(rest) {
			if !yield(rest[:at[0]]) || !yield([]byte("$Id$")) {
				return
			}
			rest = rest[at[1]:]
		}
		yield(rest)
	}
}

// replaced yields pieces with all of from replaced, which no two of them share.
func replaced(pieces iter.Seq[[]byte], from, to []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for piece := range pieces {
			for more := true; more; {
				var before []byte
				before, piece, more = bytes.Cut(piece, from)
				if !yield(before) || more && !yield(to) {
					return
				}
			}
		}
	}
}

// spelled returns the kind under which one of the spellings has an id.
func spelled(all iter.Seq[spelling], id gitobj.ID) (Kind, bool) {
	for s := range all {
		if s.id == id {
			return s.kind, true
		}
	}
	return "", false
}

func blobID(data []byte) gitobj.ID {
	id, _ := gitobj.BlobID(data)
	return id
}

func piecesID(pieces iter.Seq[[]byte]) gitobj.ID {
	id, _ := gitobj.PiecesBlobID(pieces)
	return id
}

// mixesLineEnds reports whether lines end as on Windows, but not all.
func mixesLineEnds(text []byte) bool {
	windows := bytes.Count(text, []byte("\r\n"))
	return windows > 0 && windows < bytes.Count(text, []byte("\n"))
}

// isText is git's own guess: no NUL near the beginning.
func isText(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0
}
