package checks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// today looks into the repository's default branch, where the recorded commit
// has no policy or cannot be had.
func (p *policySearch) today(ctx context.Context) (*SecurityPolicy, error) {
	if p.missing != nil && !slices.Contains(reasonsOfCommit, p.missing.Reason) {
		return nil, nil
	}
	tip, err := p.openTip(ctx)
	if err != nil || tip == nil || p.src != nil && p.src.info.SHA1 == tip.info.SHA1 {
		return nil, err
	}
	recorded := p.src
	p.src, p.atTip = tip, true
	p.unread, p.missing = p.missing, nil
	found, err := p.atTipOf(ctx)
	if found != nil || err != nil {
		return found, err
	}
	if recorded != nil {
		p.src, p.atTip = recorded, false
	}
	return nil, nil
}

// reasonsOfCommit are those for which the repository itself may still be read.
var reasonsOfCommit = []string{reasonNoCommit, reasonCommitMissing, "vcs-info-malformed", "commit-sha256"}

func (p *policySearch) atTipOf(ctx context.Context) (found *SecurityPolicy, err error) {
	found, err = p.namedInRepository(ctx)
	if found == nil && err == nil {
		found, err = p.usualPlaces(ctx)
	}
	if found != nil && p.unread == nil {
		found.Since = PolicyAdded
	}
	return found, err
}

// since compares a policy that was found with what stands in its place now.
// Where that cannot be known, it says nothing.
func (p *policySearch) since(ctx context.Context, found *SecurityPolicy) error {
	if found.Source != policyInCrate && found.Source != policyInRepository {
		return nil
	}
	info, _ := recordedCommit(p.s.Archive)
	if info == nil || info.PathInVCS == nil && found.Source == policyInCrate {
		return nil
	}
	tip, err := p.openTip(ctx)
	if tip == nil || err != nil {
		return err
	}
	at := found.Path
	if found.Source == policyInCrate {
		at = path.Join(*info.PathInVCS, at)
	}
	data, _, err := tip.file(ctx, at)
	switch {
	case errors.Is(err, errNotInTree):
		if found.Source == policyInRepository { // the crate may have had it from elsewhere
			found.Since = PolicyGone
		}
		return nil
	case err != nil:
		_, err := whyNoSource(err, tip.repository, tip.info.SHA1)
		return err
	}
	text, truncated := cutText(data, MaxPolicyText)
	current := &CurrentPolicy{Commit: tip.info.SHA1, Text: printable(text), Truncated: truncated}
	if found.Since = PolicySame; !sameText(current.Text, found.Text) {
		found.Since, found.Current = PolicyChanged, current
	}
	return nil
}

// sameText compares texts as people read them: without regard to line ends.
func sameText(a, b string) bool {
	unix := strings.NewReplacer("\r\n", "\n")
	return unix.Replace(a) == unix.Replace(b)
}

// openTip opens the repository's default branch, once. It returns nil where that
// cannot be had: it is asked for what is good to know beside what was published.
func (p *policySearch) openTip(ctx context.Context) (*source, error) {
	if p.tipAsked {
		return p.tip, nil
	}
	p.tipAsked = true
	repository, missing := declaredRepository(p.s)
	if missing != nil || p.s.Source == nil {
		return nil, nil
	}
	tip, missing, err := openDefaultBranch(ctx, p.s.Source, repository)
	if missing != nil || err != nil {
		return nil, err
	}
	if info, _ := recordedCommit(p.s.Archive); info != nil {
		tip.info.PathInVCS = info.PathInVCS
	}
	p.tip = tip
	return tip, nil
}

// openDefaultBranch fetches the commit that a repository's HEAD stands for.
// Exactly one of its results is set.
func openDefaultBranch(ctx context.Context, src check.Source, repository string) (*source, *noSource, error) {
	refs, err := src.Refs(ctx, repository, "HEAD")
	if err == nil {
		i := slices.IndexFunc(refs, func(r check.Ref) bool { return r.Name == "HEAD" })
		if i < 0 {
			return nil, &noSource{Reason: "repository-empty", Message: fmt.Sprintf("The repository %.200q has no default branch", repository)}, nil
		}
		var snapshot check.Snapshot
		if snapshot, err = src.Snapshot(ctx, repository, refs[i].Commit); err == nil {
			return &source{snapshot: snapshot, repository: repository, info: crate.VCSInfo{SHA1: refs[i].Commit.String()}}, nil, nil
		}
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	missing, err := whyNoSource(err, repository, "HEAD")
	return nil, missing, err
}

// owners looks into what the repository's owner says for all repositories.
func (p *policySearch) owners(ctx context.Context) (*SecurityPolicy, error) {
	if p.src == nil || p.missing != nil {
		return nil, nil
	}
	common := ownersRepository(p.src.snapshot.URL())
	if common == "" {
		return nil, nil
	}
	src, missing, err := openDefaultBranch(ctx, p.s.Source, common)
	switch {
	case err != nil:
		return nil, err
	case missing != nil && !missing.RetryAt.IsZero():
		p.missing, p.ownerUnread = missing, true
		return nil, nil
	case missing != nil: // most owners have none
		return nil, nil
	}
	q := policySearch{s: p.s, src: src}
	for _, folder := range []string{"", "docs", ".github"} {
		found, err := q.inRepository(ctx, folder)
		if found != nil {
			found.Source = PolicyOfOwner
		}
		if found != nil || err != nil {
			return found, err
		}
	}
	p.missing, p.ownerUnread = q.missing, q.missing != nil
	return nil, nil
}

var githubOwner = regexp.MustCompile(`^[A-Za-z0-9-]{1,39}$`)

// ownersRepository is where GitHub keeps what holds for all of an owner's
// repositories that say nothing else; "" for other hosts.
//
// https://docs.github.com/en/communities/setting-up-your-project-for-healthy-contributions/creating-a-default-community-health-file
func ownersRepository(repository string) string {
	u, err := url.Parse(repository)
	if err != nil || !strings.EqualFold(u.Host, "github.com") {
		return ""
	}
	owner, name, _ := strings.Cut(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	if !githubOwner.MatchString(owner) || strings.TrimSuffix(name, ".git") == ".github" {
		return ""
	}
	return "https://github.com/" + owner + "/.github"
}

// maxWorkspaceDepth is how many folders up a workspace is looked for.
const maxWorkspaceDepth = 10

// inWorkspace finds the workspace that the package stands in, and the policy
// that its manifest names.
func (p *policySearch) inWorkspace(ctx context.Context) (folder string, found *SecurityPolicy, err error) {
	if p.src == nil {
		return "", nil, nil
	}
	folder = p.vcsFolder()
	for range maxWorkspaceDepth {
		table, err := p.workspaceTable(ctx, folder)
		if err != nil {
			return "", nil, err
		}
		if table != nil {
			found, err := p.ofWorkspace(ctx, folder, table)
			return folder, found, err
		}
		if folder == "" {
			break
		}
		if folder = path.Dir(folder); folder == "." {
			folder = ""
		}
	}
	return "", nil, nil
}

// workspaceTable is the [workspace] of the manifest in a folder, nil where there
// is none that can be read.
func (p *policySearch) workspaceTable(ctx context.Context, folder string) (map[string]any, error) {
	data, _, err := p.src.file(ctx, path.Join(folder, crate.ManifestFile))
	if errors.Is(err, errNotInTree) {
		return nil, nil
	}
	if err != nil {
		_, err = whyNoSource(err, p.src.repository, p.src.info.SHA1)
		return nil, err
	}
	m, err := crate.ParseManifest(data)
	if err != nil {
		return nil, nil
	}
	table, _ := m.Raw["workspace"].(map[string]any)
	return table, nil
}

func (p *policySearch) ofWorkspace(ctx context.Context, folder string, table map[string]any) (*SecurityPolicy, error) {
	metadata, _ := table["metadata"].(map[string]any)
	security, _ := metadata["security"].(map[string]any)
	named, _ := security["policy"].(string)
	named = strings.TrimSpace(named)
	switch at := path.Clean(named); {
	case named == "":
		return nil, nil
	case strings.Contains(named, ":"):
		return p.atURL(named, 0), nil
	case !path.IsAbs(at) && at != "." && at != ".." && !strings.HasPrefix(at, "../") && !strings.ContainsRune(at, '\\'):
		if found, err := p.readInRepository(ctx, path.Join(folder, at)); found != nil || err != nil {
			return found, err
		}
	}
	p.findings = append(p.findings, check.Finding{
		Rule: "policy-missing", Level: check.LevelWarning, Message: fmt.Sprintf("The policy %.200q that the workspace's manifest names was not found", named),
		Help: "Give `policy` in [workspace.metadata.security] a path from the workspace's Cargo.toml to a file in the repository, or an https URL.",
	})
	return nil, nil
}
