package gate

import (
	"fmt"
	"sync"

	"github.com/cratefence/cratefence/internal/index"
)

// lines are an entry's lines, unpacked and read. They never change.
type lines struct {
	entries []index.Entry
	byKey   map[string]int // by version without build metadata
	bad     int            // lines that cannot be read, or state a version twice
	raw     []byte
}

// unpacked remembers whose lines are unpacked, and lets the oldest go when they
// come to more than room. The zero value is ready to use.
type unpacked struct {
	mu    sync.Mutex
	queue []*entry
	bytes int
}

// room is how many bytes of lines stay unpacked: those of the few hundred crates
// that are asked for all the time.
const room = 48 << 20

// read returns e's lines. Two callers may both unpack them; either's will do.
func (u *unpacked) read(e *entry) (*lines, error) {
	if l := e.lines.Load(); l != nil {
		return l, nil
	}
	raw, err := index.Unpack(e.body, e.size)
	if err != nil {
		return nil, fmt.Errorf("read lines of %q: %w: %w", e.key, ErrUnreadable, err)
	}
	l := readLines(e.name, raw)
	u.keep(e, l)
	return l, nil
}

func (u *unpacked) keep(e *entry, l *lines) {
	if len(l.raw) > room/4 || !e.lines.CompareAndSwap(nil, l) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.queue = append(u.queue, e)
	u.bytes += weight(l)
	for u.bytes > room {
		oldest := u.queue[0]
		u.queue = u.queue[1:]
		u.bytes -= weight(oldest.lines.Swap(nil))
	}
}

// weight is about what lines take in memory.
func weight(l *lines) int { return len(l.raw) + 256*len(l.entries) }

// readLines reads lines that the mirror accepted. What it would not have is left
// out: lines that cannot be read, are of another crate, or state a version twice.
func readLines(name string, raw []byte) *lines {
	l := &lines{byKey: map[string]int{}, raw: raw}
	for e, err := range index.Entries(raw) {
		if err != nil || e.Name != name {
			l.bad++
			continue
		}
		if _, twice := l.byKey[e.Key()]; twice {
			l.bad++
			continue
		}
		l.byKey[e.Key()] = len(l.entries)
		l.entries = append(l.entries, e)
	}
	return l
}

// find returns the place of a version. Not only the key but every character has
// to be right: cargo writes name and version as the index does.
func (l *lines) find(e *entry, name, version string) (int, bool) {
	i, ok := l.byKey[index.VersionKey(version)]
	if !ok || name != e.name || l.entries[i].Vers != version {
		return 0, false
	}
	return i, true
}
