package gitsource

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/egress"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// errNotThere: the server says that it does not have what was asked for.
var errNotThere = errors.New("the server does not have it")

// errNoTreeFilter: the server filters, but not out trees.
var errNoTreeFilter = errors.New("the server does not leave out trees")

// serverError reads what a server says went wrong. Only texts say that an object
// is not there: git's own, then JGit's.
func serverError(message string) error {
	message = strings.TrimSpace(message)
	if strings.Contains(message, "not our ref") || strings.HasPrefix(message, "want ") && strings.HasSuffix(message, "not valid") {
		return fmt.Errorf("%w: %.200q", errNotThere, message)
	}
	err := fmt.Errorf("%w: the server says %.200q", check.ErrRepositoryProtocol, message)
	if strings.Contains(message, "filter 'tree' not supported") {
		return fmt.Errorf("%w: %w", errNoTreeFilter, err)
	}
	return err
}

// transportError says what the failure of an exchange means for a repository.
func transportError(err error) error {
	switch {
	case errors.Is(err, egress.ErrRefused):
		return fmt.Errorf("%w: %w", check.ErrRepositoryRefused, err)
	case errors.Is(err, egress.ErrTooLarge):
		return fmt.Errorf("%w: %w", check.ErrRepositoryTooLarge, err)
	default:
		return fmt.Errorf("%w: %w", check.ErrRepositoryUnreachable, err)
	}
}

func formatError(err error) error {
	if errors.Is(err, gitobj.ErrLimit) {
		return fmt.Errorf("%w: %w", check.ErrRepositoryTooLarge, err)
	}
	return fmt.Errorf("%w: %w", check.ErrRepositoryProtocol, err)
}

// checkAnswer reads the status and type of an answer.
func checkAnswer(resp *http.Response, want string) error {
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusGone:
		return fmt.Errorf("%w: the server answers %s", check.ErrRepositoryMissing, resp.Status)
	case code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("%w: the server answers %s", check.ErrRepositoryUnreachable, resp.Status)
	case code != http.StatusOK:
		return fmt.Errorf("%w: the server answers %s", check.ErrRepositoryProtocol, resp.Status)
	}
	got, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if got != want {
		return fmt.Errorf("%w: the server answers with %.100q, as a web page or an old server would", check.ErrRepositoryProtocol, got)
	}
	return nil
}

// A watched body remembers how it failed, so that a connection that broke is told
// from an answer that is wrong.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// explain returns the error that err comes from, in the words of check.
func (w *watched) explain(err error) error {
	switch {
	case w.err != nil:
		return transportError(w.err)
	case errors.Is(err, gitobj.ErrFormat):
		return formatError(err)
	default:
		return err
	}
}
