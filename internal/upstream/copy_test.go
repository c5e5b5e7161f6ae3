package upstream

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/cratetest"
	"github.com/cratefence/cratefence/internal/index"
)

func smallIndex(t *testing.T) *cratetest.WholeIndex {
	t.Helper()
	x, err := cratetest.NewWholeIndex(cratetest.IndexSpec{Crates: 300, Versions: 900})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// files reads a copy, with errors in the place of what cannot be read.
func files(t *testing.T, path, ref string) map[string]string {
	t.Helper()
	c, err := OpenCopy(t.Context(), path, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := map[string]string{}
	err = c.Files(t.Context(), func(path string, data []byte, err error) error {
		if err != nil {
			data = []byte(err.Error())
		}
		all[path] = string(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wholeOf(t *testing.T, x *cratetest.WholeIndex) map[string]string {
	t.Helper()
	all := map[string]string{}
	for i := range x.Len() {
		path, err := index.Path(x.Name(i))
		if err != nil {
			t.Fatal(err)
		}
		all[path] = string(x.File(i))
	}
	return all
}

func TestFolder(t *testing.T) {
	x := smallIndex(t)
	dir := t.TempDir()
	if err := x.WriteFolder(dir); err != nil {
		t.Fatal(err)
	}
	want := wholeOf(t, x)
	secret := filepath.Join(t.TempDir(), "secret")
	big := filepath.Join(dir, "3", "b", "big")
	if err := os.MkdirAll(filepath.Dir(big), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, size := range map[string]int{secret: 10, filepath.Join(dir, ".cache"): 10, big: index.MaxFile + 1} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(dir, "3", "b", "bad")); err != nil {
		t.Fatal(err)
	}
	want["3/b/big"] = `read index file "3/b/big": answer too large: more than 33554432 bytes`
	if diff := cmp.Diff(want, files(t, dir, "")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestRepository(t *testing.T) {
	x := smallIndex(t)
	dir := filepath.Join(t.TempDir(), "index.git")
	writeGit(t, x, dir)
	want := wholeOf(t, x)
	if diff := cmp.Diff(want, files(t, dir, "")); diff != "" {
		t.Errorf("bare repository (-want +got):\n%s", diff)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("git", "clone", "-q", "--no-checkout", dir, clone).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v: %s", err, out)
	}
	if diff := cmp.Diff(want, files(t, clone, "refs/remotes/origin/HEAD")); diff != "" {
		t.Errorf("clone without a work tree (-want +got):\n%s", diff)
	}
}

func writeGit(t *testing.T, x *cratetest.WholeIndex, dir string) {
	t.Helper()
	if err := x.WriteGit(t.Context(), dir); errors.Is(err, cratetest.ErrNoGit) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// What git is told in the repository, or by whoever started us, runs nothing and
// changes nothing.
func TestRepositoryIsNotObeyed(t *testing.T) {
	x := smallIndex(t)
	dir := filepath.Join(t.TempDir(), "index.git")
	writeGit(t, x, dir)
	ran := filepath.Join(t.TempDir(), "ran")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsmonitor = " + script + "\n\tsshCommand = " + script + "\n\tpager = " + script +
		"\n\thooksPath = " + filepath.Dir(script) + "\n[alias]\n\tcat-file = !" + script + "\n[filter \"x\"]\n\tsmudge = " + script + "\n[diff \"x\"]\n\ttextconv = " + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", "/nowhere")
	t.Setenv("GIT_EXTERNAL_DIFF", script)
	if diff := cmp.Diff(wholeOf(t, x), files(t, dir, "main")); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program of the repository's ran: %v", err)
	}
}

func TestOpenCopyRefuses(t *testing.T) {
	x := smallIndex(t)
	repository := filepath.Join(t.TempDir(), "index.git")
	writeGit(t, x, repository)
	for _, tt := range []struct{ path, ref, want string }{
		{filepath.Join(t.TempDir(), "missing"), "", "no such file"},
		{t.TempDir(), "main", "not a git repository"},
		{repository, "nowhere", "Needed a single revision"},
		{repository, "--help", "Needed a single revision"},
	} {
		if c, err := OpenCopy(t.Context(), tt.path, tt.ref); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("OpenCopy(%q, %q) = %v, %v, want %q", tt.path, tt.ref, c, err, tt.want)
		}
	}
}

// An end of the reading ends git.
func TestCopyEnds(t *testing.T) {
	x := smallIndex(t)
	dir, repository := t.TempDir(), filepath.Join(t.TempDir(), "index.git")
	if err := x.WriteFolder(dir); err != nil {
		t.Fatal(err)
	}
	writeGit(t, x, repository)
	enough := errors.New("enough")
	for _, path := range []string{dir, repository} {
		c, err := OpenCopy(t.Context(), path, "")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = c.Files(t.Context(), func(string, []byte, error) error {
			if n++; n == 3 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || n != 3 {
			t.Errorf("%s: Files = %v after %d files", c, err, n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = c.Files(ctx, func(string, []byte, error) error { cancel(); return ctx.Err() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Files = %v, want context.Canceled", c, err)
		}
		c.Close()
	}
}
