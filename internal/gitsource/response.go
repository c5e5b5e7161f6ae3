package gitsource

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// The bands that share the stream of a pack.
const (
	bandData     = 1
	bandProgress = 2
	bandError    = 3
)

// readPack reads the answer to a fetch up to its end and returns the pack in it,
// unread.
func readPack(r *gitobj.PacketReader) ([]byte, error) {
	if err := skipToPack(r); err != nil {
		return nil, err
	}
	var pack bytes.Buffer
	for {
		kind, data, err := r.Next()
		switch {
		case err == io.EOF:
			return nil, fmt.Errorf("%w: pack cut short", check.ErrRepositoryProtocol)
		case err != nil:
			return nil, err
		case kind == gitobj.FlushPacket || kind == gitobj.EndPacket:
			return pack.Bytes(), nil
		case kind != gitobj.DataPacket || len(data) == 0:
			return nil, fmt.Errorf("%w: packet without a band", check.ErrRepositoryProtocol)
		}
		switch data[0] {
		case bandData:
			pack.Write(data[1:])
		case bandProgress:
		case bandError:
			return nil, serverError(string(data[1:]))
		default:
			return nil, fmt.Errorf("%w: band %d", check.ErrRepositoryProtocol, data[0])
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
