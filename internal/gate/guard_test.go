package gate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/policy"
)

func TestGuard(t *testing.T) {
	at := func(hours int) time.Time { return day.Add(time.Duration(hours) * time.Hour) }
	good := func(version string) guarded { return guarded{Version: version, Allowed: true} }
	gone := func(version string, hours int) guarded {
		return guarded{Version: version, Allowed: true, Yanked: true, YankedAt: at(hours)}
	}
	kept := func(version string, hours int) string { return version + " kept until " + policy.FormatTime(at(hours)) }
	tests := []struct {
		name     string
		versions []guarded
		want     []string
	}{
		{ // the ordinary yank: there is another to go to
			name:     "one of several",
			versions: []guarded{good("1.0.0"), gone("1.0.1", -1)},
			want:     []string{"1.0.1 passed on, newest"},
		},
		{
			name:     "not the newest",
			versions: []guarded{gone("1.0.0", -1), good("1.0.1")},
			want:     []string{"1.0.0 passed on"},
		},
		{
			name:     "the last of its range",
			versions: []guarded{good("1.0.0"), gone("2.0.0", -1)},
			want:     []string{kept("2.0.0", 71)},
		},
		{ // 0.3 and 0.4 are no more compatible than 1 and 2
			name:     "the last of a range below 1",
			versions: []guarded{gone("0.3.9", -1), good("0.4.0")},
			want:     []string{kept("0.3.9", 71)},
		},
		{ // a held version is nowhere to go to
			name:     "the last that is allowed",
			versions: []guarded{gone("1.0.0", -1), {Version: "1.0.1"}},
			want:     []string{kept("1.0.0", 71)},
		},
		{ // no requirement without a pre-release goes to one
			name:     "only a pre-release left",
			versions: []guarded{gone("1.0.0", -1), good("1.1.0-rc.1")},
			want:     []string{kept("1.0.0", 71)},
		},
		{ // the attack on arrayref
			name:     "all of them",
			versions: []guarded{gone("0.3.5", -1), gone("0.3.6", -1), gone("0.3.7", -1), gone("0.3.8", -1), gone("0.3.9", -1), {Version: "0.3.10"}},
			want: []string{
				kept("0.3.9", 71), "0.3.8 passed on, wave", "0.3.7 passed on, wave", "0.3.6 passed on, wave", "0.3.5 passed on, wave",
			},
		},
		{ // a wave in a crate that has others left: the newest is contested all the same
			name:     "a wave that leaves an old one",
			versions: []guarded{good("1.0.0"), gone("1.0.1", -30), gone("1.0.2", -20), gone("1.0.3", -10)},
			want:     []string{kept("1.0.3", 62), "1.0.2 passed on, wave", "1.0.1 passed on, wave"},
		},
		{ // a wave of old versions does not bring a newer back whose yank was honoured
			name:     "a wave below",
			versions: []guarded{good("1.0.0"), gone("1.0.1", -1), gone("1.0.2", -1), gone("1.0.3", -1), gone("1.0.9", -60)},
			want:     []string{"1.0.9 passed on, newest", kept("1.0.3", 71), "1.0.2 passed on, wave", "1.0.1 passed on, wave"},
		},
		{ // nobody goes back for a version that is newer than all that was yanked
			name:     "a wave with a newer one left",
			versions: []guarded{gone("1.0.1", -1), gone("1.0.2", -1), gone("1.0.3", -1), good("1.0.4")},
			want:     []string{"1.0.3 passed on, wave", "1.0.2 passed on, wave", "1.0.1 passed on, wave"},
		},
		{ // three in two days are no wave
			name:     "slow yanks",
			versions: []guarded{good("1.0.0"), gone("1.0.1", -40), gone("1.0.2", -20), gone("1.0.3", -1)},
			want:     []string{"1.0.3 passed on, newest", "1.0.2 passed on", "1.0.1 passed on"},
		},
		{ // a yank across ranges counts for the wave
			name:     "a wave over ranges",
			versions: []guarded{good("1.0.0"), gone("1.0.1", -1), gone("2.0.0", -1), gone("3.0.0", -1)},
			want:     []string{kept("3.0.0", 71), kept("2.0.0", 71), kept("1.0.1", 71)},
		},
		{
			name:     "time is over",
			versions: []guarded{gone("1.0.0", -72)},
		},
		{ // found at first sight, as by an import
			name:     "yanked all along",
			versions: []guarded{{Version: "1.0.0", Allowed: true, Yanked: true}},
		},
		{
			name:     "a person let it stand",
			versions: []guarded{{Version: "1.0.0", Allowed: true, Yanked: true, YankedAt: at(-2), HonouredAt: at(-1)}},
		},
		{ // yanked, honoured, taken back and yanked again: that is another yank
			name:     "a person let an earlier one stand",
			versions: []guarded{{Version: "1.0.0", Allowed: true, Yanked: true, YankedAt: at(-1), HonouredAt: at(-2)}},
			want:     []string{kept("1.0.0", 71)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, n := range guard(tt.versions, day) {
				text := n.Version + " passed on"
				switch {
				case n.Kept:
					text = n.Version + " kept until " + policy.FormatTime(n.Until)
				case n.Wave:
					text += ", wave"
				case n.Newest:
					text += ", newest"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
