package gitsource

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// The bands that share the stream of a pack.
const (
	bandData     = 1
	bandProgress = 2
	bandError    = 3
)

// packs are buffers at rest. What is read from a pack is inflated, and keeps none
// of its bytes.
var packs = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPackAtRest is the bytes up to which a buffer is used again: most packs are of
// a few kilobytes.
const maxPackAtRest = 1 << 20

// takePack gives out an empty buffer; leave takes it back.
func takePack() (pack *bytes.Buffer, leave func()) {
	pack = packs.Get().(*bytes.Buffer)
	pack.Reset()
	return pack, func() {
		if pack.Cap() <= maxPackAtRest {
			packs.Put(pack)
		}
	}
}

// readPack reads the answer to a fetch up to its end and adds the pack in it to
// pack, unread.
func readPack(r *gitobj.PacketReader, pack *bytes.Buffer) error {
	if err := skipToPack(r); err != nil {
		return err
	}
	for {
		kind, data, err := r.Next()
		switch {
		case err == io.EOF:
			return fmt.Errorf("%w: pack cut short", check.ErrRepositoryProtocol)
		case err != nil:
			return err
		case kind == gitobj.FlushPacket || kind == gitobj.EndPacket:
			return nil
		case kind != gitobj.DataPacket || len(data) == 0:
			return fmt.Errorf("%w: packet without a band", check.ErrRepositoryProtocol)
		}
		switch data[0] {
		case bandData:
			pack.Write(data[1:])
		case bandProgress:
		case bandError:
			return serverError(string(data[1:]))
		default:
			return fmt.Errorf("%w: band %d", check.ErrRepositoryProtocol, data[0])
		}
	}
}

// skipToPack reads the sections before the pack. They say where history was cut,
// which is where we asked for.
func skipToPack(r *gitobj.PacketReader) error {
	const most = 10_000 // lines
	atStart := true
	for range most {
		kind, data, err := r.Next()
		switch {
		case err == io.EOF || err == nil && (kind == gitobj.FlushPacket || kind == gitobj.EndPacket):
			return fmt.Errorf("%w: no pack in the answer", check.ErrRepositoryProtocol)
		case err != nil:
			return err
		case kind == gitobj.DelimPacket:
			atStart = true
			continue
		}
		line := strings.TrimSuffix(string(data), "\n")
		if message, ok := strings.CutPrefix(line, "ERR "); ok {
			return serverError(message)
		}
		if atStart && line == "packfile" {
			return nil
		}
		atStart = false
	}
	return fmt.Errorf("%w: more than %d lines before the pack", check.ErrRepositoryProtocol, most)
}
