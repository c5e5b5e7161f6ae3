package policy

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
)

const page = "https://fence.example/r/8f3k"

// What a person reads on a terminal, whole.
func TestWords(t *testing.T) {
	tests := []struct {
		name   string
		preset string
		now    time.Duration
		ev     func(*Evidence)
		policy func(*Policy)
		want   string
	}{
		{
			name: "young", now: 9 * time.Minute, ev: func(*Evidence) {},
			want: "cratefence holds arrayref 0.3.10 until 2026-08-27 12:31 UTC: published 9 minutes ago (cool-off 7d). To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{
			name: "the example of the manual", now: 9 * time.Minute, ev: func(ev *Evidence) {
				*ev = arrayref()
				ev.YanksAround = 0
				for i := range ev.Checks {
					ev.Checks[i].Conclusion = check.Success
				}
			},
			want: "cratefence holds arrayref 0.3.10 until 2026-09-03 06:31 UTC: published 9 minutes ago (cool-off 7d); adds its first dependency, proc-macro1, which is 6 hours old. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{
			name: "the attack", now: 9 * time.Minute, ev: func(ev *Evidence) { *ev = arrayref() },
			want: "cratefence blocks arrayref 0.3.10: 5 versions of the crate were yanked within a day of its publication; published 9 minutes ago (cool-off 7d); adds its first dependency, proc-macro1, which is 6 hours old; check archive has not finished; check dependencies has not finished. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Why, and who decides: https://fence.example/r/8f3k",
		},
		{
			name: "being checked", now: 8 * day, ev: func(ev *Evidence) { ev.Checks[0].Conclusion = ""; ev.Checks[0].Pending = true },
			want: "cratefence holds arrayref 0.3.10: being checked, try again in a minute. More: https://fence.example/r/8f3k",
		},
		{
			name: "never looked at", ev: func(ev *Evidence) { ev.FirstSeenAt = time.Time{} },
			want: "cratefence holds arrayref 0.3.10: it has not been looked at yet. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{
			name: "failure", now: 8 * day, ev: func(ev *Evidence) { conclude(ev, "provenance", check.Failure) },
			want: "cratefence blocks arrayref 0.3.10: provenance concluded failure. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Why, and who decides: https://fence.example/r/8f3k",
		},
		{
			name: "withdrawn", now: 8 * day, ev: func(ev *Evidence) {
				rule(ActRevoke)(ev)
				ev.Ruling.Reason = "steals keys\n\x1b[31m see incident 44"
			},
			want: `cratefence has withdrawn arrayref 0.3.10: withdrawn by a person on 2026-08-20: "steals keys [31m see incident 44". To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Why, and who decides: https://fence.example/r/8f3k`,
		},
		{
			name: "no word from the database", now: 8 * day, ev: func(ev *Evidence) { ev.Blind = after(6 * day) },
			want: "cratefence holds arrayref 0.3.10: published 8 days ago (cool-off 7d), and this fence has not heard from its database since 2026-08-26 12:31 UTC. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{ // whatever holds it may be over by now
			name: "no word from the database before its time", now: 2 * day, ev: func(ev *Evidence) { ev.Blind = after(day) },
			want: "cratefence holds arrayref 0.3.10 until 2026-08-27 12:31 UTC: published 2 days ago (cool-off 7d), and this fence has not heard from its database since 2026-08-21 12:31 UTC. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{ // to try again in a minute would be of no use
			name: "no word from the database while it is checked", now: 8 * day, ev: func(ev *Evidence) {
				ev.Checks[0].Conclusion, ev.Checks[0].Pending, ev.Blind = "", true, after(8*day-time.Hour)
			},
			want: "cratefence holds arrayref 0.3.10: check archive has not finished, and this fence has not heard from its database since 2026-08-28 11:31 UTC. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{
			name: "without a baseline", now: 400 * day, ev: func(ev *Evidence) { ev.Dated = true; ev.FirstSeenAt = after(400*day - time.Hour) },
			want: "cratefence holds arrayref 0.3.10 until 2027-10-01 11:31 UTC: first seen here 1 hour ago (cool-off 7d; cratefence import-index would tell how old it is). To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{ // a security fix says that it is one; seconds are rounded up
			name: "fix", now: 23 * time.Hour, ev: func(ev *Evidence) {
				ev.Fixes = []string{"RUSTSEC-2026-0001"}
				ev.FirstSeenAt = published.Add(time.Second)
			},
			want: "cratefence holds arrayref 0.3.10 until 2026-08-21 12:32 UTC: first seen here 22 hours ago (cool-off 24h, as it fixes RUSTSEC-2026-0001). To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{
			name: "an exception too young for the floor", now: time.Minute, ev: except(RuleCoolOff, 5*day),
			want: "cratefence holds arrayref 0.3.10 until 2026-08-21 12:31 UTC: published 1 minute ago (no exception from the cool-off counts before 24h). To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Ask for a review: https://fence.example/r/8f3k",
		},
		{
			name: "denied", now: 8 * day, ev: func(*Evidence) {}, policy: section(Section{Name: "arrayref", Deny: true}),
			want: "cratefence blocks arrayref 0.3.10: policy test denies this crate. To do without it, update it or what needs it: cargo update -p arrayref@0.3.10. See for yourself: cratefence check arrayref@0.3.10. Why, and who decides: https://fence.example/r/8f3k",
		},
		{ // what does not fit is counted, and the address stays whole
			name: "many reasons", preset: High, now: 9 * time.Minute, ev: func(ev *Evidence) {
				*ev = arrayref()
				ev.YanksAround, ev.Silence = 0, 2*year
				ev.LostVCS, ev.LostTrust, ev.NewBuildScript = true, true, true
			},
			want: "cratefence holds arrayref 0.3.10 until 2026-09-19 06:31 UTC at least: provenance concluded inconclusive; published 9 minutes ago (cool-off 14d); adds its first dependency, proc-macro1, which is 6 hours old; adds dependencies to a crate that had none; records no commit any more, as the version before did; was not published by trusted publishing, as the version before was; adds a build script; is the first version after more than a year of silence; and 2 more. Ask for a review: https://fence.example/r/8f3k",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := presets[orMedium(tt.preset)].policy("test")
			if tt.policy != nil {
				tt.policy(p)
			}
			p.seal()
			ev := good()
			tt.ev(&ev)
			got := Words(p.Decide(ev, after(tt.now)), Notice{Name: ev.Name, Version: ev.Version, Page: page})
			if got != tt.want {
				t.Errorf("words\n%s\nwant\n%s", got, tt.want)
			}
			if len(got) > MaxWords {
				t.Errorf("%d bytes", len(got))
			}
		})
	}
}

// Whatever the names and texts, the words fit, are valid and keep the address.
func TestWordsFit(t *testing.T) {
	long := strings.Repeat("é", 100)
	reasons := []Reason{{Rule: "rule/x", Verdict: Hold, Text: long}, {Rule: "rule/y", Verdict: Hold, Text: long}, {Rule: "rule/z", Verdict: Hold, Text: long}}
	tests := []struct {
		name string
		n    Notice
	}{
		{"long version", Notice{Name: strings.Repeat("a", 64), Version: "1.0.0-" + strings.Repeat("9", 250), Page: page}},
		{"not a name", Notice{Name: "\x1b[31m", Version: "<script>", Page: page}},
		{"no page", Notice{Name: "a", Version: "1.0.0"}},
		{"long page", Notice{Name: "a", Version: "1.0.0", Page: "https://" + strings.Repeat("x", 230)}},
		{"endless page", Notice{Name: "a", Version: "1.0.0", Page: "https://" + strings.Repeat("x", 5000)}},
	}
	for _, tt := range tests {
		for count := range len(reasons) + 1 {
			got := Words(Decision{State: Held, Reasons: reasons[:count]}, tt.n)
			if len(got) > MaxWords || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\x1b<") {
				t.Errorf("%s: %d bytes: %q", tt.name, len(got), got)
			}
			if len(tt.n.Page) < 250 && !strings.HasSuffix(got, tt.n.Page) {
				t.Errorf("%s: %q does not end with the page", tt.name, got)
			}
		}
	}
}

// A dependency's name stands in a text only where it is one.
func TestTextsHoldNothingForeign(t *testing.T) {
	ev := good()
	ev.Checksum = crate.Checksum{1}
	ev.Dependencies = []NewDependency{{Name: "\x1b]0;x\a", Known: true, FirstPublished: published}}
	ev.Fixes = []string{"RUSTSEC-\x1b[31m"}
	for _, r := range presets[High].Policy().Decide(ev, after(time.Hour)).Reasons {
		if strings.ContainsFunc(r.Text, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q", r.Text)
		}
	}
}
