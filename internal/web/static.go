package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

// An asset is a static file under a URL that holds the hash of its content: it
// can be kept for ever, for other content has another URL.
type asset struct {
	url   string
	kind  string
	bytes []byte
}

// kindOf are the content types of static files; the machine's own table may say
// otherwise.
var kindOf = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// assets are the static files by name, as in "style.css".
type assets map[string]asset

func loadAssets() (assets, error) {
	all := assets{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("load static files: %w", err)
	}
	for _, e := range entries {
		data, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("load static file %q: %w", e.Name(), err)
		}
		ext := path.Ext(e.Name())
		all[e.Name()] = asset{
			url:   "/static/" + strings.TrimSuffix(e.Name(), ext) + "-" + fingerprint(data) + ext,
			kind:  kindOf[ext],
			bytes: data,
		}
	}
	return all, nil
}

// url returns the address of a static file, for templates.
func (a assets) url(name string) (string, error) {
	f, ok := a[name]
	if !ok {
		return "", fmt.Errorf("link static file %q: there is none", name)
	}
	return f.url, nil
}

func (a assets) register(mux *http.ServeMux) {
	for _, f := range a {
		mux.HandleFunc("GET "+f.url, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.bytes))
		})
	}
}

// fingerprint returns enough of a hash of data to tell it from what it was.
func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
