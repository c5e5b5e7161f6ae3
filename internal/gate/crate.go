package gate

import (
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/policy"
	"github.com/cratefence/cratefence/internal/store"
)

// A CrateView is a crate as a policy sees it, for pages and the API.
type CrateView struct {
	Key, Name string
	Versions  []VersionView // in the order of the index file
	Guard     []GuardNote   // newest version first
	// Bad is how many lines of upstream's file are left out because they cannot be
	// read.
	Bad       int
	GoneSince time.Time // since when upstream says that there is no such crate
}

// Version finds a version as its line writes it, or nil.
func (c CrateView) Version(version string) *VersionView {
	i := slices.IndexFunc(c.Versions, func(v VersionView) bool { return v.Version == version })
	if i < 0 {
		return nil
	}
	return &c.Versions[i]
}

// A VersionView is a version as a policy sees it.
type VersionView struct {
	Version  string
	Evidence policy.Evidence
	Decision policy.Decision
	Code     string // of the decision's page
	// Served is false for nothing but what the policy keeps back: a download is
	// refused.
	Served bool
	// Yanked is how the version stands in the index that cargo gets, and
	// YankedUpstream how it does upstream.
	Yanked, YankedUpstream bool
	YankedAt               time.Time // when the yank was seen to happen
	// Guard is set while a yank of it is fresh.
	Guard *GuardNote
	// Offered is the line that upstream has now, where it differs: Evidence.Line
	// says how.
	Offered []byte
	TakenIn bool // its bytes were fetched and its checks queued
}

// Crate tells what a policy makes of a crate at this moment. name is in any case.
// The error wraps ErrNotReady, ErrPolicy, ErrUnknown or ErrUnreadable.
func (g *Gate) Crate(policyName, name string) (CrateView, error) {
	r, err := g.regime(policyName)
	if err != nil {
		return CrateView{}, fmt.Errorf("view %q: %w", name, err)
	}
	s := g.crates.get(store.IndexKey(name))
	if s == nil || s.entry.Load() == nil {
		return CrateView{}, fmt.Errorf("view %q: %w", name, ErrUnknown)
	}
	e := s.entry.Load()
	q, err := g.inquire(r, e, g.Now())
	if err != nil {
		return CrateView{}, fmt.Errorf("view %q: %w", name, err)
	}
	q.states = true
	return q.judgeAll().tell(), nil
}

func (j *judgement) tell() CrateView {
	view := CrateView{Key: j.e.key, Name: j.e.name, Bad: j.e.bad + j.l.bad, GoneSince: j.e.goneSince, Guard: j.notes}
	for i, v := range j.versions {
		line := &j.l.entries[i]
		version := VersionView{
			Version: line.Vers, Evidence: v.evidence, Decision: v.decision, Code: j.g.code(j.r, &v.evidence),
			Served: v.decision.Passes(), Yanked: j.yanked(i), YankedUpstream: j.yankedUpstream(line),
			TakenIn: j.e.release(line) != nil,
		}
		if r := j.e.record(line); r != nil {
			version.YankedAt, version.Offered = r.YankedAt, r.Offered
		}
		for n := range j.notes {
			if j.notes[n].Version == line.Vers {
				version.Guard = &j.notes[n]
			}
		}
		view.Versions = append(view.Versions, version)
	}
	return view
}
