package check

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Clip returns the report within the limits of this package, saying in its text
// where something was cut. Its findings and metrics are never nil, and all of
// its text is valid UTF-8.
func Clip(r Report) Report {
	r.Title = clip(r.Title, MaxTitle)
	r.Summary = clip(r.Summary, MaxText)
	r.Text = clip(r.Text, MaxText)
	more := max(0, len(r.Findings)-MaxFindings)
	findings := make([]Finding, 0, min(len(r.Findings), MaxFindings))
	for _, f := range r.Findings[:len(r.Findings)-more] {
		f.Rule = clip(f.Rule, MaxTitle)
		f.Message = clip(f.Message, MaxMessage)
		f.Path = clip(f.Path, MaxMessage)
		f.Snippet = clip(f.Snippet, MaxSnippet)
		f.Help = clip(f.Help, MaxMessage)
		findings = append(findings, f)
	}
	if more > 0 {
		findings = append(findings, Finding{
			Rule: "more-findings", Level: LevelNote,
			Message: fmt.Sprintf("%d further findings are not kept", more),
		})
	}
	r.Findings = findings
	if r.Metrics == nil {
		r.Metrics = map[string]float64{}
	}
	if len(r.Facts) > MaxFacts || !json.Valid(r.Facts) {
		r.Facts = nil
	}
	return r
}

func clip(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
