package store

import "cmp"

// States puts runs together by release and check. The runs are of the newest
// version of their checks, ordered by release, check and attempt.
func States(runs []CheckRun) map[ID][]CheckState {
	states := map[ID][]CheckState{}
	for i, run := range runs {
		of := states[run.ReleaseID]
		if len(of) == 0 || of[len(of)-1].Check != run.Check {
			of = append(of, CheckState{Check: run.Check})
		}
		state := &of[len(of)-1]
		if run.Status == Completed {
			state.Newest = &runs[i]
		} else {
			state.Pending = &runs[i]
		}
		states[run.ReleaseID] = of
	}
	return states
}

// FactsReplace reports whether the facts of r take the place of those of kept:
// r's release is newer, or it is the same and r's check no older.
func (r CheckRun) FactsReplace(kept CheckRun) bool {
	return cmp.Or(
		CompareVersions(r.Version, kept.Version),
		cmp.Compare(r.CheckVersion, kept.CheckVersion),
	) >= 0
}
