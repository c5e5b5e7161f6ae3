package store

// Where jobs queue, in what order, and how often they are tried.
const (
	IntakeQueue = "intake"
	CheckQueue  = "checks"

	// Priorities of check runs: a fresh release before a retry, both before the
	// backlog of a raised check version.
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
