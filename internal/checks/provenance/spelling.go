package provenance

import (
	"bytes"
	"iter"
	"slices"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// A spelling is a form in which git may hold what a work tree shows otherwise,
// each sure to mean the same.
type spelling struct {
	id   gitobj.ID
	kind Kind
}

// spellings yields the ids of a file as it is, and, if it is text, with the line
// ends of other systems. Each is made when asked for, and without a copy: files
// are large, and the first mostly is the one.
func spellings(data []byte) iter.Seq[spelling] {
	return func(yield func(spelling) bool) {
		if !yield(spelling{blobID(data), Exact}) {
			return
		}
		from, to := otherLineEnds(data)
		if bytes.Contains(data, from) && convertible(data) {
			yield(spelling{piecesID(replaced(slices.Values([][]byte{data}), from, to)), LineEnds})
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

// unexpanded looks whether a file is what git's `ident` attribute makes of a blob
// when it checks it out: between "$Id" and "$" stands the blob's own id, and any
// other text there is somebody's. kind says how the line ends compare.
func unexpanded(data []byte, blob gitobj.ID) (kind Kind, ok bool) {
	keyword := []byte("$Id: " + blob.String() + " $")
	if !bytes.Contains(data, keyword) {
		return "", false
	}
	folded := replaced(slices.Values([][]byte{data}), keyword, []byte("$Id$"))
	if piecesID(folded) == blob {
		return Exact, true
	}
	from, to := otherLineEnds(data)
	return LineEnds, convertible(data) && piecesID(replaced(folded, from, to)) == blob
}

func blobID(data []byte) gitobj.ID {
	id, _ := gitobj.BlobID(data)
	return id
}

func piecesID(pieces iter.Seq[[]byte]) gitobj.ID {
	id, _ := gitobj.PiecesBlobID(pieces)
	return id
}

// isText is git's guess for what it shows: no NUL near the beginning.
func isText(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0
}

// convertible is git's guess for what it checks out with other line ends where
// nobody said that it is text (convert.c, convert_is_binary): no NUL, no carriage
// return but before a line feed, and hardly a control character.
func convertible(data []byte) bool {
	printable, others := 0, 0
	for i, c := range data {
		switch {
		case c == 0, c == '\r' && (i+1 == len(data) || data[i+1] != '\n'):
			return false
		case c == '\r', c == '\n':
		case c >= ' ' && c != 0x7f, c == '\b', c == '\t', c == '\f', c == 0x1b:
			printable++
		case c == 0x1a && i+1 == len(data): // the end of a file of former days
		default:
			others++
		}
	}
	return printable>>7 >= others
}
