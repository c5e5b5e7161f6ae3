package gitobj

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// MaxPacket is the longest pkt-line, its four digits of length included.
const MaxPacket = 65520

// A PacketKind tells a packet with data from the special ones.
type PacketKind byte

// The kinds of packets.
const (
	DataPacket  PacketKind = iota
	FlushPacket            // "0000": a message ends
	DelimPacket            // "0001": a section of a message ends
	EndPacket              // "0002": a response ends, on stateless connections
)

// A PacketReader reads pkt-lines (gitprotocol-common, gitprotocol-v2).
type PacketReader struct {
	r    io.Reader
	head [4]byte
	buf  []byte // grows with the packets: most answers hold none of the longest
}

// NewPacketReader returns a reader of the pkt-lines in r, from which it reads
// no further than the packet it returns.
func NewPacketReader(r io.Reader) *PacketReader { return &PacketReader{r: r} }

// Next returns the next packet. Its data is overwritten by the next call. The
// error is io.EOF where the stream ends between packets; other errors of the
// stream are passed on wrapped.
func (p *PacketReader) Next() (PacketKind, []byte, error) {
	head := p.head[:]
	if _, err := io.ReadFull(p.r, head); err != nil {
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, nil, io.EOF
		}
		return 0, nil, cutShort(err)
	}
	n, ok := packetLength(head)
	switch {
	case !ok || n == 3 || n > MaxPacket:
		return 0, nil, fmt.Errorf("read pkt-line: length %q: %w", head, ErrFormat)
	case n < 3:
		return FlushPacket + PacketKind(n), nil, nil
	}
	p.buf = slices.Grow(p.buf[:0], n-len(head))
	data := p.buf[:n-len(head)]
	if _, err := io.ReadFull(p.r, data); err != nil {
		return 0, nil, cutShort(err)
	}
	return DataPacket, data, nil
}

// cutShort tells a stream that ends within a packet from one that fails.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read pkt-line: cut short: %w", ErrFormat)
	}
	return fmt.Errorf("read pkt-line: %w", err)
}

func packetLength(digits []byte) (n int, ok bool) {
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			n = n<<4 | int(c-'A'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// AppendPacket appends data as one packet. It panics on data over MaxPacket less
// four bytes: what is written is ours and short.
func AppendPacket(to []byte, data string) []byte {
	if len(data) > MaxPacket-4 {
		panic("gitobj: packet too long")
	}
	return append(fmt.Appendf(to, "%04x", len(data)+4), data...)
}

// AppendFlush appends a flush packet.
func AppendFlush(to []byte) []byte { return append(to, "0000"...) }

// AppendDelim appends a delimiter packet.
func AppendDelim(to []byte) []byte { return append(to, "0001"...) }
