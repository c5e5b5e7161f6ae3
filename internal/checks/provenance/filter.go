package provenance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// unfilter looks at modified files again where the repository's .gitattributes
// say that git holds them in another form: transcoded, or as a pointer to what
// stands in large file storage. Only the pointers are fetched.
func (c *comparison) unfilter(ctx context.Context) error {
	var modified []int
	var paths []string
	for i, f := range c.out.Files {
		if f.Kind == Modified && !f.git.IsZero() {
			modified, paths = append(modified, i), append(paths, f.At)
		}
	}
	if len(modified) == 0 {
		return nil
	}
	attributes, err := c.readAttributes(ctx, paths)
	if err != nil {
		return ctx.Err() // a server that hides them leaves the files modified
	}
	var stored []int
	for _, i := range modified {
		f := &c.out.Files[i]
		if name := attributes.value(&c.matcher, f.At, "working-tree-encoding"); name != "" {
			if isTranscoded(c.in.Archive.Files[i].Data, name, f.git) {
				f.Kind = Transcoded
			}
		}
		if attributes.value(&c.matcher, f.At, "filter") == "lfs" && len(stored) < batch {
			stored = append(stored, i)
		}
	}
	return c.comparePointers(ctx, stored)
}

// encodings are those that git's documentation names; UTF-16 alone guesses the
// byte order by the mark.
var encodings = map[string]encoding.Encoding{
	"UTF-16":       unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"UTF-16LE-BOM": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"UTF-16BE-BOM": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"UTF-16LE":     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"UTF-16BE":     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

// isTranscoded reports whether a file, read in an encoding, is the UTF-8 of a blob.
func isTranscoded(data []byte, name string, blob gitobj.ID) bool {
	enc, ok := encodings[strings.ToUpper(name)]
	if !ok {
		return false
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return false
	}
	_, same := spelled(spellings(text), blob)
	return same
}

func (c *comparison) comparePointers(ctx context.Context, stored []int) error {
	ids := make([]gitobj.ID, len(stored))
	for n, i := range stored {
		ids[n] = c.out.Files[i].git
	}
	blobs, err := c.tree.blobs(ctx, ids)
	if err != nil {
		return ctx.Err()
	}
	for n, i := range stored {
		if isPointerTo(string(blobs[ids[n]]), c.in.Archive.Files[i].Data) {
			c.out.Files[i].Kind = Stored
		}
	}
	return nil
}

// isPointerTo reports whether a blob is a pointer to data, as
// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md has it.
func isPointerTo(blob string, data []byte) bool {
	const maxPointer = 1024
	if len(blob) > maxPointer || !strings.HasPrefix(blob, "version https://git-lfs.github.com/spec/v1\n") {
		return false
	}
	keys := map[string]string{}
	for line := range strings.Lines(blob) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, twice := keys[key]; twice {
			return false
		}
		keys[key] = value
	}
	sum := sha256.Sum256(data)
	return keys["oid"] == "sha256:"+hex.EncodeToString(sum[:]) && keys["size"] == strconv.Itoa(len(data))
}
