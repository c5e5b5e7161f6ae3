package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/cratefence/cratefence/internal/crate"
)

// A Line is what an index states of one version. Fields that are not named here
// are ignored, as cargo does; Raw still holds them.
type Line struct {
	Name     string              `json:"name"`
	Vers     string              `json:"vers"`
	Deps     []Dep               `json:"deps"`
	Cksum    crate.Checksum      `json:"cksum"`
	Features map[string][]string `json:"features"`
	// Features2 holds features in the syntax of 2021 ("dep:x", "x?/y"), which
	// older cargos would stumble over. Both maps together are the features.
	Features2 map[string][]string `json:"features2,omitempty"`
	Yanked    bool                `json:"yanked"`
	Links     string              `json:"links,omitempty"`
	// V is the version of the line's schema; 0 stands for 1.
	V           int    `json:"v,omitempty"`
	RustVersion string `json:"rust_version,omitempty"`
	// Pubtime is when the version was published, to the second; zero where the
	// registry does not say. It is a claim.
	Pubtime time.Time `json:"pubtime,omitzero"`

	// Raw is the line as the registry wrote it, without the line feed.
	Raw []byte `json:"-"`
}

// A Dep is a dependency of a version.
type Dep struct {
	Name            string   `json:"name"` // as the manifest calls it
	Req             string   `json:"req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures bool     `json:"default_features"` // true where the line does not say
	Target          string   `json:"target,omitempty"` // a target or cfg expression; "" is every one
	Kind            Kind     `json:"kind"`             // normal where the line does not say
	Registry        string   `json:"registry,omitempty"`
	Package         string   `json:"package,omitempty"` // the crate's own name where Name renames it
	Public          bool     `json:"public,omitempty"`
}

// Crate is the name of the crate depended on.
func (d *Dep) Crate() string {
	if d.Package != "" {
		return d.Package
	}
	return d.Name
}

// UnmarshalJSON fills in cargo's defaults.
func (d *Dep) UnmarshalJSON(data []byte) error {
	type plain Dep
	p := plain{DefaultFeatures: true, Kind: Normal}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	if p.Kind != Normal && p.Kind != Build && p.Kind != Dev {
		return fmt.Errorf("kind %q is not one of cargo's", clip(string(p.Kind)))
	}
	*d = Dep(p)
	return nil
}

// Kind says what a dependency is for.
type Kind string

// The kinds.
const (
	Normal Kind = "normal"
	Build  Kind = "build"
	Dev    Kind = "dev"
)

// ParseLine reads one line of an index file. The error wraps ErrLine. The line
// keeps raw.
func ParseLine(raw []byte) (Line, error) {
	var line Line
	if err := decode(raw, &line, lineFields); err != nil {
		return Line{}, fmt.Errorf("%w: %w", ErrLine, err)
	}
	if err := line.validate(); err != nil {
		return Line{}, fmt.Errorf("%w: %w", ErrLine, err)
	}
	line.Pubtime = line.Pubtime.UTC()
	line.Raw = raw
	return line, nil
}

func (l *Line) validate() error {
	if err := crate.ValidateName(l.Name); err != nil {
		return err
	}
	if _, err := crate.ParseVersion(l.Vers); err != nil {
		return err
	}
	switch {
	case l.Cksum.IsZero():
		return errors.New("no checksum")
	case l.Deps == nil:
		return errors.New("no dependencies stated")
	case !wholeUTC(l.Pubtime):
		return fmt.Errorf("pubtime %s is not in UTC to the second", l.Pubtime.Format(time.RFC3339Nano))
	}
	return nil
}

// wholeUTC reports whether t reads yyyy-mm-ddThh:mm:ssZ, the one form that cargo
// takes.
func wholeUTC(t time.Time) bool {
	_, offset := t.Zone()
	return offset == 0 && t.Nanosecond() == 0
}

// decode reads exactly one JSON value into v, and refuses what Go and cargo
// could read differently. On an error v holds nothing to be used.
func decode(raw []byte, v any, fields fieldNames) error {
	if !utf8.Valid(raw) {
		return errors.New("not UTF-8")
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return err
	}
	return checkKeys(raw, fields) // relies on raw being valid JSON
}

// clip shortens what is quoted in an error.
func clip(s string) string {
	const longest = 80
	if len(s) <= longest {
		return s
	}
	return s[:longest] + "…"
}
