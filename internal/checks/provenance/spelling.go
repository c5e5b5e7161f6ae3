package provenance

import (
	"bytes"
	"iter"
	"regexp"

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
// asked for: files are large, and the first mostly is the one.
func spellings(data []byte) iter.Seq[spelling] {
	return func(yield func(spelling) bool) {
		if !yield(spelling{blobID(data), Exact}) || !isText(data) {
			return
		}
		if id, ok := otherLineEnds(data); ok && !yield(spelling{id, LineEnds}) || !bytes.Contains(data, []byte("$Id: ")) {
			return
		}
		folded := expanded.ReplaceAllLiteral(data, []byte("$Id$"))
		if len(folded) == len(data) || !yield(spelling{blobID(folded), Ident}) {
			return
		}
		if id, ok := otherLineEnds(folded); ok {
			yield(spelling{id, Ident})
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

// otherLineEnds returns the id of a text written as Unix does or, where it is so
// already, as Windows; none where it is the same for both.
func otherLineEnds(text []byte) (gitobj.ID, bool) {
	windows, unix := []byte("\r\n"), []byte("\n")
	if id, ok := gitobj.ReplacedBlobID(text, windows, unix); ok {
		return id, true
	}
	return gitobj.ReplacedBlobID(text, unix, windows)
}

// isText is git's own guess: no NUL near the beginning.
func isText(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0
}
