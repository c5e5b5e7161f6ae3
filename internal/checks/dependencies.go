package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// Dependencies asks what a version brings in that the one before did not.
var Dependencies = check.Register(&check.Check{
	Name:     "dependencies",
	Version:  1,
	Category: check.CategorySecurity,
	About:    check.AboutRelease,
	Doc:      dependenciesDoc,
	Needs:    check.NeedsRegistry,
	Timeout:  time.Minute,
	Run:      runDependencies,
})

// youngDependency is how old a crate has to be before it is depended on without
// a word. The typosquats of 2026 were minutes to days old when they were used.
const youngDependency = 30 * 24 * time.Hour

// longSilence is after how long a crate's next version is remarkable: an account
// that nobody watches is worth stealing.
const longSilence = 365 * 24 * time.Hour

// yankWave is how many earlier versions yanked are remarked on where the newest
// of them is among them.
const yankWave = 3

// maxAges bounds how many crates the registry is asked about.
const maxAges = 32

const dependenciesDoc = `What this version brings in that the one before did not

A stolen account seldom changes the code of a crate that many read. It adds a dependency, on a crate made for the
purpose a few hours before, and yanks the good versions so that everybody moves to the new one.

**Looked at:** the registry's index alone: the normal and build dependencies of this version beside those of the
version before (the highest lower one that it is compatible with, else the one published last), when the crates that it
adds were first published, how long the crate had been silent, and which of its earlier versions are yanked. Optional
dependencies count. Dev-dependencies do not: they are not built for who depends on the crate.

- **failure**: it adds a dependency that the registry does not have; or one on a crate that was less than 30 days old
  when this version was published, or whose age is not known, and that is the crate's first dependency, comes after more than a year of silence, or
  comes after the newest version before it and two more were yanked.
- **neutral**: it adds other dependencies (of a young crate that is most often a part of the same project), renames one,
  is the first of its crate, or one of these signs stands alone.
- **success**: none of these.
- **inconclusive**: the registry could not be asked, or does not know the version.
- **skipped**: there is no registry to ask.

**Not seen:** what the dependencies do, or what they depend on in turn. An old crate can be stolen, too. When a version was
yanked is not in the index.

**Facts:** ` + "`previous`, `first_version`, `first_dependencies`, `silence_days`, `added` (`name`, `req`, `kind`, `optional`, `registry`, `first_published`, `age_days`)" + `,
` + "`dropped`, `renamed` (`name`, `from`, `to`) and `yanked`" + ` (the earlier versions that are).
`

// DependenciesFacts are the facts of the check dependencies.
type DependenciesFacts struct {
	Previous          string              `json:"previous,omitempty"`
	FirstVersion      bool                `json:"first_version"`
	FirstDependencies bool                `json:"first_dependencies"`
	SilenceDays       float64             `json:"silence_days,omitempty"`
	Added             []AddedDependency   `json:"added"`
	Dropped           []string            `json:"dropped"`
	Renamed           []RenamedDependency `json:"renamed"`
	Yanked            []string            `json:"yanked"`
}

// An AddedDependency is one that the version before did not have.
type AddedDependency struct {
	Name           string    `json:"name"`
	Req            string    `json:"req"` // the author's word
	Kind           string    `json:"kind"`
	Optional       bool      `json:"optional,omitempty"`
	Registry       string    `json:"registry,omitempty"` // "" is the crate's own
	FirstPublished time.Time `json:"first_published,omitzero"`
	AgeDays        float64   `json:"age_days,omitempty"` // when this version was published

	unknown bool // the registry has no such crate
	asked   bool
}

// A RenamedDependency is one that the version before called otherwise.
type RenamedDependency struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

func runDependencies(ctx context.Context, s *check.Subject) (check.Report, error) {
	if s.Registry == nil {
		return check.Report{Conclusion: check.Skipped, Title: "There is no registry to ask", Summary: "What a version adds is told from a registry's index."}, nil
	}
	lines, err := s.Registry.Lines(ctx, s.Release.Name)
	if err != nil {
		return unasked(s, err)
	}
	entries, at := scanned(lines, s.Release.Version)
	if at < 0 {
		return unasked(s, check.ErrNotInRegistry)
	}
	history, err := index.HistoryOf(entries, at)
	if err != nil {
		return check.Report{}, err
	}
	l := dependencyLook{at: entries[at].Pubtime, history: history}
	if l.at.IsZero() {
		l.at = s.PublishedAt
	}
	l.facts = factsOf(history)
	l.yanks(entries[:at])
	if err := l.ages(ctx, s.Registry); err != nil {
		return unasked(s, err)
	}
	return l.report()
}

func unasked(s *check.Subject, err error) (check.Report, error) {
	r := check.Report{Conclusion: check.Inconclusive, RetryAt: retryCommitAt(s.Attempt)}
	switch {
	case errors.Is(err, check.ErrNotInRegistry):
		r.Title = "The registry's index does not have this version"
		r.Summary = "What a version adds is told from the index, and will be when the version is in it."
	case errors.Is(err, check.ErrRegistryUnreachable):
		r.Title = "The registry could not be asked"
		r.Summary = "What a version adds is told from the index. It is asked again."
	default:
		return check.Report{}, err
	}
	return r, nil
}

// scanned returns the lines as entries, and where the version stands among them;
// -1 for nowhere.
func scanned(lines []index.Line, version string) ([]index.Entry, int) {
	at := -1
	entries := make([]index.Entry, 0, len(lines))
	for _, line := range lines {
		entry, err := index.Scan(line.Raw)
		if err != nil {
			continue // it was read before: the registry's client keeps none that cannot be
		}
		if entry.Vers == version {
			at = len(entries)
		}
		entries = append(entries, entry)
	}
	return entries, at
}

func factsOf(h index.History) DependenciesFacts {
	f := DependenciesFacts{
		Previous: h.Previous, FirstVersion: h.FirstVersion, FirstDependencies: h.FirstDependencies,
		SilenceDays: days(h.Silence), Added: []AddedDependency{}, Dropped: []string{}, Renamed: []RenamedDependency{}, Yanked: []string{},
	}
	for _, d := range h.Added {
		f.Added = append(f.Added, AddedDependency{Name: d.Crate, Req: d.Req, Kind: string(d.Kind), Optional: d.Optional, Registry: d.Registry})
	}
	for _, d := range h.Dropped {
		f.Dropped = append(f.Dropped, d.Crate)
	}
	for _, d := range h.Renamed {
		f.Renamed = append(f.Renamed, RenamedDependency{Name: d.Crate, From: d.From, To: d.To})
	}
	return f
}

func days(d time.Duration) float64 { return float64(d/(time.Hour/10)) / 240 }

// A dependencyLook is one look at what a version adds.
type dependencyLook struct {
	at           time.Time // when the version was published; zero when unknown
	history      index.History
	facts        DependenciesFacts
	newestYanked bool // the newest version before is yanked, too
}

// yanks notes which of the versions before are yanked.
func (l *dependencyLook) yanks(before []index.Entry) {
	for _, e := range before {
		if e.Yanked {
			l.facts.Yanked = append(l.facts.Yanked, e.Vers)
		}
	}
	l.newestYanked = len(before) > 0 && before[len(before)-1].Yanked
}

// ages asks when the crates that the version adds were first published. A first
// version adds all of its dependencies; that they are young is no less remarkable.
func (l *dependencyLook) ages(ctx context.Context, registry check.Registry) error {
	asked := 0
	for i := range l.facts.Added {
		dep := &l.facts.Added[i]
		if dep.Registry != "" || asked == maxAges {
			continue
		}
		asked++
		lines, err := registry.Lines(ctx, dep.Name)
		switch {
		case errors.Is(err, check.ErrNotInRegistry):
			dep.unknown = true
		case err != nil:
			return err
		}
		dep.asked = true
		dep.FirstPublished = firstPublished(lines)
		if !dep.FirstPublished.IsZero() && !l.at.IsZero() {
			dep.AgeDays = days(max(0, l.at.Sub(dep.FirstPublished)))
		}
	}
	return nil
}

// firstPublished is the earliest date that any line states; zero when one of them
// states none, for that may have been the first.
func firstPublished(lines []index.Line) time.Time {
	var first time.Time
	for _, line := range lines {
		if line.Pubtime.IsZero() {
			return time.Time{}
		}
		if first.IsZero() || line.Pubtime.Before(first) {
			first = line.Pubtime
		}
	}
	return first
}

func (l *dependencyLook) report() (check.Report, error) {
	facts, err := json.Marshal(l.facts)
	if err != nil {
		return check.Report{}, err
	}
	findings := slices.Concat(l.added(), l.others())
	r := check.Report{
		Conclusion: check.Success,
		Title:      "Brings in nothing that the version before did not",
		Summary:    "The dependencies that the index states were compared with those of " + l.measure() + ".",
		Findings:   findings,
		Metrics: map[string]float64{
			"dependencies_added": float64(len(l.facts.Added)), "dependencies_dropped": float64(len(l.facts.Dropped)),
			"versions_yanked_before": float64(len(l.facts.Yanked)),
		},
		Facts: facts,
	}
	if len(findings) == 0 {
		return r, nil
	}
	slices.SortStableFunc(r.Findings, func(a, b check.Finding) int { return heavier(a.Level) - heavier(b.Level) })
	r.Conclusion, r.Title = check.Neutral, r.Findings[0].Message
	if r.Findings[0].Level == check.LevelError {
		r.Conclusion = check.Failure
	}
	return r, nil
}

func heavier(level check.Level) int {
	return slices.Index([]check.Level{check.LevelError, check.LevelWarning, check.LevelNote}, level)
}

func (l *dependencyLook) measure() string {
	if l.facts.Previous == "" {
		return "no other version: this is the first"
	}
	return "version " + l.facts.Previous
}

// maxTold bounds the findings about added dependencies; the facts have them all.
const maxTold = 50

// youth is how much a young dependency weighs: much where another sign of a stolen
// account comes with it. Alone it is mostly a project that was split.
func (l *dependencyLook) youth() check.Level {
	if l.history.FirstDependencies || l.history.Silence > longSilence || l.yankWave() {
		return check.LevelError
	}
	return check.LevelWarning
}

func (l *dependencyLook) yankWave() bool { return l.newestYanked && len(l.facts.Yanked) >= yankWave }

func (l *dependencyLook) added() []check.Finding {
	var findings []check.Finding
	for _, dep := range l.facts.Added {
		f := check.Finding{Rule: "dependency-added", Level: check.LevelNote, Path: "Cargo.toml"}
		name := crateWord(dep.Name)
		adds := "Adds the dependency " + name
		switch {
		case l.facts.FirstVersion:
			adds = "Depends on " + name
		case l.facts.FirstDependencies && len(l.facts.Added) == 1:
			adds, f.Level = "Adds its first dependency, "+name, check.LevelWarning
		}
		switch {
		case dep.Registry != "":
			f.Rule, f.Level, f.Message = "dependency-elsewhere", check.LevelWarning, adds+", which is another registry's"
		case dep.unknown:
			f.Rule, f.Level, f.Message = "dependency-unknown", check.LevelError, adds+", which the registry does not have"
			f.Help = "Whoever publishes that name first decides what is built. Ask the author what is meant."
		case !dep.asked:
			f.Message = adds + "; how old it is was not asked, there are too many"
		case dep.FirstPublished.IsZero() || l.at.IsZero():
			f.Rule, f.Level, f.Message = "dependency-undated", l.youth(), adds+", and when that was first published is not known"
			f.Help = youngHelp
		case l.at.Sub(dep.FirstPublished) < youngDependency:
			f.Rule, f.Level = "dependency-young", l.youth()
			f.Message = adds + ", which was " + ageWords(l.at.Sub(dep.FirstPublished)) + " old"
			f.Help = youngHelp
		case l.facts.FirstVersion:
			continue // a new crate on old ones is how crates begin
		default:
			f.Message = adds + ", which was " + ageWords(l.at.Sub(dep.FirstPublished)) + " old"
		}
		if len(findings) < maxTold {
			findings = append(findings, f)
		}
	}
	return findings
}

const youngHelp = "Look at that crate and at who published it before you build this version, or wait: malware is mostly found within days. An author whose new crate this is can say so where users look, such as in the changelog."

func (l *dependencyLook) others() []check.Finding {
	var findings []check.Finding
	note := func(rule string, level check.Level, format string, args ...any) {
		findings = append(findings, check.Finding{Rule: rule, Level: level, Message: fmt.Sprintf(format, args...)})
	}
	if l.facts.FirstVersion {
		note("first-version", check.LevelNote, "The first version of this crate: there is none to compare it with")
	}
	if l.yankWave() {
		note("versions-yanked", check.LevelWarning, "%d earlier versions are yanked, the newest before this one among them", len(l.facts.Yanked))
	}
	if l.history.Silence > longSilence {
		note("long-silence", check.LevelWarning, "The first version after %s of silence", ageWords(l.history.Silence))
	}
	for i, d := range l.facts.Renamed {
		if i == maxTold {
			break
		}
		note("dependency-renamed", check.LevelNote, "Calls the dependency %s %q, which was %q before", crateWord(d.Name), d.To, d.From)
	}
	return findings
}

// crateWord is a crate's name as a word, or quoted where it is none: whoever
// publishes may write anything there.
func crateWord(name string) string {
	if crate.ValidateName(name) != nil {
		return fmt.Sprintf("%.80q", name)
	}
	return name
}

// ageWords says a length of time in its largest unit.
func ageWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Hour:
		return counted(int(max(0, d)/time.Minute), "minute")
	case d < 2*day:
		return counted(int(d/time.Hour), "hour")
	case d < 60*day:
		return counted(int(d/day), "day")
	case d < 2*365*day:
		return counted(int(d/(30*day)), "month")
	default:
		return counted(int(d/(365*day)), "year")
	}
}
