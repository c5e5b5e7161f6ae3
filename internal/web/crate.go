package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/cratefence/cratefence/internal/store"
)

// A subject is what a page of a crate is about: the crate, the release it
// shows, and where that release's checks stand.
type subject struct {
	crate   store.Crate
	release store.Release
	states  []store.CheckState
	fences  []fenceCard // what becomes of the release, by policy
	// speaks: the release speaks for the crate. The page's address may still name
	// its version.
	speaks bool
	// pinned: the page's address names the version.
	pinned bool
}

// What may stand in an address; the rest is not asked of the store.
var (
	namePattern    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	versionPattern = regexp.MustCompile(`^[0-9][0-9A-Za-z.+-]{0,127}$`)
)

// find reads the crate and version of a request's address. A name in another
// spelling is answered with a redirect: moved is then true.
func (s *site) find(w http.ResponseWriter, r *http.Request, tab string) (sub subject, moved bool, err error) {
	sub, err = s.subject(r.Context(), r.PathValue("name"), r.PathValue("version"))
	if err != nil {
		return subject{}, false, err
	}
	sub.fences = s.cards(r, sub.crate.Name, sub.release.Version)
	for i := range sub.fences {
		s.back(&sub.fences[i], sub.release, sub.states)
	}
	address := sub.address(tab)
	if r.URL.Path == address {
		return sub, false, nil
	}
	target := url.URL{Path: address, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, target.String(), http.StatusMovedPermanently)
	return subject{}, true, nil
}

func (s *site) subject(ctx context.Context, name, version string) (subject, error) {
	if !namePattern.MatchString(name) {
		return subject{}, fmt.Errorf("show crate %q: %w", clip(name, maxName), errNoPage)
	}
	c, err := s.Catalogue.Crate(ctx, name)
	if err != nil {
		return subject{}, err
	}
	sub := subject{crate: c, pinned: version != ""}
	switch {
	case !sub.pinned:
		sub.release, err = s.Catalogue.ReleaseByID(ctx, c.Default)
	case versionPattern.MatchString(version):
		sub.release, err = s.Catalogue.Release(ctx, c.Name, version)
	default:
		err = errNoPage
	}
	if err != nil {
		return subject{}, fmt.Errorf("show version %q of crate %q: %w", clip(version, maxName), c.Name, err)
	}
	sub.speaks = sub.release.ID == c.Default
	states, err := s.Results.CheckStates(ctx, sub.release.ID)
	if err != nil {
		return subject{}, err
	}
	sub.states = states[sub.release.ID]
	return sub, nil
}

// address is the path of a tab, in its one spelling. The list of versions is
// the crate's, whichever version is shown.
func (sub subject) address(tab string) string {
	address := "/crates/" + sub.crate.Name
	if sub.pinned && tab != tabVersions {
		address += "/" + sub.release.Version
	}
	if tab != tabOverview {
		address += "/" + tab
	}
	return address
}

func releaseURL(r store.Release) string { return "/crates/" + r.Crate + "/" + r.Version }

// The tabs of a crate, as in its addresses.
const (
	tabOverview     = ""
	tabVersions     = "versions"
	tabDependencies = "dependencies"
	tabSecurity     = "security"
	tabChecks       = "checks"
	tabFence        = "fence"
)

// A crateHead is what stands above every tab of a crate.
type crateHead struct {
	Name        string
	Version     string
	Description string
	Published   *moment
	Publisher   string
	Standing    string // which release this is, among the crate's
	Newer       *store.Release
	Tabs        []tab
}

type tab struct {
	Name    string
	URL     string
	Current bool
	Badge   *mark
}

func (s *site) head(r *http.Request, sub subject, current string) (crateHead, error) {
	shown := sub.release
	h := crateHead{
		Name:        sub.crate.Name,
		Version:     shown.Version,
		Description: clip(shown.About.Description, maxDescription),
		Published:   s.clock().ago(shown.PublishedAt),
		Publisher:   clip(shown.Publisher, maxSentence),
		Standing:    standing(sub),
	}
	if !sub.speaks {
		// The crate's own release may be gone for a moment while a new one comes.
		switch newer, err := s.Catalogue.ReleaseByID(r.Context(), sub.crate.Default); {
		case err == nil:
			h.Newer = &newer
		case !errors.Is(err, store.ErrNotFound):
			return crateHead{}, err
		}
	}
	for _, t := range []struct{ tab, name string }{
		{tabOverview, "Overview"}, {tabVersions, "Versions"}, {tabDependencies, "Dependencies"}, {tabSecurity, "Security"}, {tabChecks, "Checks"}, {tabFence, "Fence"},
	} {
		item := tab{Name: t.name, URL: sub.address(t.tab), Current: t.tab == current}
		switch {
		case t.tab == tabSecurity:
			badge := s.badge(sub.states)
			item.Badge = &badge
		case t.tab == tabChecks && !item.Current && len(s.ofKind(sub.states, false)) == 0:
			continue
		case t.tab == tabFence && s.Fence == nil:
			continue
		case t.tab == tabFence:
			item.Badge = worst(sub.fences)
		}
		h.Tabs = append(h.Tabs, item)
	}
	return h, nil
}

// ofKind returns the states of the security checks, or of the others.
func (s *site) ofKind(states []store.CheckState, security bool) []store.CheckState {
	var kind []store.CheckState
	for _, state := range states {
		if s.security(state.Check) == security {
			kind = append(kind, state)
		}
	}
	return kind
}

// standing says which release is shown, in words that hold for whatever the
// crate has: store.Crate.Default has the rule.
func standing(sub subject) string {
	switch r := sub.release; {
	case r.Yanked && sub.speaks:
		return "every version of this crate is yanked; this is the newest"
	case r.Yanked:
		return "this version is yanked"
	case sub.speaks && stable(r.Version):
		return "the newest stable version that is not yanked"
	case sub.speaks:
		return "the newest version that is not yanked; none is stable"
	case !stable(r.Version):
		return "a pre-release"
	}
	return ""
}

func stable(version string) bool {
	core, _, _ := strings.Cut(version, "+")
	return !strings.Contains(core, "-")
}
