package store

import "github.com/cratefence/cratefence/internal/check"

// Where jobs queue, in what order, and how often they are tried.
const (
	IntakeQueue = "intake"
	CheckQueue  = "checks"
	// SourceQueue holds the runs that need a repository. A host that lets us wait
	// holds up others of its kind, and no check that needs nobody.
	SourceQueue = "source"

	// Priorities of check runs: a fresh release before a retry, both before the
	// backlog of a raised check version. A fetch has PriorityFresh where somebody
	// waits for it, and PriorityStale where nobody does.
	PriorityFresh = 1
	PriorityRetry = 2
	PriorityStale = 4

	// IntakeTries bounds downloads of one announcement: about an hour and a
	// quarter with the queue's back-off.
	IntakeTries = 8
	// RunTries bounds how often a run's job is tried when it cannot even begin,
	// the database being away: three weeks. A check's own retries are runs of
	// their own. A run whose job is given up would stay queued for ever.
	RunTries = 25
)

// RefOf refers to a check, and says where its runs queue.
func RefOf(c *check.Check) CheckRef {
	ref := CheckRef{Name: c.Name, Version: c.Version}
	if c.Needs&check.NeedsSource != 0 {
		ref.Queue = SourceQueue
	}
	return ref
}

// ByQueue sorts the runs of checks, in the checks' order, by where they queue.
func ByQueue(checks []CheckRef, runs []ID) map[string][]ID {
	queues := map[string][]ID{}
	for i, c := range checks {
		queues[c.Queue] = append(queues[c.Queue], runs[i])
	}
	return queues
}
