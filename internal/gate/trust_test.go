package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A history is what upstream and intake told of a crate whose newest version is by
// a publisher of long standing.
type history struct {
	lines     []string
	state     store.CrateState
	published time.Time
}

// trusted is app 1.0.2, published three days ago and checked: long enough for whom
// the policy medium trusts, which is after two days, and for nobody else.
func trusted(f *fakeStore) *history {
	h := &history{published: day.AddDate(0, 0, -3)}
	before := day.AddDate(0, 0, -60)
	f.put("lib", day.AddDate(-1, 0, 0), line("lib", "1.0.0", day.AddDate(-1, 0, 0)))
	f.put("young", h.published, line("young", "0.1.0", h.published.AddDate(0, 0, -29)))
	h.lines = []string{
		line("app", "0.9.0", before.AddDate(0, -2, 0), "lib"), line("app", "0.9.1", before.AddDate(0, -1, 0), "lib"),
		line("app", "1.0.0", before.AddDate(0, 0, -1), "lib"), line("app", "1.0.1", before, "lib"), line("app", "1.0.2", h.published, "lib"),
	}
	for _, version := range []string{"1.0.1", "1.0.2"} {
		at := before
		if version == "1.0.2" {
			at = h.published
			h.state.Records = []store.LineRecord{{Key: "app", Version: version, Checksum: sumOf("app", version), PublishedAt: at, FirstSeenAt: at}}
		}
		h.state.Releases = append(h.state.Releases, store.GateRelease{
			Release: store.Release{
				Crate: "app", Version: version, Checksum: sumOf("app", version), Publisher: "github:ann/app",
				PublishedAt: at, FirstSeenAt: at, Via: store.ViaWebhook,
			},
			Checks: []store.GateCheck{{Check: "archive", Version: 1, Conclusion: "success"}},
			Facts: store.PublishFacts{
				VCS: true, Trusted: true, TrustedKnown: true, PublisherSince: day.AddDate(-4, 0, 0), PublisherReleases: 20,
			},
		})
	}
	return h
}

func (h *history) newest() *store.GateRelease { return &h.state.Releases[1] }

// yank has versions yanked by hours after the publication.
func (h *history) yank(hours int, versions ...string) {
	for i, l := range h.lines {
		for _, version := range versions {
			if strings.Contains(l, fmt.Sprintf(`"vers":%q`, version)) {
				h.lines[i] = yanked(l)
			}
		}
	}
	for _, version := range versions {
		h.state.Records = append(h.state.Records, store.LineRecord{
			Key: "app", Version: version, Checksum: sumOf("app", version), PublishedAt: day.AddDate(0, 0, -61), FirstSeenAt: day.AddDate(0, 0, -20), Dated: true,
			Yanked: true, YankedAt: h.published.Add(time.Duration(hours) * time.Hour),
		})
	}
}

// Whatever speaks against the release of a publisher of long standing has it wait
// as any other.
func TestTrustIsVoid(t *testing.T) {
	// None of the signals holds a release by itself here: the row says what it does
	// to the wait. The zero want and rule are held, by the cool-off.
	set, err := policy.Parse([]byte(`
[policy.default]
preset = "medium"
[policy.default.signals]
young_dependency = "allow"
lost_vcs = "allow"
lost_trusted_publishing = "allow"
`))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(h *history)
		now  time.Duration // after day
		want policy.State
		rule string
	}{
		{name: "nothing speaks against it", edit: func(*history) {}, want: policy.Allowed, rule: policy.RuleTrusted},
		{name: "before its two days are over", edit: func(*history) {}, now: -25 * time.Hour},
		{name: "nobody told who published it", edit: func(h *history) { h.newest().Release.Publisher = "" }},
		{name: "only its submitter tells", edit: func(h *history) {
			h.newest().Release.Via = store.ViaSubmit
			h.newest().Facts = store.PublishFacts{VCS: true}
		}},
		{name: "another publisher than before", edit: func(h *history) {
			h.newest().Release.Publisher, h.newest().Facts.PublisherSince, h.newest().Facts.PublisherReleases = "github:mallory", time.Time{}, 0
		}},
		{name: "a publisher of no standing", edit: func(h *history) { h.newest().Facts.PublisherSince = day.AddDate(-1, 0, 0) }},
		{name: "of few releases", edit: func(h *history) { h.newest().Facts.PublisherReleases = 9 }},
		{name: "an incident of theirs", edit: func(h *history) { h.state.Releases[0].Incidents = 1 }},
		{name: "no second factor", edit: func(h *history) { h.newest().Facts.TwoFactor = new(bool) }},
		{name: "the one before was never looked at", edit: func(h *history) { h.state.Releases = h.state.Releases[1:] }},
		{name: "a first dependency", edit: func(h *history) {
			for i := range h.lines[:4] {
				h.lines[i] = line("app", []string{"0.9.0", "0.9.1", "1.0.0", "1.0.1"}[i], day.AddDate(0, 0, -60-i))
			}
		}},
		{name: "a dependency younger than a month", edit: func(h *history) { h.lines[4] = line("app", "1.0.2", h.published, "lib", "young") }},
		{name: "a dependency that is not in the index", edit: func(h *history) { h.lines[4] = line("app", "1.0.2", h.published, "lib", "nowhere") }},
		{name: "a wave of yanks before", want: policy.Quarantined, rule: "yank-wave", edit: func(h *history) { h.yank(-23, "0.9.0", "0.9.1", "1.0.0") }},
		{name: "a wave of yanks after", want: policy.Quarantined, rule: "yank-wave", edit: func(h *history) { h.yank(23, "0.9.0", "0.9.1", "1.0.0") }},
		{name: "two yanks are no wave", want: policy.Allowed, rule: policy.RuleTrusted, edit: func(h *history) { h.yank(-1, "0.9.0", "0.9.1") }},
		{name: "nor are three of two days before", want: policy.Allowed, rule: policy.RuleTrusted, edit: func(h *history) { h.yank(-49, "0.9.0", "0.9.1", "1.0.0") }},
		{name: "a year's silence", edit: func(h *history) {
			for i, version := range []string{"0.9.0", "0.9.1", "1.0.0", "1.0.1"} {
				h.lines[i] = line("app", version, h.published.AddDate(-1, 0, -5+i), "lib")
			}
		}},
		{name: "no commit recorded any more", edit: func(h *history) { h.newest().Facts.VCS = false }},
		{name: "not by the project's automation any more", edit: func(h *history) { h.newest().Facts.Trusted = false }},
		{name: "nobody tells whether by its automation", edit: func(h *history) { h.newest().Facts.TrustedKnown = false }},
		{name: "a new build script", edit: func(h *history) { h.newest().Facts.BuildScript = true }},
		{name: "its line was edited", edit: func(h *history) { h.state.Records[0].Trouble = policy.LineChanged }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeStore()
			h := trusted(f)
			tt.edit(h)
			f.put("app", day.AddDate(0, 0, -20), h.lines...)
			f.change("app", func(s *store.CrateState) { *s = h.state; s.Key = "app" })
			g, clock := open(t, f)
			g.Reload(set)
			clock.add(tt.now)
			view, err := g.Crate("default", "app")
			if err != nil {
				t.Fatal(err)
			}
			want, rule := cmp.Or(tt.want, policy.Held), cmp.Or(tt.rule, policy.RuleCoolOff)
			d := view.Version("1.0.2").Decision
			if d.State != want || !slices.ContainsFunc(d.Reasons, func(r policy.Reason) bool { return r.Rule == rule }) {
				t.Errorf("%s for %+v, want %s by %q", d.State, d.Reasons, want, rule)
			}
		})
	}
}
