package web

import (
	"cmp"
	"context"
	"slices"

	"github.com/cratefence/cratefence/internal/store"
)

// maxHistory is how many runs of one check a page lists. The API has all.
const maxHistory = 10

// An attempt is one run of a check among several.
type attempt struct {
	Mark         mark
	Sentence     string
	When         *moment
	CheckVersion int
	Again        bool // the answer before it had grown old
	Counts       bool // its answer is in force
}

func (s *site) attempt(run store.CheckRun) attempt {
	return attempt{
		Mark:         markOf(store.CheckState{Counts: &run}),
		Sentence:     cmp.Or(clip(run.Report.Title, maxSentence), "The check gave no title"),
		When:         s.clock().ago(run.CompletedAt),
		CheckVersion: run.CheckVersion,
		Again:        run.Again,
	}
}

// remember gives rows the runs before those that count, where there are any.
func (s *site) remember(ctx context.Context, rows []checkRow, states []store.CheckState, release store.ID) error {
	if !slices.ContainsFunc(states, hasPast) {
		return nil
	}
	all, err := s.Results.History(ctx, release, maxHistory)
	if err != nil {
		return err
	}
	counting := map[store.ID]bool{}
	for _, state := range states {
		if state.Counts != nil {
			counting[state.Counts.ID] = true
		}
	}
	for i := range rows {
		var attempts []attempt
		for _, run := range all {
			if rowID(run.Check) == rows[i].ID {
				a := s.attempt(run)
				a.Counts = counting[run.ID]
				attempts = append(attempts, a)
			}
		}
		if len(attempts) > 1 {
			rows[i].History = attempts
		}
	}
	return nil
}

func hasPast(state store.CheckState) bool {
	return state.Counts != nil && (state.Later != nil || state.Counts.Attempt > 1 || state.Counts.CheckVersion > 1)
}

// visited says that somebody looks at a release that speaks for its crate, so
// that what is known of the crate does not grow old meanwhile.
func (s *site) visited(ctx context.Context, sub subject) {
	if s.Visited == nil || !sub.speaks {
		return
	}
	for _, state := range sub.states {
		c := s.checks[state.Check]
		if c == nil || c.RecheckVisited == 0 || state.Counts == nil || state.Pending != nil {
			continue
		}
		newest := state.Counts
		if state.Later != nil {
			newest = state.Later
		}
		if s.now().Sub(newest.CompletedAt) < c.RecheckVisited {
			continue
		}
		if err := s.Visited(ctx, state.Check, sub.release.ID); err != nil {
			s.Logger.ErrorContext(ctx, "ask again about a visited crate", "crate", sub.crate.Name, "check", state.Check, "err", err)
		}
	}
}
