package gitsource

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// A server that never comes to an end comes to ours: nothing it repeats is
// gathered beyond the limit on bytes.
func TestEndless(t *testing.T) {
	tests := []struct{ name, start, repeat string }{
		{"progress", lines("packfile\n"), lines("\x02" + strings.Repeat("counting ", 1000))},
		{"pack", lines("packfile\n"), lines("\x01" + strings.Repeat("PACK", 1000))},
		{"refs", "", lines("0100000000000000000000000000000000000000 refs/heads/" + strings.Repeat("a", 4000) + "\n")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stopped := make(chan struct{})
			limits := DefaultLimits
			limits.Bytes = 1 << 20
			server, source := serve(t, limits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					w.Header().Set("Content-Type", refsType)
					io.WriteString(w, goodRefs)
					return
				}
				defer close(stopped)
				w.Header().Set("Content-Type", packType)
				io.WriteString(w, test.start)
				for r.Context().Err() == nil {
					if _, err := io.WriteString(w, test.repeat); err != nil {
						return
					}
				}
			}))
			var err error
			if test.name == "refs" {
				_, err = source.Refs(t.Context(), server.URL+"/repo", "refs/")
			} else {
				_, err = source.Snapshot(t.Context(), server.URL+"/repo", gitobj.ID{1})
			}
			if !errors.Is(err, check.ErrRepositoryTooLarge) {
				t.Errorf("got %v, want %v", err, check.ErrRepositoryTooLarge)
			}
			<-stopped // the connection was let go
		})
	}
}

// Thirty redirects are not followed, nor is a circle of them.
func TestRedirectsForEver(t *testing.T) {
	followed := 0
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		followed++
		n, _ := strconv.Atoi(strings.Split(r.URL.Path, "/")[1])
		http.Redirect(w, r, "/"+strconv.Itoa((n+1)%30)+refsPath+"?"+refsQuery, http.StatusFound)
	}))
	if _, err := source.Snapshot(t.Context(), server.URL+"/0", gitobj.ID{1}); !errors.Is(err, check.ErrRepositoryRefused) {
		t.Errorf("got %v, want %v", err, check.ErrRepositoryRefused)
	}
	if followed > 6 {
		t.Errorf("%d requests", followed)
	}
}

// A tree that holds itself many times over, as far down as one likes, is read
// once for each id.
func TestTreeBomb(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	dir := f.dir + "/repo"
	f.commit(t, "repo", map[string]string{"a": "a\n"})
	tree := runGit(t, dir, "rev-parse", "HEAD^{tree}")
	for range 12 {
		var list strings.Builder
		for i := range 10 {
			list.WriteString("040000 tree " + tree + "\td" + strconv.Itoa(i) + "\n")
		}
		tree = runGitInput(t, dir, list.String(), "mktree")
	}
	id := mustID(t, runGit(t, dir, "commit-tree", "-m", "bomb", tree)) // a billion folders and more
	server, source := serve(t, DefaultLimits, f.handler)
	snap, err := source.Snapshot(t.Context(), server.URL+"/repo", id)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(snap.(*snapshot).trees); n != 13 {
		t.Errorf("%d trees read, want 13", n)
	}
}

// Trees that no git writes are refused, whatever server sends them.
func TestHostileTrees(t *testing.T) {
	f := newForge(t, "uploadpack.allowFilter=true")
	dir := f.dir + "/repo"
	f.commit(t, "repo", map[string]string{"a": "a\n"})
	blob := mustID(t, runGit(t, dir, "rev-parse", "HEAD:a"))
	entry := func(name string) string { return "100644 " + name + "\x00" + string(blob[:]) }
	for name, content := range map[string]string{
		"up":         entry(".."),
		"git's own":  entry(".GIT"),
		"a path":     entry("a/b"),
		"no name":    entry(""),
		"twice":      entry("a") + entry("a"),
		"disordered": entry("b") + entry("a"),
		"cut short":  entry("a")[:20],
	} {
		tree := runGitInput(t, dir, content, "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
		id := mustID(t, runGit(t, dir, "commit-tree", "-m", "hostile", tree))
		server, source := serve(t, DefaultLimits, f.handler)
		snap, err := source.Snapshot(t.Context(), server.URL+"/repo", id)
		if !errors.Is(err, check.ErrRepositoryProtocol) {
			t.Errorf("%s: %v, %v, want %v", name, snap, err, check.ErrRepositoryProtocol)
		}
	}
}
