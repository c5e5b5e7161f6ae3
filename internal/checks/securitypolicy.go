package checks

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// SecurityPolicyCheck asks how one reports a vulnerability in a crate.
var SecurityPolicyCheck = check.Register(&check.Check{
	Name:     "security-policy",
	Version:  1,
	Category: check.CategoryInformational,
	About:    check.AboutCrate,
	Doc:      securityPolicyDoc,
	Needs:    check.NeedsFiles | check.NeedsSource,
	Timeout:  2 * time.Minute,
	Run:      runSecurityPolicy,
})

const securityPolicyDoc = `The crate says how to report a vulnerability

A security policy tells whoever finds a vulnerability where to report it, and users what to expect.

**Looked at:** a file called SECURITY.md (or SECURITY, SECURITY.markdown, .txt, .rst, in any case) beside
Cargo.toml, then at the root of the repository, then in ` + "`docs/`" + `, then in ` + "`.github/`" + `: first among the
files of the crate, then in the repository at the commit that the crate was packaged from. A manifest may name
another place, which is looked at before all of these:

` + "```toml" + `
[package.metadata.security]
policy = "docs/reporting.md" # a path from Cargo.toml, or an https URL
` + "```" + `

- **success**: a policy was found and can be read here.
- **neutral**: the manifest names a URL, which is shown but not fetched; or there is no policy in the crate nor
  in its repository.
- **inconclusive**: the crate has none and its repository could not be read.

**Not seen:** whether anybody answers. A policy by its name only, in a wiki or on the page of an organisation, is
not found.

**Facts:** ` + "`found`, `source` (`crate`, `repository` or `url`), `path`, `url`, `host`, `repository`, `commit`, `text`" + `
(Markdown, as the author wrote it) and ` + "`truncated`" + `.
`

// SecurityPolicy is the facts of the check security-policy. Everything in it is
// the author's word: Text may hold any markup and URL any host.
type SecurityPolicy struct {
	Found      bool   `json:"found"`
	Source     string `json:"source,omitempty"` // crate, repository or url
	Path       string `json:"path,omitempty"`   // in the crate or the repository
	URL        string `json:"url,omitempty"`    // named in the manifest, not fetched
	Host       string `json:"host,omitempty"`   // of URL, in ASCII
	Repository string `json:"repository,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Text       string `json:"text,omitempty"`
	Truncated  bool   `json:"truncated,omitempty"` // Text is cut to MaxPolicyText
}

// MaxPolicyText is how much of a policy is kept, in bytes.
const MaxPolicyText = 64 << 10

// Where a policy was found.
const (
	policyInCrate      = "crate"
	policyInRepository = "repository"
	policyAtURL        = "url"
)

// policyNames are the names of a policy in lower case, the best first.
var policyNames = []string{"security.md", "security.markdown", "security", "security.txt", "security.rst"}

func runSecurityPolicy(ctx context.Context, s *check.Subject) (check.Report, error) {
	p := policySearch{s: s}
	found, err := p.search(ctx)
	if err != nil {
		return check.Report{}, err
	}
	return p.report(found)
}

// policySearch looks for a policy, opening the repository only when the crate's
// own files have not settled the matter.
type policySearch struct {
	s        *check.Subject
	findings []check.Finding
	src      *source
	missing  *noSource
}

func (p *policySearch) search(ctx context.Context) (*SecurityPolicy, error) {
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
	folders := []string{"", "docs", ".github"}
	if beside := p.vcsFolder(); beside != "" {
		folders = slices.Insert(folders, 0, beside)
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
	if p.src != nil {
		found, err := p.readInRepository(ctx, path.Join(p.vcsFolder(), at))
		if found != nil || err != nil {
			return found, err
		}
	}
	p.finding("policy-missing", line, fmt.Sprintf("The policy %.200q was not found", named))
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
		Rule: rule, Level: check.LevelWarning, Message: message,
		Path: crate.ManifestFile, StartLine: line, EndLine: line,
		Help: "Give `policy` in [package.metadata.security] a path from Cargo.toml to a file in the repository, or an https URL.",
	}
	if manifest := p.s.Archive.File(crate.ManifestFile); manifest != nil && line > 0 {
		f.Snippet = crate.Snippet(manifest.Data, line, line)
	}
	p.findings = append(p.findings, f)
}

const addPolicy = "Add a SECURITY.md beside Cargo.toml or at the root of the repository that says where to report a vulnerability."

func (p *policySearch) report(found *SecurityPolicy) (check.Report, error) {
	r := check.Report{Findings: p.findings}
	switch {
	case found == nil && p.missing != nil:
		r.Conclusion = check.Inconclusive
		r.Title = "No security policy in the crate, and its repository could not be looked into"
		r.Summary = "The crate's own files have no security policy; its repository may have one."
		r.Findings = append(r.Findings, p.missing.finding())
		r.RetryAt = p.missing.RetryAt
		return r, nil // without facts: what an older release could tell stands
	case found == nil:
		found = &SecurityPolicy{Repository: p.src.snapshot.URL(), Commit: p.src.info.SHA1}
		r.Conclusion = check.Neutral
		r.Title = "No security policy in the crate or its repository"
		r.Summary = addPolicy
	case found.Source == policyAtURL:
		r.Conclusion = check.Neutral
		r.Title = "The manifest names a policy at " + found.Host
		r.Summary = "The URL was not fetched."
	case found.Source == policyInRepository:
		r.Conclusion = check.Success
		r.Title = fmt.Sprintf("Security policy in %s of the repository", found.Path)
		r.Summary = fmt.Sprintf("Read from the repository at the commit that the crate records, `%.12s`.", found.Commit)
	default:
		r.Conclusion = check.Success
		r.Title = fmt.Sprintf("Security policy in %s of the crate", found.Path)
		r.Summary = "Read from the files of the crate."
	}
	if found.Truncated {
		r.Summary += fmt.Sprintf(" Only its first %d KiB are kept.", MaxPolicyText>>10)
	}
	facts, err := json.Marshal(found)
	r.Facts = facts
	return r, err
}
