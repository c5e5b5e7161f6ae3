package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
)

// SecurityPolicyCheck asks how one reports a vulnerability in a crate.
var SecurityPolicyCheck = check.Register(&check.Check{
	Name:     "security-policy",
	Version:  2,
	Category: check.CategoryInformational,
	About:    check.AboutCrate,
	Doc:      securityPolicyDoc,
	Needs:    check.NeedsFiles | check.NeedsSource,
	Timeout:  2 * time.Minute,
	// Whom to tell of a weakness is asked when there is one: of today, not of the
	// day of publishing.
	RecheckVisited: 24 * time.Hour,

	Run: runSecurityPolicy,
})

const securityPolicyDoc = `The crate says how to report a vulnerability

A security policy tells whoever finds a vulnerability where to report it, and users what to expect.

**Looked at:** a file called SECURITY.md (or SECURITY, SECURITY.markdown, .txt, .rst, in any case) beside
Cargo.toml, then at the root of the workspace and of the repository, then in ` + "`docs/`" + `, then in ` + "`.github/`" + `: first
among the files of the crate, then in the repository at the commit that the crate was packaged from. A manifest may
name another place, which is looked at before all of these; that of the workspace holds for all of its crates:

` + "```toml" + `
[package.metadata.security] # or [workspace.metadata.security]
policy = "docs/reporting.md" # a path from that Cargo.toml, or an https URL
` + "```" + `

Where that commit has none, or cannot be had, the repository's default branch is looked at as it is now; and where
that has none, the repository that speaks for all of an owner's, on GitHub ` + "`OWNER/.github`" + `. A policy that was
found is compared with what the default branch holds in its place now.

- **success**: a policy was found and can be read here.
- **neutral**: the manifest names a URL, which is shown but not fetched; or there is no policy in the crate nor
  in its repository, nor a common one of its owner.
- **inconclusive**: the crate has none and its repository could not be read.

**Not seen:** whether anybody answers. A policy that has another name or stands in a wiki is not found.

**Facts:** ` + "`found`, `source` (`crate`, `repository`, `owner` or `url`), `path`, `url`, `host`, `repository`, `commit`, `text`" + `
(Markdown, as the author wrote it), ` + "`truncated`, `since` (`same`, `changed`, `gone` or `added`" + `: what became of it in the
default branch) and, if it changed, ` + "`current`" + ` with the ` + "`commit`, `text` and `truncated`" + ` of today.
`

// SecurityPolicy is the facts of the check security-policy. Everything in it is
// the author's word: Text may hold any markup and URL any host.
type SecurityPolicy struct {
	Found      bool   `json:"found"`
	Source     string `json:"source,omitempty"` // crate, repository, owner or url
	Path       string `json:"path,omitempty"`   // in the crate or the repository
	URL        string `json:"url,omitempty"`    // named in the manifest, not fetched
	Host       string `json:"host,omitempty"`   // of URL, in ASCII
	Repository string `json:"repository,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Text       string `json:"text,omitempty"`
	Truncated  bool   `json:"truncated,omitempty"` // Text is cut to MaxPolicyText
	// Since says what became of it in the repository's default branch since the
	// version was published; "" where that is not known.
	Since   string         `json:"since,omitempty"`
	Current *CurrentPolicy `json:"current,omitempty"` // where Since is changed
}

// CurrentPolicy is a policy as the default branch has it.
type CurrentPolicy struct {
	Commit    string `json:"commit"`
	Text      string `json:"text"`
	Truncated bool   `json:"truncated,omitempty"`
}

// What became of a policy since the version was published.
const (
	PolicySame    = "same"
	PolicyChanged = "changed"
	PolicyGone    = "gone"
	PolicyAdded   = "added" // the version's own commit had none
)

// MaxPolicyText is how much of a policy is kept, in bytes.
const MaxPolicyText = 64 << 10

// Where a policy was found.
const (
	policyInCrate      = "crate"
	policyInRepository = "repository"
	PolicyOfOwner      = "owner"
	policyAtURL        = "url"
)

func runSecurityPolicy(ctx context.Context, s *check.Subject) (check.Report, error) {
	p := policySearch{s: s}
	found, err := p.search(ctx)
	if err != nil {
		return check.Report{}, err
	}
	return p.report(found)
}

const addPolicy = "Add a SECURITY.md beside Cargo.toml or at the root of the repository that says where to report a vulnerability."

func (p *policySearch) report(found *SecurityPolicy) (check.Report, error) {
	r := check.Report{Findings: p.findings}
	switch {
	case found == nil && p.missing != nil:
		r.Conclusion = check.Inconclusive
		r.Title = "No security policy in the crate, and its repository could not be looked into"
		r.Summary = "The crate's own files have no security policy; its repository may have one."
		if p.ownerUnread {
			r.Title = "No security policy in the crate or its repository, and its owner's common one could not be looked for"
			r.Summary = "The owner may have a policy that holds for all of their repositories."
		}
		r.Findings = append(r.Findings, p.missing.finding())
		r.RetryAt = p.missing.RetryAt
		return r, nil // without facts: what an older release could tell stands
	case found == nil:
		found = &SecurityPolicy{Repository: p.src.snapshot.URL(), Commit: p.src.info.SHA1}
		r.Conclusion = check.Neutral
		r.Title = "No security policy in the crate or its repository"
		r.Summary = addPolicy
	case found.Source == PolicyOfOwner:
		r.Conclusion = check.Success
		r.Title = fmt.Sprintf("Security policy in %s of %s", found.Path, repositoryTitle(found.Repository))
		r.Summary = "Neither the crate nor its repository has one of its own; the owner's common one holds for all of their repositories."
	case found.Source == policyAtURL:
		r.Conclusion = check.Neutral
		r.Title = "The manifest names a policy at " + found.Host
		r.Summary = "The URL was not fetched."
	case found.Source == policyInRepository:
		r.Conclusion = check.Success
		r.Title = fmt.Sprintf("Security policy in %s of the repository", found.Path)
		r.Summary = fmt.Sprintf("Read from the repository at the commit that the crate records, `%.12s`.", found.Commit)
		if p.atTip {
			r.Summary = fmt.Sprintf("Read from the repository's default branch as it is now, at `%.12s`; the version's own commit %s.", found.Commit, p.ownCommit())
		}
	default:
		r.Conclusion = check.Success
		r.Title = fmt.Sprintf("Security policy in %s of the crate", found.Path)
		r.Summary = "Read from the files of the crate."
	}
	if found.Truncated {
		r.Summary += fmt.Sprintf(" Only its first %d KiB are kept.", MaxPolicyText>>10)
	}
	if words := sinceWords[found.Since]; words != "" {
		r.Findings = append(r.Findings, check.Finding{Rule: "policy-" + found.Since, Level: check.LevelNote, Message: words})
	}
	facts, err := json.Marshal(found)
	r.Facts = facts
	return r, err
}

var sinceWords = map[string]string{
	PolicyChanged: "The policy reads otherwise in the repository's default branch now than when this version was published",
	PolicyGone:    "The policy is gone from its place in the repository's default branch since this version was published",
	PolicyAdded:   "The policy was added to the repository after this version was published",
}

// ownCommit says of the version's own commit why it was not what was read.
func (p *policySearch) ownCommit() string {
	if p.unread != nil {
		return "cannot be had"
	}
	return "has none"
}

// repositoryTitle is a repository's address without its scheme.
func repositoryTitle(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host + strings.TrimSuffix(u.Path, ".git")
}
