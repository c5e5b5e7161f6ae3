package crate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
)

// An entry is one header and body of a tar stream, by default as cargo writes
// them.
type entry struct {
	name string
	body string
	kind byte            // 0 is a regular file
	edit func(h *header) // before the checksum is taken
	bare bool            // leave the checksum as edit made it
}

// file is an entry of the crate foo 1.0.0.
func file(path, body string) entry { return entry{name: "foo-1.0.0/" + path, body: body} }

// edited is a file whose header is not cargo's.
func edited(edit func(h *header)) entry {
	return entry{name: "foo-1.0.0/a.txt", body: "a", edit: edit}
}

// longNamed is an entry whose path is a GNU long name.
func longNamed(name string) []entry {
	return []entry{{name: longNameEntry, body: name + "\x00", kind: typeLongName}, {name: name[:min(len(name), 100)], body: "long"}}
}

func (e entry) bytes() []byte {
	var h header
	copy(h.name(), e.name)
	copy(h.mode(), "0000644\x00")
	copy(h.size(), fmt.Sprintf("%011o\x00", len(e.body)))
	copy(h.mtime(), "00000000001\x00")
	h[156] = typeRegular
	if e.kind != 0 {
		h[156] = e.kind
	}
	copy(h[257:], magicGNU)
	if e.edit != nil {
		e.edit(&h)
	}
	if !e.bare {
		copy(h.sum(), fmt.Sprintf("%06o\x00 ", h.checksum()))
	}
	padding := make([]byte, (blockSize-len(e.body)%blockSize)%blockSize)
	return bytes.Join([][]byte{h[:], []byte(e.body), padding}, nil)
}

var endMark = make([]byte, 2*blockSize)

// stream joins entries and the end mark.
func stream(entries ...entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		b.Write(e.bytes())
	}
	b.Write(endMark)
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
