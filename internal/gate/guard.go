package gate

import (
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// The yank guard. A yank is a publisher's word, and whoever takes over an account
// has it: by yanking the good versions of a crate they leave cargo no other than
// theirs. So a yank is passed on at once where it leaves another version to go to,
// and is kept back for a while where it does not, or where it is one of many.
const (
	guardTime    = 72 * time.Hour // a yank is kept back no longer
	waveTime     = 24 * time.Hour // so close together
	waveVersions = 3              // so many versions are a wave
)

// A guarded is what the guard asks of a version.
type guarded struct {
	Version string
	// Allowed: the policy lets it through.
	Allowed bool
	Yanked  bool // by upstream
	// YankedAt is when the yank was seen to happen; zero for one that was there
	// already.
	YankedAt time.Time
	// HonouredAt is when a person let the yank stand.
	HonouredAt time.Time
}

// A GuardNote is what the guard says of a version that was yanked.
type GuardNote struct {
	Version string
	// Range is the versions that cargo takes for compatible, as in "1" or "0.3".
	Range    string
	YankedAt time.Time
	// Kept: the version is served as not yanked, until Until at the latest.
	Kept  bool
	Until time.Time
	Wave  bool // one of many yanks within a day
	// Newest: it was the newest that the range had to go to.
	Newest bool
}

// Text is the note as a clause.
func (n GuardNote) Text() string {
	switch {
	case n.Kept && n.Wave:
		return "yanked upstream together with other versions; not passed on until " + policy.FormatTime(n.Until)
	case n.Kept:
		return "yanked upstream, and no other allowed version of " + n.Range + " is left; not passed on until " + policy.FormatTime(n.Until)
	case n.Newest:
		return "yanked upstream, as the newest allowed version of " + n.Range
	}
	return "yanked upstream"
}

// fresh reports whether a yank is one that may be kept back: it was seen to
// happen, not long ago, and nobody let it stand.
func (v guarded) fresh(now time.Time) bool {
	return v.Yanked && !v.YankedAt.IsZero() && v.HonouredAt.Before(v.YankedAt) && now.Before(v.YankedAt.Add(guardTime))
}

// guard says which yanks are not passed on, and what is to be told of others.
// It is pure.
func guard(versions []guarded, now time.Time) []GuardNote {
	ranges := map[string][]guarded{}
	for _, v := range versions {
		if v.Allowed && (!v.Yanked || v.fresh(now)) {
			r := compatible(v.Version)
			ranges[r] = append(ranges[r], v)
		}
	}
	var notes []GuardNote
	for name, list := range ranges {
		notes = append(notes, guardRange(name, list, versions)...)
	}
	slices.SortFunc(notes, func(a, b GuardNote) int { return store.CompareVersions(b.Version, a.Version) })
	return notes
}

// guardRange judges the allowed versions of a range that are not yanked, or were
// yanked of late. A yank is contested that leaves none, or is one of a wave; of
// the versions that are not yanked, or whose yank is contested, the newest stays.
func guardRange(name string, list, all []guarded) []GuardNote {
	slices.SortFunc(list, func(a, b guarded) int { return store.CompareVersions(b.Version, a.Version) })
	left := slices.ContainsFunc(list, func(v guarded) bool { return !v.Yanked })
	stays := false // something as new stays already
	var notes []GuardNote
	for i, v := range list {
		if !v.Yanked {
			stays = true
			continue
		}
		note := GuardNote{Version: v.Version, Range: name, YankedAt: v.YankedAt, Wave: inWave(v, all), Newest: i == 0}
		if !stays && (note.Wave || !left) {
			note.Kept, note.Until, stays = true, v.YankedAt.Add(guardTime), true
		}
		notes = append(notes, note)
	}
	return notes
}

// inWave reports whether so many versions were yanked within some day that v was
// yanked in.
func inWave(v guarded, all []guarded) bool {
	var near []time.Time
	for _, w := range all {
		if w.Yanked && !w.YankedAt.IsZero() && w.YankedAt.Sub(v.YankedAt).Abs() <= waveTime {
			near = append(near, w.YankedAt)
		}
	}
	slices.SortFunc(near, time.Time.Compare)
	for i := waveVersions - 1; i < len(near); i++ {
		first, last := near[i-waveVersions+1], near[i]
		if last.Sub(first) <= waveTime && !v.YankedAt.Before(first) && !v.YankedAt.After(last) {
			return true
		}
	}
	return false
}

// compatible names the versions that cargo's default requirement takes for one
// another. A pre-release is none that cargo goes to by itself, so those of a
// range are among themselves.
func compatible(version string) string {
	v, err := crate.ParseVersion(version)
	if err != nil {
		return version
	}
	r := index.Range(v)
	if v.IsPrerelease() {
		r += "-"
	}
	return r
}
