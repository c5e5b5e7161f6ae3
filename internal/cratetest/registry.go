package cratetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cratefence/cratefence/internal/index"
)

// A Registry is a small whole sparse registry in memory: config.json, index
// files with ETags, downloads. A real cargo can use it. It takes the address
// that it states in config.json from each request, so it works behind any
// listener. Safe for concurrent use.
type Registry struct {
	mu        sync.RWMutex
	files     map[string][]index.Line // by path below /index/
	crates    map[string][]byte       // by path below /dl/, "NAME/VERSION"
	misbehave map[string]http.Handler // by whole path
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{files: map[string][]index.Line{}, crates: map[string][]byte{}, misbehave: map[string]http.Handler{}}
}

// IndexURL is the index of a registry served at base ("http://HOST:PORT"), as
// cargo's configuration spells it.
func IndexURL(base string) string { return "sparse+" + base + "/index/" }

// Publish adds a version with the index line that crates.io would compute from
// its manifest. It takes any bytes, and those of an archive that nobody can read
// get a line without dependencies. publishedAt may be zero. A version is
// published once.
func (r *Registry) Publish(name, version string, data []byte, publishedAt time.Time) error {
	file, err := index.Path(name)
	if err != nil {
		return fmt.Errorf("publish %s@%s: %w", name, version, err)
	}
	line, err := indexLine(name, version, data)
	if err != nil {
		return fmt.Errorf("publish %s@%s: %w", name, version, err)
	}
	line.Pubtime = publishedAt.UTC().Truncate(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.files[file] {
		if known.Vers == version {
			return fmt.Errorf("publish %s@%s: it is published", name, version)
		}
	}
	r.files[file] = append(r.files[file], line)
	r.crates[name+"/"+version] = data
	return nil
}

// Yank sets whether a version is yanked.
func (r *Registry) Yank(name, version string, yanked bool) error {
	return r.Edit(name, version, func(line *index.Line) { line.Yanked = yanked })
}

// Edit changes the index line of a version, as no honest registry does but for
// the yank.
func (r *Registry) Edit(name, version string, edit func(*index.Line)) error {
	return r.change(name, version, func(lines []index.Line, i int) []index.Line {
		edit(&lines[i])
		return lines
	})
}

// Remove takes a version from the index, as crates.io does with malware.
func (r *Registry) Remove(name, version string) error {
	return r.change(name, version, func(lines []index.Line, i int) []index.Line { return slices.Delete(lines, i, i+1) })
}

func (r *Registry) change(name, version string, change func(lines []index.Line, i int) []index.Line) error {
	file, err := index.Path(name)
	if err != nil {
		return fmt.Errorf("change %s@%s: %w", name, version, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.files[file], func(line index.Line) bool { return line.Vers == version })
	if i < 0 {
		return fmt.Errorf("change %s@%s: no such version", name, version)
	}
	r.files[file] = change(r.files[file], i)
	return nil
}

// Misbehave answers requests for a path ("/dl/NAME/VERSION", "/index/config.json")
// with a handler of the test's own: Hang, Endless, Bytes or any other. A nil
// handler makes it behave again.
func (r *Registry) Misbehave(path string, h http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h == nil {
		delete(r.misbehave, path)
		return
	}
	r.misbehave[path] = h
}

// ServeHTTP answers below /index/ and /dl/.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.RLock()
	strange := r.misbehave[req.URL.Path]
	r.mu.RUnlock()
	if strange != nil {
		strange.ServeHTTP(w, req)
		return
	}
	body, ok := r.body(req)
	if !ok {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(body)) // answers If-None-Match
}

// body returns what is at a request's path.
func (r *Registry) body(req *http.Request) ([]byte, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if download, ok := strings.CutPrefix(req.URL.Path, "/dl/"); ok {
		data, ok := r.crates[download]
		return data, ok
	}
	file, ok := strings.CutPrefix(req.URL.Path, "/index/")
	if !ok {
		return nil, false
	}
	if file == index.ConfigPath {
		base := "http://" + req.Host
		return fmt.Appendf(nil, `{"dl":"%s/dl/{crate}/{version}","api":"%s"}`, base, base), true
	}
	lines, ok := r.files[file]
	return encode(lines), ok
}

// Hang answers nothing until the client leaves.
func Hang() http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
}

// Endless answers without end.
func Endless() http.Handler {
	block := bytes.Repeat([]byte("endless "), 4096)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
}

// Bytes answers with other bytes.
func Bytes(data []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, bytes.NewReader(data)) })
}

// WriteFolder writes the index as a folder of files, as a clone of a registry's
// index is.
func (r *Registry) WriteFolder(dir string) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, lines := range r.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, encode(lines), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func encode(lines []index.Line) []byte {
	var body bytes.Buffer
	for _, line := range lines {
		if err := json.NewEncoder(&body).Encode(line); err != nil {
			panic(err) // a Line holds nothing that JSON cannot say
		}
	}
	return body.Bytes()
}
