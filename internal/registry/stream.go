package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
)

const (
	// chunk is how much is read before anything is sent. Most crates are smaller:
	// they are verified as a whole before their first byte leaves.
	chunk = 64 << 10
	// chunkTime is how long a client may take over a chunk, and streamTime over a
	// crate.
	chunkTime  = 30 * time.Second
	streamTime = 15 * time.Minute
)

var chunks = sync.Pool{New: func() any { return new([2][chunk]byte) }}

// A stream is one crate on its way to a client.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	size    int64 // negative while not known
	most    int64
	until   time.Time
	sent    bool
}

func (f *fence) newStream(w http.ResponseWriter, size int64) *stream {
	return &stream{
		w: w, control: http.NewResponseController(w),
		size: size, most: f.MaxCrate, until: time.Now().Add(streamTime),
	}
}

// copy sends body if it has the checksum. A chunk leaves only when another
// follows it, and the last one only when the whole is known to be right. After an
// error s.sent tells whether the client has got a part.
func (s *stream) copy(ctx context.Context, body io.Reader, want crate.Checksum) error {
	if s.size > s.most {
		return s.tooLarge()
	}
	buffers := chunks.Get().(*[2][chunk]byte)
	defer chunks.Put(buffers)
	held, next := buffers[0][:0], buffers[1][:]
	sum := sha256.New()
	var total int64
	for ended := false; !ended; {
		n, err := fill(body, next)
		if ended = err == io.EOF; err != nil && !ended {
			return fmt.Errorf("%w: %w", errSource, err)
		}
		if total += int64(n); total > s.most {
			return s.tooLarge()
		}
		if n == 0 {
			continue
		}
		if err := s.send(ctx, held); err != nil {
			return err
		}
		sum.Write(next[:n])
		held, next = next[:n], held[:chunk]
	}
	if got := crate.Checksum(sum.Sum(nil)); got != want {
		return &otherBytes{got}
	}
	if s.size < 0 && !s.sent {
		s.size = total
	}
	return s.send(ctx, held)
}

func (s *stream) tooLarge() error {
	return fmt.Errorf("%w: more than the limit of %d bytes", errSource, s.most)
}

// fill reads until buf is full or the reader ends. io.EOF is the end of all; a
// body that is cut off has another error.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// send sends a chunk, and the header before the first one.
func (s *stream) send(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if !s.sent {
		s.sent = true
		h := s.w.Header()
		h["Cache-Control"], h["Vary"] = noStore, variesAuth
		h["Content-Type"], h["X-Content-Type-Options"] = gzipFile, nosniff
		if s.size >= 0 {
			h["Content-Length"] = []string{strconv.FormatInt(s.size, 10)}
		}
	}
	now := time.Now()
	if now.After(s.until) {
		return fmt.Errorf("send crate: the client took longer than %s", streamTime)
	}
	// Where there are no deadlines, as in a test's recorder, the server's hold.
	if err := s.control.SetWriteDeadline(now.Add(chunkTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("send crate: %w", err)
	}
	if _, err := s.w.Write(data); err != nil {
		return fmt.Errorf("send crate: %w", errors.Join(err, ctx.Err()))
	}
	return nil
}

// An otherBytes error says what was there in place of a release. It wraps
// errOtherBytes.
type otherBytes struct{ got crate.Checksum }

func (e *otherBytes) Error() string { return errOtherBytes.Error() }
func (e *otherBytes) Unwrap() error { return errOtherBytes }
