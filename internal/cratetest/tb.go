package cratetest

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/tools/txtar"
)

// TB is what the forms of this file use of testing.TB. They end a test on an
// error, skip it where the machine lacks something, and clean up when it ends.
// Package testing itself would go into the program with the demo.
type TB interface {
	Helper()
	Context() context.Context
	TempDir() string
	Cleanup(func())
	Skip(args ...any)
	Error(args ...any)
	Fatal(args ...any)
}

func must(t TB, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrNoCargo), errors.Is(err, ErrNoGit):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// MustServe serves h on loopback until the test ends, and returns its URL.
func MustServe(t TB, h http.Handler) string {
	t.Helper()
	s, err := Serve("127.0.0.1:0", h)
	must(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// MustServeGit serves the repositories below root, and returns their base URL.
func MustServeGit(t TB, root string) string {
	t.Helper()
	h, err := GitServer(root)
	must(t, err)
	return MustServe(t, h)
}

// MustRepository makes a repository from text in txtar form.
func MustRepository(t TB, dir, text string) *Repository {
	t.Helper()
	r, err := NewRepository(t.Context(), dir, txtar.Parse([]byte(text)))
	must(t, err)
	return r
}

// MustCargo returns the machine's cargo with a home of its own.
func MustCargo(t TB) *Cargo {
	t.Helper()
	c, err := NewCargo(t.TempDir())
	must(t, err)
	return c
}

// MustPack packs p.
func MustPack(t TB, p Package) []byte {
	t.Helper()
	data, err := Pack(p)
	must(t, err)
	return data
}

// MustPackText packs a package given as text in txtar form, without a commit.
func MustPackText(t TB, name, version, text string) []byte {
	t.Helper()
	commits, err := Commits(txtar.Parse([]byte(text)))
	must(t, err)
	return MustPack(t, Package{Name: name, Version: version, Files: commits[len(commits)-1].Files})
}
