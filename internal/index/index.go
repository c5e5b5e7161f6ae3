// Package index reads what a sparse registry states about its crates: the lines
// of an index file, where a crate's file lies, and config.json with its
// download URLs. It tells how lines differ and what a version adds to those
// before it, and writes a line anew only to set whether it is yanked.
//
// It is pure: no network, no clock, no log. It follows cargo's reading
// (https://doc.rust-lang.org/cargo/reference/registry-index.html) and refuses
// what cargo and Go's JSON decoder could read differently: duplicate keys, keys
// in another case, bytes that are not UTF-8.
package index

import (
	"bytes"
	"errors"
	"fmt"
)

// MaxFile bounds an index file. The largest of crates.io has about 4 MB.
const MaxFile = 32 << 20

// maxBad is how many unreadable lines of a file are kept with their reason.
const maxBad = 100

// Sentinel errors of this package.
var (
	ErrTooLarge = errors.New("too large")
	ErrLine     = errors.New("not an index line")
	ErrConfig   = errors.New("not a registry's config.json")
)

// A File is an index file: one line per version of one crate, in the order in
// which the registry wrote them.
type File struct {
	Lines []Line
	Bad   []LineError // lines that were skipped
	More  int         // further bad lines that were not kept
}

// A LineError says why a line was skipped. It wraps ErrLine.
type LineError struct {
	Number int // 1-based
	Err    error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Number, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Parse reads an index file. As with cargo, a line that cannot be read costs
// its own version and no other. The lines share data's memory. The only error
// is ErrTooLarge.
func Parse(data []byte) (File, error) {
	if len(data) > MaxFile {
		return File{}, fmt.Errorf("parse index file of %d bytes: %w", len(data), ErrTooLarge)
	}
	var file File
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		raw = bytes.TrimSpace(raw)
		if len(raw) == 0 {
			continue
		}
		line, err := ParseLine(raw)
		switch {
		case err == nil:
			file.Lines = append(file.Lines, line)
		case len(file.Bad) < maxBad:
			file.Bad = append(file.Bad, LineError{Number: number, Err: err})
		default:
			file.More++
		}
	}
	return file, nil
}
