package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// memory is a store that fails before or after a write when it is told to.
type memory struct {
	mu      sync.Mutex
	files   map[string]store.IndexFile
	records map[string]map[string]store.LineRecord
	events  []store.LineEvent
	touches []store.IndexTouch
	saves   int
	imports int
	fail    error  // of every call
	before  func() // runs once, before the next save
}

func newMemory() *memory {
	return &memory{files: map[string]store.IndexFile{}, records: map[string]map[string]store.LineRecord{}}
}

func (s *memory) IndexFile(_ context.Context, key string) (store.IndexFile, []store.LineRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return store.IndexFile{}, nil, s.fail
	}
	f, ok := s.files[key]
	if !ok {
		return store.IndexFile{}, nil, store.ErrNotFound
	}
	var records []store.LineRecord
	for _, r := range s.records[key] {
		records = append(records, r)
	}
	return f, records, nil
}

func (s *memory) SaveIndex(_ context.Context, save store.IndexSave) error {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.files[save.File.Key].Revision != save.File.Revision {
		return store.ErrConflict
	}
	save = save.Clean()
	s.saves++
	save.File.Revision++
	s.put(save.File, save.Records)
	s.events = append(s.events, save.Events...)
	return nil
}

func (s *memory) put(f store.IndexFile, records []store.LineRecord) {
	s.files[f.Key] = f
	if s.records[f.Key] == nil {
		s.records[f.Key] = map[string]store.LineRecord{}
	}
	for _, r := range records {
		s.records[f.Key][r.Version] = r
	}
}

func (s *memory) TouchIndex(_ context.Context, touches []store.IndexTouch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touches = append(s.touches, touches...)
	for _, t := range touches {
		f := s.files[t.Key]
		f.ETag, f.LastModified, f.CheckedAt = t.ETag, t.LastModified, t.CheckedAt
		s.files[t.Key] = f
	}
	return s.fail
}

// registry is an upstream in memory. Its tags are digests of its files.
type registry struct {
	mu      sync.Mutex
	files   map[string]string // by lower-case name
	err     error
	tagless bool // it gives no validators
	asked   []string
	answer  func(ctx context.Context, name string) // runs before each answer
}

func (r *registry) IndexFile(ctx context.Context, name, etag, _ string) (Answer, error) {
	r.mu.Lock()
	r.asked = append(r.asked, name)
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(ctx, name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return Answer{}, r.err
	}
	body, ok := r.files[name]
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(body)))[:8])
	switch {
	case !ok:
		return Answer{}, fmt.Errorf("look up %q: %w", name, ErrNotFound)
	case tag == etag:
		return Answer{NotModified: true, ETag: etag}, nil
	}
	if r.tagless {
		tag = ""
	}
	return Answer{Body: []byte(body), ETag: tag}, nil
}

func (r *registry) set(name, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files[name] = body
}

func (r *registry) asks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// A world is a mirror with what it stands between, and a clock.
type world struct {
	*Mirror
	store    *memory
	registry *registry
	mu       sync.Mutex
	now      time.Time
	sights   []Sight
	changed  []string
}

func newWorld() *world {
	w := &world{store: newMemory(), registry: &registry{files: map[string]string{}}, now: start}
	w.Mirror = &Mirror{
		Store: w.store, Upstream: w.registry, TTL: time.Minute, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.now
		},
		Seen: func(_ context.Context, sights []Sight) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sights = append(w.sights, sights...)
			return nil
		},
		Changed: func(_ context.Context, key string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changed = append(w.changed, key)
		},
	}
	return w
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// file writes an index file from lines "VERSION WORD…": yanked, DEPENDENCY, @DATE
// for the date of publication, #LETTER for other bytes, =NAME for another name,
// ?KEY for a key that cargo does not know. A line of ! cannot be read.
func file(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "!" {
			b.WriteString("{\n")
			continue
		}
		name, letter, yanked, more := "tidy-int", "a", "false", ""
		var deps []string
		for _, word := range words[1:] {
			switch word[0] {
			case '@':
				more += `,"pubtime":"` + word[1:] + `T00:00:00Z"`
			case '#':
				letter = word[1:]
			case '=':
				name = word[1:]
			case '?':
				more += `,"` + word[1:] + `":1`
			default:
				if word == "yanked" {
					yanked = "true"
					continue
				}
				deps = append(deps, fmt.Sprintf(`{"name":%q,"req":"^1"}`, word))
			}
		}
		fmt.Fprintf(&b, `{"name":%q,"vers":%q,"deps":[%s],"cksum":%q,"features":{},"yanked":%s%s}`+"\n",
			name, words[0], strings.Join(deps, ","), strings.Repeat(letter, 64), yanked, more)
	}
	return b.String()
}

// kept is the lines kept of a crate.
func (s *memory) kept(t *testing.T, key string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[key]
	if !ok {
		return ""
	}
	lines, err := f.Unpack()
	if err != nil {
		t.Fatal(err)
	}
	return string(lines)
}

// told is what happened, one line an event, and forgets it.
func (s *memory) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, e := range s.events {
		fmt.Fprintln(&b, strings.Join(slices.DeleteFunc([]string{string(e.What), e.Version, e.Detail}, func(s string) bool { return s == "" }), " "))
	}
	s.events = nil
	return b.String()
}

// known is the records of a crate, one line each.
func (s *memory) known(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.records[key] {
		at := func(what string, t time.Time) string {
			if t.IsZero() {
				return ""
			}
			if t.Before(start) {
				return what + t.Format(time.DateOnly)
			}
			return what + t.Sub(start).String()
		}
		words := []string{r.Version, r.Checksum.String()[:1], at("@", r.PublishedAt), at("+", r.FirstSeenAt)}
		if r.Dated {
			words = append(words, "dated")
		}
		if r.Yanked {
			words = append(words, "yanked", at("+", r.YankedAt))
		}
		if r.Wave > 0 {
			words = append(words, fmt.Sprintf("wave %d", r.Wave))
		}
		if r.Trouble != "" {
			words = append(words, string(r.Trouble), at("+", r.TroubleAt))
		}
		if r.Offered != nil {
			e, err := index.Scan(r.Offered)
			if err != nil {
				words = append(words, "offered what cannot be read")
			} else {
				words = append(words, "offered", e.Cksum.String()[:1])
			}
		}
		all = append(all, strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")+"\n")
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

var errAway = errors.New("away")
