package cratetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// GitServer serves the repositories below the folder root to read, as forges do:
// smart HTTP, protocol version 2, partial clone, any object by its id, with or
// without ".git". The error wraps ErrNoGit where git lacks its server.
func GitServer(root string) (http.Handler, error) {
	backend, err := gitBackend()
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler := cgi.Handler{
			Path:   backend,
			Dir:    root,
			Env:    serverEnv(root, r.Header.Get("Git-Protocol")),
			Stderr: io.Discard, // what is wrong is in the answer, too
		}
		handler.ServeHTTP(w, withoutSuffix(root, r))
	}), nil
}

func gitBackend() (string, error) {
	out, err := git(context.Background(), ".", nil, "--exec-path")
	if err != nil {
		return "", err
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := exec.LookPath(backend); err != nil {
		return "", fmt.Errorf("serve repositories: %w", ErrNoGit)
	}
	return backend, nil
}

func serverEnv(root, protocol string) []string {
	settings := [][2]string{
		{"uploadpack.allowFilter", "true"},
		{"uploadpack.allowAnySHA1InWant", "true"},
		{"http.receivepack", "false"},
		{"http.getanyfile", "false"}, // no dumb protocol
		{"safe.directory", "*"},      // whoever owns the fixtures
	}
	env := append(gitEnv(),
		"GIT_PROJECT_ROOT="+root,
		"GIT_HTTP_EXPORT_ALL=1",
		"GIT_PROTOCOL="+protocol,
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings)),
	)
	for i, s := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, s[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, s[1]))
	}
	return env
}

// withoutSuffix drops ".git" from a request's path where the repository has none.
func withoutSuffix(root string, r *http.Request) *http.Request {
	name, rest, found := strings.Cut(r.URL.Path, ".git/")
	if !found || !filepath.IsLocal(strings.TrimPrefix(name, "/")) {
		return r
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)) + ".git"); err == nil {
		return r
	}
	bare := r.Clone(r.Context())
	bare.URL.Path = name + "/" + rest
	return bare
}
