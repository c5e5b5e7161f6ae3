package cratetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// A Repository is a git repository with a work tree.
type Repository struct {
	Dir     string
	Commits []string // ids, in the order of the fixture
}

// Head is the id of the last commit.
func (r *Repository) Head() string { return r.Commits[len(r.Commits)-1] }

// firstCommit is when fixtures' histories begin. Each commit is an hour later
// than the one before, so that ids never change.
var firstCommit = time.Date(2026, 10, 1, 9, 0, 0, 0, time.UTC)

// NewRepository makes a repository in the folder dir, which it creates, from a
// history in the form that Commits reads. Its branch is main. The same history
// gives the same ids everywhere.
func NewRepository(ctx context.Context, dir string, a *txtar.Archive) (*Repository, error) {
	commits, err := Commits(a)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	if _, err := git(ctx, dir, nil, "init", "-q", "--template=", "--initial-branch=main"); err != nil {
		return nil, err
	}
	out, err := git(ctx, dir, importStream(commits), "fast-import", "--quiet", "--done")
	if err != nil {
		return nil, err
	}
	if _, err := git(ctx, dir, nil, "checkout", "-q", "-f", "main"); err != nil {
		return nil, err
	}
	return &Repository{Dir: dir, Commits: strings.Fields(string(out))}, nil
}

// importStream writes commits as git fast-import reads them
// (https://git-scm.com/docs/git-fast-import); it answers with their ids.
func importStream(commits []Commit) []byte {
	var s bytes.Buffer
	for i, c := range commits {
		n, at := i+1, firstCommit.Add(time.Duration(i)*time.Hour).Unix()
		message := fmt.Sprintf("commit %d\n", n)
		fmt.Fprintf(&s, "commit refs/heads/main\nmark :%d\n", n)
		fmt.Fprintf(&s, "author %s %d +0000\ncommitter %s %d +0000\n", author, at, author, at)
		fmt.Fprintf(&s, "data %d\n%s\n", len(message), message)
		s.WriteString("deleteall\n")
		for _, f := range c.Files {
			writeFile(&s, f)
		}
		for _, tag := range c.Tags {
			fmt.Fprintf(&s, "reset refs/tags/%s\nfrom :%d\n\n", tag, n)
		}
		fmt.Fprintf(&s, "get-mark :%d\n", n)
	}
	s.WriteString("done\n")
	return s.Bytes()
}

const author = "Ada Fixture <ada@example.com>"

func writeFile(s *bytes.Buffer, f File) {
	mode, data := "100644", f.Data
	switch {
	case f.Link != "":
		mode, data = "120000", []byte(f.Link)
	case f.Executable:
		mode = "100755"
	}
	fmt.Fprintf(s, "M %s inline %s\ndata %d\n%s\n", mode, f.Path, len(data), data)
}

// git runs git in dir, away from anybody's configuration.
func git(ctx context.Context, dir string, stdin []byte, args ...string) ([]byte, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("run git: %w", ErrNoGit)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = gitEnv()
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run git %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

func gitEnv() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(os.TempDir(), "nobody"), // not there
		"LC_ALL=C",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
	}
}
