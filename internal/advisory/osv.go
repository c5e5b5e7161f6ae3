package advisory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/crate"
)

// ecosystem is what OSV calls our registry.
const ecosystem = "crates.io"

// Limits on what one file may say.
const (
	maxFile     = 1 << 20
	maxAffected = 1000
	maxEvents   = 1000
	maxVersions = 10_000
	maxSummary  = 300
)

// ErrOSV wraps why a file is not an advisory that can be used.
var ErrOSV = errors.New("not an OSV advisory")

// document is the part of OSV's schema that we read.
type document struct {
	ID        string     `json:"id"`
	Aliases   []string   `json:"aliases"`
	Summary   string     `json:"summary"`
	Published time.Time  `json:"published"`
	Modified  time.Time  `json:"modified"`
	Withdrawn *time.Time `json:"withdrawn"`
	Affected  []affected `json:"affected"`
}

type affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges           []versionRange `json:"ranges"`
	Versions         []string       `json:"versions"`
	DatabaseSpecific struct {
		Informational *string `json:"informational"`
	} `json:"database_specific"`
}

type versionRange struct {
	Type   string  `json:"type"`
	Events []event `json:"events"`
}

type event struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
}

// parse reads one OSV file. A withdrawn advisory, or one of another ecosystem,
// adds nothing. The error wraps ErrOSV.
func parse(data []byte, add func(name string, a *Advisory)) error {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("%w: %w", ErrOSV, err)
	}
	source, _, ok := strings.Cut(doc.ID, "-")
	if !ok || !plainID(doc.ID) {
		return fmt.Errorf("%w: %q is no id", ErrOSV, clip(doc.ID, maxID))
	}
	if len(doc.Affected) > maxAffected {
		return fmt.Errorf("%w: it names %d packages, at most %d are read", ErrOSV, len(doc.Affected), maxAffected)
	}
	if doc.Withdrawn != nil {
		return nil
	}
	for _, part := range doc.Affected {
		if part.Package.Ecosystem != ecosystem {
			continue
		}
		if err := crate.ValidateName(part.Package.Name); err != nil {
			return fmt.Errorf("%w: %w", ErrOSV, err)
		}
		a := &Advisory{
			ID: doc.ID, Source: source, Summary: clip(doc.Summary, maxSummary),
			Published: doc.Published.UTC(), Modified: doc.Modified.UTC(),
			Aliases: slices.DeleteFunc(slices.Clone(doc.Aliases), func(id string) bool { return !plainID(id) }),
		}
		if part.DatabaseSpecific.Informational != nil {
			a.Informational = clip(*part.DatabaseSpecific.Informational, maxID)
		}
		if err := a.read(part); err != nil {
			return fmt.Errorf("%w: %w", ErrOSV, err)
		}
		add(part.Package.Name, a)
	}
	return nil
}

func (a *Advisory) read(part affected) error {
	if len(part.Versions) > maxVersions || len(part.Ranges) > maxEvents {
		return errors.New("it names too many versions")
	}
	for _, text := range part.Versions {
		v, err := crate.ParseVersion(text)
		if err != nil {
			return err
		}
		a.versions = append(a.versions, v.Key())
	}
	for _, r := range part.Ranges {
		if r.Type != "SEMVER" {
			continue // of commits: of no use to who has versions
		}
		spans, err := readSpans(r.Events)
		if err != nil {
			return err
		}
		a.ranges = append(a.ranges, spans...)
	}
	return nil
}

// readSpans pairs each introduction with the first end after it. The schema lets
// events stand in any order.
func readSpans(events []event) ([]span, error) {
	if len(events) > maxEvents {
		return nil, errors.New("a range has too many events")
	}
	type mark struct {
		at   crate.Version
		kind int // 0 introduced, 1 fixed, 2 last affected: in this order at one version
	}
	var marks []mark
	for _, e := range events {
		for kind, text := range []string{e.Introduced, e.Fixed, e.LastAffected} {
			if text == "" {
				continue
			}
			v, err := parseEvent(text)
			if err != nil {
				return nil, err
			}
			marks = append(marks, mark{v, kind})
		}
	}
	slices.SortStableFunc(marks, func(a, b mark) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.kind - b.kind
	})
	var spans []span
	open := false
	for _, m := range marks {
		switch {
		case m.kind == 0 && !open:
			spans, open = append(spans, span{introduced: m.at}), true
		case m.kind == 1 && open:
			spans[len(spans)-1].fixed, open = &m.at, false
		case m.kind == 2 && open:
			spans[len(spans)-1].last, open = &m.at, false
		}
	}
	return spans, nil
}

// parseEvent reads a version of an event; "0" is before every other, pre-releases
// of 0.0.0 included.
func parseEvent(text string) (crate.Version, error) {
	if text == "0" {
		return crate.ParseVersion("0.0.0-0")
	}
	return crate.ParseVersion(text)
}

const maxID = 80

// plainID reports whether s is safe to show as it stands.
func plainID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
