package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
)

func naming(policy string) string {
	return plainManifest + "[package.metadata.security]\npolicy = " + policy + "\n"
}

func TestSecurityPolicy(t *testing.T) {
	inCrate := func(path, text string) *SecurityPolicy {
		return &SecurityPolicy{Found: true, Source: "crate", Path: path, Text: text}
	}
	inRepository := func(path, text string) *SecurityPolicy {
		return &SecurityPolicy{Found: true, Source: "repository", Path: path, Text: text, Repository: treeURL + ".git", Commit: treeCommit}
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
			s.Source = &treeSource{err: check.ErrRepositoryUnreachable}
			if test.repository != "" {
				s.Source = repository(t, test.repository)
			}
			got, err := SecurityPolicyCheck.Run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if got.Conclusion != test.want || got.Title == "" || got.Summary == "" {
				t.Errorf("got %s %q, want %s and words", got.Conclusion, got.Title, test.want)
			}
			if diff := cmp.Diff(test.facts, policyFacts(t, got)); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.rules, rules(got.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if got.RetryAt.IsZero() != (test.want != check.Inconclusive) {
				t.Errorf("to be tried again at %v", got.RetryAt)
			}
		})
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
	src := repository(t, "-- SECURITY.md --\nroot\n")
	s.Source = src
	src.blobErr = fmt.Errorf("fetch: %w", check.ErrRepositoryTooLarge)
	got, err := SecurityPolicyCheck.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"note repository-too-large"}, rules(got.Findings)); got.Conclusion != check.Inconclusive || diff != "" {
		t.Errorf("got %s, findings (-want +got):\n%s", got.Conclusion, diff)
	}

	src.blobErr = errors.New("disk full")
	if _, err := SecurityPolicyCheck.Run(t.Context(), s); !errors.Is(err, src.blobErr) {
		t.Errorf("got %v, want our own trouble", err)
	}
}
