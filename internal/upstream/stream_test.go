package upstream

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/crate"
)

func TestOpenRelease(t *testing.T) {
	const path = "/dl/tidy-int/1.0.0"
	tests := []struct {
		name     string
		answer   http.HandlerFunc
		wantSize int64
		want     error
	}{
		{name: "the bytes", answer: text(string(bytesOf)), wantSize: int64(len(bytesOf))},
		{name: "no length", wantSize: -1, answer: func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(bytesOf)
		}},
		{name: "missing in an object store", answer: answering(403), want: ErrNotFound},
		{name: "busy", answer: answering(503), want: ErrUnreachable},
		{name: "part of it", answer: answering(206), want: ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, registry{path: tt.answer}, Options{})
			body, size, err := c.OpenRelease(t.Context(), "tidy-int", "1.0.0", sum)
			if !errors.Is(err, tt.want) {
				t.Fatalf("OpenRelease = %v, want %v", err, tt.want)
			}
			if err != nil {
				return
			}
			defer body.Close()
			if got, err := io.ReadAll(body); string(got) != string(bytesOf) || err != nil || size != tt.wantSize {
				t.Errorf("%q of %d bytes, %v, want %d", got, size, err, tt.wantSize)
			}
		})
	}
}

func TestDownloadURL(t *testing.T) {
	c := newClient(t, registry{}, Options{})
	if got, err := c.DownloadURL(t.Context(), "tidy-int", "1.0.0", sum); err != nil || !strings.HasSuffix(got, "/dl/tidy-int/1.0.0") {
		t.Errorf("DownloadURL = %q, %v", got, err)
	}
	if _, err := c.DownloadURL(t.Context(), "../x", "1.0.0", crate.Checksum{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("DownloadURL of a name that climbs = %v, want ErrNotFound", err)
	}
}
