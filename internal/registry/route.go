package registry

import (
	"net/url"
	"strings"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// root is where the fence lies.
const root = "/p/"

// maxPath is longer than any path of the fence: a policy's name, a crate's name,
// a long version and a checksum.
const maxPath = 512

type kind int

const (
	toConfig kind = iota
	toIndex
	toDownload
)

// patterns name the routes in logs, where paths have no place.
var patterns = [...]string{
	toConfig:   root + "{policy}/index/config.json",
	toIndex:    root + "{policy}/index/{prefix}/{crate}",
	toDownload: root + "{policy}/dl/{crate}/{version}/{sha256-checksum}",
}

// A route is what a path asks for.
type route struct {
	kind    kind
	policy  string
	name    string // of toIndex in lower case
	version string
	sum     crate.Checksum
}

// parseRoute reads a path in the one form in which cargo writes it. Another
// spelling of a good path (percent-encoding, dots, another case) is none.
func parseRoute(u *url.URL) (route, bool) {
	path, ok := strings.CutPrefix(u.Path, root)
	if !ok || u.RawPath != "" || len(u.Path) > maxPath {
		return route{}, false
	}
	policy, rest, _ := strings.Cut(path, "/")
	if !isPolicy(policy) {
		return route{}, false
	}
	if file, ok := strings.CutPrefix(rest, "index/"); ok {
		if file == index.ConfigPath {
			return route{kind: toConfig, policy: policy}, true
		}
		name, ok := indexName(file)
		return route{kind: toIndex, policy: policy, name: name}, ok
	}
	if file, ok := strings.CutPrefix(rest, "dl/"); ok {
		return parseDownload(policy, file)
	}
	return route{}, false
}

func parseDownload(policy, file string) (route, bool) {
	name, rest, _ := strings.Cut(file, "/")
	version, digits, _ := strings.Cut(rest, "/")
	sum, err := crate.ParseChecksum(digits)
	if err != nil || crate.ValidateName(name) != nil {
		return route{}, false
	}
	if _, err := crate.ParseVersion(version); err != nil {
		return route{}, false
	}
	return route{kind: toDownload, policy: policy, name: name, version: version, sum: sum}, true
}

// isPolicy reports whether s may be a policy's name.
func isPolicy(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// indexName returns the crate whose index file lies at a path: the inverse of
// index.Path, which the hot path spares itself.
func indexName(path string) (string, bool) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if crate.ValidateName(name) != nil || hasUpper(name) {
		return "", false
	}
	folder := path[:len(path)-len(name)]
	switch len(name) {
	case 1:
		return name, folder == "1/"
	case 2:
		return name, folder == "2/"
	case 3:
		return name, len(folder) == 4 && folder[:2] == "3/" && folder[2] == name[0]
	default:
		return name, len(folder) == 6 && folder[:2] == name[:2] && folder[2] == '/' && folder[3:5] == name[2:4]
	}
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}
