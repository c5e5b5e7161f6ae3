package provenance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// unfilter looks at modified files again where the .gitattributes of their
// repository say that git holds them in another form: with keywords folded,
// transcoded, or as a pointer to what stands in large file storage. Only the
// pointers are fetched.
func (c *comparison) unfilter(ctx context.Context) error {
	var modified, stored []int
	for i, f := range c.out.Files {
		if f.Kind == Modified {
			modified = append(modified, i)
		}
	}
	err := c.byTree(ctx, modified, func(i int, a attributes) {
		f, data := &c.out.Files[i], c.in.Archive.Files[i].Data
		if a.value(&c.matcher, f.inPath, "ident") == attributeSet {
			if kind, ok := unexpanded(data, f.git); ok {
				f.Kind, f.Ends = Ident, endsOf(kind, data)
			}
		}
		if name := a.value(&c.matcher, f.inPath, "working-tree-encoding"); name != "" {
			if text, ok := decoded(data, name); ok {
				if kind, ok := spelled(spellings(text), f.git); ok {
					f.Kind, f.Ends = Transcoded, endsOf(kind, text)
				}
			}
		}
		if a.value(&c.matcher, f.inPath, "filter") == "lfs" && len(stored) < batch {
			stored = append(stored, i)
		}
	})
	if err != nil {
		return err
	}
	return c.comparePointers(ctx, stored)
}

// encodings are those that git's documentation names. UTF-16 alone is either byte
// order, which the mark tells.
var encodings = map[string]encoding.Encoding{
	"UTF-16LE-BOM": unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM),
	"UTF-16BE-BOM": unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM),
	"UTF-16LE":     unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"UTF-16BE":     unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

// decoded reads a file in an encoding. What does not come out the same when it is
// written again is refused: a decoder takes many a broken text for one.
func decoded(data []byte, name string) (text []byte, ok bool) {
	name = strings.ToUpper(name)
	if name == "UTF-16" {
		name = "UTF-16LE-BOM"
		if bytes.HasPrefix(data, []byte("\xfe\xff")) {
			name = "UTF-16BE-BOM"
		}
	}
	enc, ok := encodings[name]
	if !ok {
		return nil, false
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return nil, false
	}
	again, err := enc.NewEncoder().Bytes(text)
	return text, err == nil && bytes.Equal(again, data)
}

func (c *comparison) comparePointers(ctx context.Context, stored []int) error {
	blobs, err := c.counterparts(ctx, stored)
	for _, i := range stored {
		if f := &c.out.Files[i]; isPointerTo(string(blobs[f.git]), c.in.Archive.Files[i].Data) {
			f.Kind = Stored
		}
	}
	return err
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
