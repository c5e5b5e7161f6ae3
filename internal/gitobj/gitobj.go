// Package gitobj reads git's formats from hostile peers: pkt-lines, packs,
// commits, trees; and computes object ids.
//
// It is pure: no network, no clock, no log. It knows nothing of repositories or
// remotes. Only SHA-1 repositories are read.
package gitobj

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"

	"github.com/pjbgf/sha1cd"
)

// Sentinel errors of everything this package reads.
var (
	// ErrFormat: the bytes are not what git writes.
	ErrFormat = errors.New("not git's format")
	// ErrLimit: well formed as far as read, and over a limit.
	ErrLimit = errors.New("over a limit")
	// ErrCollision: the bytes are part of a SHA-1 collision attack, so that their
	// id says nothing.
	ErrCollision = errors.New("SHA-1 collision attack")
	// ErrMissing: the object is not there.
	ErrMissing = errors.New("no such object")
)

// An ID is the id of an object in a SHA-1 repository.
type ID [20]byte

// ParseID reads 40 lower-case hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != hex.EncodedLen(len(id)) {
		return ID{}, fmt.Errorf("parse object id %q: want 40 hexadecimal digits", s)
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ID{}, fmt.Errorf("parse object id %q: want lower-case hexadecimal digits", s)
		}
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("parse object id %q: %w", s, err)
	}
	return id, nil
}

// IsZero reports whether id is the zero id, which stands for none.
func (id ID) IsZero() bool { return id == ID{} }

// String returns 40 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText and UnmarshalText let an id stand in JSON as its digits.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// BlobID returns the id that git gives to a file of this content. It detects
// known SHA-1 collision attacks; collision reports one.
func BlobID(data []byte) (id ID, collision bool) {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	return h.object(Blob, data)
}

// PiecesBlobID is BlobID of pieces put together, which is not done for it: files
// may be large. It asks for the pieces twice.
func PiecesBlobID(pieces iter.Seq[[]byte]) (id ID, collision bool) {
	size := 0
	for piece := range pieces {
		size += len(piece)
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.begin(Blob, size)
	for piece := range pieces {
		h.sha.Write(piece)
	}
	return h.take()
}

// A hasher computes ids one after another.
type hasher struct {
	sha    sha1cd.CollisionResistantHash
	header [32]byte
	sum    [len(ID{})]byte
}

// hashers are those at rest.
var hashers = sync.Pool{New: func() any { return newHasher() }}

func newHasher() *hasher {
	return &hasher{sha: sha1cd.New().(sha1cd.CollisionResistantHash)}
}

func (h *hasher) object(k Kind, data []byte) (id ID, collision bool) {
	h.begin(k, len(data))
	h.sha.Write(data)
	return h.take()
}

// begin writes what git hashes before an object's bytes.
func (h *hasher) begin(k Kind, size int) {
	header := append(h.header[:0], k...)
	header = append(header, ' ')
	header = strconv.AppendInt(header, int64(size), 10)
	header = append(header, 0)
	h.sha.Reset()
	h.sha.Write(header)
}

func (h *hasher) take() (id ID, collision bool) {
	sum, collision := h.sha.CollisionResistantSum(h.sum[:0])
	return ID(sum), collision
}

// A Kind is a kind of object, as git spells it in the bytes it hashes.
type Kind string

// The kinds of objects.
const (
	CommitKind Kind = "commit"
	TreeKind   Kind = "tree"
	Blob       Kind = "blob"
	Tag        Kind = "tag"
)
