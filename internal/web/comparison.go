package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks"
	"github.com/cratefence/cratefence/internal/checks/provenance"
	"github.com/cratefence/cratefence/internal/store"
)

// How much of a comparison a page shows. The API has all that is kept.
const (
	maxSettings = 50
	maxNames    = 20
	maxNotes    = 30
)

// A comparison is what a release was compared with, and how each part of it
// stands: the facts of the check provenance, for people.
type comparison struct {
	ID       string
	Place    string // "github.com/o/r at 3f2a91c"; "" where nothing was compared
	Open     bool
	Facts    []fact
	Kinds    []kindCount
	Settings []setting
	Notes    []string // what cargo did to the manifest
	Lists    []nameList
	Blind    []string // what was not compared
	diffs    map[string]string
}

// A kindCount says how many files relate to the commit in one way.
type kindCount struct {
	Count   int
	Kind    string
	Words   string
	Differs bool
}

// A setting is one that the published manifest has otherwise.
type setting struct {
	Path  string
	Text  string
	Class string
	Diff  []line
}

// A nameList is a list of names with a sentence about it.
type nameList struct {
	ID    string
	Title string
	Names []string
	More  int
}

// comparison reads the facts of a run; nil when they are of no comparison. What
// cannot be read leaves the rest of the row as it is.
func (s *site) comparison(id string, run store.CheckRun) *comparison {
	var f checks.ProvenanceFacts
	if run.Check != checks.Provenance.Name || json.Unmarshal(run.Report.Facts, &f) != nil || f.Commit == "" && f.Repository == "" {
		return nil
	}
	if run.CheckVersion < 2 { // which did not look into submodules
		f.Files = renamed(f.Files, provenance.Submodule, provenance.Uncompared)
	}
	c := &comparison{
		ID:       id + "-comparison",
		Place:    place(f),
		Open:     run.Report.Conclusion != check.Success && run.Report.Conclusion != check.Neutral,
		Facts:    s.origin(f),
		Kinds:    kindCounts(f.Files),
		Settings: settings(f.Settings),
		Lists:    nameLists(id, f),
		Blind:    blind(f),
		diffs:    map[string]string{},
	}
	for _, note := range f.ManifestNotes[:min(len(f.ManifestNotes), maxNotes)] {
		c.Notes = append(c.Notes, clip(note, maxMessage))
	}
	for _, file := range f.Differing {
		c.diffs[file.Path] = file.Diff
	}
	return c
}

// explain gives findings about files their diffs.
func (c *comparison) explain(findings []finding) {
	for i := range findings {
		f := &findings[i]
		if diff := diffLines(c.diffs[f.Path]); diff != nil && strings.HasPrefix(f.Rule, "file-") {
			f.Lines = diff
		}
	}
}

func renamed(files map[provenance.Kind]int, from, to provenance.Kind) map[provenance.Kind]int {
	out := make(map[provenance.Kind]int, len(files))
	for kind, n := range files {
		if kind == from {
			kind = to
		}
		out[kind] += n
	}
	return out
}

// place names the repository and the commit as people do.
func place(f checks.ProvenanceFacts) string {
	name := linkTo(f.Repository).Text
	if f.Commit != "" {
		name += " at " + short(f.Commit)
	}
	return clip(name, maxSentence)
}

func short(commit string) string { return commit[:min(len(commit), 7)] }

// origin is where the release is said to come from.
func (s *site) origin(f checks.ProvenanceFacts) []fact {
	repository := linkTo(f.Repository)
	facts := []fact{
		{Name: "Repository", Link: &repository},
		{Name: "Named in the manifest as", Text: otherwise(f.Declared, f.Repository)},
		{Name: "Commit", Text: clip(f.Commit, maxName), Code: true},
		{Name: "Named by", Text: cmp.Or(originWords[f.Origin], clip(string(f.Origin), maxName))},
		{Name: "Named too, and not in the repository", Text: strings.Join(refNames(f.Absent), ", ")},
		{Name: "Committed", When: s.clock().ago(f.CommittedAt)},
	}
	if r := f.Reach; r != nil {
		facts = append(facts,
			fact{Name: "Reached from", Text: reached(r)},
			fact{Name: "This version's tag points elsewhere", Text: strings.Join(refNames(r.VersionTags), ", ")})
	}
	folder := clip(f.Path, maxSentence)
	if f.PathGuessed {
		folder = cmp.Or(folder, "the root") + " (not recorded: found by its manifest)"
	}
	facts = append(facts, fact{Name: "Folder of the package", Text: folder, Code: !f.PathGuessed})
	if f.Workspace != nil {
		facts = append(facts, fact{Name: "Settings inherited from", Text: cmp.Or(clip(*f.Workspace, maxSentence), "the root")})
	}
	facts = append(facts, fact{Name: "Left out of the crate", Text: leftOut(f.MissingExplained)})
	if n := f.IndexDifferences; n > 0 {
		facts = append(facts, fact{Name: "The registry's index says otherwise", Text: fmt.Sprintf("in %d of what the manifest says", n)})
	}
	if f.Dirty {
		facts = append(facts, fact{Name: "Noted by cargo", Text: "uncommitted changes when it was packaged"})
	}
	return known(facts)
}

func leftOut(explained map[provenance.Reason]int) string {
	var parts []string
	for _, r := range reasonWords {
		if n := explained[r.reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, r.words))
		}
	}
	return strings.Join(parts, ", ")
}

// otherwise returns what is stated, unless it is what is known.
func otherwise(stated, known string) string {
	if trimmed := strings.TrimSuffix(strings.TrimSuffix(stated, "/"), ".git"); trimmed == strings.TrimSuffix(strings.TrimSuffix(known, "/"), ".git") {
		return ""
	}
	return clip(stated, maxURL)
}

func reached(r *checks.ProvenanceReach) string {
	words := cmp.Or(gradeWords[r.Grade], clip(string(r.Grade), maxName))
	if names := refNames(r.Refs); len(names) > 0 {
		words += ": " + strings.Join(names, ", ")
	}
	if r.Tip && len(r.Refs) > 0 {
		words += ", at this very commit"
	}
	return words
}

// refNames are the names that people give to refs, the first few.
func refNames(refs []string) []string {
	const most = 5
	var names []string
	for _, ref := range refs[:min(len(refs), most)] {
		for _, prefix := range []string{"refs/tags/", "refs/heads/", "refs/"} {
			ref = strings.TrimPrefix(ref, prefix)
		}
		names = append(names, clip(ref, maxName))
	}
	if more := len(refs) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return names
}

// kindCounts are how many files there are of each kind, what differs first. A
// kind that this program does not know is shown by its name, as one that differs.
func kindCounts(files map[provenance.Kind]int) []kindCount {
	var counts []kindCount
	rest := map[string]int{}
	for kind, n := range files {
		rest[string(kind)] = n
	}
	for _, k := range kindWords {
		if k.Count = rest[k.Kind]; k.Count > 0 {
			counts = append(counts, k)
		}
		delete(rest, k.Kind)
	}
	var unknown []kindCount
	for kind, n := range rest {
		if n > 0 && len(unknown) < maxNames {
			unknown = append(unknown, kindCount{Count: n, Kind: kind, Words: clip(kind, maxName), Differs: true})
		}
	}
	slices.SortFunc(unknown, func(a, b kindCount) int { return strings.Compare(a.Kind, b.Kind) })
	return append(unknown, counts...)
}

func settings(all []checks.ProvenanceSetting) []setting {
	var shown []setting
	for _, s := range all[:min(len(all), maxSettings)] {
		one := setting{
			Path:  clip(s.Path, maxSentence),
			Text:  clip(s.Text, maxMessage),
			Class: cmp.Or(classWords[s.Class], clip(s.Class, maxName)),
		}
		one.Diff = slices.Concat(signed("-", s.Origin), signed("+", s.Published))
		shown = append(shown, one)
	}
	return shown
}

func signed(sign, text string) (lines []line) {
	if text == "" {
		return nil
	}
	for l := range strings.SplitSeq(strings.TrimRight(clip(text, maxMessage), "\r\n"), "\n") {
		lines = append(lines, line{Sign: sign, Text: sign + " " + strings.TrimSuffix(l, "\r")})
	}
	return lines
}

func nameLists(id string, f checks.ProvenanceFacts) []nameList {
	var lists []nameList
	add := func(part, title string, names []string) {
		if len(names) == 0 {
			return
		}
		l := nameList{ID: id + "-" + part, Title: title, More: max(0, len(names)-maxNames)}
		for _, name := range names[:len(names)-l.More] {
			l.Names = append(l.Names, clip(name, maxSentence))
		}
		lists = append(lists, l)
	}
	var submodules []string
	for _, m := range f.Submodules {
		at := "not read"
		if m.Repository != "" {
			at = linkTo(m.Repository).Text
		}
		submodules = append(submodules, fmt.Sprintf("%s at %s: %s", m.Path, short(m.Commit), at))
	}
	add("submodules", "Submodules", submodules)
	add("missing", "In the commit and not in the crate", f.Missing)
	if f.Lock != nil {
		add("contradicted", "Locked with another checksum than the repository's", f.Lock.Contradicted)
		add("resolved", "Locked when publishing, and not in the repository's Cargo.lock", f.Lock.Resolved)
	}
	return lists
}

// blind says what nobody has looked at.
func blind(f checks.ProvenanceFacts) []string {
	var all []string
	if n := f.Files[provenance.Uncompared]; n > 0 {
		all = append(all, fmt.Sprintf("%d of the files: they stand in a submodule that was not read", n))
	}
	if f.Reach != nil && f.Reach.Unread != "" {
		all = append(all, clip(f.Reach.Unread, maxSentence)+": too large to be read")
	}
	if f.Reach == nil && f.Commit != "" {
		all = append(all, "whether a branch or tag leads to the commit")
	}
	return all
}
