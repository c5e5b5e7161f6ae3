package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

// fly looks at one crate: asks upstream, merges, stores, tells.
func (m *Mirror) fly(ctx context.Context, key string, wide bool) error {
	err := m.look(ctx, key, wide)
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
		return err
	case !m.looks.was(key) && !errors.Is(err, errNoTurn): // it is said once, not with each look
		m.Log.WarnContext(ctx, "index file stays as it was", "crate", key, "err", err)
	}
	return fmt.Errorf("refresh index file of %q: %w: %w", key, ErrTrouble, err)
}

// tries bounds how often a look merges anew because another process was quicker.
const tries = 5

func (m *Mirror) look(ctx context.Context, key string, wide bool) error {
	var (
		answer *Answer // of the first try: upstream is asked once
		done   func()
	)
	for range tries {
		file, records, err := m.Store.IndexFile(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			file, err = store.IndexFile{Key: key}, nil
		}
		if err != nil {
			m.breaker.unasked()
			return err
		}
		if done == nil {
			if done, err = m.flights.turn(ctx, file.Revision > 0); err != nil {
				m.breaker.unasked()
				return err
			}
			defer done()
		}
		if answer == nil {
			if answer, err = m.ask(ctx, file); err != nil {
				return err
			}
		}
		if err = m.keep(ctx, file, records, *answer, wide); !errors.Is(err, store.ErrConflict) {
			return err
		}
		if answer.NotModified {
			answer = nil // not modified since something else than is stored by now
		}
	}
	return fmt.Errorf("save index file of %q: %w", key, store.ErrConflict)
}

// ask returns upstream's answer. A crate that it does not have is one whose file
// is empty.
func (m *Mirror) ask(ctx context.Context, file store.IndexFile) (*Answer, error) {
	etag, lastModified := file.ETag, file.LastModified
	if !file.GoneSince.IsZero() {
		etag, lastModified = "", "" // the file of then may be back as it was
	}
	answer, err := m.Upstream.IndexFile(ctx, file.Key, etag, lastModified)
	switch {
	case errors.Is(err, ErrUnreachable):
		m.breaker.silent(err, m.Now())
		return nil, err
	case errors.Is(err, ErrNotFound):
		answer, err = Answer{}, nil
	}
	m.breaker.answered() // be it nonsense
	return &answer, err
}

// keep merges an answer into what is known, and stores what came of it.
func (m *Mirror) keep(ctx context.Context, file store.IndexFile, records []store.LineRecord, answer Answer, wide bool) error {
	now := m.Now()
	if answer.NotModified {
		m.tellOnce(ctx, file.Key)
		return nil
	}
	known := file.Revision > 0
	if !known && len(bytes.TrimSpace(answer.Body)) == 0 {
		return fmt.Errorf("look up %q: %w", file.Key, ErrNotFound)
	}
	var lines []byte
	if known {
		var err error
		if lines, err = file.Unpack(); err != nil {
			return err
		}
	}
	merged, err := begin(file, lines, records, now)
	if err != nil {
		return err
	}
	if err := merged.take(answer.Body); err != nil {
		return err
	}
	return m.save(ctx, merged, lines, answer, wide)
}

func (m *Mirror) save(ctx context.Context, merged *merge, lines []byte, answer Answer, wide bool) error {
	file := &merged.file
	var gone error
	if !file.GoneSince.IsZero() {
		gone = fmt.Errorf("look up %q: %w", file.Key, ErrNotFound)
	}
	same := answer.ETag == file.ETag && answer.LastModified == file.LastModified
	if gone == nil {
		file.ETag, file.LastModified = answer.ETag, answer.LastModified
	}
	m.tell(ctx, merged)
	switch {
	case merged.changed, merged.unasked: // no gate need have heard of an import that goes on
	case gone != nil, same:
		m.tellOnce(ctx, file.Key)
		return gone
	default:
		m.tellOnce(ctx, file.Key)
		return m.touch(ctx, *file)
	}
	save, err := merged.save(lines)
	if err != nil {
		return err
	}
	if err := m.Store.SaveIndex(ctx, save); err != nil {
		return err
	}
	if m.Changed != nil {
		m.Changed(ctx, file.Key)
	}
	if wide {
		m.lookAround(merged)
	}
	return gone
}

// tell has new versions taken in.
func (m *Mirror) tell(ctx context.Context, merged *merge) {
	sights := merged.sights()
	if m.Seen == nil || len(sights) == 0 {
		return
	}
	if err := m.Seen(ctx, sights); err != nil {
		m.Log.WarnContext(ctx, "new versions are not taken in until they are asked for", "crate", merged.file.Key, "err", err)
	}
}

// tellOnce tells of a crate that this process finds as it was, the first time
// that it looks: another process may have stored it a moment ago.
func (m *Mirror) tellOnce(ctx context.Context, key string) {
	if m.Changed != nil && !m.looks.had(key) {
		m.Changed(ctx, key)
	}
}

// touch notes validators that are new for a file that is not. Nothing is written
// while upstream says "as it was".
func (m *Mirror) touch(ctx context.Context, file store.IndexFile) error {
	return m.Store.TouchIndex(ctx, []store.IndexTouch{{
		Key: file.Key, Revision: file.Revision, CheckedAt: store.Instant(m.Now()), ETag: file.ETag, LastModified: file.LastModified,
	}})
}

// Which versions are to be taken in at once.
const (
	maxSights      = 100                 // that are new
	maxFirstSights = 10                  // that were there when upstream was first asked
	youngerThan    = 30 * 24 * time.Hour // of those, the ones that are
)

// sights are the versions that are to be taken in, newest first: those that are
// new and, when upstream is first asked about a crate, the young ones. Others are
// when somebody first downloads them.
func (m *merge) sights() []Sight {
	var wanted []*version
	if !m.first {
		wanted = newestFirst(m.fresh)[:min(maxSights, len(m.fresh))]
	}
	if m.unasked {
		young := slices.DeleteFunc(newestFirst(m.versions), func(v *version) bool {
			return v.accepted.Pubtime.Before(m.at.Add(-youngerThan)) || slices.Contains(wanted, v) // as if old, where it has no date
		})
		wanted = append(wanted, young[:min(maxFirstSights, len(young))]...)
	}
	var sights []Sight
	for _, v := range wanted {
		sights = append(sights, Sight{Name: v.accepted.Name, Version: v.accepted.Vers, Checksum: v.checksum()})
	}
	return sights
}

// newestFirst orders versions by date, and those of one date against the order of
// their lines.
func newestFirst(versions []*version) []*version {
	newest := slices.Clone(versions)
	slices.Reverse(newest)
	slices.SortStableFunc(newest, func(a, b *version) int { return b.accepted.Pubtime.Compare(a.accepted.Pubtime) })
	return newest
}

// How far new versions' dependencies are looked at.
const (
	maxAround   = 16
	maxMeasured = 8 // new versions whose dependencies are read
)

// lookAround looks at the crates that new versions are the first of theirs to
// depend on, so that it is known how old they are. Nobody waits for it.
func (m *Mirror) lookAround(merged *merge) {
	for _, name := range merged.newDependencies() {
		if _, fresh := m.looks.find(name, m.Now()); fresh {
			continue
		}
		if _, err := m.begin(name, false); err != nil {
			return // too much is under way
		}
	}
}

// newDependencies are keys of crates of the same registry.
func (m *merge) newDependencies() []string {
	sights := m.sights()
	if len(sights) == 0 {
		return nil
	}
	entries := make([]index.Entry, len(m.versions))
	for i, v := range m.versions {
		entries[i] = v.accepted
	}
	var keys []string
	for _, s := range sights[:min(maxMeasured, len(sights))] {
		i := slices.IndexFunc(entries, func(e index.Entry) bool { return e.Vers == s.Version })
		history, err := index.HistoryOf(entries, i)
		if err != nil {
			continue // it was read a moment ago
		}
		for _, d := range history.Added {
			key := store.IndexKey(d.Crate)
			if crate.ValidateName(d.Crate) != nil {
				continue
			}
			if len(keys) < maxAround && d.Registry == "" && key != m.file.Key && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
