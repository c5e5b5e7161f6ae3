package cratetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cratefence/cratefence/internal/index"
)

// WriteFolder writes the index files below dir, and its config.json.
func (x *WholeIndex) WriteFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, index.ConfigPath), []byte(wholeConfig), 0o644); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	var buf []byte
	for i := range x.crates {
		path, err := index.Path(x.crates[i].name)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write index: %w", err)
		}
		buf = x.AppendFile(buf[:0], i)
		if err := os.WriteFile(file, buf, 0o644); err != nil {
			return fmt.Errorf("write index: %w", err)
		}
	}
	return nil
}

const wholeConfig = `{"dl":"https://registry.example/crates","api":"https://registry.example"}` + "\n"

// WriteGit writes the index as a bare repository of one commit, in the folder
// dir, which it creates.
func (x *WholeIndex) WriteGit(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	if _, err := git(ctx, dir, nil, "init", "-q", "--bare", "--template=", "--initial-branch=main"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "git", "fast-import", "--quiet")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, gitEnv(), os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	err = x.writeStream(stdin)
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

func (x *WholeIndex) writeStream(to io.WriteCloser) error {
	defer to.Close()
	w := bufio.NewWriterSize(to, 1<<20)
	at := x.spec.End.Unix()
	fmt.Fprintf(w, "commit refs/heads/main\nauthor %s %d +0000\ncommitter %s %d +0000\ndata 5\nIndex\n", author, at, author, at)
	fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", index.ConfigPath, len(wholeConfig), wholeConfig)
	var buf []byte
	for i := range x.crates {
		path, err := index.Path(x.crates[i].name)
		if err != nil {
			return err
		}
		buf = x.AppendFile(buf[:0], i)
		fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n", path, len(buf))
		w.Write(buf)
		w.WriteByte('\n')
	}
	return w.Flush()
}
