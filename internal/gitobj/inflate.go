package gitobj

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxRatio is how much deflate can shrink at best (zlib's technical notes).
const maxRatio = 1032

// An inflater inflates zlib streams one after another.
type inflater struct {
	src bytes.Reader
	z   io.ReadCloser // nil before the first
}

// inflaters are those at rest: most packs are smaller than an inflater's tables.
var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate returns the content of the zlib stream at the start of src, which must
// have the size declared, and the bytes that the stream takes.
func (f *inflater) inflate(src []byte, size int64) (data []byte, used int, err error) {
	if size > maxRatio*int64(len(src)) {
		return nil, 0, fmt.Errorf("%d bytes cannot come from %d: %w", size, len(src), ErrFormat)
	}
	f.src.Reset(src)       // an io.ByteReader: nothing behind the stream is read
	defer f.src.Reset(nil) // so that an inflater at rest keeps no pack
	if f.z == nil {
		f.z, err = zlib.NewReader(&f.src)
	} else {
		err = f.z.(zlib.Resetter).Reset(&f.src, nil)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("inflate: %w: %w", ErrFormat, err)
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(f.z, data); err != nil {
		return nil, 0, fmt.Errorf("inflate: %w: %w", ErrFormat, err)
	}
	// The stream's own checksum is read with its end.
	var more [1]byte
	switch n, err := io.ReadFull(f.z, more[:]); {
	case n != 0:
		return nil, 0, fmt.Errorf("inflate: more than the %d bytes declared: %w", size, ErrFormat)
	case !errors.Is(err, io.EOF):
		return nil, 0, fmt.Errorf("inflate: %w: %w", ErrFormat, err)
	}
	return data, len(src) - f.src.Len(), nil
}
