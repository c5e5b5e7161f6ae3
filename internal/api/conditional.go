package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// conditional answers reading requests with a strong ETag, which is a digest of
// the very bytes, and with 304 where the client has them. Answers are held back
// until they are whole; none is larger than a few megabytes, since every text in
// them was cut when it was stored.
func conditional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		held := &heldAnswer{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(held, r)
		if held.status == http.StatusOK {
			etag := digest(held.body.Bytes())
			w.Header().Set("ETag", etag)
			// Checks finish at any time: everybody asks again, and mostly gets a 304.
			// Who brings a token may read more than others: nobody keeps it for them.
			audience := "public"
			if r.Header.Get("Authorization") != "" {
				audience = "private"
			}
			w.Header().Set("Cache-Control", audience+", max-age=0, must-revalidate")
			w.Header().Set("Vary", "Authorization")
			if matches(r.Header.Values("If-None-Match"), etag) {
				w.Header().Del("Content-Type")
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		w.Header().Set("Content-Length", strconv.Itoa(held.body.Len()))
		w.WriteHeader(held.status)
		if r.Method != http.MethodHead {
			w.Write(held.body.Bytes()) // a client that is gone needs no answer
		}
	})
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// matches compares weakly, as RFC 9110 (13.1.2) asks of If-None-Match. Our tags
// hold no comma, so that splitting at commas cannot join up a match.
func matches(ifNoneMatch []string, etag string) bool {
	for tag := range strings.SplitSeq(strings.Join(ifNoneMatch, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// A heldAnswer is an answer that is not sent yet.
type heldAnswer struct {
	header http.Header // the response's own
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) Header() http.Header            { return h.header }
func (h *heldAnswer) WriteHeader(status int)         { h.status = status }
func (h *heldAnswer) Write(data []byte) (int, error) { return h.body.Write(data) }
