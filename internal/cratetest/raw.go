package cratetest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const blockSize = 512

// Mtime is the time that cargo writes into archives.
const Mtime = 1153704088

// Raw is an archive spelled out entry by entry, for what cargo would never
// write. Nothing in it is checked.
type Raw struct {
	FileName string // in the gzip header
	Entries  []RawEntry
	NoEnd    bool     // leave out the two blocks that end a tar
	AfterEnd []byte   // in the tar, behind its end
	Members  [][]byte // further gzip members, given uncompressed
	Trailing []byte   // behind the last gzip member
}

// A RawEntry is one entry of a tar.
type RawEntry struct {
	Name string // a GNU long name goes before one over 100 bytes
	Link string
	Type byte              // '0', a regular file, where zero
	Mode int64             // 0644 where zero
	Data []byte            //
	PAX  map[string]string // records of an extended header before the entry
	// Edit changes the finished header; Seal makes it valid again.
	Edit func(h *Header)

	zeros []int // number fields that say 0, by offset, where others are left empty
	mtime int64
}

// Which numbers cargo's tar library writes though they are 0: none for generated
// files, the owner's for long names, the device's too for files from disk.
var (
	ownerFields = []int{108, 116}
	diskFields  = []int{108, 116, 329, 337}
)

// A Header is a tar header.
type Header [blockSize]byte

// Seal writes the header's checksum.
func (h *Header) Seal() {
	copy(h[148:156], "        ")
	var sum int64
	for _, b := range h {
		sum += int64(b)
	}
	octal(h[148:156], sum)
}

// octal fills a field with digits and an end, as Rust's tar does.
func octal(field []byte, n int64) {
	copy(field, fmt.Sprintf("%0*o\x00", len(field)-1, n))
}

// Bytes returns the archive.
func (r Raw) Bytes() ([]byte, error) {
	var out bytes.Buffer
	if err := writeMember(&out, r.FileName, r.Tar()); err != nil {
		return nil, err
	}
	for _, member := range r.Members {
		if err := writeMember(&out, "", member); err != nil {
			return nil, err
		}
	}
	out.Write(r.Trailing)
	return out.Bytes(), nil
}

func writeMember(out *bytes.Buffer, name string, data []byte) error {
	w, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("write gzip member: %w", err)
	}
	w.Name = name // MTIME 0 and OS 255 are both writers' defaults
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write gzip member %q: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write gzip member %q: %w", name, err)
	}
	return nil
}

// Tar returns the archive before compression.
func (r Raw) Tar() []byte {
	var out []byte
	for _, e := range r.Entries {
		out = e.appendTo(out)
	}
	if !r.NoEnd {
		out = append(out, make([]byte, 2*blockSize)...)
	}
	return append(out, r.AfterEnd...)
}

func (e RawEntry) appendTo(out []byte) []byte {
	if len(e.PAX) > 0 {
		out = RawEntry{Name: "PaxHeaders/0", Type: 'x', Data: paxRecords(e.PAX)}.appendTo(out)
	}
	if len(e.Name) > 100 {
		out = RawEntry{Name: "././@LongLink", Type: 'L', Data: []byte(e.Name + "\x00"), zeros: ownerFields}.appendTo(out)
	}
	if len(e.Link) > 100 {
		out = RawEntry{Name: "././@LongLink", Type: 'K', Data: []byte(e.Link + "\x00"), zeros: ownerFields}.appendTo(out)
	}
	h := e.header()
	if e.Edit != nil {
		e.Edit(&h)
	}
	out = append(out, h[:]...)
	out = append(out, e.Data...)
	if rest := len(e.Data) % blockSize; rest > 0 {
		out = append(out, make([]byte, blockSize-rest)...)
	}
	return out
}

func (e RawEntry) header() Header {
	if e.Type == 0 {
		e.Type = '0'
	}
	if e.Mode == 0 {
		e.Mode = 0o644
	}
	var h Header
	copy(h[:100], e.Name)
	octal(h[100:108], e.Mode)
	octal(h[124:136], int64(len(e.Data)))
	octal(h[136:148], e.mtime)
	h[156] = e.Type
	copy(h[157:257], e.Link)
	copy(h[257:265], "ustar  \x00")
	for _, start := range e.zeros {
		octal(h[start:start+8], 0)
	}
	h.Seal()
	return h
}

// paxRecords writes "LENGTH KEY=VALUE\n", where the length counts itself.
func paxRecords(records map[string]string) []byte {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(records)) {
		rest := " " + key + "=" + records[key] + "\n"
		length := len(rest)
		for length != len(rest)+len(fmt.Sprint(length)) {
			length = len(rest) + len(fmt.Sprint(length))
		}
		fmt.Fprint(&out, length, rest)
	}
	return []byte(out.String())
}
