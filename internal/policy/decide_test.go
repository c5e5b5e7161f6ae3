package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

// published is when the release of the tests was published, now some time after.
var published = time.Date(2026, 8, 20, 12, 31, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return published.Add(d) }

// good is an update that nothing speaks against: read, compared, all checks
// successful.
func good() Evidence {
	return Evidence{
		Name: "arrayref", Version: "0.3.10", Checksum: crate.Checksum{1},
		PublishedAt: published, FirstSeenAt: published, Kind: Update, Previous: "0.3.9", Silence: 90 * day, Compared: true,
		Checks: []CheckResult{
			{Check: "archive", Version: 1, Current: 1, Conclusion: check.Success},
			{Check: "dependencies", Version: 1, Current: 1, Conclusion: check.Success},
			{Check: "provenance", Version: 3, Current: 3, Conclusion: check.Success},
		},
	}
}

// veteran is a publisher whom every preset trusts.
func veteran() Publisher {
	return Publisher{Name: "droundy", Since: published.Add(-8 * year), Releases: 25, Trusted: true}
}

func conclude(ev *Evidence, name string, c check.Conclusion) {
	ev.check(name).Conclusion = c
}

// brief is a decision without its words.
type brief struct {
	State   State
	Rules   []string // "verdict rule", and "until" in what time after the publication
	Pending bool
	Recheck time.Duration
}

func briefly(d Decision) brief {
	b := brief{State: d.State, Pending: d.Pending}
	for _, r := range d.Reasons {
		rule := fmt.Sprintf("%s %s", r.Verdict, r.Rule)
		if !r.Until.IsZero() {
			rule += " +" + FormatDuration(r.Until.Sub(published))
		}
		b.Rules = append(b.Rules, rule)
	}
	if !d.Recheck.IsZero() {
		b.Recheck = d.Recheck.Sub(published)
	}
	return b
}

func TestDecide(t *testing.T) {
	baseline := after(30 * day)
	tests := []struct {
		name   string
		preset string // medium where it is empty
		now    time.Duration
		ev     func(*Evidence)
		policy func(*Policy)
		want   brief
	}{
		{name: "young", now: time.Hour, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "old enough", now: 7 * day, want: brief{State: Allowed}},
		{name: "a first version waits longer", now: 7 * day, ev: func(ev *Evidence) { ev.Kind = FirstVersion }, want: brief{State: Held, Rules: []string{"hold cool-off +14d"}, Recheck: 14 * day}},
		{name: "an unknown kind waits longest", now: 7 * day, ev: func(ev *Evidence) { ev.Kind = "odd" }, want: brief{State: Held, Rules: []string{"hold cool-off +14d"}, Recheck: 14 * day}},
		{name: "the clock starts at first sight", now: 8 * day, ev: func(ev *Evidence) { ev.FirstSeenAt = after(2 * day) }, want: brief{State: Held, Rules: []string{"hold cool-off +9d"}, Recheck: 9 * day}},
		{name: "without a date too", now: 8 * day, ev: func(ev *Evidence) { ev.PublishedAt = time.Time{}; ev.FirstSeenAt = after(2 * day) }, want: brief{State: Held, Rules: []string{"hold cool-off +9d"}, Recheck: 9 * day}},
		{name: "dated tomorrow", now: 0, ev: func(ev *Evidence) { ev.PublishedAt = after(day) }, want: brief{State: Held, Rules: []string{"hold cool-off +8d"}, Recheck: 8 * day}},

		// Nothing is known.
		{name: "never looked at", now: 30 * day, ev: func(ev *Evidence) { ev.FirstSeenAt = time.Time{} }, want: brief{State: Unknown, Rules: []string{"hold unknown"}}},
		{name: "no checksum", now: 30 * day, ev: func(ev *Evidence) { ev.Checksum = crate.Checksum{} }, want: brief{State: Unknown, Rules: []string{"hold unknown"}}},

		// Checks.
		{name: "a check under way", now: 8 * day, ev: func(ev *Evidence) { ev.Checks[0].Conclusion = ""; ev.Checks[0].Pending = true }, want: brief{State: Unknown, Rules: []string{"hold check/archive/missing"}, Pending: true}},
		{name: "a check under way is not all that it waits for", now: day, ev: func(ev *Evidence) { ev.Checks[0].Conclusion = ""; ev.Checks[0].Pending = true }, want: brief{State: Held, Rules: []string{"hold cool-off +7d", "hold check/archive/missing"}, Recheck: 7 * day}},
		{name: "a check that has not run", now: 8 * day, ev: func(ev *Evidence) { ev.Checks[0].Conclusion = "" }, want: brief{State: Unknown, Rules: []string{"hold check/archive/missing"}}},
		{name: "a check that is not run here", now: 8 * day, ev: func(ev *Evidence) { ev.Checks = ev.Checks[:1] }, want: brief{State: Allowed}},
		{name: "no check is run here", now: 8 * day, ev: func(ev *Evidence) { ev.Checks = nil }, want: brief{State: Unknown, Rules: []string{"hold unchecked"}}},
		{name: "a check that somebody counts on", now: 8 * day, policy: func(p *Policy) {
			p.Checks = append(p.Checks, CheckTerms{Check: "unsafe", Required: true, Named: true, Missing: Hold})
		}, want: brief{State: Unknown, Rules: []string{"hold check/unsafe/missing"}}},
		{name: "a failure", now: 8 * day, ev: func(ev *Evidence) { conclude(ev, "provenance", check.Failure) }, want: brief{State: Quarantined, Rules: []string{"block check/provenance/failure"}}},
		{name: "an error", now: 8 * day, ev: func(ev *Evidence) { conclude(ev, "provenance", check.Error) }, want: brief{State: Held, Rules: []string{"hold check/provenance/error"}}},
		{name: "a conclusion of a later program", now: 8 * day, ev: func(ev *Evidence) { conclude(ev, "provenance", "splendid") }, want: brief{State: Held, Rules: []string{"hold check/provenance/splendid"}}},
		{name: "inconclusive", now: 8 * day, ev: func(ev *Evidence) { conclude(ev, "provenance", check.Inconclusive) }, want: brief{State: Allowed}},
		{name: "inconclusive under high", preset: High, now: 15 * day, ev: func(ev *Evidence) { conclude(ev, "provenance", check.Inconclusive) }, want: brief{State: Held, Rules: []string{"hold check/provenance/inconclusive"}}},
		{name: "an older answer counts", now: 8 * day, ev: func(ev *Evidence) { ev.Checks[2].Version = 2 }, want: brief{State: Allowed}},
		{
			name: "an older answer does not count", now: 8 * day, ev: func(ev *Evidence) { ev.Checks[2].Version = 2; ev.Checks[2].Pending = true },
			policy: func(p *Policy) { p.Checks[2].Older = Hold },
			want:   brief{State: Held, Rules: []string{"hold check/provenance/older"}, Pending: true},
		},

		// The baseline.
		{name: "before the baseline", now: 8 * day, ev: func(ev *Evidence) { ev.Dated = true; ev.Checks = nil; ev.FirstSeenAt = baseline }, policy: func(p *Policy) { p.Baseline = baseline }, want: brief{State: Grandfathered}},
		{name: "and checked", now: 8 * day, ev: func(ev *Evidence) { ev.Dated = true; ev.FirstSeenAt = baseline }, policy: func(p *Policy) { p.Baseline = baseline }, want: brief{State: Allowed}},
		{name: "and found bad", now: 8 * day, ev: func(ev *Evidence) { ev.Dated = true; conclude(ev, "provenance", check.Failure) }, policy: func(p *Policy) { p.Baseline = baseline }, want: brief{State: Quarantined, Rules: []string{"block check/provenance/failure"}}},
		{name: "and checked in vain", now: 8 * day, ev: func(ev *Evidence) { ev.Dated = true; conclude(ev, "provenance", check.Error) }, policy: func(p *Policy) { p.Baseline = baseline }, want: brief{State: Grandfathered}},
		{name: "its age counts from its publication", now: 6 * day, ev: func(ev *Evidence) { ev.Dated = true; ev.FirstSeenAt = baseline }, policy: func(p *Policy) { p.Baseline = baseline }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{ // a line that turns up later with an old date
			name: "an old date alone", now: 40 * day, ev: func(ev *Evidence) { ev.FirstSeenAt = after(39 * day) }, policy: func(p *Policy) { p.Baseline = baseline },
			want: brief{State: Held, Rules: []string{"hold cool-off +46d"}, Recheck: 46 * day},
		},
		{name: "no baseline", now: 40 * day, ev: func(ev *Evidence) { ev.Dated = true; ev.FirstSeenAt = after(39 * day) }, want: brief{State: Held, Rules: []string{"hold cool-off +46d"}, Recheck: 46 * day}},

		// What shortens.
		{name: "a trusted publisher", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher = veteran() }, want: brief{State: Allowed, Rules: []string{"allow trusted +7d"}, Recheck: 7 * day}},
		{name: "waits too", now: day, ev: func(ev *Evidence) { ev.Publisher = veteran() }, want: brief{State: Held, Rules: []string{"hold cool-off +2d"}, Recheck: 2 * day}},
		{name: "unless the versions were not compared", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher = veteran(); ev.Compared = false }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless a second factor is known to lack", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher = veteran(); ev.Publisher.TwoFactor = new(bool) }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless there was an incident", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher = veteran(); ev.Publisher.Incidents = 1 }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless the publisher is new", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher = veteran(); ev.Publisher.Since = published.Add(-year) }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless the line changed", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher = veteran(); ev.Line = LineChanged }, want: brief{State: Held, Rules: []string{"hold cool-off +7d", "allow line-changed"}, Recheck: 7 * day}},
		{name: "a security fix", now: day, ev: func(ev *Evidence) { ev.Fixes = []string{"RUSTSEC-2026-0001"} }, want: brief{State: Allowed, Rules: []string{"allow security-fix +7d"}, Recheck: 7 * day}},
		{name: "waits for the floor", now: 23 * time.Hour, ev: func(ev *Evidence) { ev.Fixes = []string{"RUSTSEC-2026-0001"} }, want: brief{State: Held, Rules: []string{"hold cool-off +24h"}, Recheck: day}},
		{name: "unless the source is not reviewed", now: day, ev: func(ev *Evidence) { ev.Fixes = []string{"GHSA-1"} }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless a check is inconclusive", now: day, ev: func(ev *Evidence) {
			ev.Fixes = []string{"RUSTSEC-2026-0001"}
			conclude(ev, "provenance", check.Inconclusive)
		}, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless a check failed", now: day, ev: func(ev *Evidence) {
			ev.Fixes = []string{"RUSTSEC-2026-0001"}
			conclude(ev, "dependencies", check.Failure)
		}, want: brief{State: Held, Rules: []string{"hold check/dependencies/failure", "hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "unless no check is run", now: day, ev: func(ev *Evidence) {
			ev.Fixes = []string{"RUSTSEC-2026-0001"}
			ev.Checks = nil
		}, want: brief{State: Held, Rules: []string{"hold cool-off +7d", "hold unchecked"}, Recheck: 7 * day}},
		{name: "unless there is a signal", now: day, ev: func(ev *Evidence) { ev.Fixes = []string{"RUSTSEC-2026-0001"}; ev.NewBuildScript = true }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},

		// Signals.
		{name: "a wave of yanks", now: 30 * day, ev: func(ev *Evidence) { ev.YanksAround = 3 }, want: brief{State: Quarantined, Rules: []string{"block yank-wave"}}},
		{name: "two yanks", now: 30 * day, ev: func(ev *Evidence) { ev.YanksAround = 2 }, want: brief{State: Allowed}},
		{
			name: "a young dependency", now: 8 * day, ev: func(ev *Evidence) {
				ev.Dependencies = []NewDependency{{Name: "old", Known: true, FirstPublished: published.Add(-year)}, {Name: "proc-macro1", Known: true, FirstPublished: published.Add(-6 * time.Hour)}}
			},
			want: brief{State: Held, Rules: []string{"hold young-dependency +13d18h"}, Recheck: 13*day + 18*time.Hour},
		},
		{name: "an unknown dependency", now: 30 * day, ev: func(ev *Evidence) { ev.Dependencies = []NewDependency{{Name: "gone"}} }, want: brief{State: Held, Rules: []string{"hold young-dependency"}}},
		{name: "lost trusted publishing", now: 8 * day, ev: func(ev *Evidence) { ev.LostTrust = true }, want: brief{State: Held, Rules: []string{"hold lost-trusted-publishing"}}},
		{name: "a build script is high's to hold", now: 8 * day, ev: func(ev *Evidence) { ev.NewBuildScript = true }, want: brief{State: Allowed}},
		{name: "and it does", preset: High, now: 15 * day, ev: func(ev *Evidence) { ev.NewBuildScript = true }, want: brief{State: Held, Rules: []string{"hold new-build-script"}}},

		// Lines.
		{name: "other bytes", now: 30 * day, ev: func(ev *Evidence) { ev.Line = LineOtherBytes }, want: brief{State: Quarantined, Rules: []string{"block other-bytes"}}},
		{name: "other bytes were offered", now: 30 * day, ev: func(ev *Evidence) { ev.OtherBytes = true }, want: brief{State: Quarantined, Rules: []string{"block other-bytes"}}},
		{name: "removed", now: 30 * day, ev: func(ev *Evidence) { ev.Line = LineRemoved }, want: brief{State: Quarantined, Rules: []string{"block removed"}}},
		{name: "an unknown trouble", now: 30 * day, ev: func(ev *Evidence) { ev.Line = "odd" }, want: brief{State: Quarantined, Rules: []string{"block removed"}}},
		{name: "changed", now: 30 * day, ev: func(ev *Evidence) { ev.Line = LineChanged }, want: brief{State: Allowed, Rules: []string{"allow line-changed"}}},

		// Exceptions.
		{name: "excepted", now: 2 * day, ev: except(RuleCoolOff, 5*day), want: brief{State: Waived, Rules: []string{"allow cool-off +5d"}, Recheck: 5 * day}},
		{name: "not below the floor", now: time.Hour, ev: except(RuleCoolOff, 5*day), want: brief{State: Held, Rules: []string{"hold floor +24h", "allow cool-off +5d"}, Recheck: day}},
		{name: "but by its own name", now: time.Hour, ev: func(ev *Evidence) { except(RuleCoolOff, 5*day)(ev); except(RuleFloor, 2*time.Hour)(ev) }, want: brief{State: Waived, Rules: []string{"allow cool-off +5d", "allow floor +2h"}, Recheck: 2 * time.Hour}},
		{name: "expired", now: 5 * day, ev: except(RuleCoolOff, 5*day), want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "without an end", now: day, ev: func(ev *Evidence) { ev.Exceptions = []Exception{{Rule: RuleCoolOff}} }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},
		{name: "outlived", now: 7 * day, ev: except(RuleCoolOff, 9*day), want: brief{State: Allowed}},
		{name: "for another outcome", now: 8 * day, ev: func(ev *Evidence) {
			except("check/provenance/inconclusive", 30*day)(ev)
			conclude(ev, "provenance", check.Failure)
		}, want: brief{State: Quarantined, Rules: []string{"block check/provenance/failure"}}},
		{name: "for a failure", now: 8 * day, ev: func(ev *Evidence) {
			except("check/provenance/failure", 30*day)(ev)
			conclude(ev, "provenance", check.Failure)
		}, want: brief{State: Waived, Rules: []string{"allow check/provenance/failure +30d"}, Recheck: 30 * day}},
		{name: "not for what has not answered", now: 8 * day, ev: func(ev *Evidence) {
			except("check/archive/missing", 30*day)(ev)
			conclude(ev, "archive", "")
		}, want: brief{State: Unknown, Rules: []string{"hold check/archive/missing"}}},
		{name: "not for other bytes", now: 8 * day, ev: func(ev *Evidence) { except(RuleOtherBytes, 30*day)(ev); ev.OtherBytes = true }, want: brief{State: Quarantined, Rules: []string{"block other-bytes"}}},

		// People.
		{name: "revoked", now: 30 * day, ev: rule(ActRevoke), want: brief{State: Revoked, Rules: []string{"block ruling"}}},
		{name: "blocked", now: 30 * day, ev: rule(ActBlock), want: brief{State: Quarantined, Rules: []string{"block ruling"}}},
		{name: "kept", now: 30 * day, ev: rule(ActKeep), want: brief{State: Held, Rules: []string{"hold ruling"}}},
		{name: "an unknown action", now: 30 * day, ev: rule("odd"), want: brief{State: Held, Rules: []string{"hold ruling"}}},
		{name: "let through", now: time.Hour, ev: func(ev *Evidence) { rule(ActAllow)(ev); conclude(ev, "provenance", check.Failure) }, want: brief{State: Waived, Rules: []string{"allow check/provenance/failure", "allow cool-off +7d", "allow ruling", "allow floor +24h"}, Recheck: day}},
		{name: "let through after a day", now: 25 * time.Hour, ev: func(ev *Evidence) { rule(ActAllow)(ev); conclude(ev, "provenance", check.Failure) }, want: brief{State: Waived, Rules: []string{"allow check/provenance/failure", "allow cool-off +7d", "allow ruling"}, Recheck: 7 * day}},
		{name: "let through without need", now: 30 * day, ev: rule(ActAllow), want: brief{State: Allowed}},
		{name: "let through by one who may have published it", preset: High, now: day, ev: func(ev *Evidence) { rule(ActAllow)(ev); ev.Ruling.Impartial = false }, want: brief{State: Held, Rules: []string{"hold cool-off +14d", "hold ruling"}, Recheck: 14 * day}},
		{name: "let through before it was removed", now: 30 * day, ev: func(ev *Evidence) { rule(ActAllow)(ev); ev.Line = LineRemoved; ev.LineSince = after(day) }, want: brief{State: Quarantined, Rules: []string{"block removed", "allow ruling"}}},
		{name: "let through after", now: 30 * day, ev: func(ev *Evidence) { rule(ActAllow)(ev); ev.Line = LineRemoved; ev.LineSince = published.Add(-day) }, want: brief{State: Waived, Rules: []string{"allow removed", "allow ruling"}}},
		{name: "other bytes are let through by nobody", now: 30 * day, ev: func(ev *Evidence) { rule(ActAllow)(ev); ev.OtherBytes = true }, want: brief{State: Quarantined, Rules: []string{"block other-bytes", "allow ruling"}}},

		// Word from the database.
		{name: "allowed before it was lost", now: 9 * day, ev: func(ev *Evidence) { ev.Blind = after(8 * day) }, want: brief{State: Allowed}},
		{name: "not allowed since", now: 9 * day, ev: func(ev *Evidence) { ev.Blind = after(6 * day) }, want: brief{State: Held, Rules: []string{"hold cool-off"}}},
		{name: "exceptions end all the same", now: 6 * day, ev: func(ev *Evidence) { except(RuleCoolOff, 5*day)(ev); ev.Blind = after(4 * day) }, want: brief{State: Held, Rules: []string{"hold cool-off +7d"}, Recheck: 7 * day}},

		// Sections.
		{name: "denied", now: 30 * day, policy: section(Section{Name: "ArrayRef", Deny: true}), want: brief{State: Quarantined, Rules: []string{"block deny"}}},
		{name: "another crate is denied", now: 30 * day, policy: section(Section{Pattern: "array-*", Deny: true}), want: brief{State: Allowed}},
		{name: "named publishers", now: 3 * day, ev: func(ev *Evidence) { ev.Publisher.Name = "dtolnay" }, policy: section(Section{Pattern: "arr*", Publishers: []string{"dtolnay"}}), want: brief{State: Allowed, Rules: []string{"allow trusted +7d"}, Recheck: 7 * day}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := presets[orMedium(tt.preset)].policy("test")
			if tt.policy != nil {
				tt.policy(p)
			}
			p.seal()
			ev := good()
			if tt.ev != nil {
				tt.ev(&ev)
			}
			got := briefly(p.Decide(ev, after(tt.now)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
		})
	}
}

func orMedium(preset string) string {
	if preset == "" {
		return Medium
	}
	return preset
}

func except(rule string, expires time.Duration) func(*Evidence) {
	return func(ev *Evidence) {
		ev.Exceptions = append(ev.Exceptions, Exception{Rule: rule, Author: "ann", Reason: "needed", Expires: after(expires)})
	}
}

func rule(a Action) func(*Evidence) {
	return func(ev *Evidence) {
		ev.Ruling = &Ruling{Action: a, Author: "ann", Reason: "looked at it", At: published, Impartial: true}
	}
}

func section(s Section) func(*Policy) {
	return func(p *Policy) {
		s.Terms = p.Terms
		p.Crates = append(p.Crates, s)
	}
}

// In mode observe everything passes but what was never looked at.
func TestObserve(t *testing.T) {
	p := presets[Medium].policy("test")
	p.Mode = Observe
	tests := []struct {
		name   string
		ev     func(*Evidence)
		want   State
		passes bool
	}{
		{name: "young", ev: func(*Evidence) {}, want: Held, passes: true},
		{name: "revoked", ev: rule(ActRevoke), want: Revoked, passes: true},
		{name: "never looked at", ev: func(ev *Evidence) { ev.Checksum = crate.Checksum{} }, want: Unknown},
	}
	for _, tt := range tests {
		ev := good()
		tt.ev(&ev)
		d := p.Decide(ev, published)
		if d.State != tt.want || d.Passes() != tt.passes {
			t.Errorf("%s: state %s, passes %t", tt.name, d.State, d.Passes())
		}
	}
}

// same reports whether two decisions say the same: a state, for the same rules
// with the same ends. Words may differ, for they tell how long ago things were; so
// may Pending and Recheck, which say only when to ask again.
func same(a, b Decision) bool {
	return a.State == b.State && a.Observed == b.Observed &&
		slices.EqualFunc(a.Reasons, b.Reasons, func(a, b Reason) bool {
			return a.Rule == b.Rule && a.Verdict == b.Verdict && a.Until.Equal(b.Until)
		})
}
