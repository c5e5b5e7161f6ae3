package gitobj

import (
	"fmt"
	"maps"
	"slices"
)

// A pending object is one whose content is known, at some depth of deltas.
type pending struct {
	index int
	kind  Kind
	data  []byte
	depth int
}

// A resolution turns the entries of a pack into objects. It goes from bases to
// what stands on them, so that a delta that waits for itself, or for an object
// that is nowhere, is simply never reached.
type resolution struct {
	reader  *packReader
	entries []entry
	onIndex map[int][]int // deltas by the entry they stand on
	onID    map[ID][]int  // and by id, as long as that has not been seen
	work    []pending
	pack    *Pack
	hash    *hasher
	done    int
}

// resolve names all objects by their ids.
func (r *packReader) resolve(entries []entry) (*Pack, error) {
	s := &resolution{
		reader: r, entries: entries,
		onIndex: map[int][]int{}, onID: map[ID][]int{},
		pack: &Pack{objects: make(map[ID]object, len(entries))},
		hash: newHasher(),
	}
	for i, e := range slices.Backward(entries) { // popped from the end: in the pack's order
		switch {
		case e.kind != "":
			s.work = append(s.work, pending{index: i, kind: e.kind, data: e.data})
		case e.base >= 0:
			s.onIndex[e.base] = append(s.onIndex[e.base], i)
		default:
			s.onID[e.baseID] = append(s.onID[e.baseID], i)
		}
	}
	if err := s.run(); err != nil {
		return nil, err
	}
	if r.bases != nil && len(s.onID) > 0 {
		if err := s.runOnBases(r.bases); err != nil {
			return nil, err
		}
	}
	if left := len(entries) - s.done; left > 0 {
		return nil, fmt.Errorf("%d deltas without a base: %w: %w", left, ErrMissing, ErrFormat)
	}
	return s.pack, nil
}

// run takes in objects, and what stands on them, until none is left.
func (s *resolution) run() error {
	for len(s.work) > 0 {
		o := s.work[len(s.work)-1]
		s.work = s.work[:len(s.work)-1]
		id, collision := s.hash.object(o.kind, o.data)
		if collision {
			return fmt.Errorf("object %s: %w", id, ErrCollision)
		}
		s.pack.objects[id] = object{kind: o.kind, data: o.data}
		s.done++
		if err := s.apply(o, s.onIndex[o.index]); err != nil {
			return err
		}
		waiting := s.onID[id]
		delete(s.onID, id) // the same object may stand in a pack twice
		if err := s.apply(o, waiting); err != nil {
			return err
		}
	}
	return nil
}

// runOnBases goes on from the objects outside of the pack that deltas stand on.
func (s *resolution) runOnBases(bases Bases) error {
	for id, waiting := range maps.Clone(s.onID) {
		kind, data, ok := bases(id)
		if !ok {
			continue
		}
		delete(s.onID, id)
		if err := s.apply(pending{index: -1, kind: kind, data: data}, waiting); err != nil {
			return err
		}
	}
	return s.run()
}

// apply makes the objects that stand on o and puts them to the work left.
func (s *resolution) apply(o pending, waiting []int) error {
	for _, i := range waiting {
		if o.depth == s.reader.limits.Depth {
			return fmt.Errorf("more than %d deltas on deltas: %w", s.reader.limits.Depth, ErrLimit)
		}
		data, err := s.reader.apply(s.entries[i].data, o.data)
		if err != nil {
			return fmt.Errorf("delta for entry %d: %w", i, err)
		}
		s.entries[i].data = nil
		s.work = append(s.work, pending{index: i, kind: o.kind, data: data, depth: o.depth + 1})
	}
	return nil
}

// apply makes the object that delta describes on base.
func (r *packReader) apply(delta, base []byte) ([]byte, error) {
	from, delta, ok1 := deltaSize(delta)
	size, delta, ok2 := deltaSize(delta)
	if !ok1 || !ok2 || from != int64(len(base)) {
		return nil, fmt.Errorf("sizes: %w", ErrFormat)
	}
	if err := r.charge(size); err != nil {
		return nil, err
	}
	out := make([]byte, 0, size)
	for len(delta) > 0 {
		var part []byte
		var ok bool
		if part, delta, ok = deltaStep(delta, base); !ok || int64(len(out)+len(part)) > size {
			return nil, fmt.Errorf("instruction: %w", ErrFormat)
		}
		out = append(out, part...)
	}
	if int64(len(out)) != size {
		return nil, fmt.Errorf("%d bytes where %d were declared: %w", len(out), size, ErrFormat)
	}
	return out, nil
}

// deltaSize reads a size: 7 bits of each byte, least significant first.
func deltaSize(delta []byte) (size int64, rest []byte, ok bool) {
	for i, c := range delta {
		if i == 8 {
			break
		}
		size |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return size, delta[i+1:], true
		}
	}
	return 0, nil, false
}

// deltaStep reads one instruction: bytes to insert, or a stretch of base to copy.
func deltaStep(delta, base []byte) (part, rest []byte, ok bool) {
	op := delta[0]
	delta = delta[1:]
	if op&0x80 == 0 {
		n := int(op) // 0 is reserved
		if n == 0 || n > len(delta) {
			return nil, nil, false
		}
		return delta[:n], delta[n:], true
	}
	// Each of the low seven bits says that a byte of offset (four), then of size
	// (three) follows.
	var field [7]int
	for i := range field {
		if op>>i&1 == 0 {
			continue
		}
		if len(delta) == 0 {
			return nil, nil, false
		}
		field[i] = int(delta[0])
		delta = delta[1:]
	}
	offset := field[0] | field[1]<<8 | field[2]<<16 | field[3]<<24
	size := field[4] | field[5]<<8 | field[6]<<16
	if size == 0 {
		size = 0x10000
	}
	if offset > len(base) || size > len(base)-offset {
		return nil, nil, false
	}
	return base[offset : offset+size], delta, true
}
