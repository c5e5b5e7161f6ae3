package registry

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/gate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/mirror"
)

// Header values that many answers share. They are never appended to.
var (
	textPlain  = []string{"text/plain; charset=utf-8"}
	jsonText   = []string{"application/json"}
	noCache    = []string{"private, no-cache"} // revalidated each time, by its owner alone
	noStore    = []string{"no-store"}
	varies     = []string{"Accept-Encoding, Authorization"}
	variesAuth = []string{"Authorization"}
	nosniff    = []string{"nosniff"}
	gzipped    = []string{"gzip"}
	gzipFile   = []string{"application/gzip"}
)

// sendTime is how long a client may take over an index file.
const sendTime = 30 * time.Second

// index answers with a crate's file as the policy has it. The request that finds
// a new version upstream gets it as held already: the mirror is asked first.
func (f *fence) index(w http.ResponseWriter, r *http.Request, to route) error {
	refreshed := f.Mirror.Refresh(r.Context(), to.name)
	file, err := f.Gate.Index(to.policy, to.name)
	if errors.Is(err, gate.ErrUnknown) && refreshed != nil && !errors.Is(refreshed, mirror.ErrNotFound) {
		return fmt.Errorf("%w: %w", errUpstream, refreshed)
	}
	if err != nil {
		return err
	}
	h := w.Header()
	h["Cache-Control"], h["Vary"] = noCache, varies
	zipped := acceptsGzip(r.Header["Accept-Encoding"])
	tag := file.ETag
	if !zipped {
		tag = "W/" + tag // other bytes of the same meaning
	}
	h["Etag"] = []string{tag}
	if hasTag(r.Header["If-None-Match"], file.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Last-Modified"] = []string{file.Modified.UTC().Format(http.TimeFormat)}
	h["Content-Type"], h["X-Content-Type-Options"] = textPlain, nosniff
	if !zipped {
		return sendUnpacked(w, r, file)
	}
	h["Content-Encoding"] = gzipped
	h["Content-Length"] = []string{strconv.Itoa(len(file.Gzip))}
	if r.Method == http.MethodGet {
		w.Write(file.Gzip) // a client that has gone needs no answer
	}
	return nil
}

// sendUnpacked is for clients that take no gzip. No cargo is among them.
func sendUnpacked(w http.ResponseWriter, r *http.Request, file gate.Served) error {
	w.Header()["Content-Length"] = []string{strconv.Itoa(file.Size)}
	if r.Method != http.MethodGet {
		return nil
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(file.Gzip))
	if err == nil {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendTime))
		_, err = io.Copy(w, io.LimitReader(unpacked, int64(file.Size)))
	}
	if err != nil {
		panic(http.ErrAbortHandler) // ours or the client's: what was sent is no whole file
	}
	return nil
}

// config answers with the config.json of a policy. It names no web API: cargo
// would send its token there to publish.
func (f *fence) config(w http.ResponseWriter, r *http.Request, policy string) error {
	if !slices.Contains(f.Gate.Policies(), policy) {
		return gate.ErrPolicy
	}
	base, err := f.base(r)
	if err != nil {
		return err
	}
	body, err := json.Marshal(index.Config{
		DL:           base + root + policy + "/dl/{crate}/{version}/{sha256-checksum}",
		AuthRequired: !f.Access.Open(policy),
	})
	if err != nil {
		return fmt.Errorf("write config.json: %w", err)
	}
	h := w.Header()
	h["Cache-Control"], h["Vary"] = noCache, variesAuth
	h["Content-Type"], h["X-Content-Type-Options"] = jsonText, nosniff
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if r.Method == http.MethodGet {
		w.Write(body)
	}
	return nil
}

// base is where the client reaches this service.
func (f *fence) base(r *http.Request) (string, error) {
	if f.BaseURL != "" {
		return f.BaseURL, nil
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if !isHost(r.Host) {
		return "", errHost
	}
	return scheme + r.Host, nil
}

// isHost reports whether s is written as a host with or without a port.
func isHost(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(".-_:[]", c) >= 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 255+len(":65535")
}
