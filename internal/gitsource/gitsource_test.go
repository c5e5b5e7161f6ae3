package gitsource

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// recorded keeps what was asked of a handler.
type recorded struct {
	http.Handler
	mu       sync.Mutex
	requests []string // METHOD PATH
	bodies   []string
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	r.bodies = append(r.bodies, string(body))
	r.mu.Unlock()
	r.Handler.ServeHTTP(w, req)
}

// paths lists the files of a snapshot.
func paths(snap check.Snapshot, tree gitobj.ID, at string) (all []string) {
	for _, e := range snap.Tree(tree).Entries {
		if e.Mode == gitobj.ModeTree {
			all = append(all, paths(snap, e.ID, at+e.Name+"/")...)
		} else {
			all = append(all, at+e.Name)
		}
	}
	return all
}

// Against git's own server: with and without the ability to leave files out.
func TestSnapshot(t *testing.T) {
	tests := []struct {
		name         string
		config       []string
		wantRequests []string
	}{
		{"files left out", []string{"uploadpack.allowFilter=true"}, []string{
			"GET /owner/repo/info/refs", "POST /owner/repo/git-upload-pack", "POST /owner/repo/git-upload-pack",
		}},
		{"files not left out", []string{"uploadpack.allowFilter=false"}, []string{
			"GET /owner/repo/info/refs", "POST /owner/repo/git-upload-pack",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newForge(t, test.config...)
			id := f.commit(t, "owner/repo", map[string]string{"Cargo.toml": "[package]\n", "src/lib.rs": "// one\n", "a/b/c": "c\n"})
			f.commit(t, "owner/repo", map[string]string{"src/lib.rs": "// two\n"}) // the tip is another
			log := &recorded{Handler: f.handler}
			server, source := serve(t, DefaultLimits, log)

			snap, err := source.Snapshot(t.Context(), server.URL+"/owner/repo", id)
			if err != nil {
				t.Fatal(err)
			}
			if snap.Commit().ID != id || snap.Commit().Message != "a change\n" || snap.URL() != server.URL+"/owner/repo" {
				t.Errorf("commit %+v of %s", snap.Commit(), snap.URL())
			}
			if diff := cmp.Diff([]string{"Cargo.toml", "a/b/c", "src/lib.rs"}, paths(snap, snap.Commit().Tree, "")); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			one, _ := gitobj.BlobID([]byte("// one\n"))
			manifest, _ := gitobj.BlobID([]byte("[package]\n"))
			blobs, err := snap.Blobs(t.Context(), one, manifest, one)
			if err != nil {
				t.Fatal(err)
			}
			want := map[gitobj.ID][]byte{one: []byte("// one\n"), manifest: []byte("[package]\n")}
			if diff := cmp.Diff(want, blobs); diff != "" {
				t.Errorf("blobs (-want +got):\n%s", diff)
			}
			if _, err := snap.Blobs(t.Context(), one); err != nil { // kept
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.wantRequests, log.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			// An object of another repository, and one that is not there.
			if blobs, err := snap.Blobs(t.Context(), gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryProtocol) {
				t.Errorf("a file that is not there: %v, %v", blobs, err)
			}
		})
	}
}

func TestCommitMissing(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	id := f.commit(t, "repo", map[string]string{"a": "a\n"})
	server, source := serve(t, DefaultLimits, f.handler)
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, check.ErrCommitMissing) {
		t.Errorf("got %v, want %v", err, check.ErrCommitMissing)
	}
	if _, err := source.Snapshot(t.Context(), server.URL+"/gone", id); !errors.Is(err, check.ErrRepositoryMissing) {
		t.Errorf("got %v, want %v", err, check.ErrRepositoryMissing)
	}
}

// A repository found under its name with ".git" only, and one that moved.
func TestAddresses(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	id := f.commit(t, "bare.git", map[string]string{"a": "a\n"})
	mux := http.NewServeMux()
	mux.Handle("/", f.handler)
	mux.HandleFunc("/old/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			t.Errorf("posted to the old address: %s", r.URL)
		}
		http.Redirect(w, r, strings.Replace(r.URL.String(), "/old/name", "/bare.git", 1), http.StatusMovedPermanently)
	})
	log := &recorded{Handler: mux}
	server, source := serve(t, DefaultLimits, log)
	for _, address := range []string{"/bare.git", "/bare", "/old/name"} {
		snap, err := source.Snapshot(t.Context(), server.URL+address, id)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if snap.URL() != server.URL+"/bare" {
			t.Errorf("%s is called %s", address, snap.URL())
		}
	}
	if !slices.Contains(log.requests, "GET /bare/info/refs") {
		t.Errorf("the address as written was not asked: %q", log.requests)
	}
}

// A scripted server answers as told.
type scripted struct {
	refs, pack         string
	refsType, packType string
}

func (s scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contentType, body := s.packType, s.pack
	if r.Method == http.MethodGet {
		contentType, body = s.refsType, s.refs
	}
	w.Header().Set("Content-Type", contentType)
	io.WriteString(w, body)
}

func lines(all ...string) string {
	var out []byte
	for _, l := range all {
		out = gitobj.AppendPacket(out, l)
	}
	return string(out)
}

var goodRefs = lines("version 2\n", "fetch=shallow filter\n", "object-format=sha1\n") + "0000"

// What a wrong, old or hostile server may answer, and what it is taken for.
func TestBadAnswers(t *testing.T) {
	const html = "<!DOCTYPE html><title>A page</title>"
	band := func(data string) string { return lines("packfile\n", "\x01"+data) + "0000" }
	tests := []struct {
		name       string
		refs, pack string
		refsType   string
		packType   string
		want       error
	}{
		{name: "web page", refs: html, refsType: "text/html", want: check.ErrRepositoryProtocol},
		{name: "dumb server", refs: "0123456789012345678901234567890123456789\trefs/heads/main\n", refsType: "text/plain", want: check.ErrRepositoryDumb},
		{name: "dumb server of unknown files", refs: "0123456789012345678901234567890123456789\trefs/heads/main\n", refsType: "application/octet-stream", want: check.ErrRepositoryDumb},
		{name: "web page that lies", refs: html, want: check.ErrRepositoryProtocol},
		{name: "empty", refs: " ", want: check.ErrRepositoryProtocol},
		{name: "a flush alone", refs: "0000", want: check.ErrRepositoryProtocol},
		{name: "version 1", refs: lines("# service=git-upload-pack\n") + "0000" + lines("version 1\n"), want: check.ErrRepositoryProtocol},
		{name: "service without flush", refs: lines("# service=git-upload-pack\n", "version 2\n") + "0000", want: check.ErrRepositoryProtocol},
		{name: "abilities without end", refs: lines("version 2\n", "fetch\n"), want: check.ErrRepositoryProtocol},
		{name: "abilities for ever", refs: lines("version 2\n") + strings.Repeat(lines("x\n"), 10_000), want: check.ErrRepositoryProtocol},
		{name: "SHA-256", refs: lines("version 2\n", "object-format=sha256\n") + "0000", want: check.ErrRepositorySHA256},
		{name: "yet another object format", refs: lines("version 2\n", "object-format=sha3\n") + "0000", want: check.ErrRepositoryProtocol},
		{name: "error instead of abilities", refs: lines("ERR access denied\n"), want: check.ErrRepositoryProtocol},
		{name: "pack of another type", packType: "text/html", pack: html, want: check.ErrRepositoryProtocol},
		{name: "not our ref", pack: lines("ERR upload-pack: not our ref 0100"), want: check.ErrCommitMissing},
		{name: "want not valid", pack: lines("ERR want 0100 not valid\n"), want: check.ErrCommitMissing},
		{name: "another error", pack: lines("ERR out of coffee"), want: check.ErrRepositoryProtocol},
		{name: "error in the pack", pack: lines("packfile\n", "\x03fatal: broken"), want: check.ErrRepositoryProtocol},
		{name: "no pack", pack: "0000", want: check.ErrRepositoryProtocol},
		{name: "shallow information without end", pack: strings.Repeat(lines("shallow 01\n"), 20_000), want: check.ErrRepositoryProtocol},
		{name: "unknown band", pack: lines("packfile\n", "\x09x") + "0000", want: check.ErrRepositoryProtocol},
		{name: "no band", pack: lines("packfile\n", "") + "0000", want: check.ErrRepositoryProtocol},
		{name: "pack without end", pack: lines("packfile\n", "\x01PACK"), want: check.ErrRepositoryProtocol},
		{name: "pack cut short", pack: band("PACK\x00\x00\x00\x02\x00\x00\x00\x01"), want: check.ErrRepositoryProtocol},
		{name: "not a pack", pack: band(strings.Repeat("x", 100)), want: check.ErrRepositoryProtocol},
		{name: "pack over the limit", pack: lines("packfile\n") + strings.Repeat(lines("\x01"+strings.Repeat("x", 60_000)), 100), want: check.ErrRepositoryTooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := scripted{refs: goodRefs, pack: test.pack, refsType: refsType, packType: packType}
			if test.refs != "" {
				s.refs = test.refs
			}
			if test.refsType != "" {
				s.refsType = test.refsType
			}
			if test.packType != "" {
				s.packType = test.packType
			}
			limits := DefaultLimits
			limits.Bytes = 1 << 20
			server, source := serve(t, limits, s)
			if snap, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, test.want) {
				t.Errorf("got %v, %v, want %v", snap, err, test.want)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	tests := map[int]error{
		401: check.ErrRepositoryMissing,
		403: check.ErrRepositoryMissing,
		404: check.ErrRepositoryMissing,
		410: check.ErrRepositoryMissing,
		400: check.ErrRepositoryProtocol,
		204: check.ErrRepositoryProtocol,
		429: check.ErrRepositoryUnreachable,
		500: check.ErrRepositoryUnreachable,
		503: check.ErrRepositoryUnreachable,
	}
	for status, want := range tests {
		server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
	}
}

func TestRedirectRefused(t *testing.T) {
	for _, target := range []string{
		"http://169.254.169.254/latest/info/refs?service=git-upload-pack", // cloud metadata
		"http://127.0.0.1:1/repo/info/refs?service=git-upload-pack",       // another port than the exception's
		"file:///etc/info/refs?service=git-upload-pack",
	} {
		server, source := serve(t, DefaultLimits, http.RedirectHandler(target, http.StatusFound))
		if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryRefused) {
			t.Errorf("to %s: %v, want %v", target, err, check.ErrRepositoryRefused)
		}
	}
}

// A redirect to somewhere that is no repository ends there.
func TestRedirectElsewhere(t *testing.T) {
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, refsPath) {
			http.Redirect(w, r, "/login", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", refsType)
		io.WriteString(w, goodRefs)
	}))
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryProtocol) {
		t.Errorf("got %v, want %v", err, check.ErrRepositoryProtocol)
	}
}

func TestUnreachable(t *testing.T) {
	server, source := serve(t, DefaultLimits, http.NotFoundHandler())
	server.Close()
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryUnreachable) {
		t.Errorf("got %v, want %v", err, check.ErrRepositoryUnreachable)
	}
}

// A server that hangs ends with our time, which is the repository's fault, or
// with the caller's, which is nobody's.
func TestHang(t *testing.T) {
	hang := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", refsType)
			io.WriteString(w, goodRefs)
			return
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", packType)
		io.WriteString(w, lines("packfile\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	limits := DefaultLimits
	limits.Timeout = 100 * time.Millisecond
	server, source := serve(t, limits, hang)
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryUnreachable) {
		t.Errorf("our time: %v, want %v", err, check.ErrRepositoryUnreachable)
	}

	server, source = serve(t, DefaultLimits, hang)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := source.Snapshot(ctx, server.URL+"/repo", gitobj.ID{1})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, check.ErrRepositoryUnreachable) {
		t.Errorf("the caller's time: %v, want %v", err, context.DeadlineExceeded)
	}
}

// A connection that breaks within an answer is worth another try; it is not a
// server that speaks wrongly.
func TestBrokenConnection(t *testing.T) {
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", refsType)
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, goodRefs[:10])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryUnreachable) {
		t.Errorf("got %v, want %v", err, check.ErrRepositoryUnreachable)
	}
}

// A server that answers with another commit, or without a tree, or with files
// that are not those asked for, is caught by their ids.
func TestOtherObjects(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	first := f.commit(t, "repo", map[string]string{"a": "a\n", "dir/b": "b\n"})
	second := f.commit(t, "repo", map[string]string{"a": "other\n"})
	tree := runGit(t, f.dir+"/repo", "rev-parse", first.String()+":dir")

	// rewrite passes requests on with one id in place of another.
	rewrite := func(from, to string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			body = bytes.ReplaceAll(body, []byte(from), []byte(to))
			r.Body = io.NopCloser(bytes.NewReader(body))
			f.handler.ServeHTTP(w, r)
		})
	}
	server, source := serve(t, DefaultLimits, rewrite(first.String(), second.String()))
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", first); !errors.Is(err, check.ErrRepositoryProtocol) {
		t.Errorf("another commit: %v, want %v", err, check.ErrRepositoryProtocol)
	}

	// With trees left out, the missing ones are asked for by id; here the server
	// then answers with another.
	blob, _ := gitobj.BlobID([]byte("b\n"))
	log := &recorded{Handler: rewrite(tree, blob.String())}
	noTrees := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("deepen 1")) {
			body = bytes.Replace(body, []byte("0015filter blob:none\n"), []byte("0012filter tree:1\n"), 1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		log.ServeHTTP(w, r)
	})
	server, source = serve(t, DefaultLimits, noTrees)
	if _, err := source.Snapshot(t.Context(), server.URL+"/repo", first); !errors.Is(err, check.ErrRepositoryProtocol) {
		t.Errorf("another tree: %v, want %v", err, check.ErrRepositoryProtocol)
	}
	if len(log.bodies) != 3 {
		t.Errorf("%d requests, want 3", len(log.bodies))
	}
}

// Trees that a server leaves out are fetched by id.
func TestTreesLeftOut(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	id := f.commit(t, "repo", map[string]string{"a": "a\n", "dir/sub/b": "b\n", "other/c": "c\n"})
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("deepen 1")) {
			body = bytes.Replace(body, []byte("0015filter blob:none\n"), []byte("0012filter tree:1\n"), 1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.handler.ServeHTTP(w, r)
	}))
	snap, err := source.Snapshot(t.Context(), server.URL+"/repo", id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "dir/sub/b", "other/c"}, paths(snap, snap.Commit().Tree, "")); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestBadURL(t *testing.T) {
	_, source := serve(t, DefaultLimits, http.NotFoundHandler())
	if _, err := source.Snapshot(t.Context(), "https://hg.sr.ht/~a/b", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryURL) {
		t.Errorf("got %v, want %v", err, check.ErrRepositoryURL)
	}
}
