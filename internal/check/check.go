// Package check is the contract between a check and everything that runs,
// stores, shows or judges one: what a check is, what it is given (Subject) and
// what it answers (Report).
//
// A check measures. It gives no verdict about a crate, does no I/O but through
// its Subject, and never executes anything that a crate brings.
package check

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Check is a question asked of a release. Each is a package-level variable,
// registered in its own file and never reassigned. Its metadata is read by
// pages, policies and `cratefence checks` without running it.
type Check struct {
	// Name is stable: it stands in URLs, policies and the database. Lower-case
	// words joined by hyphens; a third party's check is "checker/name".
	Name string
	// Version is raised whenever the same release could give another report;
	// runs of an older version are then stale and are run again.
	Version int
	// Category says what kind of question it is. Only CategorySecurity colours
	// the security badge.
	Category Category
	// About says whether the answer speaks of the release or of its crate.
	About About
	// Doc is Markdown. Its first line is the title, plain text; the rest says
	// what is looked at, what each conclusion means and what it cannot see.
	Doc string
	// Needs says what the runner must put into the Subject.
	Needs Needs
	// Timeout bounds one run. A run that has not ended by then is an error.
	Timeout time.Duration
	// Recheck is how long an answer stands before the question is asked again,
	// because the world outside the release may have changed; 0 asks once.
	// Subject.Previous then has what was answered before.
	Recheck time.Duration
	// RecheckVisited is how long an answer about a crate stands while people look
	// at the crate's pages; 0 leaves it to Recheck.
	RecheckVisited time.Duration
	// Run answers. It returns an error only when it could not finish for
	// reasons that are not the crate's: a crate that is broken, strange or
	// hostile is a finding.
	Run func(ctx context.Context, s *Subject) (Report, error)
}

// Title is the first line of Doc.
func (c *Check) Title() string {
	title, _, _ := strings.Cut(c.Doc, "\n")
	return title
}

// Category says what kind of question a check asks.
type Category string

// The categories.
const (
	CategorySecurity      Category = "security"
	CategoryQuality       Category = "quality"
	CategoryCompatibility Category = "compatibility"
	CategoryInformational Category = "informational"
)

// About says what a check's answer speaks of.
type About string

// What a check may be about. The facts of a check about the crate are kept per
// crate, from the newest release that could answer.
const (
	AboutRelease About = "release"
	AboutCrate   About = "crate"
)

// Needs is a set of things that a check asks of its Subject.
type Needs uint

// What a check may need. A check that needs Files is not run on an archive that
// cannot be read unambiguously: the runner concludes inconclusive for it.
const (
	NeedsFiles Needs = 1 << iota
	NeedsSource
	NeedsRegistry
)

// A Conclusion is how a completed check run ended. The zero value is not a
// conclusion; whoever decides by conclusions holds on it and on any unknown one.
type Conclusion string

// The conclusions. Names follow GitHub's check runs where they exist there.
const (
	Success      Conclusion = "success"      // looked, and it is in order
	Failure      Conclusion = "failure"      // found what it looks for
	Neutral      Conclusion = "neutral"      // facts worth reading, no judgement
	Skipped      Conclusion = "skipped"      // does not apply to this release; says why
	Inconclusive Conclusion = "inconclusive" // applies, but could not be known; says what would settle it
	Error        Conclusion = "error"        // the check broke or timed out: our trouble, never success
)

// Conclusions lists every conclusion, worst first: the order in which pages and
// reports show them.
var Conclusions = []Conclusion{Failure, Error, Inconclusive, Neutral, Success, Skipped}

// Rank orders conclusions worst first, 0 being the worst. An unknown conclusion
// ranks with Error.
func (c Conclusion) Rank() int {
	if i := slices.Index(Conclusions, c); i >= 0 {
		return i
	}
	return slices.Index(Conclusions, Error)
}

// Known reports whether a run that ended so learned what it asked. A later run
// that did not leaves its answer in force.
func (c Conclusion) Known() bool {
	return c == Success || c == Failure || c == Neutral
}

// Level says how much a finding weighs, in SARIF's words.
type Level string

// The levels.
const (
	LevelNote    Level = "note"
	LevelWarning Level = "warning"
	LevelError   Level = "error"
)

// A Report is what a check answers: plain JSON, flat, the same from built-in
// and third-party checks and inside every check run. All text in it may have
// come from an attacker and is escaped by whoever shows it.
type Report struct {
	Conclusion Conclusion `json:"conclusion"`
	// Title is one plain sentence in the crate's own terms, without a full stop.
	Title string `json:"title"`
	// Summary says what was looked at and what it means; Text goes into detail.
	// Both are Markdown.
	Summary  string    `json:"summary,omitempty"`
	Text     string    `json:"text,omitempty"`
	Findings []Finding `json:"findings"`
	// Metrics are numbers by name, lower-case words joined by underscores; the
	// unit is the last word where it is not a count ("bytes_compared").
	Metrics map[string]float64 `json:"metrics"`
	// Facts is the check's own structured data, documented by the check.
	Facts json.RawMessage `json:"facts,omitempty"`
	// RetryAt says when an inconclusive run is worth another try.
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// A Finding is one thing found.
type Finding struct {
	// Rule is the stable name of what was found, "check/rule" without the check:
	// lower-case words joined by hyphens.
	Rule    string `json:"rule"`
	Level   Level  `json:"level"`
	Message string `json:"message"` // one sentence, plain text
	// Path is the file in the crate, relative to its root; "" when no file is meant.
	Path      string `json:"path,omitempty"`
	StartLine int    `json:"start_line,omitempty"` // 1-based, 0 unknown
	EndLine   int    `json:"end_line,omitempty"`   // inclusive
	Snippet   string `json:"snippet,omitempty"`    // the lines themselves, plain text
	// Help says what an honest author or user would do, plain text.
	Help string `json:"help,omitempty"`
}

// Limits on a report. A longer one is cut by Clip, which says so in the report.
const (
	MaxFindings = 1000
	MaxTitle    = 300
	MaxText     = 65_535
	MaxMessage  = 4096
	MaxSnippet  = 8192
	MaxFacts    = 1 << 20
)

var registry = struct {
	sync.Mutex
	byName map[string]*Check
}{byName: map[string]*Check{}}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Register adds a check and returns it, so that a check's file reads
// `var Archive = check.Register(&check.Check{…})`. It panics on a check that is
// incomplete or whose name is taken: both are mistakes in the program.
func Register(c *Check) *Check {
	if err := c.validate(); err != nil {
		panic(err)
	}
	registry.Lock()
	defer registry.Unlock()
	if _, taken := registry.byName[c.Name]; taken {
		panic(fmt.Errorf("register check %q: the name is taken", c.Name))
	}
	registry.byName[c.Name] = c
	return c
}

func (c *Check) validate() error {
	switch {
	case !namePattern.MatchString(c.Name):
		return fmt.Errorf("register check %q: the name is not lower-case words joined by hyphens", c.Name)
	case c.Version < 1:
		return fmt.Errorf("register check %q: version %d is below 1", c.Name, c.Version)
	case c.Title() == "":
		return fmt.Errorf("register check %q: no doc", c.Name)
	case c.Timeout <= 0:
		return fmt.Errorf("register check %q: no timeout", c.Name)
	case c.Run == nil:
		return fmt.Errorf("register check %q: no run function", c.Name)
	case c.Category == "" || c.About == "":
		return fmt.Errorf("register check %q: no category or subject", c.Name)
	}
	return nil
}

// All returns the registered checks by name.
func All() []*Check {
	registry.Lock()
	defer registry.Unlock()
	all := make([]*Check, 0, len(registry.byName))
	for _, c := range registry.byName {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Check) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Named returns the registered check of that name, or nil.
func Named(name string) *Check {
	registry.Lock()
	defer registry.Unlock()
	return registry.byName[name]
}
