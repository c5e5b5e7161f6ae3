package provenance

import (
	"bytes"
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

// spellings returns the ids of a file as it is, and, if it is text, with the line
// ends of other systems and with its ident keywords folded.
func spellings(data []byte) []spelling {
	all := []spelling{{blobID(data), Exact}}
	if !isText(data) {
		return all
	}
	if other := otherLineEnds(data); len(other) != len(data) {
		all = append(all, spelling{blobID(other), LineEnds})
	}
	if folded := expanded.ReplaceAllLiteral(data, []byte("$Id$")); len(folded) != len(data) {
		all = append(all, spelling{blobID(folded), Ident})
		if other := otherLineEnds(folded); len(other) != len(folded) {
			all = append(all, spelling{blobID(other), Ident})
		}
	}
	return all
}

// spelled returns the kind under which one of the spellings has an id.
func spelled(all []spelling, id gitobj.ID) (Kind, bool) {
	for _, s := range all {
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

// otherLineEnds writes text as Unix does or, where it is so already, as Windows.
func otherLineEnds(text []byte) []byte {
	unix := bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	if len(unix) != len(text) {
		return unix
	}
	return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
}

// isText is git's own guess: no NUL near the beginning.
func isText(data []byte) bool {
	return bytes.IndexByte(data[:min(len(data), 8000)], 0) < 0
}
