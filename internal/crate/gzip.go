package crate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
)

// inflate returns what the one gzip member in p holds, or nil where that cannot
// be known.
//
// cargo reads one member and ignores what follows; most other programs read
// several members as one stream. So anything that follows is refused.
func inflate(p packed, limit int64, found *problems) []byte {
	rest := p.reader()
	z, err := gzip.NewReader(rest)
	if err != nil {
		found.add(RuleGzip, "", "the archive is not gzip: %v", gzipReason(err))
		return nil
	}
	if flags := p.at(3, 1); flags[0]&0xe0 != 0 {
		found.add(RuleGzip, "", "the gzip header has reserved flags set (%#02x)", flags[0])
		return nil
	}
	z.Multistream(false)
	said := p.saidSize(limit)
	stream, err := readAtMost(z, said, said+1+bytes.MinRead)
	unpacked := int64(len(stream))
	if err == nil && unpacked > said {
		// A liar is first measured: growing a buffer step by step takes thrice the
		// memory of one that fits.
		stream = nil
		var more int64
		more, err = io.Copy(io.Discard, io.LimitReader(z, limit+1-unpacked))
		unpacked += more
	}
	if err != nil {
		found.add(RuleGzip, "", "the gzip stream is damaged after %d unpacked bytes: %v", unpacked, gzipReason(err))
		return nil
	}
	if unpacked > limit {
		found.add(RuleUnpackedSize, "", "the archive unpacks to more than the limit of %d bytes", limit)
		return nil
	}
	if n := rest.left(); n > 0 {
		after := "bytes"
		if bytes.HasPrefix(p.at(p.size-n, 2), []byte{0x1f, 0x8b}) {
			after = "bytes of what looks like a second gzip member"
		}
		found.add(RuleTrailingData, "", "%d %s follow the gzip stream", n, after)
	}
	if stream == nil { // sound but for what follows it: read, for a complete report
		return inflateAgain(p, unpacked)
	}
	return stream
}

// inflateAgain returns what the first gzip member in p, known to be sound,
// unpacks to.
func inflateAgain(p packed, size int64) []byte {
	z, err := gzip.NewReader(p.reader())
	if err != nil {
		return nil
	}
	z.Multistream(false)
	stream, err := readAtMost(z, size, size+1+bytes.MinRead)
	if err != nil {
		return nil
	}
	return stream
}

// packed is a .crate as it lies somewhere.
type packed struct {
	src  io.ReaderAt
	size int64
}

// at returns n bytes at off, zeros where there are none.
func (p packed) at(off int64, n int) []byte {
	b := make([]byte, n)
	_, _ = p.src.ReadAt(b, off) // what cannot be read, the stream's reader tells
	return b
}

// saidSize takes the unpacked size from the last four bytes. They may be a lie:
// the stream is then damaged, or these bytes follow it and are none of its own.
// None may claim more than deflate can pack into so many bytes.
func (p packed) saidSize(limit int64) int64 {
	const deflateRatio = 1032
	said := int64(binary.LittleEndian.Uint32(p.at(p.size-4, 4)))
	return min(said, deflateRatio*p.size, limit)
}

func (p packed) reader() *packedReader {
	section := io.NewSectionReader(p.src, 0, p.size)
	return &packedReader{section: section, buf: bufio.NewReaderSize(section, 64<<10)}
}

// A packedReader gives gzip the single bytes that it asks for, so that gzip puts
// no buffer of its own between and left is exact.
type packedReader struct {
	section *io.SectionReader
	buf     *bufio.Reader
}

func (r *packedReader) Read(b []byte) (int, error) { return r.buf.Read(b) }

func (r *packedReader) ReadByte() (byte, error) { return r.buf.ReadByte() }

// left is how many bytes have not been asked for.
func (r *packedReader) left() int64 {
	at, _ := r.section.Seek(0, io.SeekCurrent) // never fails
	return r.section.Size() - at + int64(r.buf.Buffered())
}

// readAtMost reads until the end or one byte over the limit.
func readAtMost(r io.Reader, limit, hint int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, hint))
	_, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	return buf.Bytes(), err
}

func gzipReason(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut short")
	}
	return err
}
