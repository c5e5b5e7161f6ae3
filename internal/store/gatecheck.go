package store

import "time"

// soon reports whether r, queued, was to start about when it was queued.
func (r CheckRun) soon() bool { return r.RunAfter.Sub(r.QueuedAt) <= time.Minute }

// GateChecks puts runs together by release and check. The runs are ordered by
// release, check, check version and attempt.
func GateChecks(runs []CheckRun) map[ID][]GateCheck {
	var (
		checks = map[ID][]GateCheck{}
		counts *CheckRun // of the last check
	)
	for i := range runs {
		run := &runs[i]
		of := checks[run.ReleaseID]
		if len(of) == 0 || of[len(of)-1].Check != run.Check {
			of, counts = append(of, GateCheck{Check: run.Check}), nil
		}
		c := &of[len(of)-1]
		switch {
		case run.Status != Completed:
			c.Pending, c.NotBefore = run.Status == InProgress || run.soon(), run.RunAfter
		case counts == nil || run.CheckVersion > counts.CheckVersion || run.Overrides(counts):
			counts = run
			c.Version, c.Conclusion, c.Metrics = run.CheckVersion, string(run.Report.Conclusion), run.Report.Metrics
		}
		checks[run.ReleaseID] = of
	}
	return checks
}
