package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packed answers with gzip, whatever its text.
func packed(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, text)
		z.Close()
	}
}

func TestIndexFile(t *testing.T) {
	tests := []struct {
		name               string
		etag, lastModified string
		answer             http.HandlerFunc
		want               IndexAnswer
		asked              http.Header // what the registry has to hear
	}{
		{
			name: "plain",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("ETag", `W/"1"`)
				w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
				io.WriteString(w, "lines")
			},
			want: IndexAnswer{Body: []byte("lines"), ETag: `W/"1"`, LastModified: "Sun, 01 Nov 2026 10:00:00 GMT"},
		},
		{name: "compressed", answer: packed("lines"), want: IndexAnswer{Body: []byte("lines")}, asked: http.Header{"Accept-Encoding": {"gzip"}}},
		{name: "empty", answer: text(""), want: IndexAnswer{Body: []byte{}}},
		{
			name: "unchanged by its tag", etag: `"1"`, lastModified: "then", answer: answering(304),
			want:  IndexAnswer{NotModified: true, ETag: `"1"`, LastModified: "then"},
			asked: http.Header{"If-None-Match": {`"1"`}, "If-Modified-Since": nil},
		},
		{
			name: "unchanged by its date", lastModified: "then", answer: answering(304),
			want:  IndexAnswer{NotModified: true, LastModified: "then"},
			asked: http.Header{"If-None-Match": nil, "If-Modified-Since": {"then"}},
		},
		{
			name: "validators that could not be sent back",
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("ETag", `"é"`)
				w.Header().Set("Last-Modified", strings.Repeat("x", 300))
			},
			want: IndexAnswer{Body: []byte{}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked http.Header
			c := newClient(t, registry{"/index/ti/dy/tidy-int": func(w http.ResponseWriter, r *http.Request) {
				asked = r.Header
				tt.answer(w, r)
			}}, Options{})
			got, err := c.IndexFile(t.Context(), "Tidy-Int", tt.etag, tt.lastModified)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("IndexFile (-want +got):\n%s", diff)
			}
			for key, values := range tt.asked {
				if diff := cmp.Diff(values, asked.Values(key)); diff != "" {
					t.Errorf("asked with %s (-want +got):\n%s", key, diff)
				}
			}
		})
	}
}

func TestIndexFileErrors(t *testing.T) {
	long := strings.Repeat("long lines ", 1000)
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   error
	}{
		{"no such crate", answering(404), ErrNotFound},
		{"gone", answering(410), ErrNotFound},
		{"withheld by law", answering(451), ErrNotFound},
		{"not for us to see", answering(403), ErrProtocol}, // or a proxy's word: no crate is gone for that
		{"a token is asked for", answering(401), ErrProtocol},
		{"unchanged, of what we do not have", answering(304), ErrProtocol},
		{"later", answering(429), ErrUnreachable},
		{"broken", answering(500), ErrUnreachable},
		{"too long", text(long), ErrTooLarge},
		{"too long once unpacked", packed(long), ErrTooLarge},
		{"not gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "lines")
		}, ErrUnreachable},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			var all bytes.Buffer
			z := gzip.NewWriter(&all)
			io.WriteString(z, "lines")
			z.Close()
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(all.Bytes()[:all.Len()-6])
		}, ErrUnreachable},
		{"another encoding", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, "lines")
		}, ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, registry{"/index/ti/dy/tidy-int": tt.answer}, Options{MaxIndex: 1000})
			got, err := c.IndexFile(t.Context(), "tidy-int", "", "")
			if !errors.Is(err, tt.want) {
				t.Errorf("IndexFile = %+v, %v, want %v", got, err, tt.want)
			}
		})
	}
	c := newClient(t, registry{}, Options{})
	if got, err := c.IndexFile(t.Context(), "../tidy-int", "", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("IndexFile(../tidy-int) = %+v, %v, want ErrNotFound", got, err)
	}
}
