package markdown

import (
	"html/template"
	"sync"
)

// maxRemembered bounds, in bytes of source and result, each of the two
// generations of a memory.
const maxRemembered = 8 << 20

// A recipe is all that a rendering depends on.
type recipe struct {
	source string
	level  int
	about  int
}

type dish struct{ first, rest template.HTML }

// A memory keeps what was rendered lately: pages are read far more often than
// their texts change. When the young generation is full it becomes the old one;
// what is asked for again moves back.
type memory struct {
	mu         sync.Mutex
	young, old map[recipe]dish
	size       int // of young
}

// recall returns what render returned for the recipe before, or calls it.
func (m *memory) recall(r recipe, render func() (first, rest template.HTML)) (first, rest template.HTML) {
	m.mu.Lock()
	d, ok := m.young[r]
	if !ok {
		if d, ok = m.old[r]; ok {
			m.keep(r, d)
		}
	}
	m.mu.Unlock()
	if ok {
		return d.first, d.rest
	}
	// Rendered without the lock: two readers of a new page may both do it.
	d.first, d.rest = render()
	m.mu.Lock()
	m.keep(r, d)
	m.mu.Unlock()
	return d.first, d.rest
}

func (m *memory) keep(r recipe, d dish) {
	if m.size > maxRemembered {
		m.old, m.young, m.size = m.young, nil, 0
	}
	if m.young == nil {
		m.young = map[recipe]dish{}
	}
	m.young[r] = d
	m.size += len(r.source) + len(d.first) + len(d.rest)
}
