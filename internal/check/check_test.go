package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
)

func TestConclusionRank(t *testing.T) {
	// An unknown conclusion must never rank with the good ones.
	for _, c := range []check.Conclusion{"", "verified", "SUCCESS"} {
		if c.Rank() >= check.Inconclusive.Rank() {
			t.Errorf("rank of unknown %q is %d, not worse than inconclusive's %d", c, c.Rank(), check.Inconclusive.Rank())
		}
	}
	if check.Failure.Rank() >= check.Success.Rank() {
		t.Error("failure does not rank before success")
	}
}

func TestRegisterRefuses(t *testing.T) {
	sound := func() *check.Check {
		return &check.Check{
			Name: "sound", Version: 1, Category: check.CategorySecurity, About: check.AboutRelease,
			Doc: "A title\n\nText.", Timeout: time.Second,
			Run: func(context.Context, *check.Subject) (check.Report, error) { return check.Report{}, nil },
		}
	}
	check.Register(sound())
	if got := check.Named("sound").Title(); got != "A title" {
		t.Errorf("title = %q, want the doc's first line", got)
	}
	tests := []struct {
		name  string
		spoil func(*check.Check)
		want  string
	}{
		{"a name taken", func(*check.Check) {}, "taken"},
		{"a name with capitals", func(c *check.Check) { c.Name = "Sound" }, "lower-case"},
		// A third party's names hold a slash; built-in ones must not look like them.
		{"a name with a slash", func(c *check.Check) { c.Name = "a/b" }, "lower-case"},
		{"no version", func(c *check.Check) { c.Name, c.Version = "b", 0 }, "below 1"},
		{"no doc", func(c *check.Check) { c.Name, c.Doc = "b", "" }, "no doc"},
		{"no timeout", func(c *check.Check) { c.Name, c.Timeout = "b", 0 }, "no timeout"},
		{"no run", func(c *check.Check) { c.Name, c.Run = "b", nil }, "no run"},
		{"no category", func(c *check.Check) { c.Name, c.Category = "b", "" }, "no category"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("Register panicked with %q, want %q in it", got, tt.want)
				}
			}()
			c := sound()
			tt.spoil(c)
			check.Register(c)
		})
	}
}

func TestClip(t *testing.T) {
	many := make([]check.Finding, check.MaxFindings+7)
	got := check.Clip(check.Report{
		Conclusion: check.Failure,
		Title:      strings.Repeat("é", check.MaxTitle),
		Summary:    "broken \xff UTF-8",
		Findings:   many,
		Facts:      json.RawMessage(`{"not": json`),
	})
	if len(got.Title) > check.MaxTitle || !utf8.ValidString(got.Title) || !strings.HasSuffix(got.Title, "…") {
		t.Errorf("title of %d bytes, valid %v: want it cut at a rune and saying so", len(got.Title), utf8.ValidString(got.Title))
	}
	if !utf8.ValidString(got.Summary) {
		t.Errorf("summary %q is not valid UTF-8", got.Summary)
	}
	if n := len(got.Findings); n != check.MaxFindings+1 {
		t.Errorf("%d findings, want the limit and one that says what was cut", n)
	}
	if last := got.Findings[len(got.Findings)-1].Message; !strings.Contains(last, "7 further findings") {
		t.Errorf("last finding says %q, want how many were cut", last)
	}
	if got.Facts != nil {
		t.Errorf("facts %q are kept though they are no JSON", got.Facts)
	}
	out, err := json.Marshal(check.Clip(check.Report{Conclusion: check.Success}))
	if err != nil {
		t.Fatal(err)
	}
	// Shapes that a client can rely on: lists and objects, never null.
	if diff := cmp.Diff(`{"conclusion":"success","title":"","findings":[],"metrics":{}}`, string(out)); diff != "" {
		t.Errorf("empty report (-want +got):\n%s", diff)
	}
}
