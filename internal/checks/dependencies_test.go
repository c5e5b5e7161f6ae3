package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/crate"
	"github.com/cratefence/cratefence/internal/index"
)

// catalogue is a registry's index: lines by crate.
type catalogue map[string][]index.Line

func (c catalogue) Lines(_ context.Context, name string) ([]index.Line, error) {
	lines, ok := c[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: %w", name, check.ErrNotInRegistry)
	case lines == nil:
		return nil, fmt.Errorf("%s: %w", name, check.ErrRegistryUnreachable)
	}
	return lines, nil
}

func (c catalogue) Line(context.Context, string, string) (index.Line, error) { panic("not asked") }

func (c catalogue) Before(context.Context, string, string) (string, *crate.Archive, error) {
	panic("not asked")
}

// stated reads lines of the form "VERSION DATE [yanked] [DEPENDENCY…]", where
// DATE is "-" for none and a dependency may be "kind:name" or "name=renamed".
func stated(t *testing.T, name string, lines ...string) []index.Line {
	t.Helper()
	var all []index.Line
	for _, text := range lines {
		words := strings.Fields(text)
		line := index.Line{Name: name, Vers: words[0], Cksum: crate.Sum([]byte(name + words[0])), Deps: []index.Dep{}}
		if words[1] != "-" {
			at, err := time.Parse("2006-01-02T15:04", words[1])
			if err != nil {
				t.Fatal(err)
			}
			line.Pubtime = at
		}
		for _, word := range words[2:] {
			if word == "yanked" {
				line.Yanked = true
				continue
			}
			dep := index.Dep{Kind: index.Normal, Req: "^1", DefaultFeatures: true}
			if kind, rest, ok := strings.Cut(word, ":"); ok {
				dep.Kind, word = index.Kind(kind), rest
			}
			dep.Name = word
			if crateName, renamed, ok := strings.Cut(word, "="); ok {
				dep.Package, dep.Name = crateName, renamed
			}
			if dep.Name == "elsewhere" {
				dep.Registry = "https://example.com/index"
			}
			line.Deps = append(line.Deps, dep)
		}
		raw, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		if line, err = index.ParseLine(raw); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

func TestDependencies(t *testing.T) {
	const published = "2026-08-20T11:00"
	others := catalogue{
		"serde":       stated(t, "serde", "1.0.0 2017-04-20T10:00", "1.0.1 2026-08-20T10:59"),
		"proc-macro1": stated(t, "proc-macro1", "1.0.0 2026-08-20T05:00"),
		"undated":     stated(t, "undated", "1.0.0 -"),
		"away":        nil,
	}
	tests := []struct {
		name  string
		lines []string // the last is the version asked about
		want  check.Conclusion
		title string
		rules []string
	}{
		{
			name:  "the attack on arrayref",
			lines: []string{"0.3.7 2024-01-01T00:00 yanked", "0.3.8 2024-06-01T00:00 yanked", "0.3.9 2024-07-01T00:00 yanked", "0.3.10 " + published + " proc-macro1"},
			want:  check.Failure, title: "Adds its first dependency, proc-macro1, which was 6 hours old",
			rules: []string{"dependency-young", "versions-yanked", "long-silence"},
		},
		{
			name:  "nothing new",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde"},
			want:  check.Success, title: "Brings in nothing that the version before did not",
		},
		{
			name:  "an old crate",
			lines: []string{"1.0.0 2026-01-01T00:00 proc-macro1", "1.0.1 " + published + " proc-macro1 serde"},
			want:  check.Neutral, title: "Adds the dependency serde, which was 9 years old",
			rules: []string{"dependency-added"},
		},
		{ // as young as the attack's, but the version before had it
			name:  "a young one that was there",
			lines: []string{"1.0.0 2026-01-01T00:00 proc-macro1", "1.0.1 " + published + " proc-macro1"},
			want:  check.Success, title: "Brings in nothing that the version before did not",
		},
		{
			name:  "a build dependency counts",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde build:proc-macro1"},
			want:  check.Neutral, title: "Adds the dependency proc-macro1, which was 6 hours old",
			rules: []string{"dependency-young"},
		},
		{
			name:  "a dev-dependency does not",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde dev:proc-macro1"},
			want:  check.Success, title: "Brings in nothing that the version before did not",
		},
		{ // the name in the manifest is not the crate's
			name:  "under another name",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde proc-macro1=serde_derive"},
			want:  check.Neutral, title: "Adds the dependency proc-macro1, which was 6 hours old",
			rules: []string{"dependency-young"},
		},
		{ // no first dependency, but nobody was there for long
			name:  "a young crate after a silence",
			lines: []string{"1.0.0 2024-01-01T00:00 serde", "1.0.1 " + published + " serde proc-macro1"},
			want:  check.Failure, title: "Adds the dependency proc-macro1, which was 6 hours old",
			rules: []string{"dependency-young", "long-silence"},
		},
		{ // good versions out of the way
			name:  "a young crate after a wave of yanks",
			lines: []string{"1.0.0 2026-01-01T00:00 yanked serde", "1.0.1 2026-01-02T00:00 yanked serde", "1.0.2 2026-01-03T00:00 yanked serde", "1.0.3 " + published + " serde proc-macro1"},
			want:  check.Failure, title: "Adds the dependency proc-macro1, which was 6 hours old",
			rules: []string{"dependency-young", "versions-yanked"},
		},
		{
			name:  "renamed",
			lines: []string{"1.0.0 2026-01-01T00:00 serde=s", "1.0.1 " + published + " serde=t"},
			want:  check.Neutral, title: `Calls the dependency serde "t", which was "s" before`,
			rules: []string{"dependency-renamed"},
		},
		{
			name:  "a crate that nobody has published",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde nobody"},
			want:  check.Failure, title: "Adds the dependency nobody, which the registry does not have",
			rules: []string{"dependency-unknown"},
		},
		{ // as a name it could be read as a sentence
			name:  "a name that is none",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde <b>safe</b>"},
			want:  check.Failure, title: `Adds the dependency "<b>safe</b>", which the registry does not have`,
			rules: []string{"dependency-unknown"},
		},
		{
			name:  "a crate without dates",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde undated"},
			want:  check.Neutral, title: "Adds the dependency undated, and when that was first published is not known",
			rules: []string{"dependency-undated"},
		},
		{
			name:  "another registry's",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde elsewhere"},
			want:  check.Neutral, title: "Adds the dependency elsewhere, which is another registry's",
			rules: []string{"dependency-elsewhere"},
		},
		{
			name:  "a new crate on old ones",
			lines: []string{"0.1.0 " + published + " serde"},
			want:  check.Neutral, title: "The first version of this crate: there is none to compare it with",
			rules: []string{"first-version"},
		},
		{
			name:  "a new crate on a new one",
			lines: []string{"0.1.0 " + published + " proc-macro1"},
			want:  check.Neutral, title: "Depends on proc-macro1, which was 6 hours old",
			rules: []string{"dependency-young", "first-version"},
		},
		{
			name:  "the age of a dependency cannot be asked",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "1.0.1 " + published + " serde away"},
			want:  check.Inconclusive, title: "The registry could not be asked",
		},
		{ // a backport is compared with its own range
			name:  "a backport",
			lines: []string{"1.0.0 2026-01-01T00:00 serde", "2.0.0 2026-02-01T00:00 proc-macro1", "1.0.1 " + published + " serde"},
			want:  check.Success, title: "Brings in nothing that the version before did not",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			registry := catalogue{"demo": stated(t, "demo", tt.lines...)}
			for name, lines := range others {
				registry[name] = lines
			}
			version := strings.Fields(tt.lines[len(tt.lines)-1])[0]
			got, err := runDependencies(t.Context(), &check.Subject{Release: crate.Release{Name: "demo", Version: version}, Registry: registry})
			if err != nil {
				t.Fatal(err)
			}
			if got.Conclusion != tt.want || got.Title != tt.title {
				t.Errorf("%s: %q\nwant %s: %q", got.Conclusion, got.Title, tt.want, tt.title)
			}
			var rules []string
			for _, f := range got.Findings {
				rules = append(rules, f.Rule)
			}
			if diff := gocmp.Diff(tt.rules, rules); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDependenciesFacts(t *testing.T) {
	registry := catalogue{
		"demo":  stated(t, "demo", "1.0.0 2026-01-01T00:00 yanked log serde=s", "1.0.1 2026-01-03T12:00 serde=t young"),
		"young": stated(t, "young", "0.1.0 2026-01-02T00:00"),
	}
	got, err := runDependencies(t.Context(), &check.Subject{Release: crate.Release{Name: "demo", Version: "1.0.1"}, Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"previous":"1.0.0","first_version":false,"first_dependencies":false,"silence_days":2.5,` +
		`"added":[{"name":"young","req":"^1","kind":"normal","first_published":"2026-01-02T00:00:00Z","age_days":1.5}],` +
		`"dropped":["log"],"renamed":[{"name":"serde","from":"s","to":"t"}],"yanked":["1.0.0"]}`
	if diff := gocmp.Diff(want, string(got.Facts)); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestDependenciesWithoutARegistry(t *testing.T) {
	tests := []struct {
		name     string
		registry check.Registry
		want     check.Conclusion
	}{
		{"none to ask", nil, check.Skipped},
		{"it has no such crate", catalogue{}, check.Inconclusive},
		{"it does not answer", catalogue{"demo": nil}, check.Inconclusive},
		{"it has other versions", catalogue{"demo": stated(t, "demo", "0.9.0 2026-01-01T00:00")}, check.Inconclusive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := runDependencies(t.Context(), &check.Subject{Release: crate.Release{Name: "demo", Version: "1.0.0"}, Registry: tt.registry})
			if err != nil || got.Conclusion != tt.want {
				t.Errorf("%s: %q, %v, want %s", got.Conclusion, got.Title, err, tt.want)
			}
		})
	}
}
