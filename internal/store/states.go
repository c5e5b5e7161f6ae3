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
		switch {
		case run.Status != Completed:
			state.Pending = &runs[i]
		case run.Overrides(state.Counts):
			state.Counts, state.Later = &runs[i], nil
		default:
			state.Later = &runs[i]
		}
		states[run.ReleaseID] = of
	}
	return states
}

// Overrides reports whether r, completed, counts in place of an earlier attempt
// by the same version of the check, nil for none. What was once known stays in
// force until something else is known: a host that is away, or trouble of ours,
// takes nothing back.
func (r CheckRun) Overrides(earlier *CheckRun) bool {
	return earlier == nil || r.Report.Conclusion.Known() || !earlier.Report.Conclusion.Known()
}

// FactsReplace reports whether the facts of r take the place of those of kept:
// r's release is newer, or it is the same and r's check no older.
func (r CheckRun) FactsReplace(kept CheckRun) bool {
	return cmp.Or(
		CompareVersions(r.Version, kept.Version),
		cmp.Compare(r.CheckVersion, kept.CheckVersion),
	) >= 0
}
