package mirror

import (
	"slices"
	"time"
)

// waveTime is how close to a publication yanks belong to it.
const waveTime = 24 * time.Hour

// waves notes how many other versions were yanked around each publication. What
// was seen stays: who yanked them to get a version through can unyank them.
func (m *merge) waves() {
	var yanks []time.Time
	for _, v := range m.versions {
		if v.record != nil && !v.record.YankedAt.IsZero() {
			yanks = append(yanks, v.record.YankedAt)
		}
	}
	if len(yanks) == 0 {
		return
	}
	slices.SortFunc(yanks, time.Time.Compare)
	for _, v := range m.versions {
		if n := v.yanksAround(yanks); n > 0 && n > m.remember(v).Wave {
			v.record.Wave, v.touched, m.changed = n, true, true
		}
	}
}

// yanksAround counts the yanks of others around a version's date, or its first
// sight where that counts. yanks are sorted.
func (v *version) yanksAround(yanks []time.Time) int {
	if v.record == nil {
		return within(yanks, v.accepted.Pubtime, time.Time{})
	}
	r := v.record
	n := within(yanks, r.PublishedAt, r.YankedAt)
	if !r.Dated {
		n = max(n, within(yanks, r.FirstSeenAt, r.YankedAt))
	}
	return n
}

// within counts the times around at, without one that is own.
func within(times []time.Time, at, own time.Time) int {
	if at.IsZero() {
		return 0
	}
	from, _ := slices.BinarySearchFunc(times, at.Add(-waveTime), time.Time.Compare)
	to, _ := slices.BinarySearchFunc(times, at.Add(waveTime+1), time.Time.Compare)
	if !own.IsZero() && own.Sub(at).Abs() <= waveTime {
		return to - from - 1
	}
	return to - from
}
