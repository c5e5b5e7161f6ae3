package gitsource

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Real repositories that git serves and that are not read say why.
func TestRepositoriesNotRead(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	files := map[string]string{"a": "a\n"}
	f.commit(t, "repo", files)
	runGit(t, f.dir, "clone", "-q", "--bare", "repo", "dumb.git")
	runGit(t, f.dir+"/dumb.git", "update-server-info")
	runGit(t, f.dir, "init", "-q", "--object-format=sha256", "long")
	if err := os.WriteFile(filepath.Join(f.dir, "long", "a"), []byte("a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	runGit(t, f.dir+"/long", "add", ".")
	runGit(t, f.dir+"/long", "commit", "-q", "-m", "a change")

	web := http.FileServer(http.Dir(f.dir))
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/dumb") {
			web.ServeHTTP(w, r)
			return
		}
		f.handler.ServeHTTP(w, r)
	}))
	for repository, want := range map[string]error{
		"/dumb.git": check.ErrRepositoryDumb,
		"/long":     check.ErrRepositorySHA256,
		"/none":     check.ErrRepositoryMissing,
	} {
		if _, err := source.Snapshot(t.Context(), server.URL+repository, gitobj.ID{1}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", repository, err, want)
		}
		if _, err := source.Refs(t.Context(), server.URL+repository, "HEAD"); !errors.Is(err, want) {
			t.Errorf("refs of %s: %v, want %v", repository, err, want)
		}
	}
}

// What a page's address leads to is found by leaving out its last segments.
func TestTrailingSegments(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	id := f.commit(t, "team/repo.git", map[string]string{"a": "a\n"})
	server, source := serve(t, DefaultLimits, f.handler)
	for _, page := range []string{"/team/repo/log", "/team/repo/about/main/x", "/team/repo.git/tree/src/deep/down/below"} {
		snap, err := source.Snapshot(t.Context(), server.URL+page, id)
		if err != nil {
			t.Errorf("%s: %v", page, err)
			continue
		}
		if snap.URL() != server.URL+"/team/repo" {
			t.Errorf("%s leads to %s", page, snap.URL())
		}
	}
}
