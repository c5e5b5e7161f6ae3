package gitsource

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// Bounds on a list, of refs or of commits. The largest repositories have some
// hundred thousand pull requests and as many commits; years of them are not read.
const (
	maxList = 8 << 20 // bytes
	maxRefs = 100_000
)

// Refs implements check.Source.
func (s *Source) Refs(ctx context.Context, repository string, prefixes ...string) (refs []check.Ref, err error) {
	err = s.ask(ctx, repository, func(ctx context.Context, r *remote) error {
		refs, err = r.refs(ctx, prefixes)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list refs of %q: %w", repository, err)
	}
	return refs, nil
}

func (r *remote) refs(ctx context.Context, prefixes []string) (refs []check.Ref, err error) {
	if len(prefixes) == 0 { // which to a server means all
		return nil, nil
	}
	req := beginCommand(r.can, "ls-refs")
	req = gitobj.AppendPacket(req, "peel\n")
	req = gitobj.AppendPacket(req, "symrefs\n")
	for _, p := range prefixes {
		if len(p) > maxName || strings.ContainsAny(p, "\x00\n") {
			return nil, fmt.Errorf("ref prefix %.100q: not a name", p)
		}
		req = gitobj.AppendPacket(req, "ref-prefix "+p+"\n")
	}
	err = r.post(ctx, r.source.list, gitobj.AppendFlush(req), func(answer *gitobj.PacketReader) error {
		refs, err = readRefs(answer)
		return err
	})
	// Prefixes are a hint: a server may answer with more.
	return slices.DeleteFunc(refs, func(ref check.Ref) bool {
		return !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(ref.Name, p) })
	}), err
}

func readRefs(answer *gitobj.PacketReader) ([]check.Ref, error) {
	var refs []check.Ref
	for {
		line, err := readLine(answer)
		switch {
		case err == io.EOF:
			return refs, nil
		case err != nil:
			return nil, err
		case len(refs) == maxRefs:
			return nil, fmt.Errorf("%w: more than %d refs", check.ErrRepositoryTooLarge, maxRefs)
		}
		ref, err := parseRef(line)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", check.ErrRepositoryProtocol, err)
		}
		refs = append(refs, ref)
	}
}

// maxName is the longest name that file systems, and so git, let stand.
const maxName = 4096

// parseRef reads "ID NAME [symref-target:NAME] [peeled:ID]".
func parseRef(line string) (check.Ref, error) {
	fields := strings.Split(line, " ")
	if len(fields) < 2 {
		return check.Ref{}, fmt.Errorf("ref %.200q", line)
	}
	id, err := gitobj.ParseID(fields[0])
	if err != nil {
		return check.Ref{}, fmt.Errorf("ref %.200q: %w", line, err)
	}
	ref := check.Ref{Name: strings.ToValidUTF8(fields[1], "\uFFFD"), Commit: id}
	if !plausibleRef(ref.Name) {
		return check.Ref{}, fmt.Errorf("ref %.200q: not a name", line)
	}
	for _, field := range fields[2:] {
		key, value, _ := strings.Cut(field, ":")
		switch key {
		case "symref-target":
			if ref.Target = strings.ToValidUTF8(value, "\uFFFD"); !plausibleRef(ref.Target) {
				return check.Ref{}, fmt.Errorf("ref %.200q: not a name", line)
			}
		case "peeled":
			ref.Tag = id
			if ref.Commit, err = gitobj.ParseID(value); err != nil {
				return check.Ref{}, fmt.Errorf("ref %.200q: %w", line, err)
			}
		}
	}
	return ref, nil
}

// plausibleRef holds what git itself demands of names (git-check-ref-format), as
// far as it matters to whoever shows them.
func plausibleRef(name string) bool {
	return (name == "HEAD" || strings.HasPrefix(name, "refs/")) && len(name) <= maxName &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}
