package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/store"
)

// A Source is a whole index at hand.
type Source interface {
	// Files yields each file that may be a crate's, by its path below the index. A
	// file that cannot be read comes with an error instead of its bytes, which are
	// the callee's to keep. It ends with an error of yield.
	Files(ctx context.Context, yield func(path string, data []byte, err error) error) error
}

// ImportStore keeps what an import brings.
type ImportStore interface {
	Store
	// ImportIndex stores files that are new, with their records, as revision 1, and
	// returns the keys of those that were there, which are left as they are.
	ImportIndex(ctx context.Context, files []store.IndexFile, records []store.LineRecord) (existing []string, err error)
}

// An Import takes over a whole index.
type Import struct {
	Store ImportStore
	Now   func() time.Time
	// UndatedAsOld takes versions of which the index does not say when they were
	// published to be older than any baseline.
	UndatedAsOld bool
	// Progress, when set, is told now and then how far it is.
	Progress func(ImportSummary)
}

// An ImportSummary is what an import found.
type ImportSummary struct {
	Crates     int   `json:"crates"`   // files read
	Versions   int   `json:"versions"` // lines read
	Bytes      int64 `json:"bytes"`
	New        int   `json:"new"`        // crates that were not known
	Merged     int   `json:"merged"`     // known crates of which something changed
	Newer      int   `json:"newer"`      // crates that upstream itself was asked about: its word counts
	Yanked     int   `json:"yanked"`     // versions
	Undated    int   `json:"undated"`    // versions without a date of publication
	Unreadable int   `json:"unreadable"` // lines left out
	Skipped    int   `json:"skipped"`    // files that are no crate's, or of which no line can be read
	// Problems are the first of what was left out.
	Problems []string `json:"problems,omitempty"`
}

// maxProblems is how many problems are told one by one.
const maxProblems = 20

func (s *ImportSummary) problem(format string, args ...any) {
	if len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
	}
}

// longAgo is the date that undated versions get: no crate was published before.
var longAgo = time.Date(2014, time.November, 11, 0, 0, 0, 0, time.UTC)

// A raw file as the source has it.
type rawFile struct {
	path string
	data []byte
	err  error
}

// A read file is ready to be stored, should its crate be new.
type readFile struct {
	raw    rawFile
	merged *merge
	save   store.IndexSave
	err    error // why it is none
}

// Run imports src. It may be run again, after it was broken off or with a newer
// index: what is known is merged as a look at upstream would, except that a
// crate about which upstream itself was asked stays as upstream said. It holds
// no more in memory than a batch.
func (im *Import) Run(ctx context.Context, src Source) (ImportSummary, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	raws := make(chan rawFile)
	read := make(chan readFile)
	go func() {
		defer close(raws)
		cancelOn(cancel, src.Files(ctx, func(path string, data []byte, err error) error {
			select {
			case raws <- rawFile{path, data, err}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
	}()
	var readers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		readers.Go(func() {
			for raw := range raws {
				select {
				case read <- im.read(raw):
				case <-ctx.Done():
				}
			}
		})
	}
	go func() {
		readers.Wait()
		close(read)
	}()
	summary, err := im.store(ctx, read)
	if err != nil {
		cancel(err)
		for range read { // the readers end
		}
		return summary, fmt.Errorf("import index: %w", err)
	}
	if err := context.Cause(ctx); err != nil {
		return summary, fmt.Errorf("import index: %w", err)
	}
	return summary, nil
}

func cancelOn(cancel context.CancelCauseFunc, err error) {
	if err != nil {
		cancel(err)
	}
}

// read scans and packs one file, as of a crate that is not known.
func (im *Import) read(raw rawFile) readFile {
	f := readFile{raw: raw, err: raw.err}
	if f.err != nil {
		return f
	}
	key := raw.path[strings.LastIndexByte(raw.path, '/')+1:]
	if path, err := index.Path(key); err != nil || path != raw.path {
		f.err = errNoCrate
		return f
	}
	if len(bytes.TrimSpace(raw.data)) == 0 {
		f.err = errEmpty
		return f
	}
	now := store.Instant(im.Now())
	f.merged, f.err = begin(store.IndexFile{Key: key, Imported: now}, nil, nil, now)
	if f.err == nil {
		f.err = f.merged.take(raw.data)
	}
	if f.err != nil {
		return f
	}
	if im.UndatedAsOld {
		f.merged.dateUndated()
	}
	f.save, f.err = f.merged.save(nil)
	return f
}

var (
	errNoCrate = errors.New("its path is no crate's")
	errEmpty   = errors.New("it is empty")
)

// dateUndated takes versions that were there at first sight, and that nobody gave
// a date, to be old.
func (m *merge) dateUndated() {
	for _, v := range m.versions {
		if v.record == nil && !v.accepted.Pubtime.IsZero() {
			continue
		}
		if r := m.remember(v); r.Dated && r.PublishedAt.IsZero() {
			r.PublishedAt, v.touched, m.changed = longAgo, true, true
		}
	}
}

// A batch is stored in one transaction.
const (
	batchFiles = 500
	batchBytes = 16 << 20
)

// store writes what was read, batch by batch.
func (im *Import) store(ctx context.Context, read <-chan readFile) (ImportSummary, error) {
	var (
		summary ImportSummary
		batch   []readFile
		size    int
	)
	flush := func() error {
		defer func() { batch, size = batch[:0], 0 }()
		if err := im.flush(ctx, batch, &summary); err != nil {
			return err
		}
		if im.Progress != nil {
			im.Progress(summary)
		}
		return nil
	}
	for f := range read {
		if f.err != nil {
			summary.Skipped++
			summary.problem("%q: %v", f.raw.path, f.err)
			continue
		}
		batch = append(batch, f)
		if size += len(f.raw.data); len(batch) >= batchFiles || size >= batchBytes {
			if err := flush(); err != nil {
				return summary, err
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return summary, err
	}
	return summary, flush()
}

func (im *Import) flush(ctx context.Context, batch []readFile, summary *ImportSummary) error {
	if len(batch) == 0 {
		return nil
	}
	files := make([]store.IndexFile, len(batch))
	var records []store.LineRecord
	for i := range batch {
		batch[i].count(summary)
		files[i] = batch[i].save.File
		records = append(records, batch[i].save.Records...)
	}
	existing, err := im.Store.ImportIndex(ctx, files, records)
	if err != nil {
		return err
	}
	summary.New += len(batch) - len(existing)
	known := map[string]bool{}
	for _, key := range existing {
		known[key] = true
	}
	for _, f := range batch {
		if !known[f.save.File.Key] {
			continue
		}
		err := im.merge(ctx, f, summary)
		switch {
		case errors.Is(err, errUnreadable), errors.Is(err, errTooLarge): // beside what is known of it
			summary.Skipped++
			summary.problem("%q: %v", f.raw.path, err)
		case err != nil:
			return err
		}
	}
	return nil
}

func (f *readFile) count(s *ImportSummary) {
	s.Crates++
	s.Bytes += int64(len(f.raw.data))
	s.Versions += len(f.merged.versions)
	for _, v := range f.merged.versions {
		if v.accepted.Yanked {
			s.Yanked++
		}
		if v.accepted.Pubtime.IsZero() {
			s.Undated++
		}
	}
	if s.Unreadable += f.merged.bad; f.merged.bad > 0 {
		s.problem("%q: %v", f.raw.path, f.merged.problem)
	}
}

// merge brings a file together with what is known of its crate.
func (im *Import) merge(ctx context.Context, f readFile, summary *ImportSummary) error {
	for range tries {
		known, records, err := im.Store.IndexFile(ctx, f.save.File.Key)
		if err != nil {
			return err
		}
		merged, lines, err := im.mergeInto(known, records, f)
		if err != nil {
			return err
		}
		if asked(known) {
			summary.Newer++
		}
		if !merged.changed {
			return nil
		}
		save, err := merged.save(lines)
		if err != nil {
			return err
		}
		save.File.CheckedAt = known.CheckedAt
		if !asked(known) {
			save.File.Imported, save.File.CheckedAt = merged.at, merged.at
		}
		err = im.Store.SaveIndex(ctx, save)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err == nil {
			summary.Merged++
		}
		return err
	}
	return fmt.Errorf("merge %q: %w", f.raw.path, store.ErrConflict)
}

func (im *Import) mergeInto(known store.IndexFile, records []store.LineRecord, f readFile) (*merge, []byte, error) {
	if !im.UndatedAsOld && bytes.Equal(known.Lines, f.save.File.Lines) && len(records) == 0 {
		return &merge{}, nil, nil // nothing can come of it
	}
	lines, err := known.Unpack()
	if err != nil {
		return nil, nil, err
	}
	merged, err := begin(known, lines, records, im.Now())
	if err != nil {
		return nil, nil, err
	}
	if !asked(known) {
		if err := merged.take(f.raw.data); err != nil {
			return nil, nil, err
		}
	}
	if im.UndatedAsOld && !known.Imported.IsZero() {
		merged.dateUndated()
	}
	return merged, lines, nil
}

// asked reports whether upstream itself was asked about a file since it was
// imported: then its word is newer than any copy's.
func asked(f store.IndexFile) bool {
	return f.ETag != "" || f.LastModified != "" || !f.CheckedAt.Equal(f.Imported)
}
