package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/checks"
	"github.com/cratefence/cratefence/internal/store"
	"github.com/cratefence/cratefence/internal/web/markdown"
)

// How much of a policy stands unfolded: about its first bytes of text, and
// nothing where that cannot be had in as much HTML. On a phone the checks come
// below it.
const (
	policyExcerpt = 300
	maxUnfolded   = 3000
)

// ownTitle is the heading that nearly every policy begins with, and that the
// card already has.
var ownTitle = regexp.MustCompile(`(?i)^\s*#[ \t]+security(?:[ \t]+policy)?[ \t#]*\r?\n`)

// A securityPolicy is the card of a crate's security policy.
type securityPolicy struct {
	Found bool
	// Waiting says why nothing is known; it is empty when something is.
	Waiting    string
	Details    string // where more is said of why
	First      template.HTML
	Rest       template.HTML
	Truncated  bool
	Link       *link // a policy that stands elsewhere and was not read
	Path       string
	Repository *link // where the path is, when it is not in the crate itself
	Commit     string
	CommitLong string
	Version    string // of the release it was read from
	Read       *moment
	// Common: it is the owner's, for all of their repositories.
	Common bool
	// Since says what became of it after publishing, a sentence; Now is how it
	// reads now where that is otherwise.
	Since     string
	Now       template.HTML
	NowCommit string
}

// sinceWords say what became of a policy.
var sinceWords = map[string]string{
	checks.PolicySame:    "The repository's default branch has the same.",
	checks.PolicyChanged: "It reads otherwise in the repository's default branch now.",
	checks.PolicyGone:    "It is gone from there in the repository's default branch now.",
	checks.PolicyAdded:   "It was added after this version was published.",
}

func (s *site) securityPolicy(ctx context.Context, sub subject) (*securityPolicy, error) {
	kept, err := s.Results.CrateFacts(ctx, sub.crate.ID, checks.SecurityPolicyCheck.Name)
	if errors.Is(err, store.ErrNotFound) {
		return s.noPolicy(sub), nil
	}
	if err != nil {
		return nil, err
	}
	var facts checks.SecurityPolicy
	if err := json.Unmarshal(kept.Facts, &facts); err != nil {
		// The rest of the page does not depend on it.
		s.Logger.ErrorContext(ctx, "read security policy", "crate", sub.crate.Name, "run", kept.RunID, "error", err)
		return &securityPolicy{Waiting: "What is kept of it cannot be read."}, nil
	}
	p := &securityPolicy{
		Found:      facts.Found,
		Truncated:  facts.Truncated,
		Path:       clip(facts.Path, maxURL),
		Common:     facts.Source == checks.PolicyOfOwner,
		Since:      sinceWords[facts.Since],
		Commit:     short(facts.Commit),
		CommitLong: clip(facts.Commit, maxName),
		Version:    kept.Version,
		Read:       s.clock().ago(kept.ReadAt),
	}
	if facts.URL != "" {
		elsewhere := linkTo(facts.URL)
		p.Link = &elsewhere
	}
	if facts.Repository != "" {
		repository := linkTo(facts.Repository)
		p.Repository = &repository
	}
	p.First, p.Rest = s.policyText(facts.Path, facts.Text)
	if len(p.First) > maxUnfolded {
		p.First, p.Rest = "", p.First+p.Rest
	}
	if now := facts.Current; now != nil {
		first, rest := s.policyText(facts.Path, clip(now.Text, maxText))
		p.Now, p.NowCommit = first+rest, short(clip(now.Commit, maxName))
		p.Truncated = p.Truncated || now.Truncated
	}
	return p, nil
}

// policyText renders a policy by its file's name: what is to be seen first, and
// the rest.
func (s *site) policyText(name, text string) (first, rest template.HTML) {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt", ".rst":
		return markdown.AsWritten(text), ""
	}
	// Its headings stand below the card's own, which is the page's second level.
	return s.markdown.Split(ownTitle.ReplaceAllString(text, ""), 3, policyExcerpt)
}

// noPolicy says why nothing is known of a crate's policy, from where its check
// stands on the release at hand.
func (s *site) noPolicy(sub subject) *securityPolicy {
	name := checks.SecurityPolicyCheck.Name
	i := slices.IndexFunc(sub.states, func(state store.CheckState) bool { return state.Check == name })
	switch {
	case i < 0:
		return &securityPolicy{Waiting: "Nobody has looked for one yet."}
	case sub.states[i].Counts == nil:
		return &securityPolicy{Waiting: "The check that looks for one has not reported yet."}
	}
	tab := tabChecks
	if s.security(name) {
		tab = tabSecurity
	}
	title := cmp.Or(clip(sub.states[i].Counts.Report.Title, maxSentence), "Whether there is one could not be known")
	return &securityPolicy{Waiting: title + ".", Details: sub.address(tab) + "#" + rowID(name)}
}

// Host returns the host that a policy's link leads to.
func (l link) Host() string {
	u, err := url.Parse(l.URL)
	if err != nil {
		return ""
	}
	return u.Host
}
