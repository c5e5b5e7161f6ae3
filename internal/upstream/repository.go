package upstream

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cratefence/cratefence/internal/index"
)

// ErrNoGit: there is no git to read a repository with.
var ErrNoGit = errors.New("git is not installed")

// isRepository reports whether path looks like a git repository, with a work
// tree or bare.
func isRepository(path string) bool {
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	}
	return there(".git") || there("HEAD") && there("objects")
}

// A repository is an index in git. It is read with the user's git, out of the
// objects: nothing is checked out, configured to run, or fetched.
type repository struct {
	path   string
	ref    string
	commit string
}

func openRepository(ctx context.Context, path, ref string) (*repository, error) {
	r := &repository{path: path, ref: cmp.Or(ref, "HEAD")}
	out, err := r.git(ctx, "rev-parse", "--verify", "--end-of-options", r.ref+"^{commit}").Output()
	if err != nil {
		return nil, fmt.Errorf("open index %q at %q: %w", path, r.ref, explain(err))
	}
	r.commit = string(bytes.TrimSpace(out))
	return r, nil
}

func (r *repository) String() string { return fmt.Sprintf("%s %s (%s)", r.path, r.ref, r.commit) }

func (r *repository) Close() error { return nil }

// git runs git on the repository, away from anybody's configuration but the
// repository's own, of which nothing that these commands obey runs a program. It
// is let read what belongs to somebody else.
func (r *repository) git(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"--no-pager", "--no-replace-objects", "-c", "safe.directory=*", "-c", "protocol.allow=never", "-C", r.path,
	}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1",
	}
	return cmd
}

// explain puts what git said into the error.
func explain(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		said, _, _ := strings.Cut(string(exit.Stderr), "\n")
		return fmt.Errorf("git: %q", said)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return ErrNoGit
	}
	return err
}

// A blob is a file of a commit.
type blob struct{ path, id string }

func (r *repository) Files(ctx context.Context, yield func(string, []byte, error) error) error {
	// Whatever ends this ends git, too.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := r.git(ctx, "ls-tree", "-r", "-z", "--full-tree", r.commit).Output()
	if err != nil {
		return fmt.Errorf("list index: %w", explain(err))
	}
	blobs := listed(out)
	cmd := r.git(ctx, "cat-file", "--batch", "--buffer")
	cmd.Stdin = &asked{blobs: blobs}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("read index: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("read index: %w", explain(err))
	}
	answers := bufio.NewReaderSize(stdout, 1<<20)
	for _, b := range blobs {
		data, err := readBlob(answers, b)
		if err != nil && !errors.Is(err, ErrTooLarge) {
			cancel()
			return errors.Join(err, killed(cmd.Wait()))
		}
		if err := yield(b.path, data, err); err != nil {
			cancel()
			return errors.Join(err, killed(cmd.Wait()))
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("read index: %w", explain(err))
	}
	return nil
}

// killed drops the error of a process that was ended on purpose.
func killed(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listed reads "MODE TYPE ID\tPATH\0…". Links, submodules, hidden files and
// config.json are no crate's.
func listed(out []byte) []blob {
	var blobs []blob
	for entry := range strings.SplitSeq(string(out), "\x00") {
		about, path, _ := strings.Cut(entry, "\t")
		fields := strings.Fields(about)
		if len(fields) != 3 || !strings.HasPrefix(fields[0], "100") || hidden(path) || path == index.ConfigPath {
			continue
		}
		blobs = append(blobs, blob{path: path, id: fields[2]})
	}
	return blobs
}

func hidden(path string) bool { return strings.HasPrefix(path, ".") || strings.Contains(path, "/.") }

// asked writes the ids of blobs, one a line, as cat-file reads them.
type asked struct {
	blobs []blob
	rest  []byte
}

func (a *asked) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if len(a.blobs) == 0 {
			return 0, io.EOF
		}
		a.rest = append(append(a.rest, a.blobs[0].id...), '\n')
		a.blobs = a.blobs[1:]
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// readBlob reads "ID blob SIZE\nDATA\n". The error wraps ErrTooLarge for a file
// that was passed over.
func readBlob(answers *bufio.Reader, b blob) ([]byte, error) {
	header, err := answers.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read index file %q: %w", b.path, err)
	}
	fields := strings.Fields(header)
	if len(fields) != 3 || fields[0] != b.id || fields[1] != "blob" {
		return nil, fmt.Errorf("read index file %q: git answers %q", b.path, strings.TrimSpace(header))
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read index file %q: %w", b.path, err)
	}
	if size > index.MaxFile {
		if _, err := io.CopyN(io.Discard, answers, size+1); err != nil {
			return nil, fmt.Errorf("read index file %q: %w", b.path, err)
		}
		return nil, fmt.Errorf("read index file %q: %w: %d bytes", b.path, ErrTooLarge, size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(answers, data); err != nil {
		return nil, fmt.Errorf("read index file %q: %w", b.path, err)
	}
	if _, err := answers.Discard(1); err != nil {
		return nil, fmt.Errorf("read index file %q: %w", b.path, err)
	}
	return data, nil
}
