package cratetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

const history = `
-- src/lib.rs --
one
-- build.sh +x --
#!/bin/sh
-- LICENSE -> docs/LICENSE --
-- docs/LICENSE --
MIT
-- @1 tag v1 --
-- @2/src/lib.rs --
two
-- @2/build.sh gone --
-- @2 tag v2 --
-- @2 tag newest --
`

func TestCommits(t *testing.T) {
	got, err := Commits(txtar.Parse([]byte(history)))
	if err != nil {
		t.Fatal(err)
	}
	license := []File{{Path: "LICENSE", Link: "docs/LICENSE"}}
	docs := File{Path: "docs/LICENSE", Data: []byte("MIT\n")}
	want := []Commit{
		{
			Files: append(license, File{Path: "build.sh", Data: []byte("#!/bin/sh\n"), Executable: true}, docs, File{Path: "src/lib.rs", Data: []byte("one\n")}),
			Tags:  []string{"v1"},
		},
		{
			Files: append(license, docs, File{Path: "src/lib.rs", Data: []byte("two\n")}),
			Tags:  []string{"v2", "newest"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Commits (-want +got):\n%s", diff)
	}
}

func TestCommitsRefuses(t *testing.T) {
	for _, text := range []string{
		"-- ../up --\n",
		"-- /absolute --\n",
		"-- a//b --\n",
		"-- @0/a --\n",
		"-- @x/a --\n",
		"-- @2/a --\n", // no first commit
		"-- a --\n-- @3/a --\n",
	} {
		if got, err := Commits(txtar.Parse([]byte(text))); err == nil {
			t.Errorf("Commits(%q) = %v, want an error", text, got)
		}
	}
}

func TestRepository(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repository")
	r := MustRepository(t, dir, history)
	show := func(args ...string) string {
		t.Helper()
		out, err := git(t.Context(), dir, nil, args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	tree := show("ls-tree", "-r", "--format=%(objectmode) %(path)", r.Commits[0])
	if diff := cmp.Diff("120000 LICENSE\n100755 build.sh\n100644 docs/LICENSE\n100644 src/lib.rs", tree); diff != "" {
		t.Errorf("tree of commit 1 (-want +got):\n%s", diff)
	}
	if got := show("ls-tree", "-r", "--name-only", r.Head()); got != "LICENSE\ndocs/LICENSE\nsrc/lib.rs" {
		t.Errorf("tree of commit 2 = %q", got)
	}
	if got := show("rev-parse", "v1", "newest", "main"); got != strings.Join([]string{r.Commits[0], r.Head(), r.Head()}, "\n") {
		t.Errorf("tags are at %q, want %q", got, r.Commits)
	}
	if got := show("status", "--porcelain"); got != "" {
		t.Errorf("the work tree is not clean: %q", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, "src", "lib.rs"))
	if err != nil || string(text) != "two\n" {
		t.Errorf("work tree holds %q, %v, want the last commit's", text, err)
	}

	again := MustRepository(t, filepath.Join(t.TempDir(), "elsewhere"), history)
	if diff := cmp.Diff(r.Commits, again.Commits); diff != "" {
		t.Errorf("the same history has other ids (-first +again):\n%s", diff)
	}
}

func TestServeGit(t *testing.T) {
	root := t.TempDir()
	r := MustRepository(t, filepath.Join(root, "group", "tidy"), history)
	base := MustServeGit(t, root)
	for _, url := range []string{base + "/group/tidy", base + "/group/tidy.git"} {
		dir := t.TempDir()
		steps := [][]string{
			{"init", "-q"},
			// A commit that no ref names, without its files' contents.
			{"-c", "protocol.version=2", "fetch", "-q", "--depth=1", "--filter=blob:none", url, r.Commits[0]},
		}
		for _, step := range steps {
			if _, err := git(t.Context(), dir, nil, step...); err != nil {
				t.Fatal(err)
			}
		}
		out, err := git(t.Context(), dir, nil, "rev-list", "--objects", "--missing=print", "FETCH_HEAD")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(out), "?"); got != 4 {
			t.Errorf("fetch from %s left out %d blobs, want all 4:\n%s", url, got, out)
		}
	}
	if _, err := git(t.Context(), t.TempDir(), nil, "ls-remote", base+"/group/none"); err == nil {
		t.Error("a repository that does not exist is served")
	}
	if _, err := git(t.Context(), r.Dir, nil, "push", "-q", base+"/group/tidy", "main:other"); err == nil {
		t.Error("the server takes pushes")
	}
}
