package gitsource

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

const (
	refsPath     = "/info/refs"
	refsQuery    = "service=git-upload-pack"
	refsType     = "application/x-git-upload-pack-advertisement"
	packPath     = "/git-upload-pack"
	packType     = "application/x-git-upload-pack-result"
	requestType  = "application/x-git-upload-pack-request"
	protocolName = "Git-Protocol"
	protocol     = "version=2"
)

// A remote is a repository that answered as git does.
type remote struct {
	source *Source
	base   *url.URL // after redirects
	can    abilities
}

// abilities are what a server says it can do.
type abilities struct {
	shallow bool // leave out history
	filter  bool // leave out files
	format  bool // be told the object format
}

// connect asks what the repository at u can do.
func (s *Source) connect(ctx context.Context, u *url.URL) (*remote, error) {
	refs := u.JoinPath(refsPath)
	refs.RawQuery = refsQuery
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, refs.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", check.ErrRepositoryURL, err)
	}
	req.Header.Set(protocolName, protocol)
	resp, err := s.send(s.discovery, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := checkAnswer(resp, refsType); err != nil {
		if isDumb(resp) {
			err = fmt.Errorf("%w: the server has a list of refs, and no git that answers", check.ErrRepositoryDumb)
		}
		return nil, err
	}
	// Where the question was redirected, the repository is found under its new
	// address; what that address is called must still be a repository's.
	base := *resp.Request.URL
	var ok bool
	if base.Path, ok = strings.CutSuffix(base.Path, refsPath); !ok || base.RawQuery != refsQuery {
		return nil, fmt.Errorf("%w: redirected to %q", check.ErrRepositoryProtocol, base.Redacted())
	}
	base.RawQuery, base.RawPath = "", ""
	body := &watched{r: resp.Body}
	can, err := readAbilities(gitobj.NewPacketReader(body))
	if err != nil {
		return nil, body.explain(err)
	}
	return &remote{source: s, base: &base, can: can}, nil
}

// send sends a request when its host may be asked.
func (s *Source) send(client *http.Client, req *http.Request) (*http.Response, error) {
	host := s.hosts.at(req.URL.Host)
	if err := host.next(req.Context()); err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, transportError(err)
	}
	host.heed(resp)
	return resp, nil
}

// isDumb reports whether an answer is the file that git update-server-info writes
// for web servers that know nothing of git: lines of an id, a tab and a ref.
func isDumb(resp *http.Response) bool {
	line := make([]byte, len(gitobj.ID{})*2+len("\trefs/"))
	if _, err := io.ReadFull(resp.Body, line); err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	id, name, _ := strings.Cut(string(line), "\t")
	_, err := gitobj.ParseID(id)
	return err == nil && name == "refs/"
}

// readAbilities reads a version 2 capability advertisement, before which some
// servers name the service as older versions do.
func readAbilities(r *gitobj.PacketReader) (abilities, error) {
	line, err := readLine(r)
	if err == nil && line == "# "+refsQuery {
		if kind, _, flushErr := r.Next(); flushErr != nil || kind != gitobj.FlushPacket {
			return abilities{}, fmt.Errorf("%w: no flush after the service", check.ErrRepositoryProtocol)
		}
		line, err = readLine(r)
	}
	if err != nil && err != io.EOF {
		return abilities{}, err
	}
	if line != "version 2" {
		return abilities{}, fmt.Errorf("%w: the server does not speak version 2", check.ErrRepositoryProtocol)
	}
	var can abilities
	for range 100 {
		line, err := readLine(r)
		if err == io.EOF {
			return can, nil
		}
		if err != nil {
			return abilities{}, err
		}
		switch key, value, _ := strings.Cut(line, "="); key {
		case "fetch":
			for feature := range strings.FieldsSeq(value) {
				can.shallow = can.shallow || feature == "shallow"
				can.filter = can.filter || feature == "filter"
			}
		case "object-format":
			if value != "sha1" {
				if value == "sha256" {
					return abilities{}, check.ErrRepositorySHA256
				}
				return abilities{}, fmt.Errorf("%w: object format %.20q", check.ErrRepositoryProtocol, value)
			}
			can.format = true
		}
	}
	return abilities{}, fmt.Errorf("%w: more than 100 capabilities", check.ErrRepositoryProtocol)
}

// readLine returns the next packet as a line, or io.EOF at a flush.
func readLine(r *gitobj.PacketReader) (string, error) {
	kind, data, err := r.Next()
	switch {
	case err == io.EOF:
		return "", fmt.Errorf("%w: cut short", check.ErrRepositoryProtocol)
	case err != nil:
		return "", err
	case kind == gitobj.FlushPacket:
		return "", io.EOF
	case kind != gitobj.DataPacket:
		return "", fmt.Errorf("%w: packet of kind %d", check.ErrRepositoryProtocol, kind)
	}
	line := strings.TrimSuffix(string(data), "\n")
	if message, ok := strings.CutPrefix(line, "ERR "); ok {
		return "", serverError(message)
	}
	return line, nil
}

// name is the repository's address as a person would write it.
func (r *remote) name() string {
	u := *r.base
	u.Path = strings.TrimSuffix(u.Path, ".git")
	return u.String()
}
