package policy

import "time"

// A Signal is something about how a release came to be that attackers' releases
// had, and that honest ones have seldom. Any of them ends every shortening of a
// cool-off; what else it does is for the policy to say.
type Signal struct {
	// Key names it in a policy's file, Rule in a reason.
	Key, Rule string
	Doc       string
	present   func(ev *Evidence) bool
	// text is the clause of a reason; nil where the reason has one of its own.
	text string
}

// What counts as a signal.
const (
	// waveSize versions yanked within a day of a publication are a wave.
	waveSize = 3
	// youngDependency is how old a crate has to be to be depended on unnoticed.
	youngDependency = 30 * day
	// longSilence wakes whoever watches a crate.
	longSilence = year
)

// Signals lists them. Their order is that of Terms.Signals.
var Signals = [...]Signal{
	signalWave: {
		Key: "yank_wave", Rule: "yank-wave",
		Doc:     "Three or more versions of the crate were yanked within a day of the publication. It blocks under every policy.",
		present: func(ev *Evidence) bool { return ev.YanksAround >= waveSize },
	},
	signalYoung: {
		Key: "young_dependency", Rule: "young-dependency",
		Doc:     "It adds a dependency on a crate that did not exist 30 days before. It holds until that crate has waited as long as a first version waits.",
		present: addsYoung,
	},
	signalFirst: {
		Key: "first_dependency", Rule: "first-dependency",
		Doc:     "It adds dependencies to a crate that had none.",
		present: func(ev *Evidence) bool { return ev.FirstDependencies },
		text:    "adds dependencies to a crate that had none",
	},
	signalVCS: {
		Key: "lost_vcs", Rule: "lost-vcs",
		Doc:     "The version before recorded the commit that it was made from, and this one does not.",
		present: func(ev *Evidence) bool { return ev.LostVCS },
		text:    "records no commit any more, as the version before did",
	},
	signalTrust: {
		Key: "lost_trusted_publishing", Rule: "lost-trusted-publishing",
		Doc:     "The version before was published by the project's own automation (trusted publishing), and this one was not.",
		present: func(ev *Evidence) bool { return ev.LostTrust },
		text:    "was not published by trusted publishing, as the version before was",
	},
	signalBuild: {
		Key: "new_build_script", Rule: "new-build-script",
		Doc:     "It runs a build script, and the version before had none.",
		present: func(ev *Evidence) bool { return ev.NewBuildScript },
		text:    "adds a build script",
	},
	signalSilence: {
		Key: "silence", Rule: "silence",
		Doc:     "The crate had published nothing for a year.",
		present: func(ev *Evidence) bool { return ev.Silence >= longSilence },
		text:    "is the first version after more than a year of silence",
	},
}

const (
	signalWave = iota
	signalYoung
	signalFirst
	signalVCS
	signalTrust
	signalBuild
	signalSilence
	signalCount
)

// addsYoung counts ages from the publication, so that waiting changes nothing.
func addsYoung(ev *Evidence) bool {
	for i := range ev.Dependencies {
		d := &ev.Dependencies[i]
		if !d.Known || d.FirstPublished.IsZero() || ev.PublishedAt.Sub(d.FirstPublished) < youngDependency {
			return true
		}
	}
	return false
}

// unhurried reports whether nothing speaks against shortening a cool-off. What
// is not known does.
func (ev *Evidence) unhurried() bool {
	if !ev.Compared || ev.PublishedAt.IsZero() || ev.Silence <= 0 || ev.Line != "" || ev.OtherBytes {
		return false
	}
	for i := range Signals {
		if Signals[i].present(ev) {
			return false
		}
	}
	return true
}

// settled is when a dependency has waited as long as the first version of a new
// name does; zero when that cannot be told.
func (d *NewDependency) settled(wait time.Duration) time.Time {
	if !d.Known || d.FirstPublished.IsZero() {
		return time.Time{}
	}
	return d.FirstPublished.Add(wait)
}
