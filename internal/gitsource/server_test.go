package gitsource

import (
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// runGit runs git in dir, cut off from the machine's configuration.
func runGit(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return runGitInput(t, dir, "", args...)
}

func runGitInput(t testing.TB, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A forge is a folder of repositories and the real git server before it.
type forge struct {
	dir     string
	handler http.Handler
}

func newForge(t testing.TB, config ...string) *forge {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("needs git: ", err)
	}
	f := &forge{dir: t.TempDir()}
	env := []string{"GIT_PROJECT_ROOT=" + f.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}
	for i, setting := range config {
		key, value, _ := strings.Cut(setting, "=")
		n := string(rune('0' + i))
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+key, "GIT_CONFIG_VALUE_"+n+"="+value)
	}
	env = append(env, "GIT_CONFIG_COUNT="+string(rune('0'+len(config))))
	f.handler = &cgi.Handler{Path: git, Args: []string{"http-backend"}, Env: env, Stderr: io.Discard}
	return f
}

// commit makes a repository of one more commit with the files given by path.
func (f *forge) commit(t testing.TB, repo string, files map[string]string) gitobj.ID {
	t.Helper()
	dir := filepath.Join(f.dir, repo)
	if _, err := os.Stat(dir); err != nil {
		runGit(t, f.dir, "init", "-q", repo)
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runGit(t, dir, "add", ".")
	runGit(t, dir, "commit", "-q", "-m", "a change")
	return mustID(t, runGit(t, dir, "rev-parse", "HEAD"))
}

func mustID(t testing.TB, s string) gitobj.ID {
	t.Helper()
	id, err := gitobj.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serve starts a server and returns it with a source that may reach it.
func serve(t testing.TB, lim Limits, h http.Handler) (*httptest.Server, *Source) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server, sourceOf(t, lim, server)
}

// sourceOf returns a source that knows nothing yet and may reach the server.
func sourceOf(t testing.TB, lim Limits, server *httptest.Server) *Source {
	t.Helper()
	e, err := egress.New(egress.Config{Exceptions: []egress.Exception{
		{Purpose: egress.Git, Host: strings.TrimPrefix(server.URL, "http://")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Client(egress.Git, egress.Limits{}).CloseIdleConnections() })
	return New(e, lim)
}
