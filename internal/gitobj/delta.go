package gitobj

import (
	"fmt"
	"slices"
)

// A pending object is one whose content is known, at some depth of deltas.
type pending struct {
	index int
	kind  Kind
	data  []byte
	depth int
}

// resolve turns deltas into objects and names all by their ids. It goes from
// bases to what stands on them, so that a delta that waits for itself, or for an
// object that is not in the pack, is simply never reached.
func (r *packReader) resolve(entries []entry) (*Pack, error) {
	onIndex := map[int][]int{}
	onID := map[ID][]int{}
	var work []pending
	for i, e := range slices.Backward(entries) { // popped from the end: in the pack's order
		switch {
		case e.kind != "":
			work = append(work, pending{index: i, kind: e.kind, data: e.data})
		case e.base >= 0:
			onIndex[e.base] = append(onIndex[e.base], i)
		default:
			onID[e.baseID] = append(onID[e.baseID], i)
		}
	}
	p := &Pack{objects: make(map[ID]object, len(entries))}
	hash := newHasher()
	done := 0
	for len(work) > 0 {
		o := work[len(work)-1]
		work = work[:len(work)-1]
		id, collision := hash.object(o.kind, o.data)
		if collision {
			return nil, fmt.Errorf("object %s: %w", id, ErrCollision)
		}
		p.objects[id] = object{kind: o.kind, data: o.data}
		done++
		waiting := append(onIndex[o.index], onID[id]...)
		delete(onID, id) // the same object may stand in a pack twice
		for _, i := range waiting {
			if o.depth == r.limits.Depth {
				return nil, fmt.Errorf("more than %d deltas on deltas: %w", r.limits.Depth, ErrLimit)
			}
			data, err := r.apply(entries[i].data, o.data)
			if err != nil {
				return nil, fmt.Errorf("delta on %s: %w", id, err)
			}
			entries[i].data = nil
			work = append(work, pending{index: i, kind: o.kind, data: data, depth: o.depth + 1})
		}
	}
	if done != len(entries) {
		return nil, fmt.Errorf("%d deltas without a base: %w", len(entries)-done, ErrFormat)
	}
	return p, nil
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
