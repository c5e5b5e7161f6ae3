package gitobj

import (
	"bytes"
	"crypto/sha1" // a pack's checksum guards against damage, not against its sender
	"encoding/binary"
	"fmt"
)

// PackLimits bound what ReadPack accepts.
type PackLimits struct {
	Objects  int
	Object   int64 // bytes of one object
	Inflated int64 // bytes of all objects and deltas, inflated
	Depth    int   // deltas on deltas
}

// DefaultPackLimits hold a commit of every repository that publishes crates, with
// room to spare. git itself makes chains of 50 deltas.
var DefaultPackLimits = PackLimits{Objects: 200_000, Object: 32 << 20, Inflated: 128 << 20, Depth: 256}

// A Pack is the objects of a pack, by ids computed from their bytes.
type Pack struct {
	objects map[ID]object
}

type object struct {
	kind Kind
	data []byte
}

// Bases are objects at hand, on which the deltas of a thin pack may stand. What
// they give out is not to be written to, and its id is taken on trust.
type Bases func(ID) (Kind, []byte, bool)

// ReadPack reads a whole pack (gitformat-pack, version 2). Where bases is nil it
// must be self-contained; a pack that needs others than there are is ErrMissing,
// and ErrFormat.
func ReadPack(data []byte, lim PackLimits, bases Bases) (*Pack, error) {
	r := &packReader{limits: lim, left: lim.Inflated, bases: bases, inflater: inflaters.Get().(*inflater)}
	defer inflaters.Put(r.inflater)
	entries, err := r.entries(data)
	if err != nil {
		return nil, fmt.Errorf("read pack: %w", err)
	}
	p, err := r.resolve(entries)
	if err != nil {
		return nil, fmt.Errorf("read pack: %w", err)
	}
	return p, nil
}

// Len is the number of different objects.
func (p *Pack) Len() int { return len(p.objects) }

// Blob returns a blob's content. It is not to be written to.
func (p *Pack) Blob(id ID) ([]byte, error) {
	o, err := p.object(id, Blob)
	return o.data, err
}

// Commit returns a commit.
func (p *Pack) Commit(id ID) (*Commit, error) {
	o, err := p.object(id, CommitKind)
	if err != nil {
		return nil, err
	}
	return parseCommit(id, o.data)
}

// Tree returns a tree.
func (p *Pack) Tree(id ID) (*Tree, error) {
	o, err := p.object(id, TreeKind)
	if err != nil {
		return nil, err
	}
	return ParseTree(id, o.data)
}

// Object returns an object of any kind. Its data is not to be written to.
func (p *Pack) Object(id ID) (kind Kind, data []byte, ok bool) {
	o, ok := p.objects[id]
	return o.kind, o.data, ok
}

// IDs returns the ids of the objects of a kind, in no order.
func (p *Pack) IDs(k Kind) []ID {
	var ids []ID
	for id, o := range p.objects {
		if o.kind == k {
			ids = append(ids, id)
		}
	}
	return ids
}

func (p *Pack) object(id ID, k Kind) (object, error) {
	o, ok := p.objects[id]
	switch {
	case !ok:
		return object{}, fmt.Errorf("read %s %s: %w", k, id, ErrMissing)
	case o.kind != k:
		return object{}, fmt.Errorf("read %s %s: it is a %s: %w", k, id, o.kind, ErrFormat)
	}
	return o, nil
}

// An entry is an object as a pack holds it: whole, or as a delta on another.
type entry struct {
	kind   Kind   // "" for a delta
	data   []byte // content, or the delta's instructions
	base   int    // index of the base's entry; -1 where baseID names it
	baseID ID
}

// A packReader reads one pack.
type packReader struct {
	limits   PackLimits
	left     int64 // bytes that may still be inflated
	bases    Bases
	inflater *inflater
}

const packHeader = 12

// entries reads the entries of a pack and checks its frame.
func (r *packReader) entries(data []byte) ([]entry, error) {
	if len(data) < packHeader+sha1.Size || string(data[:4]) != "PACK" {
		return nil, fmt.Errorf("no pack: %w", ErrFormat)
	}
	if v := binary.BigEndian.Uint32(data[4:]); v != 2 {
		return nil, fmt.Errorf("version %d: %w", v, ErrFormat)
	}
	body := data[:len(data)-sha1.Size]
	if sum := sha1.Sum(body); !bytes.Equal(sum[:], data[len(body):]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrFormat)
	}
	count := int64(binary.BigEndian.Uint32(data[8:]))
	if count > int64(r.limits.Objects) {
		return nil, fmt.Errorf("%d objects: %w", count, ErrLimit)
	}
	if count > int64(len(body)) { // before room is made for so many
		return nil, fmt.Errorf("%d objects in %d bytes: %w", count, len(body), ErrFormat)
	}
	entries := make([]entry, 0, count)
	at := make(map[int]int, count) // index by offset, for deltas
	for offset := packHeader; len(entries) < int(count); {
		e, next, err := r.entry(body, offset, at)
		if err != nil {
			return nil, fmt.Errorf("object at byte %d: %w", offset, err)
		}
		at[offset] = len(entries)
		entries = append(entries, e)
		offset = next
		if len(entries) == int(count) && next != len(body) {
			return nil, fmt.Errorf("%d bytes after the last object: %w", len(body)-next, ErrFormat)
		}
	}
	if count == 0 && len(body) != packHeader {
		return nil, fmt.Errorf("bytes after no objects: %w", ErrFormat)
	}
	return entries, nil
}

// The types of entries.
const (
	typeOfsDelta = 6
	typeRefDelta = 7
)

var kinds = map[byte]Kind{1: CommitKind, 2: TreeKind, 3: Blob, 4: Tag}

func (r *packReader) entry(body []byte, offset int, at map[int]int) (e entry, next int, err error) {
	typ, size, pos, ok := entryHeader(body, offset)
	if !ok {
		return entry{}, 0, fmt.Errorf("header: %w", ErrFormat)
	}
	e.base = -1
	switch typ {
	case typeOfsDelta:
		var back int
		if back, pos, ok = baseOffset(body, pos); !ok || back > offset {
			return entry{}, 0, fmt.Errorf("base offset: %w", ErrFormat)
		}
		if e.base, ok = at[offset-back]; !ok {
			return entry{}, 0, fmt.Errorf("no object at its base offset: %w", ErrFormat)
		}
	case typeRefDelta:
		if len(body)-pos < len(e.baseID) {
			return entry{}, 0, fmt.Errorf("base id: %w", ErrFormat)
		}
		e.baseID = ID(body[pos:][:len(e.baseID)])
		pos += len(e.baseID)
	default:
		if e.kind, ok = kinds[typ]; !ok {
			return entry{}, 0, fmt.Errorf("type %d: %w", typ, ErrFormat)
		}
	}
	if err := r.charge(size); err != nil {
		return entry{}, 0, err
	}
	data, used, err := r.inflater.inflate(body[pos:], size)
	if err != nil {
		return entry{}, 0, err
	}
	e.data = data
	return e, pos + used, nil
}

// charge counts bytes before they are made.
func (r *packReader) charge(size int64) error {
	if size > r.limits.Object {
		return fmt.Errorf("%d bytes: %w", size, ErrLimit)
	}
	if r.left -= size; r.left < 0 {
		return fmt.Errorf("more than %d bytes in all: %w", r.limits.Inflated, ErrLimit)
	}
	return nil
}

// entryHeader reads the type and inflated size: 3 and 4 bits of the first byte,
// then 7 of each further one, least significant first.
func entryHeader(body []byte, offset int) (typ byte, size int64, next int, ok bool) {
	if offset >= len(body) {
		return 0, 0, 0, false
	}
	c := body[offset]
	typ, size = c>>4&7, int64(c&15)
	pos := offset + 1
	for shift := 4; c&0x80 != 0; shift += 7 {
		if pos >= len(body) || shift > 53 {
			return 0, 0, 0, false
		}
		c = body[pos]
		size |= int64(c&0x7f) << shift
		pos++
	}
	return typ, size, pos, true
}

// baseOffset reads how far back the base of a delta stands: 7 bits of each byte,
// most significant first, each further byte adding one before its shift.
func baseOffset(body []byte, pos int) (back, next int, ok bool) {
	for i := 0; ; i++ {
		if pos >= len(body) || i == 5 { // five bytes span more than any pack we hold
			return 0, 0, false
		}
		c := body[pos]
		pos++
		if back = back<<7 | int(c&0x7f); c&0x80 == 0 {
			return back, pos, back > 0
		}
		back++
	}
}
