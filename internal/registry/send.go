package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Where bytes come from, for the log.
const (
	fromStore    = "store"
	fromUpstream = "upstream"
)

// send sends a release that was let through: from what was taken in, else from
// upstream.
func (f *fence) send(w http.ResponseWriter, r *http.Request, to route) error {
	if r.Method == http.MethodHead {
		h := w.Header()
		h["Cache-Control"], h["Vary"], h["Content-Type"] = noStore, variesAuth, gzipFile
		return nil
	}
	done, ok := f.turns.take(r.Context(), r.RemoteAddr)
	if !ok {
		return errBusy
	}
	defer done()
	body, size, err := f.Blobs.Open(r.Context(), to.sum)
	if err == nil {
		err = f.copy(w, r, to, fromStore, body, size)
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrMissing):
		f.Log.ErrorContext(r.Context(), "crate not readable here: upstream is asked for it",
			"crate", to.name, "version", to.version, "error", err)
	}
	return f.sendUpstream(w, r, to)
}

func (f *fence) sendUpstream(w http.ResponseWriter, r *http.Request, to route) error {
	body, size, err := f.Upstream.Open(r.Context(), to.name, to.version, to.sum)
	if errors.Is(err, ErrMissing) {
		f.Log.WarnContext(r.Context(), "crate not there upstream", "crate", to.name, "version", to.version, "error", err)
		return errNoFile
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSource, err)
	}
	return f.copy(w, r, to, fromUpstream, body, size)
}

// copy sends body to the client, and returns an error only while nothing of it
// was sent. After that it ends the connection, which is how a client learns that
// it has no whole file.
func (f *fence) copy(w http.ResponseWriter, r *http.Request, to route, from string, body io.ReadCloser, size int64) error {
	defer body.Close()
	s := f.newStream(w, size)
	err := s.copy(r.Context(), body, to.sum)
	if other, ok := errors.AsType[*otherBytes](err); ok && from == fromUpstream {
		f.OtherBytes(r.Context(), to.release(), other.got)
	}
	if err == nil || !s.sent {
		return err
	}
	f.Log.WarnContext(r.Context(), "download broken off",
		"from", from, "crate", to.name, "version", to.version, "error", err)
	panic(http.ErrAbortHandler)
}
