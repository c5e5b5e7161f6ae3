package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// level is where gzip stops to gain on index lines, by BenchmarkPack: the next
// takes a third more time to save a byte in a hundred, and the first takes half as
// long and wastes five.
const level = 5

var packers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, level)
	if err != nil {
		panic(err) // the level is one of gzip's
	}
	return w
}}

// Pack compresses lines with gzip, as they are kept and served. The same lines
// give the same bytes.
func Pack(lines []byte) []byte {
	w := packers.Get().(*gzip.Writer)
	defer packers.Put(w)
	var packed bytes.Buffer
	w.Reset(&packed)
	w.Write(lines) // a buffer takes all
	w.Close()
	return bytes.Clone(packed.Bytes()) // it is kept: without the buffer's spare room
}

var unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}

var errSize = errors.New("not of the size that is stored with it")

// Unpack returns what Pack was given: size bytes, of which no more than MaxFile
// are taken.
func Unpack(packed []byte, size int) ([]byte, error) {
	if size > MaxFile {
		return nil, fmt.Errorf("unpack index file of %d bytes: %w", size, ErrTooLarge)
	}
	if size < 0 {
		return nil, fmt.Errorf("unpack index file: %w", errSize)
	}
	r := unpackers.Get().(*gzip.Reader)
	defer unpackers.Put(r)
	if err := r.Reset(bytes.NewReader(packed)); err != nil {
		return nil, fmt.Errorf("unpack index file: %w", err)
	}
	lines := make([]byte, size)
	if _, err := io.ReadFull(r, lines); err != nil {
		return nil, fmt.Errorf("unpack index file: %w", err)
	}
	// gzip checks its sum only when it is read to the end.
	switch n, err := r.Read(make([]byte, 1)); {
	case n > 0:
		return nil, fmt.Errorf("unpack index file: %w", errSize)
	case err != io.EOF:
		return nil, fmt.Errorf("unpack index file: %w", err)
	}
	return lines, nil
}
