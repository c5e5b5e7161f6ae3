package provenance

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/cratefence/cratefence/internal/gitobj"
)

// ErrNoSubmodule: the repository does not say, or not clearly, where a submodule
// comes from; or there are more, or deeper ones, than are followed.
var ErrNoSubmodule = errors.New("submodule without a repository")

const (
	submodulesFile = ".gitmodules"
	maxModulesFile = 1 << 20 // bytes
)

// submodules reads where the submodules of a commit come from, in the commit
// itself: URLs by path, "" where two are named.
func (t *tree) submodules(ctx context.Context) (map[string]string, error) {
	e, ok := t.literal(submodulesFile)
	if !ok || !e.Mode.IsFile() {
		return nil, fmt.Errorf("%w: no %s", ErrNoSubmodule, submodulesFile)
	}
	blobs, err := t.blobs(ctx, []gitobj.ID{e.ID})
	if err != nil {
		return nil, err
	}
	if len(blobs[e.ID]) > maxModulesFile {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrNoSubmodule, submodulesFile, len(blobs[e.ID]))
	}
	return submoduleURLs(string(blobs[e.ID])), nil
}

// submoduleURLs reads the URLs by path from a .gitmodules (gitmodules(5)). Of the
// syntax that git-config(1) has it reads what git itself writes there, and
// comments; a path that is given two URLs has none.
func submoduleURLs(text string) map[string]string {
	type section struct{ path, url string }
	var sections []*section
	byName := map[string]*section{} // a name may be written twice: the later keys win
	var now *section
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if now = byName[line]; now == nil && strings.HasPrefix(strings.ToLower(line), `[submodule "`) {
				now = &section{}
				byName[line] = now
				sections = append(sections, now)
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || now == nil {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "path":
			now.path = path.Clean(configValue(value))
		case "url":
			now.url = configValue(value)
		}
	}
	urls := map[string]string{}
	for _, s := range sections {
		if earlier, twice := urls[s.path]; twice && earlier != s.url {
			s.url = ""
		}
		urls[s.path] = s.url
	}
	return urls
}

// configValue takes off quotes and what follows a comment sign.
func configValue(s string) string {
	s = strings.TrimSpace(s)
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		quoted, _, _ = strings.Cut(quoted, `"`)
		return quoted
	}
	if i := strings.IndexAny(s, "#;"); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	return s
}

// resolveSubmodule returns the URL that a submodule's is, relative ones to that
// of the repository it stands in (git-submodule(1), under "add").
func resolveSubmodule(repository, address string) (string, error) {
	if !strings.HasPrefix(address, "./") && !strings.HasPrefix(address, "../") {
		return address, nil // what may be fetched is for the source to say
	}
	u, err := url.Parse(repository)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoSubmodule, err)
	}
	// A relative URL may lead to another owner, not out of the host.
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	for part := range strings.SplitSeq(address, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			segments = append(segments, part)
		case len(segments) == 0:
			return "", fmt.Errorf("%w: %q leads out of its host", ErrNoSubmodule, address)
		default:
			segments = segments[:len(segments)-1]
		}
	}
	u.Path = "/" + strings.Join(segments, "/")
	return u.String(), nil
}
