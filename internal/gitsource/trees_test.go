package gitsource

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// A meter counts what a handler answers.
type meter struct {
	http.Handler
	bytes, requests int
}

func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	m.Handler.ServeHTTP(answer, r)
	m.requests++
	m.bytes += answer.Body.Len()
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.Code)
	io.Copy(w, answer.Body)
}

// A monorepo has many folders, of which a release changes one.
func monorepo(t testing.TB) (f *forge, commits []gitobj.ID) {
	f = newForge(t, "uploadpack.allowFilter=true")
	files := map[string]string{}
	for i := range 100 {
		files[fmt.Sprintf("crates/c%d/src/deep/lib.rs", i)] = fmt.Sprintf("// crate %d\n", i)
	}
	commits = append(commits, f.commit(t, "repo", files))
	for i := range 3 {
		commits = append(commits, f.commit(t, "repo", map[string]string{"crates/c7/src/deep/lib.rs": fmt.Sprintf("// change %d\n", i)}))
	}
	return f, commits
}

// The next release of a repository costs its commit and the trees that changed,
// whichever way time goes.
func TestTreesShared(t *testing.T) {
	f, commits := monorepo(t)
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}} {
		m := &meter{Handler: f.handler}
		server, source := serve(t, DefaultLimits, m)
		first := 0
		for i, at := range order {
			m.bytes, m.requests = 0, 0
			snap, err := source.Snapshot(t.Context(), server.URL+"/repo", commits[at])
			if err != nil {
				t.Fatal(err)
			}
			if n := len(paths(snap, snap.Commit().Tree, "")); n != 100 {
				t.Errorf("%v: commit %d has %d files, want 100", order, at, n)
			}
			switch {
			case i == 0:
				first = m.bytes
			case m.requests != 1 || m.bytes > first/4:
				t.Errorf("%v: commit %d cost %d bytes in %d requests, the first %d", order, at, m.bytes, m.requests, first)
			}
		}
	}
}

// Trees that were forgotten are fetched again, and nothing is missing.
func TestTreesForgotten(t *testing.T) {
	f, commits := monorepo(t)
	for _, most := range []int64{0, 1000, 10_000} {
		limits := DefaultLimits
		limits.Trees = most
		server, source := serve(t, limits, f.handler)
		for _, commit := range commits {
			snap, err := source.Snapshot(t.Context(), server.URL+"/repo", commit)
			if err != nil {
				t.Fatalf("%d bytes kept: %v", most, err)
			}
			if n := len(paths(snap, snap.Commit().Tree, "")); n != 100 {
				t.Errorf("%d bytes kept: %d files, want 100", most, n)
			}
			if source.trees.size > most {
				t.Errorf("%d bytes kept of %d", source.trees.size, most)
			}
		}
	}
}

// A server that makes nothing of commits we have is asked for all.
func TestTreesServerRefuses(t *testing.T) {
	f, commits := monorepo(t)
	server, source := serve(t, DefaultLimits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "have ") {
			w.Header().Set("Content-Type", packType)
			io.WriteString(w, lines("ERR what do you mean\n"))
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		f.handler.ServeHTTP(w, r)
	}))
	for _, commit := range commits {
		if _, err := source.Snapshot(t.Context(), server.URL+"/repo", commit); err != nil {
			t.Error(err)
		}
	}
}

// Those used last are kept.
func TestTreesKept(t *testing.T) {
	kept := trees{most: 3 * (10 + treeOverhead)}
	data := make([]byte, 10)
	for _, c := range "abc" {
		kept.keep(gitobj.ID{byte(c)}, data)
	}
	kept.get(gitobj.ID{'a'})
	kept.keep(gitobj.ID{'d'}, data)
	kept.keep(gitobj.ID{'d'}, data) // once
	got := ""
	for _, c := range "abcd" {
		if _, _, ok := kept.get(gitobj.ID{byte(c)}); ok {
			got += string(c)
		}
	}
	if got != "acd" {
		t.Errorf("kept %q, want %q", got, "acd")
	}
}

func TestTreesHaves(t *testing.T) {
	var kept trees
	for _, c := range "abcdea" {
		kept.note("r", gitobj.ID{byte(c)})
	}
	want := []gitobj.ID{{'a'}, {'e'}, {'d'}, {'c'}}
	if diff := cmp.Diff(want, kept.haves("r")); diff != "" {
		t.Errorf("haves (-want +got):\n%s", diff)
	}
	for i := range maxRepositories {
		kept.note(fmt.Sprint(i), gitobj.ID{1})
	}
	if len(kept.read) > maxRepositories {
		t.Errorf("%d repositories remembered", len(kept.read))
	}
}
