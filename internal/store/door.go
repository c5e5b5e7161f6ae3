package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/cratefence/cratefence/internal/check"
)

// Everything passes this door on its way into a store. Text from crates and
// their hosts may hold anything; PostgreSQL keeps neither NUL nor invalid UTF-8,
// and what one store keeps the other has to give back the same.

// Clean returns s with each NUL, and each run of invalid UTF-8, replaced by
// U+FFFD: a reader sees that something was there.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Instant returns t as stores keep it: UTC, in milliseconds. The zero time
// stays the zero time.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Clean returns p as stores keep it.
func (p Publication) Clean() Publication {
	p.Release = p.Release.clean()
	p.Detail = Clean(p.Detail)
	p.Audit = p.Audit.Clean()
	p.Priority = cmp.Or(p.Priority, PriorityFresh)
	return p
}

func (r Release) clean() Release {
	r.Crate, r.Version, r.Publisher = Clean(r.Crate), Clean(r.Version), Clean(r.Publisher)
	r.PublishedAt, r.FirstSeenAt = Instant(r.PublishedAt), Instant(r.FirstSeenAt)
	r.About = r.About.clean()
	return r
}

func (a About) clean() About {
	for _, text := range []*string{&a.Description, &a.License, &a.Repository, &a.Homepage, &a.Documentation, &a.RustVersion, &a.Edition} {
		*text = Clean(*text)
	}
	a.Keywords, a.Categories = cleanAll(a.Keywords), cleanAll(a.Categories)
	var deps []Dependency
	for _, d := range a.Dependencies {
		d.Name, d.Req, d.Kind, d.Target = Clean(d.Name), Clean(d.Req), Clean(d.Kind), Clean(d.Target)
		deps = append(deps, d)
	}
	a.Dependencies = deps
	return a
}

func cleanAll(texts []string) []string {
	var clean []string
	for _, s := range texts {
		clean = append(clean, Clean(s))
	}
	return clean
}

// Clean returns a as stores keep it.
func (a Announcement) Clean() Announcement {
	for _, text := range []*string{&a.MessageID, &a.Crate, &a.Version, &a.DownloadURL, &a.Publisher, &a.Reason} {
		*text = Clean(*text)
	}
	a.PublishedAt, a.ReceivedAt, a.FinishedAt = Instant(a.PublishedAt), Instant(a.ReceivedAt), Instant(a.FinishedAt)
	a.Priority = cmp.Or(a.Priority, PriorityFresh)
	return a
}

// Clean returns e as stores keep it.
func (e AuditEntry) Clean() AuditEntry {
	e.At = Instant(e.At)
	e.Actor, e.Action, e.Object = Clean(e.Actor), Clean(e.Action), Clean(e.Object)
	e.Detail = cleanJSON(e.Detail)
	return e
}

// Clean returns t as stores keep it.
func (t Token) Clean() Token {
	t.Name, t.Scopes = Clean(t.Name), cleanAll(t.Scopes)
	t.CreatedAt, t.ExpiresAt = Instant(t.CreatedAt), Instant(t.ExpiresAt)
	return t
}

// Clean returns f as stores keep it. A metric that is not a number is left out:
// JSON has no word for it.
func (f Finish) Clean() Finish {
	f.At, f.Retry, f.Recheck = Instant(f.At), Instant(f.Retry), Instant(f.Recheck)
	f.Report = cleanReport(f.Report)
	return f
}

func cleanReport(r check.Report) check.Report {
	r.Title, r.Summary, r.Text = Clean(r.Title), Clean(r.Summary), Clean(r.Text)
	r.RetryAt = Instant(r.RetryAt)
	findings := make([]check.Finding, 0, len(r.Findings))
	for _, f := range r.Findings {
		for _, text := range []*string{&f.Rule, (*string)(&f.Level), &f.Message, &f.Path, &f.Snippet, &f.Help} {
			*text = Clean(*text)
		}
		findings = append(findings, f)
	}
	r.Findings = findings
	metrics := make(map[string]float64, len(r.Metrics))
	for name, value := range r.Metrics {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			metrics[Clean(name)] = value
		}
	}
	r.Metrics = metrics
	r.Facts = cleanJSON(r.Facts)
	return r
}

// cleanJSON cleans raw JSON, which may hold invalid UTF-8 inside its strings. An
// escaped NUL stays: it is text of six characters to a database.
func cleanJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return bytes.ToValidUTF8(raw, []byte("\uFFFD"))
}

// EncodeJSON returns v as stores keep it: compact, with <, > and & left as they
// are. It fails on raw JSON that is none.
func EncodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
