package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// goneAfter is how long upstream has to be without a crate that it had, before
// its lines count as removed.
const goneAfter = 10 * time.Minute

// maxVersions bounds the versions of a crate. Those that have most have some
// thousands.
const maxVersions = 50_000

// maxLine bounds a version's line: one with more is read whenever it is decided
// on. Those of crates.io, with 500 dependencies at the most, stay below 200 KB.
const maxLine = 1 << 20

// Errors of a look at a file.
var (
	errUnreadable = errors.New("none of its lines can be read")
	errTooLarge   = errors.New("its lines and those kept of it are too large together")
)

// A version is what is known of one version of a crate.
type version struct {
	accepted index.Entry       // the line that is served
	record   *store.LineRecord // nil while nothing happened to it
	touched  bool              // record is to be saved
	offered  bool              // upstream has it, in this look
}

// A merge brings together what is known of a crate with what upstream says now.
// It is pure: what came of it is to be saved as one.
type merge struct {
	file     store.IndexFile
	at       time.Time
	first    bool // the crate was not known
	unasked  bool // upstream itself was not asked about it before
	versions []*version
	byKey    map[string]*version
	events   []store.LineEvent
	changed  bool // more than validators differ
	fresh    []*version
	bad      int   // lines that are left out
	problem  error // why the first of them is
	rewrites int
}

// begin reads what is known. lines are the file's, unpacked.
func begin(file store.IndexFile, lines []byte, records []store.LineRecord, at time.Time) (*merge, error) {
	m := &merge{file: file, at: store.Instant(at), first: file.Revision == 0, byKey: map[string]*version{}}
	m.unasked = m.first || !file.Imported.IsZero() && !asked(file)
	if m.first {
		m.file.FirstSeenAt = m.at
	}
	for e, err := range index.Entries(lines) {
		if err != nil { // it could be read when it was stored
			return nil, fmt.Errorf("read lines kept of %q: %w", file.Key, err)
		}
		m.add(e)
	}
	for _, r := range records {
		if v := m.byKey[index.VersionKey(r.Version)]; v != nil {
			v.record = &r
		}
	}
	return m, nil
}

func (m *merge) add(e index.Entry) *version {
	v := &version{accepted: e}
	m.versions = append(m.versions, v)
	m.byKey[e.Key()] = v
	return v
}

// say notes what happened to a version.
func (m *merge) say(v *version, what store.LineChange, detail string) {
	m.events = append(m.events, store.LineEvent{Key: m.file.Key, Version: v.accepted.Vers, What: what, At: m.at, Detail: detail})
}

// take merges the file that upstream has now. The error says why none of it is
// taken.
func (m *merge) take(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		m.gone()
		return nil
	}
	read := 0
	for e, err := range index.Entries(body) {
		if err == nil {
			err = m.line(e)
		}
		if err == nil {
			read++
			continue
		}
		if m.bad++; m.problem == nil {
			m.problem = err
		}
	}
	if read == 0 {
		return fmt.Errorf("%w: %w", errUnreadable, m.problem)
	}
	for _, v := range m.versions {
		if !v.offered {
			m.remove(v, "upstream has the crate without it")
		}
	}
	if !m.file.GoneSince.IsZero() {
		m.file.GoneSince, m.changed = time.Time{}, true
	}
	m.waves()
	m.report()
	return nil
}

// line merges one line. The error says why it is left out.
func (m *merge) line(e index.Entry) error {
	if m.file.Name == "" && strings.EqualFold(e.Name, m.file.Key) {
		m.file.Name = e.Name
	}
	if e.Name != m.file.Name {
		return fmt.Errorf("version %q: it names crate %q", e.Vers, e.Name)
	}
	v := m.byKey[e.Key()]
	switch {
	case len(e.Raw) > maxLine:
		return fmt.Errorf("version %q: its line has %d bytes", e.Vers, len(e.Raw))
	case v == nil && len(m.versions) >= maxVersions:
		return fmt.Errorf("version %q: the crate has %d versions already", e.Vers, maxVersions)
	case v == nil:
		m.publish(e)
	case v.offered:
		return fmt.Errorf("version %q: it stands twice", e.Vers)
	default:
		v.offered = true
		return m.compare(v, e)
	}
	return nil
}

// publish accepts the line of a version that was not known.
func (m *merge) publish(e index.Entry) {
	v := m.add(e)
	v.offered = true
	m.fresh = append(m.fresh, v)
	m.changed = true
	if m.first {
		return
	}
	v.touched = true
	v.record = &store.LineRecord{
		Key: m.file.Key, Version: e.Vers, Checksum: e.Cksum,
		PublishedAt: e.Pubtime, FirstSeenAt: m.at, Yanked: e.Yanked,
	}
	m.say(v, store.LinePublished, "")
}

// compare merges what upstream says of a known version.
func (m *merge) compare(v *version, e index.Entry) error {
	if e.Cksum != v.checksum() {
		m.offer(v, e, policy.LineOtherBytes, store.LineOtherBytes,
			fmt.Sprintf("checksum %s in place of %s", e.Cksum, v.checksum()))
		return nil
	}
	if bytes.Equal(e.Raw, v.accepted.Raw) {
		m.settle(v)
		return nil
	}
	before, after := v.accepted.Digest(), e.Digest()
	if before == after {
		m.yank(v, e.Yanked)
		m.accept(v, e)
		return nil
	}
	differences, err := differences(v.accepted, e)
	if err != nil {
		return err
	}
	m.yank(v, e.Yanked)
	if len(differences) == 0 {
		m.rewritten(v)
		m.accept(v, e)
		return nil
	}
	if v.accepted.Yanked != e.Yanked { // a yank counts, whatever else the line says
		m.changed = true
		if v.accepted, err = index.Scan(v.accepted.AppendYanked(nil, e.Yanked)); err != nil {
			return err
		}
	}
	m.offer(v, e, policy.LineChanged, store.LineEdited, strings.Join(differences, "; "))
	return nil
}

func differences(a, b index.Entry) ([]string, error) {
	before, err := index.ParseLine(a.Raw)
	if err != nil {
		return nil, err
	}
	after, err := index.ParseLine(b.Raw)
	if err != nil {
		return nil, err
	}
	return index.Differences(&before, &after), nil
}

// accept puts upstream's line in place of the one before, of which it differs in
// nothing that cargo resolves by.
func (m *merge) accept(v *version, e index.Entry) {
	if !e.Pubtime.Equal(v.accepted.Pubtime) {
		m.remember(v) // the first claim stays the one that counts
	}
	v.accepted, m.changed = e, true
	m.settle(v)
}

// maxRewrites is how many rewritten lines of one look are told one by one.
const maxRewrites = 5

func (m *merge) rewritten(v *version) {
	if m.rewrites++; m.rewrites <= maxRewrites {
		m.say(v, store.LineRewritten, "")
	}
}

// offer keeps the line that upstream has now beside the accepted one.
func (m *merge) offer(v *version, e index.Entry, trouble policy.LineTrouble, what store.LineChange, detail string) {
	r := m.remember(v)
	if r.Trouble == trouble && sameOffer(r.Offered, e) {
		if !bytes.Equal(r.Offered, e.Raw) { // a person who accepts it, accepts it as it is
			r.Offered, v.touched, m.changed = bytes.Clone(e.Raw), true, true
		}
		return
	}
	r.Trouble, r.TroubleAt, r.Offered = trouble, m.at, bytes.Clone(e.Raw)
	v.touched, m.changed = true, true
	m.say(v, what, detail)
}

// sameOffer reports whether a line was offered before, yanked or not.
func sameOffer(offered []byte, e index.Entry) bool {
	before, err := index.Digest(offered)
	return err == nil && before == e.Digest()
}

// settle ends the trouble of a version that upstream has as it was.
func (m *merge) settle(v *version) {
	if v.record == nil || v.record.Trouble == "" {
		return
	}
	m.say(v, store.LineReturned, "it was "+string(v.record.Trouble))
	v.record.Trouble, v.record.TroubleAt, v.record.Offered = "", time.Time{}, nil
	v.touched, m.changed = true, true
}

// yank notes whether upstream has a version yanked.
func (m *merge) yank(v *version, yanked bool) {
	if v.accepted.Yanked == yanked {
		return
	}
	r := m.remember(v)
	r.Yanked, r.YankedAt, r.HonouredAt = yanked, time.Time{}, time.Time{}
	v.touched, m.changed = true, true
	if yanked {
		r.YankedAt = m.at
		m.say(v, store.LineYanked, "")
	} else {
		m.say(v, store.LineUnyanked, "")
	}
}

// remove notes that upstream has a version no more.
func (m *merge) remove(v *version, detail string) {
	r := m.remember(v)
	if r.Trouble == policy.LineRemoved {
		return
	}
	r.Trouble, r.TroubleAt, r.Offered = policy.LineRemoved, m.at, nil
	v.touched, m.changed = true, true
	m.say(v, store.LineRemoved, detail)
}

// gone notes that upstream has the crate no more. An empty answer may be a slip,
// and takes nothing away until it is given again.
func (m *merge) gone() {
	if m.file.GoneSince.IsZero() {
		m.file.GoneSince, m.changed = m.at, true
		m.events = append(m.events, store.LineEvent{Key: m.file.Key, What: store.FileGone, At: m.at})
		return
	}
	if m.at.Sub(m.file.GoneSince) < goneAfter {
		return
	}
	for _, v := range m.versions {
		m.remove(v, "upstream has no such crate since "+policy.FormatTime(m.file.GoneSince))
	}
}

// report tells of lines that were left out, and of rewritten ones that were not
// told one by one.
func (m *merge) report() {
	if more := m.rewrites - maxRewrites; more > 0 {
		m.events = append(m.events, store.LineEvent{Key: m.file.Key, What: store.LineRewritten, At: m.at, Detail: fmt.Sprintf("%d more lines", more)})
	}
	if m.file.Bad == m.bad {
		return
	}
	m.file.Bad, m.changed = m.bad, true
	detail := "all lines can be read again"
	if m.bad > 0 {
		detail = fmt.Sprintf("%d lines are left out, the first of them: %v", m.bad, m.problem)
	}
	m.events = append(m.events, store.LineEvent{Key: m.file.Key, What: store.FileUnreadable, At: m.at, Detail: detail})
}

// checksum is that of the bytes first seen.
func (v *version) checksum() crate.Checksum {
	if v.record != nil {
		return v.record.Checksum
	}
	return v.accepted.Cksum
}

// remember returns the record of a version, which it makes where nothing had
// happened to it.
func (m *merge) remember(v *version) *store.LineRecord {
	if v.record == nil {
		v.touched = true
		v.record = &store.LineRecord{
			Key: m.file.Key, Version: v.accepted.Vers, Checksum: v.accepted.Cksum,
			PublishedAt: v.accepted.Pubtime, FirstSeenAt: m.file.FirstSeenAt, Dated: true, Yanked: v.accepted.Yanked,
		}
	}
	return v.record
}

// lines are the accepted lines, in the order in which they were first seen.
func (m *merge) lines() []byte {
	size := 0
	for _, v := range m.versions {
		size += len(v.accepted.Raw) + 1
	}
	lines := make([]byte, 0, size)
	for _, v := range m.versions {
		lines = append(append(lines, v.accepted.Raw...), '\n')
	}
	return lines
}

// save returns what is to be stored. It packs the lines where they changed.
func (m *merge) save(before []byte) (store.IndexSave, error) {
	lines := m.lines()
	if len(lines) > index.MaxFile {
		return store.IndexSave{}, errTooLarge
	}
	m.file.CheckedAt = m.at
	if m.first || !bytes.Equal(lines, before) {
		m.file.Lines, m.file.Size, m.file.ChangedAt = index.Pack(lines), len(lines), m.at
	}
	save := store.IndexSave{File: m.file, Events: m.events}
	for _, v := range m.versions {
		if v.touched {
			save.Records = append(save.Records, *v.record)
		}
	}
	return save, nil
}
