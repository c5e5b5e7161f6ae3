package checks

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/checks/provenance"
)

// previousFacts are those of an earlier comparison; nil where there is none that
// is understood.
func previousFacts(earlier *check.Previous) *ProvenanceFacts {
	var f ProvenanceFacts
	if earlier == nil || earlier.CheckVersion != provenanceVersion || json.Unmarshal(earlier.Facts, &f) != nil || f.Commit == "" {
		return nil
	}
	return &f
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// since says of what cannot be had that it could be before. The earlier answer
// stays in force: the release is what it was.
func since(earlier *check.Previous, missing *noSource) *noSource {
	before := previousFacts(earlier)
	if before == nil {
		return missing
	}
	changed := map[string]string{reasonCommitMissing: "commit-vanished", "repository-missing": "repository-vanished"}
	if reason, ok := changed[missing.Reason]; ok {
		missing.Reason = reason
		missing.Message += ", which was compared on " + day(earlier.At)
	}
	return missing
}

// since tells what has changed since an earlier comparison of the same commit.
func (p *provenanceReport) since() {
	before := previousFacts(p.subject.Previous)
	if before == nil {
		return
	}
	when := day(p.subject.Previous.At)
	if before.Repository != p.facts.Repository && before.Declared == p.facts.Declared {
		p.add(check.Finding{
			Rule: "repository-renamed", Level: check.LevelNote,
			Message: fmt.Sprintf("The repository answered as %s on %s, and now as %s", before.Repository, when, p.facts.Repository),
		})
	}
	if slices.Contains(p.facts.Absent, before.Commit) {
		p.add(check.Finding{
			Rule: "commit-vanished", Level: check.LevelWarning,
			Message: fmt.Sprintf("The repository had the commit %.7s on %s, and has it no more", before.Commit, when),
		})
		return
	}
	was, is := before.Reach, p.facts.Reach
	if was == nil || is == nil || before.Commit != p.facts.Commit {
		return
	}
	if was.Grade == provenance.GradeVersionTag && is.Grade != provenance.GradeVersionTag {
		p.add(check.Finding{
			Rule: "tag-moved", Level: check.LevelWarning,
			Message: fmt.Sprintf("The tag %s pointed at %s on %s, and does so no more", was.ref(), p.commit(), when),
			Help:    "A tag of a release stays where it is. Put it back, or say in public why it moved.",
		})
	}
	if was.Grade.Owned() && !is.Grade.Owned() && len(p.unsettled) > 0 {
		p.unsettled[0].Message += fmt.Sprintf("; on %s %s did", when, was.ref())
	}
}
