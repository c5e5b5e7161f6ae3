// Package crate reads .crate archives strictly and within limits, and what is
// written in them: the manifest, the version-control note, names, versions and
// checksums.
//
// It is pure: no network, no clock, no log. It refuses what cargo would refuse
// and what two tar readers could read differently; it does not judge a crate.
package crate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A Release is one published version as bytes.
type Release struct {
	Name     string
	Version  string
	Checksum Checksum // of the .crate; zero for an unpacked folder
}

// String returns "name@version".
func (r Release) String() string { return r.Name + "@" + r.Version }

// A Checksum is the SHA-256 of a .crate, as the index's `cksum` states it.
type Checksum [sha256.Size]byte

// Sum returns the checksum of data.
func Sum(data []byte) Checksum { return sha256.Sum256(data) }

// ParseChecksum reads 64 lower-case hexadecimal digits.
func ParseChecksum(s string) (Checksum, error) {
	var c Checksum
	if len(s) != hex.EncodedLen(len(c)) {
		return Checksum{}, fmt.Errorf("parse checksum %q: want 64 hexadecimal digits", s)
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return Checksum{}, fmt.Errorf("parse checksum %q: want lower-case hexadecimal digits", s)
		}
	}
	if _, err := hex.Decode(c[:], []byte(s)); err != nil {
		return Checksum{}, fmt.Errorf("parse checksum %q: %w", s, err)
	}
	return c, nil
}

// IsZero reports whether c is the zero checksum, which stands for none.
func (c Checksum) IsZero() bool { return c == Checksum{} }

// String returns 64 lower-case hexadecimal digits.
func (c Checksum) String() string { return hex.EncodeToString(c[:]) }

// MarshalText and UnmarshalText let a checksum stand in JSON as its digits.
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Checksum) UnmarshalText(text []byte) error {
	parsed, err := ParseChecksum(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}
