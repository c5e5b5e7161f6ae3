package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

func naming(policy string) string {
	return plainManifest + "[package.metadata.security]\npolicy = " + policy + "\n"
}

func TestSecurityPolicy(t *testing.T) {
	inCrate := func(path, text string) *SecurityPolicy {
		return &SecurityPolicy{Found: true, Source: "crate", Path: path, Text: text}
	}
	inRepository := func(path, text string) *SecurityPolicy {
		return &SecurityPolicy{Found: true, Source: "repository", Path: path, Text: text, Repository: treeURL + ".git", Commit: treeCommit, Since: PolicySame}
	}
	none := &SecurityPolicy{Repository: treeURL + ".git", Commit: treeCommit}
	const everywhere = `
-- SECURITY.md --
root
-- docs/SECURITY.md --
docs
-- .github/SECURITY.md --
github
-- crates/one/SECURITY.md --
beside
`
	tests := []struct {
		name       string
		crate      string
		folder     string // of the crate in the repository
		repository string // "" is one that does not answer
		want       check.Conclusion
		facts      *SecurityPolicy
		rules      []string
	}{
		{
			// Nothing is asked of the repository: it would not answer.
			name: "beside Cargo.toml, in the crate", crate: plainManifest + "-- SECURITY.md --\nmail us\n",
			want: check.Success, facts: inCrate("SECURITY.md", "mail us\n"),
		},
		{
			name: "in other letters", crate: plainManifest + "-- security.TXT --\nmail us\n",
			want: check.Success, facts: inCrate("security.TXT", "mail us\n"),
		},
		{
			name: "the best of several names", crate: plainManifest + "-- SECURITY.txt --\ntxt\n-- Security.md --\nmd\n-- security.rs --\ncode\n",
			want: check.Success, facts: inCrate("Security.md", "md\n"),
		},
		{
			name: "beside Cargo.toml, in the repository", crate: plainManifest, folder: "crates/one", repository: everywhere,
			want: check.Success, facts: inRepository("crates/one/SECURITY.md", "beside\n"),
		},
		{
			name: "at the root of the repository", crate: plainManifest, folder: "crates/two", repository: everywhere,
			want: check.Success, facts: inRepository("SECURITY.md", "root\n"),
		},
		{
			name: "the repository's root before the crate's docs", crate: plainManifest + "-- docs/SECURITY.md --\nthe crate's\n", repository: everywhere,
			want: check.Success, facts: inRepository("SECURITY.md", "root\n"),
		},
		{
			name: "in the crate's docs", crate: plainManifest + "-- docs/SECURITY.md --\nthe crate's\n", repository: "-- .github/SECURITY.md --\ngithub\n",
			want: check.Success, facts: inCrate("docs/SECURITY.md", "the crate's\n"),
		},
		{
			name: "docs before .github", crate: plainManifest, repository: "-- .github/SECURITY.md --\ngithub\n-- docs/security.md --\ndocs\n",
			want: check.Success, facts: inRepository("docs/security.md", "docs\n"),
		},
		{
			name: "in .github", crate: plainManifest, repository: "-- .github/SECURITY.md --\ngithub\n",
			want: check.Success, facts: inRepository(".github/SECURITY.md", "github\n"),
		},
		{
			name: "through a link", crate: plainManifest, repository: "-- SECURITY.md -> --\n.github/policy.md\n-- .github/policy.md --\nlinked\n",
			want: check.Success, facts: inRepository(".github/policy.md", "linked\n"),
		},
		{
			name: "a link out of the repository", crate: plainManifest, repository: "-- SECURITY.md -> --\n../../etc/passwd\n",
			want: check.Neutral, facts: none,
		},
		{
			name: "a folder of that name", crate: plainManifest + "-- security/mod.rs --\nmod x;\n", repository: "-- security/mod.rs --\nmod x;\n",
			want: check.Neutral, facts: none,
		},
		{
			name: "an empty file", crate: plainManifest + "-- SECURITY.md --\n\n", repository: "-- docs/SECURITY.md --\ndocs\n",
			want: check.Success, facts: inRepository("docs/SECURITY.md", "docs\n"),
		},
		{
			name: "none", crate: plainManifest, repository: "-- README.md --\nhello\n",
			want: check.Neutral, facts: none,
		},
		{
			name: "none in the crate, no answer from the repository", crate: plainManifest,
			want: check.Inconclusive, rules: []string{"note repository-unreachable"},
		},
		{
			// Not in the way: the crate's own .github is looked at without the repository.
			name: "in the crate's .github, no answer from the repository", crate: plainManifest + "-- .github/SECURITY.md --\nthe crate's\n",
			want: check.Success, facts: inCrate(".github/SECURITY.md", "the crate's\n"),
		},
		{
			name: "named, in the crate", crate: naming(`"./docs/reporting.md"`) + "-- docs/reporting.md --\nnamed\n-- SECURITY.md --\nusual\n",
			want: check.Success, facts: inCrate("docs/reporting.md", "named\n"),
		},
		{
			name: "named, in the repository", crate: naming(`"docs/reporting.md"`), folder: "crates/one",
			repository: "-- crates/one/docs/reporting.md --\nnamed\n-- docs/reporting.md --\nanother\n",
			want:       check.Success, facts: inRepository("crates/one/docs/reporting.md", "named\n"),
		},
		{
			name: "named, but nowhere", crate: naming(`"docs/reporting.md"`), repository: "-- SECURITY.md --\nroot\n",
			want: check.Success, facts: inRepository("SECURITY.md", "root\n"), rules: []string{"warning policy-missing Cargo.toml:6"},
		},
		{
			name: "named, climbing out", crate: naming(`"docs/../../SECURITY.md"`), folder: "crates/one", repository: "-- README.md --\n",
			want: check.Neutral, facts: none, rules: []string{"warning policy-path Cargo.toml:6"},
		},
		{
			name: "named, absolute", crate: naming(`"/etc/passwd"`), repository: "-- etc/passwd --\nx\n",
			want: check.Neutral, facts: none, rules: []string{"warning policy-path Cargo.toml:6"},
		},
		{
			name: "named, a link out", crate: naming(`"policy.md"`), repository: "-- policy.md -> --\n../secret\n",
			want: check.Neutral, facts: none, rules: []string{"warning policy-missing Cargo.toml:6"},
		},
		{
			name: "named, no string", crate: naming("true"), repository: "-- README.md --\n",
			want: check.Neutral, facts: none, rules: []string{"warning policy-invalid Cargo.toml:6"},
		},
		{
			name: "URL", crate: naming(`"https://Example.com:8443/security?x=1"`) + "-- SECURITY.md --\nusual\n",
			want:  check.Neutral,
			facts: &SecurityPolicy{Found: true, Source: "url", URL: "https://example.com:8443/security?x=1", Host: "example.com:8443"},
		},
		{
			// A Cyrillic "а" shows in the host.
			name: "URL of a host that looks like another", crate: naming(`"https://ex\u0430mple.com/"`),
			want:  check.Neutral,
			facts: &SecurityPolicy{Found: true, Source: "url", URL: "https://xn--exmple-4nf.com/", Host: "xn--exmple-4nf.com"},
		},
		{
			name: "URL without encryption", crate: naming(`"http://example.com/"`),
			want:  check.Neutral,
			facts: &SecurityPolicy{Found: true, Source: "url", URL: "http://example.com/", Host: "example.com"},
			rules: []string{"warning policy-http Cargo.toml:6"},
		},
		{
			name: "script for a URL", crate: naming(`"javascript:alert(1)"`), repository: "-- README.md --\n",
			want: check.Neutral, facts: none, rules: []string{"warning policy-url Cargo.toml:6"},
		},
		{
			name: "URL with a password", crate: naming(`"https://user:secret@example.com/"`), repository: "-- README.md --\n",
			want: check.Neutral, facts: none, rules: []string{"warning policy-url Cargo.toml:6"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := release(test.crate, test.folder)
			s.Source = &hosts{err: check.ErrRepositoryUnreachable}
			if test.repository != "" {
				// The default branch is still where the version was made.
				s.Source = &hosts{commit: repository(t, test.repository).snapshot}
			}
			got, err := SecurityPolicyCheck.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if got.Conclusion != test.want || got.Title == "" || got.Summary == "" {
				t.Errorf("got %s %q, want %s and words", got.Conclusion, got.Title, test.want)
			}
			if diff := gocmp.Diff(test.facts, policyFacts(t, got)); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(test.rules, rules(got.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if got.RetryAt.IsZero() != (test.want != check.Inconclusive) {
				t.Errorf("to be tried again at %v", got.RetryAt)
			}
		})
	}
}

// A hosts source has the repository at the version's commit and at its default
// branch's tip, and others by URL. What it has not is missing.
type hosts struct {
	check.Source
	err         error         // answers everything, when set
	commit, tip *treeSnapshot // a tip that is nil is the commit
	common      *treeSnapshot // of the owner "one" on GitHub
	commonErr   error
}

const (
	tipCommit  = "89abcdef0123456789abcdef0123456789abcdef"
	commonURL  = "https://github.com/one/.github"
	hostedRepo = "https://github.com/one/repository"
)

func (h *hosts) Refs(_ context.Context, repository string, prefixes ...string) ([]check.Ref, error) {
	id := treeCommit
	switch {
	case h.err != nil:
		return nil, h.err
	case repository == commonURL && h.common == nil:
		return nil, cmp.Or(h.commonErr, check.ErrRepositoryMissing)
	case repository == commonURL || h.tip != nil:
		id = tipCommit
	}
	commit, err := gitobj.ParseID(id)
	return []check.Ref{{Name: "HEAD", Commit: commit, Target: "refs/heads/main"}}, err
}

func (h *hosts) Snapshot(_ context.Context, repository string, commit gitobj.ID) (check.Snapshot, error) {
	at := h.commit
	if commit.String() == tipCommit {
		at = h.tip
	}
	if repository == commonURL {
		at = h.common
	}
	switch {
	case h.err != nil:
		return nil, h.err
	case at == nil:
		return nil, check.ErrCommitMissing
	}
	return hosted{at, repository}, nil
}

// hosted is a snapshot that tells the URL that it was asked by.
type hosted struct {
	*treeSnapshot
	url string
}

func (h hosted) URL() string { return h.url + ".git" }

func TestSecurityPolicyLater(t *testing.T) {
	onGitHub := strings.ReplaceAll(plainManifest, treeURL, hostedRepo)
	at := func(commit, path, text, since string) *SecurityPolicy {
		return &SecurityPolicy{Found: true, Source: "repository", Path: path, Text: text, Repository: hostedRepo + ".git", Commit: commit, Since: since}
	}
	changed := at(treeCommit, "SECURITY.md", "old\n", "changed")
	changed.Current = &CurrentPolicy{Commit: tipCommit, Text: "new\n"}
	common := &SecurityPolicy{Found: true, Source: "owner", Path: ".github/SECURITY.md", Text: "common\n", Repository: commonURL + ".git", Commit: tipCommit}
	const none = "-- README.md --\nhello\n"
	tests := []struct {
		name                string
		crate               string
		commit, tip, common string // "" is missing; of the tip, the commit itself
		commonErr           error
		folder              string
		want                check.Conclusion
		facts               *SecurityPolicy
		rules               []string
	}{
		{
			name: "as it was", commit: "-- SECURITY.md --\nold\n", tip: "-- SECURITY.md --\nold\n-- new.md --\n",
			want: check.Success, facts: at(treeCommit, "SECURITY.md", "old\n", "same"),
		},
		{
			name: "changed", commit: "-- SECURITY.md --\nold\n", tip: "-- SECURITY.md --\nnew\n",
			want: check.Success, facts: changed, rules: []string{"note policy-changed"},
		},
		{
			name: "gone", commit: "-- SECURITY.md --\nold\n", tip: none,
			want: check.Success, facts: at(treeCommit, "SECURITY.md", "old\n", "gone"), rules: []string{"note policy-gone"},
		},
		{
			name: "added", commit: none, tip: "-- docs/SECURITY.md --\nnew\n",
			want: check.Success, facts: at(tipCommit, "docs/SECURITY.md", "new\n", "added"), rules: []string{"note policy-added"},
		},
		{
			name: "in the crate, with other line ends", crate: onGitHub + "-- SECURITY.md --\nold\r\n", folder: "one", commit: none, tip: "-- one/SECURITY.md --\nold\n",
			want: check.Success, facts: &SecurityPolicy{Found: true, Source: "crate", Path: "SECURITY.md", Text: "old\r\n", Since: "same"},
		},
		{
			// Generated when packaging, perhaps: nothing is gone.
			name: "in the crate alone", crate: onGitHub + "-- SECURITY.md --\nold\n", commit: none, tip: none,
			want: check.Success, facts: &SecurityPolicy{Found: true, Source: "crate", Path: "SECURITY.md", Text: "old\n"},
		},
		{
			name: "the commit is not there, the default branch is", tip: "-- SECURITY.md --\nnew\n",
			want: check.Success, facts: at(tipCommit, "SECURITY.md", "new\n", ""),
		},
		{
			name: "named, at the default branch", crate: strings.ReplaceAll(naming(`"how.md"`), treeURL, hostedRepo), folder: "one", tip: "-- one/how.md --\nnew\n-- SECURITY.md --\nroot\n",
			want: check.Success, facts: at(tipCommit, "one/how.md", "new\n", ""),
		},
		{
			name: "the owner's", commit: none, common: "-- .github/SECURITY.md --\ncommon\n",
			want: check.Success, facts: common,
		},
		{
			name: "the repository's own before the owner's", commit: none, tip: "-- SECURITY.md --\nnew\n", common: "-- SECURITY.md --\ncommon\n",
			want: check.Success, facts: at(tipCommit, "SECURITY.md", "new\n", "added"), rules: []string{"note policy-added"},
		},
		{
			name: "the owner has none", commit: none, common: none,
			want: check.Neutral, facts: &SecurityPolicy{Repository: hostedRepo + ".git", Commit: treeCommit},
		},
		{
			name: "the owner has no common repository", commit: none,
			want: check.Neutral, facts: &SecurityPolicy{Repository: hostedRepo + ".git", Commit: treeCommit},
		},
		{
			name: "whether the owner has one is not known", commit: none, commonErr: check.ErrRepositoryUnreachable,
			want: check.Inconclusive, rules: []string{"note repository-unreachable"},
		},
		{
			// Whose commons hold on another host nobody has said.
			name: "an owner elsewhere", crate: plainManifest, commit: none, common: "-- SECURITY.md --\ncommon\n",
			want: check.Neutral, facts: &SecurityPolicy{Repository: treeURL + ".git", Commit: treeCommit},
		},
		{
			name: "the workspace's", folder: "crates/one", commit: "-- crates/Cargo.toml --\n[workspace]\n-- crates/SECURITY.md --\nworkspace\n-- SECURITY.md --\nroot\n",
			want: check.Success, facts: at(treeCommit, "crates/SECURITY.md", "workspace\n", "same"),
		},
		{
			name: "named by the workspace", folder: "crates/one",
			commit: "-- Cargo.toml --\n[workspace.metadata.security]\npolicy = \"./docs/how.md\"\n-- docs/how.md --\nnamed\n-- SECURITY.md --\nroot\n",
			want:   check.Success, facts: at(treeCommit, "docs/how.md", "named\n", "same"),
		},
		{
			name: "named by the workspace, climbing out", folder: "crates/one",
			commit: "-- Cargo.toml --\n[workspace.metadata.security]\npolicy = \"../../etc/passwd\"\n-- SECURITY.md --\nroot\n",
			want:   check.Success, facts: at(treeCommit, "SECURITY.md", "root\n", "same"), rules: []string{"warning policy-missing"},
		},
		{
			name: "a workspace's manifest that cannot be read", folder: "crates/one", commit: "-- Cargo.toml --\n[workspace\n-- SECURITY.md --\nroot\n",
			want: check.Success, facts: at(treeCommit, "SECURITY.md", "root\n", "same"),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := func(text string) *treeSnapshot {
				if text == "" {
					return nil
				}
				return repository(t, text).snapshot
			}
			s := release(cmp.Or(tt.crate, onGitHub), tt.folder)
			s.Source = &hosts{commit: tree(tt.commit), tip: tree(tt.tip), common: tree(tt.common), commonErr: tt.commonErr}
			got, err := SecurityPolicyCheck.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if got.Conclusion != tt.want || got.Title == "" || got.Summary == "" {
				t.Errorf("got %s %q, want %s and words", got.Conclusion, got.Title, tt.want)
			}
			if diff := gocmp.Diff(tt.facts, policyFacts(t, got)); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			if diff := gocmp.Diff(tt.rules, rules(got.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOwnersRepository(t *testing.T) {
	tests := []struct{ repository, want string }{
		{"https://github.com/one/repository.git", commonURL},
		{"https://GitHub.com/one/repository", commonURL},
		{"https://github.com/one/.github", ""},
		{"https://github.com/../x", ""},
		{"https://github.com/o%2Fne/x", ""},
		{"https://github.com", ""},
		{"https://gist.github.com/one/x", ""},
		{"https://github.com.evil.example/one/x", ""},
		{"https://codeberg.org/one/x", ""},
		{"https://[::1", ""},
	}
	for _, tt := range tests {
		if got := ownersRepository(tt.repository); got != tt.want {
			t.Errorf("ownersRepository(%q) = %q, want %q", tt.repository, got, tt.want)
		}
	}
}

func policyFacts(t *testing.T, r check.Report) *SecurityPolicy {
	t.Helper()
	if r.Facts == nil {
		return nil
	}
	var p SecurityPolicy
	if err := json.Unmarshal(r.Facts, &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

// A long or binary policy is cut and cleaned, and says so.
func TestSecurityPolicyText(t *testing.T) {
	text := strings.Repeat("ä", MaxPolicyText) + "\n"
	got, err := SecurityPolicyCheck.Run(t.Context(), release(plainManifest+"-- SECURITY.md --\nx"+text, ""))
	if err != nil {
		t.Fatal(err)
	}
	p := policyFacts(t, got)
	// One byte of "x" leaves half an "ä" at the end, which goes too.
	if want := "x" + strings.Repeat("ä", MaxPolicyText/2-1); p.Text != want || !p.Truncated {
		t.Errorf("%d bytes, truncated %v, want %d and true", len(p.Text), p.Truncated, len(want))
	}
	if !strings.Contains(got.Summary, "first 64 KiB") {
		t.Errorf("summary %q does not say that the text is cut", got.Summary)
	}

	got, err = SecurityPolicyCheck.Run(t.Context(), release(plainManifest+"-- SECURITY.md --\na\x00b\x1bc\xffd\te\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	if p := policyFacts(t, got); p.Text != "a\ufffdb\ufffdc\ufffdd\te\n" || !utf8.ValidString(p.Text) {
		t.Errorf("text %q", p.Text)
	}
}

// The tree tells of a policy that the host then does not give.
func TestSecurityPolicyBlobFails(t *testing.T) {
	s := release(plainManifest, "")
	src := repository(t, "-- SECURITY.md --\nroot\n").snapshot
	s.Source = &hosts{commit: src}
	src.blobErr = fmt.Errorf("fetch: %w", check.ErrRepositoryTooLarge)
	got, err := SecurityPolicyCheck.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]string{"note repository-too-large"}, rules(got.Findings)); got.Conclusion != check.Inconclusive || diff != "" {
		t.Errorf("got %s, findings (-want +got):\n%s", got.Conclusion, diff)
	}

	src.blobErr = errors.New("disk full")
	if _, err := SecurityPolicyCheck.Run(t.Context(), s); !errors.Is(err, src.blobErr) {
		t.Errorf("got %v, want our own trouble", err)
	}
}
