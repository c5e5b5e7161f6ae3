package gitsource

import (
	"bytes"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Nothing that a manifest can name leads to anything but an http or https URL of
// a host, without user and query.
func FuzzCandidates(f *testing.F) {
	for _, s := range []string{"https://github.com/o/r", "git@h:o/r", "ssh://git@h:1/o/r", "github:o/r", "https://gitlab.com/a/b/-/tree/x", "http://[::1]/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		urls, err := candidates(s, func(*url.URL) bool { return false })
		if (err == nil) != (len(urls) > 0) || err != nil && !errors.Is(err, check.ErrRepositoryURL) {
			t.Fatalf("candidates(%q) = %q, %v", s, urls, err)
		}
		for _, u := range urls {
			if u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
				t.Errorf("candidates(%q) holds %q", s, u)
			}
		}
	})
}

// No answer makes the reader panic or read for ever.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(goodRefs))
	f.Add([]byte(lines("0100000000000000000000000000000000000000 HEAD symref-target:refs/heads/main peeled:0200000000000000000000000000000000000000\n") + "0000"))
	f.Add([]byte(lines("shallow-info\n", "shallow 01\n") + "0001" + lines("packfile\n", "\x01PACK", "\x02hm") + "0000"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		known := func(err error) bool {
			for _, is := range []error{check.ErrRepositoryProtocol, errNotThere, gitobj.ErrFormat} {
				if errors.Is(err, is) {
					return true
				}
			}
			return err == nil
		}
		if _, err := readAbilities(gitobj.NewPacketReader(strings.NewReader(string(answer)))); !known(err) {
			t.Errorf("abilities: error of another kind: %v", err)
		}
		if _, err := readRefs(gitobj.NewPacketReader(strings.NewReader(string(answer)))); !known(err) && !errors.Is(err, check.ErrRepositoryTooLarge) {
			t.Errorf("refs: error of another kind: %v", err)
		}
		var pack bytes.Buffer
		err := readPack(gitobj.NewPacketReader(strings.NewReader(string(answer))), &pack)
		if !known(err) || pack.Len() > len(answer) {
			t.Errorf("pack of %d bytes, error of another kind: %v", pack.Len(), err)
		}
	})
}
