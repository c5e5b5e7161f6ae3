package crate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
)

// inflate returns what the one gzip member in data holds, or nil where that
// cannot be known.
//
// cargo reads one member and ignores what follows; most other programs read
// several members as one stream. So anything that follows is refused.
func inflate(data []byte, limit int64, found *problems) []byte {
	rest := bytes.NewReader(data)
	z, err := gzip.NewReader(rest)
	if err != nil {
		found.add(RuleGzip, "", "the archive is not gzip: %v", gzipReason(err))
		return nil
	}
	if data[3]&0xe0 != 0 {
		found.add(RuleGzip, "", "the gzip header has reserved flags set (%#02x)", data[3])
		return nil
	}
	z.Multistream(false)
	said := saidSize(data, limit)
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
	if n := rest.Len(); n > 0 {
		after := "bytes"
		if bytes.HasPrefix(data[len(data)-n:], []byte{0x1f, 0x8b}) {
			after = "bytes of what looks like a second gzip member"
		}
		found.add(RuleTrailingData, "", "%d %s follow the gzip stream", n, after)
	}
	if stream == nil { // sound but for what follows it: read, for a complete report
		return inflateAgain(data, unpacked)
	}
	return stream
}

// inflateAgain returns what the first gzip member in data, known to be sound,
// unpacks to.
func inflateAgain(data []byte, size int64) []byte {
	z, err := gzip.NewReader(bytes.NewReader(data))
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

// saidSize takes the unpacked size from the last four bytes of data. They may be
// a lie: the stream is then damaged, or these bytes follow it and are none of its
// own. None may claim more than deflate can pack into so many bytes.
func saidSize(data []byte, limit int64) int64 {
	const deflateRatio = 1032
	said := int64(binary.LittleEndian.Uint32(data[len(data)-4:]))
	return min(said, deflateRatio*int64(len(data)), limit)
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
