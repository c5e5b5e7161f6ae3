package checks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// policyNames are the names of a policy in lower case, the best first.
var policyNames = []string{"security.md", "security.markdown", "security", "security.txt", "security.rst"}

// policySearch looks for a policy, opening the repository only when the crate's
// own files have not settled the matter.
type policySearch struct {
	s        *check.Subject
	findings []check.Finding
	// named is the path that the manifest names and that nobody could look at yet,
	// clean, and its line there.
	named     string
	namedLine int
	src       *source
	missing   *noSource
	// tip is the default branch, where it was asked for and can be had; atTip says
	// that src is it, unread why the recorded commit was not to be had then.
	tip      *source
	tipAsked bool
	atTip    bool
	unread   *noSource
	// ownerUnread: missing is about the owner's common repository.
	ownerUnread bool
}

// search looks at what the version was made from, then at the repository as it
// is now, then at what its owner says for all repositories.
func (p *policySearch) search(ctx context.Context) (*SecurityPolicy, error) {
	found, err := p.recorded(ctx)
	if found != nil && err == nil {
		return found, p.since(ctx, found)
	}
	for _, look := range []func(context.Context) (*SecurityPolicy, error){p.today, p.owners} {
		if found == nil && err == nil {
			found, err = look(ctx)
		}
	}
	return found, err
}

// recorded looks into the crate, and into the repository at the commit that the
// crate records.
func (p *policySearch) recorded(ctx context.Context) (*SecurityPolicy, error) {
	named, line := p.namedPolicy()
	if named != "" {
		found, err := p.followNamed(ctx, named, line)
		if found != nil || err != nil {
			return found, err
		}
	}
	if found := p.inCrate(""); found != nil { // beside Cargo.toml
		return found, nil
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	return p.usualPlaces(ctx)
}

// usualPlaces looks where policies stand, in the repository and in those folders
// of the crate that come after it.
func (p *policySearch) usualPlaces(ctx context.Context) (*SecurityPolicy, error) {
	folders := []string{"", "docs", ".github"}
	if beside := p.vcsFolder(); beside != "" {
		found, err := p.inRepository(ctx, beside)
		if found != nil || err != nil {
			return found, err
		}
	}
	workspace, found, err := p.inWorkspace(ctx)
	if found != nil || err != nil {
		return found, err
	}
	if workspace != "" && workspace != p.vcsFolder() {
		folders = slices.Insert(folders, 0, workspace)
	}
	for _, folder := range folders {
		if folder == "docs" || folder == ".github" {
			if found := p.inCrate(folder); found != nil {
				return found, nil
			}
		}
		found, err := p.inRepository(ctx, folder)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// open opens the repository, once.
func (p *policySearch) open(ctx context.Context) (err error) {
	if p.src == nil && p.missing == nil {
		p.src, p.missing, err = openSource(ctx, p.s)
	}
	return err
}

// namedPolicy returns what [package.metadata.security] says.
func (p *policySearch) namedPolicy() (policy string, line int) {
	m, err := p.s.Archive.Manifest()
	if err != nil {
		return "", 0 // the check archive speaks of it
	}
	security, _ := m.Package.Metadata["security"].(map[string]any)
	value, has := security["policy"]
	if !has {
		return "", 0
	}
	line = m.Line("package", "metadata", "security", "policy")
	policy, _ = value.(string)
	if policy = strings.TrimSpace(policy); policy == "" {
		p.finding("policy-invalid", line, "`policy` in [package.metadata.security] is not a path or URL")
	}
	return policy, line
}

// followNamed finds the policy that the manifest names. Where it cannot be
// found a finding says so, and the usual places are looked at.
func (p *policySearch) followNamed(ctx context.Context, named string, line int) (*SecurityPolicy, error) {
	if strings.Contains(named, ":") {
		return p.atURL(named, line), nil
	}
	at := path.Clean(named)
	if path.IsAbs(at) || at == "." || at == ".." || strings.HasPrefix(at, "../") || strings.ContainsRune(at, '\\') {
		p.finding("policy-path", line, fmt.Sprintf("The policy %.200q is not a path below Cargo.toml", named))
		return nil, nil
	}
	if f := p.s.Archive.File(at); f != nil {
		if found := p.read(policyInCrate, at, f.Data); found != nil {
			return found, nil
		}
	}
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	p.named, p.namedLine = at, line
	return p.namedInRepository(ctx)
}

// namedInRepository reads the policy that the manifest names from the repository,
// if that can be had.
func (p *policySearch) namedInRepository(ctx context.Context) (*SecurityPolicy, error) {
	if p.named == "" || p.src == nil {
		return nil, nil
	}
	found, err := p.readInRepository(ctx, path.Join(p.vcsFolder(), p.named))
	if found != nil || err != nil {
		return found, err
	}
	p.finding("policy-missing", p.namedLine, fmt.Sprintf("The policy %.200q was not found", p.named))
	p.named = ""
	return nil, nil
}

// atURL takes a URL for its word. It is shown with its host and never fetched.
func (p *policySearch) atURL(named string, line int) *SecurityPolicy {
	u, err := url.Parse(named)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		p.finding("policy-url", line, fmt.Sprintf("The policy %.200q is not an https URL", named))
		return nil
	}
	if u.Scheme == "http" {
		p.finding("policy-http", line, "The URL of the policy is not https: whoever is on the way can change what it says")
	}
	host, err := idna.Lookup.ToASCII(u.Hostname()) // so that no letter can look like another
	if err != nil {
		p.finding("policy-url", line, fmt.Sprintf("The policy %.200q has no valid host", named))
		return nil
	}
	if u.Port() != "" {
		host += ":" + u.Port()
	}
	u.Host = host
	return &SecurityPolicy{Found: true, Source: policyAtURL, URL: u.String(), Host: host}
}

func (p *policySearch) inCrate(folder string) *SecurityPolicy {
	var names []string
	for _, f := range p.s.Archive.Files {
		if dir, name := path.Split(f.Path); path.Join(dir) == folder {
			names = append(names, name)
		}
	}
	for _, name := range policyFiles(names) {
		at := path.Join(folder, name)
		if found := p.read(policyInCrate, at, p.s.Archive.File(at).Data); found != nil {
			return found
		}
	}
	return nil
}

func (p *policySearch) inRepository(ctx context.Context, folder string) (*SecurityPolicy, error) {
	if p.src == nil {
		return nil, nil
	}
	tree := p.src.folder(folder)
	if tree == nil {
		return nil, nil
	}
	var names []string
	for _, entry := range tree.Entries {
		if entry.Mode.IsFile() || entry.Mode == gitobj.ModeSymlink {
			names = append(names, entry.Name)
		}
	}
	for _, name := range policyFiles(names) {
		found, err := p.readInRepository(ctx, path.Join(folder, name))
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// policyFiles returns those of the names that a policy has, the best first.
func policyFiles(names []string) []string {
	rank := func(name string) int { return slices.Index(policyNames, strings.ToLower(name)) }
	names = slices.DeleteFunc(names, func(name string) bool { return rank(name) < 0 })
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
	return names
}

func (p *policySearch) readInRepository(ctx context.Context, at string) (*SecurityPolicy, error) {
	data, real, err := p.src.file(ctx, at)
	switch {
	case errors.Is(err, errNotInTree):
		return nil, nil
	case err != nil:
		// What the commit has but the host does not give leaves the question open.
		p.missing, err = whyNoSource(err, p.src.repository, p.src.info.SHA1)
		return nil, err
	}
	found := p.read(policyInRepository, real, data)
	if found != nil {
		found.Repository = p.src.snapshot.URL()
		found.Commit = p.src.info.SHA1
	}
	return found, nil
}

// read takes a file for the policy, unless there is nothing to read in it.
func (p *policySearch) read(from, at string, data []byte) *SecurityPolicy {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	text, truncated := cutText(data, MaxPolicyText)
	return &SecurityPolicy{Found: true, Source: from, Path: at, Text: printable(text), Truncated: truncated}
}

// cutText returns at most limit bytes, without cutting a character in two.
func cutText(data []byte, limit int) (text string, cut bool) {
	if len(data) <= limit {
		return string(data), false
	}
	data = data[:limit]
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRune(data); r != utf8.RuneError || size != 1 {
			break
		}
		data = data[:len(data)-1]
	}
	return string(data), true
}

// vcsFolder is the crate's folder in the repository; where the crate does not
// say, the root.
func (p *policySearch) vcsFolder() string {
	if p.src == nil || p.src.info.PathInVCS == nil {
		return ""
	}
	return *p.src.info.PathInVCS
}

func (p *policySearch) finding(rule string, line int, message string) {
	f := check.Finding{
		Rule: rule, Level: check.LevelWarning, Message: message, StartLine: line, EndLine: line,
		Help: "Give `policy` in [package.metadata.security] a path from Cargo.toml to a file in the repository, or an https URL.",
	}
	if manifest := p.s.Archive.File(crate.ManifestFile); manifest != nil && line > 0 { // 0: the workspace's
		f.Path = crate.ManifestFile
		f.Snippet = crate.Snippet(manifest.Data, line, line)
	}
	p.findings = append(p.findings, f)
}
